"""The contract of a density, for each one that has a name: against SciPy, and each part against the others."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import gammaln
from scipy.stats import multivariate_normal, multivariate_t

from deepgum.errors import InvalidParameterError
from deepgum.posteriors.densities import DENSITIES, Density, Gaussian, StudentT, density_of, words_of

EVERY = [density for kind in DENSITIES.values() for density in kind.family()]
SQUARED = torch.tensor([0.0, 0.3, 1.0, 7.0, 60.0, 1e4], dtype=torch.float64)


def shell(density: Density, k: int, m: float) -> float:
    """Density of the distance m."""
    log_surface = math.log(2) + 0.5 * k * math.log(math.pi) - gammaln(0.5 * k) + (k - 1) * math.log(m)
    return math.exp(float(density.log_density(torch.tensor([m**2], dtype=torch.float64), k)) + log_surface)


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("density", EVERY, ids=lambda each: each.words)
def test_log_densities_are_those_of_scipy(density: Density, k: int) -> None:
    at = np.zeros((len(SQUARED), k))
    at[:, 0] = SQUARED.sqrt().numpy()
    nu = density.degrees_of_freedom
    reference = multivariate_normal(np.zeros(k)) if nu is None else multivariate_t(np.zeros(k), np.eye(k), df=nu)
    np.testing.assert_allclose(density.log_density(SQUARED, k).numpy(), reference.logpdf(at), rtol=1e-12)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("density", EVERY, ids=lambda each: each.words)
def test_the_em_weight_is_minus_twice_the_slope_of_the_log_density(density: Density, k: int) -> None:
    squared = SQUARED.clone().requires_grad_()
    density.log_density(squared, k).sum().backward()
    np.testing.assert_allclose(density.em_weight(SQUARED, k).numpy(), -2 * squared.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("density", EVERY, ids=lambda each: each.words)
def test_the_cdf_is_the_integral_of_the_density(density: Density, k: int) -> None:
    distances = [0.5, 1.5, 4.0]
    expected = [quad(lambda m: shell(density, k, m), 0, distance)[0] for distance in distances]
    np.testing.assert_allclose(density.cdf(np.square(distances), k), expected, rtol=1e-8)


@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("density", [Gaussian(), StudentT(3.0), StudentT(20.0)], ids=lambda each: each.words)
def test_the_variance_is_the_mean_squared_distance_over_the_dimensions(density: Density, k: int) -> None:
    mean = quad(lambda m: m**2 * shell(density, k, m), 0, np.inf, limit=200)[0]
    assert density.variance(k) == pytest.approx(mean / k, rel=1e-6)


@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("density", [each for each in EVERY if each.has_mean_weight_1], ids=lambda each: each.words)
def test_the_mean_of_the_em_weight_is_1_where_it_says_so(density: Density, k: int) -> None:
    def weighted(m: float) -> float:
        return shell(density, k, m) * float(density.em_weight(torch.tensor([m**2], dtype=torch.float64), k))

    assert quad(weighted, 0, np.inf, limit=200)[0] == pytest.approx(1.0, rel=1e-6)


def test_without_a_variance_it_is_that_of_two_and_a_half_degrees_of_freedom() -> None:
    assert StudentT(2.0).variance(1) == StudentT(0.5).variance(3) == StudentT(2.5).variance(1) == 5.0


def test_many_degrees_of_freedom_are_a_gaussian() -> None:
    squared, nearly = torch.linspace(0, 30, 31, dtype=torch.float64), StudentT(1e8)
    gaussian = Gaussian().log_density(squared, 2)
    np.testing.assert_allclose(nearly.log_density(squared, 2).numpy(), gaussian.numpy(), atol=1e-4)
    np.testing.assert_allclose(nearly.em_weight(squared, 2).numpy(), 1.0, atol=1e-6)
    assert nearly.variance(2) == pytest.approx(1.0)


def test_a_file_has_degrees_of_freedom_or_none() -> None:
    for density in EVERY:
        assert density_of(density.degrees_of_freedom) == density


def test_tails_are_heavy_up_to_ten_degrees_of_freedom() -> None:
    assert StudentT(10.0).has_heavy_tails
    assert not StudentT(10.1).has_heavy_tails
    assert not Gaussian().has_heavy_tails


def test_several_densities_are_named_once_each() -> None:
    assert words_of([Gaussian(), Gaussian()]) == "Gaussian"
    assert words_of([StudentT(3.0), StudentT(2.5), StudentT(3.0)]) == "Student's t, 2.5 to 3 degrees of freedom"
    assert words_of([Gaussian(), StudentT(3.0)]) == "Student's t, 3 degrees of freedom, or Gaussian"


@pytest.mark.parametrize("nu", [0.0, -1.0, math.inf, math.nan, "4", True])
def test_degrees_of_freedom_are_finite_and_above_0(nu: object) -> None:
    with pytest.raises(InvalidParameterError, match="degrees_of_freedom"):
        StudentT(nu)
