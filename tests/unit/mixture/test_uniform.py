from __future__ import annotations

import math

import pytest
import torch

from deepgum.mixture.statistics import Statistics
from deepgum.mixture.uniform import OutlierMoments, Uniform


def filled(value: float, *shape: int) -> torch.Tensor:
    return torch.full(shape, value, dtype=torch.float64)


def statistics(weight: float, at: float) -> Statistics:
    """Return statistics with all outlier weight at one point, for one group of one coordinate."""
    one, column = filled(10.0, 1), filled(weight, 1, 1)
    return Statistics(one, one - weight, filled(1.0, 1, 1, 1), column, at * column, at**2 * column, one)


@pytest.mark.parametrize("variance", [1e-12, 1.0, 1e12])
def test_outliers_at_one_point_give_no_narrower_density_than_the_inliers(variance):
    # Equation 5 alone would give an infinite density.
    uniform = OutlierMoments().update(statistics(3.0, at=5.0), filled(variance, 1, 1, 1), Uniform(filled(0.0, 1, 1)))
    assert uniform.log_density_per_coordinate.item() == pytest.approx(-0.5 * math.log(12 * variance))


def test_without_outliers_the_density_is_unchanged():
    previous = Uniform(filled(-7.0, 1, 1))
    assert OutlierMoments().update(statistics(0.0, at=5.0), filled(1.0, 1, 1, 1), previous) == previous
