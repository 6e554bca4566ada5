"""The losses and their scale against torch's, scikit-learn's and scipy's own, and against naive float64."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
import torch
import torch.nn.functional as F

from deepgum.losses import L1, L2, Biweight, Cauchy, Huber, Loss
from deepgum.scale import MAD_TO_STD, mad_scale

RESIDUALS = torch.randn(1000, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 4
ZERO = torch.zeros_like(RESIDUALS)


def test_torch_has_the_same_l2_l1_and_half_the_huber():
    torch.testing.assert_close(L2()(RESIDUALS), F.mse_loss(RESIDUALS, ZERO))
    torch.testing.assert_close(L1()(RESIDUALS), F.l1_loss(RESIDUALS, ZERO))
    torch.testing.assert_close(Huber(c=3.0)(RESIDUALS), 2 * F.huber_loss(RESIDUALS, ZERO, delta=3.0))


def test_scipy_has_the_same_cauchy_and_huber():
    # least_squares' rho(z) of z = (f / f_scale)**2 begins as z, as ours do; its cost is half the sum of them.
    def cost(loss: str, scale: float) -> float:
        solution = scipy.optimize.least_squares(
            lambda _: RESIDUALS.numpy().ravel(), x0=[0.0], jac=lambda _: np.zeros((4000, 1)), loss=loss, f_scale=scale
        )
        return float(2 * solution.cost)

    assert Cauchy(scale=0.7).rho(RESIDUALS).sum().item() == pytest.approx(cost("cauchy", 0.7), rel=1e-10)
    assert Huber(c=0.7).rho(RESIDUALS).sum().item() == pytest.approx(cost("huber", 0.7), rel=1e-10)


def test_biweight_as_belagiannis_prints_it():
    # Eq. 2 of Belagiannis et al. (ICCV 2015), for c = 4.6851; ours is twice that.
    c = 4.6851
    r = RESIDUALS.numpy()
    printed = np.where(np.abs(r) <= c, c**2 / 6 * (1 - (1 - (r / c) ** 2) ** 3), c**2 / 6)
    np.testing.assert_allclose(Biweight().rho(RESIDUALS).numpy(), 2 * printed, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("loss", [Biweight(), Cauchy(scale=2.3849)], ids=lambda loss: loss.name)
def test_constants_are_95_percent_efficient(loss: Loss):
    # (E psi')**2 / E psi**2 on the standard normal: what both constants are tuned to.
    grid = torch.linspace(-12, 12, 240_001, dtype=torch.float64).requires_grad_()
    psi = loss.psi(grid)
    (slope,) = torch.autograd.grad(psi.sum(), grid)
    density = np.exp(-0.5 * grid.detach().numpy() ** 2) / np.sqrt(2 * np.pi)
    step = 24 / 240_000
    information = float((slope.numpy() * density).sum() * step) ** 2
    assert information / float((psi.detach().numpy() ** 2 * density).sum() * step) == pytest.approx(0.95, abs=5e-4)


@pytest.mark.parametrize("n", [1, 2, 7, 100, 101])
def test_scipy_has_the_same_mad(n: int):
    residuals = np.random.default_rng(n).normal(size=(max(n, 2) * 3, 5))
    residuals[: n // 3, 2] = np.nan
    expected = MAD_TO_STD * scipy.stats.median_abs_deviation(residuals, axis=0, nan_policy="omit")
    np.testing.assert_allclose(mad_scale(torch.from_numpy(residuals)).numpy(), expected, rtol=1e-12)


def test_mad_estimates_the_standard_deviation():
    sigma = torch.tensor([0.02, 1.0, 30.0], dtype=torch.float64)
    noise = torch.randn(200_000, 3, generator=torch.Generator().manual_seed(4), dtype=torch.float64) * sigma
    # Its relative standard error is about 1.17 / sqrt(n) = 0.26 %.
    torch.testing.assert_close(mad_scale(noise), sigma, rtol=0.011, atol=0)
