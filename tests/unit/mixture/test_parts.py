"""Parts of the mixture that a whole fit would hide."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from deepgum.mixture.blocks import make_block
from deepgum.mixture.em import EM
from deepgum.mixture.parameters import Parameters, change
from deepgum.mixture.spread import spread
from deepgum.mixture.statistics import Statistics
from deepgum.mixture.uniform import OutlierMoments, Uniform
from deepgum.mixture.verdict import _likelihoods


def filled(value: float, *shape: int) -> torch.Tensor:
    return torch.full(shape, value, dtype=torch.float64)


def parameters(prior: float = 0.6, variance: float = 4.0, log_density: float = -2.0) -> Parameters:
    covariance = variance * torch.eye(2, dtype=torch.float64)[None]
    return Parameters(filled(prior, 1), covariance, Uniform(filled(log_density, 1, 2)))


@pytest.mark.parametrize(
    ("moved", "expected"),
    [
        (parameters(prior=0.61), 0.01),
        (parameters(variance=4.4), 0.1),  # relative to the variance, so free of units
        (parameters(log_density=-2.3), 0.3),
        (parameters(), 0.0),
    ],
)
def test_change_is_the_largest_move_of_any_parameter(moved, expected):
    assert change(moved, parameters()).item() == pytest.approx(expected, abs=1e-12)


def test_a_covariance_between_coordinates_that_moves_counts():
    moved = replace(parameters(), covariance=torch.tensor([[[4.0, 0.8], [0.8, 4.0]]], dtype=torch.float64))
    assert change(moved, parameters()).item() == pytest.approx(0.2)


def statistics(weight: float, at: float) -> Statistics:
    """All the outliers' weight at one point, in one group of one coordinate."""
    one, column = filled(10.0, 1), filled(weight, 1, 1)
    return Statistics(one, one - weight, filled(1.0, 1, 1, 1), column, at * column, at**2 * column, one)


@pytest.mark.parametrize("variance", [1e-12, 1.0, 1e12])
def test_outliers_in_one_point_get_no_tighter_density_than_the_inliers(variance):
    # Equation 5 alone would give an infinite density.
    uniform = OutlierMoments().update(statistics(3.0, at=5.0), filled(variance, 1, 1, 1), Uniform(filled(0.0, 1, 1)))
    assert uniform.log_density_per_coordinate.item() == pytest.approx(-0.5 * math.log(12 * variance))


def test_without_outliers_the_density_stays():
    previous = Uniform(filled(-7.0, 1, 1))
    assert OutlierMoments().update(statistics(0.0, at=5.0), filled(1.0, 1, 1, 1), previous) == previous


def test_the_robust_scale_is_the_standard_deviation_of_a_gaussian_under_two_thirds_of_outliers():
    generator = torch.Generator().manual_seed(0)
    values = 3 * torch.randn(1, 1, 100_000, generator=generator, dtype=torch.float64)
    assert spread(values).scale.item() == pytest.approx(3.0, rel=0.02)
    values[..., :66_000] *= 1e6
    assert spread(values).scale.item() < 6 * 3.0


@pytest.mark.parametrize("n", [2, 3, 4, 9, 100])
def test_equal_weights_give_the_plain_scale(n):
    values = torch.randn(1, 2, n, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
    assert torch.equal(spread(values).scale, spread(values, filled(1.0, n)).scale)


def test_the_verdict_weighs_the_likelihoods_that_it_says():
    residuals = torch.randn(200, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    residuals[:60] *= 15
    values, weights = residuals.T.contiguous()[None], torch.rand(200, dtype=torch.float64) + 0.1
    scales, block = spread(values, weights), make_block(values, weights)
    em = EM("full", OutlierMoments(), None, reg_covar=0.0, tol=0.0, max_iter=5)
    fit = em.run(block, scales, em.start(scales))
    found = [each.item() for each in _likelihoods(block, scales, fit)]

    prior, statistics = fit.parameters.inlier_prior.item(), fit.statistics
    inlier = prior * multivariate_normal(cov=fit.parameters.covariance[0].numpy()).pdf(residuals)
    mean = (statistics.outlier_first / statistics.outlier_weight)[0]
    variance = (statistics.outlier_second / statistics.outlier_weight)[0] - mean**2
    wider = (1 - prior) * multivariate_normal(mean.numpy(), np.diag(variance)).pdf(residuals)
    box = 1 / np.prod(np.ptp(residuals.numpy(), axis=0))
    for log_likelihood, density in zip(found, (inlier + wider, inlier + (1 - prior) * box, box), strict=True):
        assert log_likelihood == pytest.approx(float((weights.numpy() * np.log(density)).sum()), rel=1e-12)


def test_an_estimated_prior_never_reaches_0_or_1():
    em = EM("full", OutlierMoments(), None, reg_covar=0.0, tol=0.0, max_iter=1)
    scales = spread(torch.randn(1, 1, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    start = em.start(scales)
    assert em.m_step(statistics(0.0, at=5.0), scales, start).inlier_prior.item() == pytest.approx(1 - 0.05)
    assert em.m_step(statistics(10.0, at=5.0), scales, start).inlier_prior.item() == pytest.approx(0.05)


def test_the_robust_scale_counts_weights_and_leaves_missing_labels_out():
    values = torch.tensor([[[1.0, 2.0, 3.0, math.nan, 100.0, 50.0, 60.0]]], dtype=torch.float64)
    weights = torch.tensor([3.0, 1.0, 1.0, 9.0, 1.0, 1.0, 1.0], dtype=torch.float64)
    assert spread(values, weights).scale.item() == pytest.approx(1.0 / 0.3186, rel=1e-3)
    assert spread(values).scale.item() == pytest.approx(2.0 / 0.3186, rel=1e-3)


def test_a_scale_of_zero_falls_back_on_what_is_not_zero():
    zeros = filled(0.0, 1, 3, 100)
    zeros[0, 0, 60:] = 2.0  # the median is still 0, the upper quartile is not
    zeros[0, 1, 99] = 50.0  # only the root mean square is not
    scale = spread(zeros).scale[0]
    assert scale[0].item() == pytest.approx(2.0 / 1.1503, rel=1e-3)
    assert scale[1].item() == pytest.approx(5.0)
    assert scale[2].item() == scale[:2].min().item()  # a coordinate of zeros borrows from its group
