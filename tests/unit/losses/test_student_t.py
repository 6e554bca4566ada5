"""The loss of Student's t against SciPy, and its scale against the maximum of the likelihood."""

import math

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
import torch

from deepgum.errors import InvalidParameterError
from deepgum.losses.student_t import StudentTLoss


@pytest.mark.parametrize("nu", [1.0, 3.0, math.inf])
def test_the_loss_is_minus_the_log_likelihood_times_the_scale(nu: float) -> None:
    residuals = np.array([0.0, 0.3, -2.0, 40.0])
    density = scipy.stats.norm(scale=0.7) if nu == math.inf else scipy.stats.t(nu, scale=0.7)
    found = StudentTLoss(0.7, nu).rho(torch.from_numpy(residuals)[:, None])[:, 0]
    expected = -0.7 * (density.logpdf(residuals) - density.logpdf(0))
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("nu", [1.5, math.inf])
def test_the_gradient_is_the_derivative(nu: float) -> None:
    loss, u = StudentTLoss(2.0, nu), torch.linspace(-9, 9, 7, dtype=torch.float64)
    torch.testing.assert_close(loss.gradient(u), super(StudentTLoss, loss).gradient(u))


@pytest.mark.parametrize("nu", [1.0, 3.0, math.inf])
def test_the_fit_is_the_maximum_of_the_likelihood(nu: float) -> None:
    rng = np.random.default_rng(0)
    residuals = 5 * (rng.normal(size=4000) if nu == math.inf else rng.standard_t(nu, size=4000))
    residuals[:3] = np.nan
    found = StudentTLoss.fit(torch.from_numpy(residuals)[:, None], 1.0)
    assert found.degrees_of_freedom == pytest.approx(nu, rel=0.7) or found.degrees_of_freedom >= 30 < nu
    seen = residuals[3:]

    def minus_log_likelihood(scale: float) -> float:
        freedom = min(found.degrees_of_freedom, 1e9)
        return -scipy.stats.t(freedom, scale=scale).logpdf(seen).sum()

    best = scipy.optimize.minimize_scalar(minus_log_likelihood, bounds=(0.1, 50), method="bounded").x
    assert found.scale == pytest.approx(best, rel=2e-3)


def test_the_unit_of_labels_changes_the_scale_and_not_the_slope() -> None:
    residuals = torch.from_numpy(np.random.default_rng(1).standard_t(3, size=(500, 1)))
    one, other = (StudentTLoss.fit(factor * residuals, 1.0) for factor in (1.0, 100.0))
    assert other.degrees_of_freedom == one.degrees_of_freedom
    torch.testing.assert_close(other.psi(100 * residuals), one.psi(residuals))


def test_without_a_scale_the_given_one_is_used() -> None:
    nothing = torch.full((3, 1), torch.nan)
    assert StudentTLoss.fit(nothing, 2.5) == StudentTLoss.fit(torch.zeros(9, 1), 2.5) == StudentTLoss(2.5)


def test_impossible_parameters_are_refused() -> None:
    with pytest.raises(InvalidParameterError, match="scale"):
        StudentTLoss(0.0)
    with pytest.raises(InvalidParameterError, match="degrees_of_freedom"):
        StudentTLoss(1.0, -1.0)
