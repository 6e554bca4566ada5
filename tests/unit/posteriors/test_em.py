import pytest
import torch

from deepgum.posteriors import group_mixtures
from deepgum.posteriors.densities import Gaussian, StudentT
from deepgum.posteriors.em import Fitted, fit_group, fit_groups
from deepgum.posteriors.group_mixtures import GroupMixture, GroupMixtures
from deepgum.posteriors.power_law import PowerLaw

PARTITION = [[0], [3, 1], [2], [4], [5, 6]]
KINDS = ["uniform", "radial", "none", "uniform", "radial"]


def problem(missing: float) -> tuple[torch.Tensor, list[GroupMixture], torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    residuals = torch.randn(200, 7, generator=generator, dtype=torch.float64)
    residuals[:40] *= torch.tensor([9.0, 5.0, 1.0, 8.0, 30.0, 12.0, 12.0], dtype=torch.float64)
    residuals[torch.rand(200, 7, generator=generator) < missing] = torch.nan
    starts = [
        GroupMixture(0.8, torch.eye(len(columns), dtype=torch.float64), right, PowerLaw(float(len(columns)), 1.0))
        for columns, right in zip(
            PARTITION, [Gaussian(), StudentT(4.0), Gaussian(), StudentT(4.0), StudentT(4.0)], strict=True
        )
    ]
    return residuals, starts, torch.randint(0, 3, (200,), generator=generator).double()


@pytest.mark.fault(11)
@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("most", [1, 2**18])
def test_groups_that_are_fitted_together_have_the_fits_of_each_group_alone(
    missing: float, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    residuals, starts, weight = problem(missing)
    monkeypatch.setattr(group_mixtures, "MOST_VALUES", most)
    fitted = fit_groups(residuals, starts, KINDS, PARTITION, weight=weight)
    together = [Fitted(*each) for each in zip(fitted.mixtures.groups, *fitted[1:], strict=True)]
    for columns, start, kind, found in zip(PARTITION, starts, KINDS, together, strict=True):
        alone = fit_group(residuals[:, columns], start, kind, weight=weight)
        assert found.n_iter == alone.n_iter
        assert found.log_likelihood.item() == pytest.approx(alone.log_likelihood, rel=1e-9)
        assert found.group.prior == pytest.approx(alone.group.prior, rel=1e-9)
        torch.testing.assert_close(found.group.scale, alone.group.scale)
    mixtures = fitted.mixtures
    own = [
        GroupMixtures.of((each.group,), (tuple(range(len(columns))),)).mahalanobis(residuals[:, columns])
        for each, columns in zip(together, PARTITION, strict=True)
    ]
    torch.testing.assert_close(mixtures.mahalanobis(residuals), torch.cat(own, dim=1), equal_nan=True)


def test_probabilities_of_blocks_of_rows_are_those_of_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    residuals, starts, _ = problem(0.2)
    mixtures = GroupMixtures.of(tuple(starts), tuple(map(tuple, PARTITION)))
    whole = mixtures.responsibilities(residuals)
    monkeypatch.setattr(group_mixtures, "MOST_CELLS", 35)
    torch.testing.assert_close(mixtures.responsibilities(residuals), whole, equal_nan=True)
