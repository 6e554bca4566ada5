from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from deepgum.posteriors.observed import FARTHEST, parts_of

ROOT = torch.tensor([[2.0, 0.0, 0.0], [0.5, 1.0, 0.0], [-0.3, 0.4, 0.7]], dtype=torch.float64)
SCALE = ROOT @ ROOT.T


def residuals_of(n: int, missing: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(n, 3, generator=generator, dtype=torch.float64) @ ROOT.T
    values[torch.rand(n, 3, generator=generator) < missing] = torch.nan
    return values


@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_each_row_with_a_label_is_in_one_part_with_what_is_observed_of_it(missing: float) -> None:
    values = residuals_of(50, missing)
    rows = []
    for part in parts_of(values):
        rows += part.rows.tolist()
        assert values[part.rows][:, part.seen].equal(part.values)
        hidden = [column for column in range(3) if column not in part.seen.tolist()]
        assert values[part.rows][:, hidden].isnan().all()
    assert sorted(rows) == (~values.isnan().all(dim=1)).nonzero().flatten().tolist()


def test_distances_and_volumes_make_the_gaussian_of_the_observed_part() -> None:
    for part in parts_of(residuals_of(50, 0.4)):
        own = SCALE[part.seen][:, part.seen].numpy()
        found = -0.5 * (part.squared_distance(SCALE) + len(part.seen) * np.log(2 * np.pi)) - part.log_volume(SCALE)
        reference = multivariate_normal(np.zeros(len(own)), own).logpdf(part.values.numpy())
        np.testing.assert_allclose(found.numpy(), np.atleast_1d(reference), rtol=1e-12)


def test_expectations_and_conditional_covariances_are_those_of_least_squares() -> None:
    complete = residuals_of(200_000, 0.0)
    (part,) = parts_of(torch.tensor([[1.0, torch.nan, 2.0]], dtype=torch.float64))
    gain, rest = part.regression(SCALE)
    x, y = complete[:, [0, 2]].numpy(), complete[:, 1].numpy()
    slope, left = np.linalg.lstsq(x, y, rcond=None)[:2]
    np.testing.assert_allclose(gain[1].numpy(), slope, atol=0.01)
    np.testing.assert_array_equal(gain[[0, 2]].numpy(), np.eye(2))
    assert rest[1, 1].item() == pytest.approx(left[0] / len(y), rel=0.02)
    rest[1, 1] = 0.0
    assert not rest.any()


@pytest.mark.parametrize("k", [1, 3])
def test_the_largest_residual_has_a_finite_distance(k: int) -> None:
    (part,) = parts_of(torch.full((1, k), 1e200, dtype=torch.float64))
    assert part.squared_distance(SCALE[:k, :k]).item() == FARTHEST


@pytest.mark.parametrize("k", [3, 11])
def test_a_part_of_a_stack_has_each_residual_of_each_group_once_and_0_elsewhere(k: int) -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(4, 20, k, generator=generator, dtype=torch.float64)
    # The groups have different sets of observed coordinates in the same row, which differ in the last coordinate too.
    values[torch.rand(4, 20, k, generator=generator) < 0.1] = torch.nan
    values[:, ::3, -1] = torch.nan
    count = torch.zeros(4, 20)
    for part in parts_of(values):
        count[:, part.rows] += part.present
        hidden = [column for column in range(k) if column not in part.seen.tolist()]
        own = values[:, part.rows]
        assert own[..., part.seen][part.present].equal(part.values[part.present])
        assert own[..., hidden][part.present].isnan().all()
        assert not part.values[~part.present].any()
    assert count.equal((~values.isnan().all(dim=-1)).float())


def test_distances_and_volumes_of_a_stack_are_those_of_each_group() -> None:
    scales = torch.stack([SCALE, 2 * SCALE.flip(0).flip(1)])
    values = torch.stack([residuals_of(30, 0.3), residuals_of(30, 0.3).roll(1, dims=0)])
    for part in parts_of(values):
        distance, volume = part.squared_distance(scales), part.log_volume(scales)
        for group in range(2):
            own = scales[group][part.seen][:, part.seen].numpy()
            rows = part.present[group].nonzero().flatten()
            seen = part.values[group, rows].numpy()
            expected = np.einsum("ni,ij,nj->n", seen, np.linalg.inv(own), seen)
            np.testing.assert_allclose(distance[group, rows].numpy(), expected)
            assert volume[group].item() == pytest.approx(0.5 * np.log(np.linalg.det(own)))
