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


def test_the_largest_residual_has_a_finite_distance() -> None:
    (part,) = parts_of(torch.full((1, 3), 1e200, dtype=torch.float64))
    assert part.squared_distance(SCALE).item() == FARTHEST
