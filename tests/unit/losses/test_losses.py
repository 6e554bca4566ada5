from __future__ import annotations

import math

import pytest
import torch

from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.losses import L1, L2, LOSSES, TUKEY_C, Biweight, Cauchy, Huber, Loss, get_loss

NAN = float("nan")
ALL = [L2(), L1(), Huber(), Cauchy(scale=1.0), Biweight()]
by_name = pytest.mark.parametrize("loss", ALL, ids=lambda loss: loss.name)


def random_residuals(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 5


@by_name
def test_mean_is_over_observed_coordinates(loss: Loss):
    residuals = random_residuals(6, 4)
    residuals[0, 1] = residuals[3] = NAN
    observed = residuals[~residuals.isnan()]
    assert loss(residuals).item() == pytest.approx(loss.rho(observed).mean().item(), rel=1e-12)


@by_name
def test_missing_residual_has_no_loss_and_no_gradient(loss: Loss):
    prediction = random_residuals(3, 2).requires_grad_()
    target = torch.zeros(3, 2, dtype=torch.float64)
    target[1, 0] = NAN
    loss(target - prediction, scale=torch.full((2,), 2.0)).backward()
    assert prediction.grad is not None
    assert prediction.grad.isfinite().all()
    assert prediction.grad[1, 0] == 0
    assert (prediction.grad != 0).sum() > 0
    assert loss.rho(target - prediction)[1, 0] == 0
    assert loss.psi(target - prediction)[1, 0] == 0


@by_name
def test_nothing_observed_is_zero_with_its_graph(loss: Loss):
    prediction = torch.ones(2, 3, requires_grad=True)
    value = loss(torch.full((2, 3), NAN) - prediction, weights=torch.ones(2, 1), scale=torch.ones(3))
    value.backward()
    assert value.item() == 0
    assert prediction.grad is not None
    assert (prediction.grad == 0).all()


def test_weighted_l2_is_eq_7():
    residuals, responsibility = random_residuals(50, 6), torch.rand(50, dtype=torch.float64)
    eq_7 = sum(r * delta.norm() ** 2 for r, delta in zip(responsibility, residuals, strict=True))
    value = L2()(residuals, weights=responsibility[:, None])
    assert value.item() == pytest.approx(float(eq_7) / residuals.numel(), rel=1e-12)


@by_name
def test_weight_is_a_learning_rate(loss: Loss):
    # Dividing by the sum of the weights instead of by the count would undo the factor.
    residuals, weights = random_residuals(5, 2), torch.rand(5, 2)
    assert loss(residuals, 0.25 * weights).item() == pytest.approx(0.25 * loss(residuals, weights).item())


@by_name
def test_zero_weight_leaves_no_gradient(loss: Loss):
    residuals = random_residuals(4, 3).requires_grad_()
    weights = torch.ones(4, 3)
    weights[2] = 0
    loss(residuals, weights).backward()
    assert residuals.grad is not None
    assert (residuals.grad[2] == 0).all()


@by_name
def test_scale_is_the_unit_of_the_residuals(loss: Loss):
    residuals, scale = random_residuals(4, 3), torch.tensor([0.5, 2.0, 10.0], dtype=torch.float64)
    torch.testing.assert_close(loss.rho(residuals, scale), loss.rho(residuals / scale))
    # A mirrored row brings its own order of the scale.
    torch.testing.assert_close(loss.rho(residuals, scale.expand(4, 3)), loss.rho(residuals, scale))


@by_name
def test_psi_is_the_derivative_of_rho(loss: Loss):
    residuals = random_residuals(200, 3).requires_grad_()
    scale = torch.tensor([0.5, 1.0, 3.0], dtype=torch.float64)
    (slope,) = torch.autograd.grad(loss.rho(residuals, scale).sum(), residuals)
    torch.testing.assert_close(loss.psi(residuals, scale).detach(), slope)


@by_name
def test_keeps_the_dtype_of_the_residuals(loss: Loss):
    residuals = torch.randn(4, 2, dtype=torch.float32)
    double = torch.ones(4, 2, dtype=torch.float64)
    assert loss(residuals, weights=double, scale=double[0]).dtype == torch.float32


@by_name
def test_small_residuals_keep_their_digits(loss: Loss):
    tiny = torch.tensor([1e-9], dtype=torch.float64)
    expected = 1e-9 if isinstance(loss, L1) else 1e-18
    assert loss.rho(tiny).item() == pytest.approx(expected, rel=1e-12)


@by_name
def test_huge_residuals_have_a_finite_gradient(loss: Loss):
    residuals = torch.tensor([1e15, -1e15], requires_grad=True)
    loss.rho(residuals).sum().backward()
    assert residuals.grad is not None
    assert residuals.grad.isfinite().all()


def test_huber_and_l2_overlap_up_to_c():
    below = torch.linspace(-TUKEY_C, TUKEY_C, 101)
    torch.testing.assert_close(Huber().rho(below), L2().rho(below))
    beyond = torch.tensor([5.0, 50.0, -7.0])
    torch.testing.assert_close(Huber().psi(beyond), 2 * TUKEY_C * beyond.sign())


def test_biweight_is_flat_beyond_c():
    beyond = torch.tensor([TUKEY_C * 1.0001, -1e6], requires_grad=True)
    rho = Biweight().rho(beyond)
    rho.sum().backward()
    assert rho.tolist() == pytest.approx([TUKEY_C**2 / 3] * 2)
    assert beyond.grad is not None
    assert (beyond.grad == 0).all()


@pytest.mark.parametrize("loss", [L2(), L1()], ids=["l2", "l1"])
def test_no_rule_no_flags(loss: Loss):
    assert loss.outliers(torch.tensor([[1e9]]), [[0]]) is None


@pytest.mark.parametrize("loss", [Huber(), Biweight()], ids=["huber", "biweight"])
def test_flags_are_beyond_c_in_scaled_units(loss: Loss):
    scale = torch.tensor([1.0, 100.0], dtype=torch.float64)
    residuals = torch.tensor([[4.6, 460.0], [-4.7, 460.0], [NAN, -470.0], [NAN, NAN]])
    each = loss.outliers(residuals, scale=scale)
    assert each is not None
    assert each.tolist() == [[False, False], [True, False], [False, True], [False, False]]


def test_biweight_flags_exactly_where_it_has_no_gradient():
    residuals = torch.linspace(-10, 10, 2001)[:, None]
    flags = Biweight().outliers(residuals)
    assert flags is not None
    assert torch.equal(flags, Biweight().psi(residuals).eq(0) & residuals.ne(0))


def test_cauchy_cuts_where_an_equally_efficient_biweight_does():
    sigma = 0.7
    cauchy, residuals = Cauchy(scale=2.3849 * sigma), torch.linspace(-5, 5, 1001)[:, None]
    mine, biweights = cauchy.outliers(residuals), Biweight().outliers(residuals, scale=torch.tensor([sigma]))
    assert mine is not None
    assert biweights is not None
    assert torch.equal(mine, biweights)


def test_a_group_is_flagged_by_any_of_its_coordinates():
    residuals = torch.tensor([[0.0, 9.0, 0.0, 0.0], [0.0, 0.0, NAN, -9.0], [9.0, 0.0, 0.0, 0.0]])
    flags = Huber().outliers(residuals, [(0, 1), (3, 2)])
    assert flags is not None
    assert flags.tolist() == [[True, False], [False, True], [True, False]]
    assert flags.dtype == torch.bool


def test_flags_are_not_part_of_the_graph():
    flags = Huber().outliers(torch.ones(2, 2, requires_grad=True))
    assert flags is not None
    assert not flags.requires_grad


@pytest.mark.parametrize("shape", [(3,), (2,), (2, 3), (3, 3, 1)])
def test_weights_that_do_not_fit(shape: tuple[int, ...]):
    with pytest.raises(InvalidDataError, match="weights"):
        L2()(torch.zeros(3, 3), torch.ones(shape))


def test_scale_that_does_not_fit():
    with pytest.raises(InvalidDataError, match=r"scale.*\(2,\).*\(4, 3\)"):
        Huber()(torch.zeros(4, 3), scale=torch.ones(2))


def test_known_by_name():
    assert {name: type(get_loss(name)) for name in LOSSES} == {
        "l2": L2,
        "l1": L1,
        "huber": Huber,
        "cauchy": Cauchy,
        "biweight": Biweight,
    }
    assert [name for name in LOSSES if get_loss(name).needs_scale] == ["huber", "biweight"]


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize(("kind", "parameter"), [(Huber, "c"), (Biweight, "c"), (Cauchy, "scale")])
def test_constants_above_zero(kind: type[Loss], parameter: str, value: float):
    with pytest.raises(InvalidParameterError, match=f"`{parameter}`"):
        kind(**{parameter: value})
