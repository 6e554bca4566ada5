"""Mathematical facts of the losses, each over 100,000 random residuals of sizes from 1e-6 to 1e15."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepgum.losses import L1, L2, Biweight, Cauchy, Huber, Loss

ALL = [L2(), L1(), Huber(), Cauchy(scale=0.3), Biweight()]
ROBUST = [loss for loss in ALL if not isinstance(loss, L2)]


def named(losses: list[Loss]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("loss", losses, ids=lambda loss: loss.name)


@pytest.fixture(scope="module")
def residuals() -> torch.Tensor:
    generator = torch.Generator().manual_seed(2018)
    sizes = 10 ** (21 * torch.rand(50_000, generator=generator, dtype=torch.float64) - 6)
    around_the_bends = 10 * torch.rand(50_000, generator=generator, dtype=torch.float64)
    signs = torch.randint(0, 2, (100_000,), generator=generator) * 2 - 1
    return torch.cat([sizes, around_the_bends]) * signs


@named(ALL)
def test_even_not_negative_and_zero_at_zero(loss: Loss, residuals: torch.Tensor):
    rho = loss.rho(residuals)
    assert torch.equal(rho, loss.rho(-residuals))
    assert (rho > 0).all()
    assert loss.rho(torch.zeros(1)).item() == 0


@named(ALL)
def test_never_falls_with_the_size(loss: Loss, residuals: torch.Tensor):
    rho = loss.rho(residuals.abs().sort().values)
    # The biweight's plateau is one constant; a sum of rounded terms may step back by a rounding error before it.
    assert (rho.diff() >= -4e-16 * rho[1:]).all()


@named(ALL)
def test_psi_is_odd_and_of_the_residuals_sign(loss: Loss, residuals: torch.Tensor):
    psi = loss.psi(residuals)
    assert torch.equal(psi, -loss.psi(-residuals))
    assert (psi * residuals.sign() >= 0).all()


@named(ALL)
def test_psi_is_the_gradient(loss: Loss, residuals: torch.Tensor):
    leaf = residuals.clone().requires_grad_()
    (slope,) = torch.autograd.grad(loss.rho(leaf).sum(), leaf)
    torch.testing.assert_close(loss.psi(residuals), slope, rtol=1e-9, atol=1e-12)


@named(ROBUST)
def test_influence_is_bounded(loss: Loss, residuals: torch.Tensor):
    bound = {"l1": 1.0, "huber": 2 * 4.6851, "cauchy": 0.3, "biweight": 2 * 4.6851 / 5**0.5 * 0.64}[loss.name]
    largest = loss.psi(residuals).abs().max().item()
    assert largest == pytest.approx(bound, rel=1e-3)
    assert largest <= bound * (1 + 1e-12)


@named([loss for loss in ALL if not isinstance(loss, L1)])
def test_never_above_l2_and_like_it_near_zero(loss: Loss, residuals: torch.Tensor):
    assert (loss.rho(residuals) <= residuals.square() * (1 + 1e-15)).all()
    near = residuals[residuals.abs() < 1e-3]
    torch.testing.assert_close(loss.rho(near), near.square(), rtol=2e-5, atol=0)


@named([Cauchy(scale=0.3), Biweight()])
def test_influence_redescends(loss: Loss, residuals: torch.Tensor):
    far = residuals[residuals.abs() > 100].abs().sort().values
    psi = loss.psi(far)
    assert (psi.diff() <= 0).all()
    assert psi[-1].item() < 1e-12


@named(ALL)
@settings(max_examples=50, deadline=None)
@given(factor=st.floats(1e-6, 1e6))
def test_residuals_and_scale_times_a_factor_change_nothing(loss: Loss, residuals: torch.Tensor, factor: float):
    some = residuals[::100][:, None]
    unit = torch.tensor([2.0], dtype=torch.float64)
    torch.testing.assert_close(loss.rho(factor * some, factor * unit), loss.rho(some, unit), rtol=1e-9, atol=1e-30)


@named(ALL)
def test_permuting_samples_changes_nothing(loss: Loss, residuals: torch.Tensor):
    matrix = residuals.view(-1, 4)
    order = torch.randperm(len(matrix), generator=torch.Generator().manual_seed(1))
    weights = torch.rand(matrix.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    torch.testing.assert_close(loss(matrix[order], weights[order]), loss(matrix, weights))
