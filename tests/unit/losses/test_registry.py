"""The registry of losses, and the contract of a loss that is added from outside."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from deepgum.errors import InvalidParameterError, UnknownNameError
from deepgum.losses import LOSSES, Huber, Loss, get_loss


class LogCosh(Loss):
    """The least that a loss needs: a name and a value; its parameter is set in a plain constructor."""

    name = "log-cosh"

    def __init__(self, sharpness: float = 1.0) -> None:
        self.sharpness = sharpness

    def value(self, u: Tensor) -> Tensor:
        return torch.log(torch.cosh(self.sharpness * u))


def test_every_loss_of_the_registry_has_a_style_of_its_own():
    looks = {(kind.colour, kind.marker, kind.dashes) for kind in LOSSES.values()}
    assert len(looks) == len(LOSSES)
    for name, kind in LOSSES.items():
        assert name == kind.name == get_loss(name).name
        assert kind.label
        assert kind.summary


@pytest.mark.parametrize("value", ["huber", Huber, Huber(), "deepgum.losses:Huber", "deepgum.losses.huber:Huber"])
def test_a_name_a_class_an_object_and_a_path_stand_for_a_loss(value: str | Loss):
    assert get_loss(value) == Huber()


def test_a_name_that_is_not_known_is_refused_with_the_nearest_one():
    with pytest.raises(UnknownNameError, match=r"`weighted_loss`.*Did you mean 'huber'"):
        get_loss("hubber", "weighted_loss")


def test_the_defaults_of_a_loss():
    loss = LogCosh(2.0)
    residuals = torch.linspace(-3, 3, 13, dtype=torch.float64)[:, None]
    torch.testing.assert_close(loss.psi(residuals), 2 * torch.tanh(2 * residuals))
    with torch.no_grad():
        assert not loss.psi(residuals).requires_grad
    assert loss.psi(torch.tensor([[float("nan"), 1.0]]))[0, 0] == 0
    assert loss.outliers(residuals) is None
    assert (loss.label, loss.colour, loss.needs_scale) == ("", "", False)
    # Checkpoints know a loss by its text, which has to be the same in another process.
    assert repr(loss) == repr(LogCosh(2.0)) == "LogCosh(sharpness=2.0)"


def test_a_part_that_is_missing_is_named():
    class Nameless(Loss):
        def value(self, u: Tensor) -> Tensor:
            return u

    class Valueless(Loss):
        name = "valueless"

    @dataclass
    class NeedsParameter(Loss):
        c: float
        name = "needs"

        def value(self, u: Tensor) -> Tensor:
            return self.c * u

    for value in (Nameless, Nameless()):
        with pytest.raises(InvalidParameterError, match="Nameless lacks `name`"):
            get_loss(value)
    with pytest.raises(InvalidParameterError, match="Valueless lacks `value`"):
        get_loss(Valueless)
    with pytest.raises(InvalidParameterError, match="made without arguments"):
        get_loss(NeedsParameter)
    assert get_loss(NeedsParameter(3.0)).value(torch.ones(1)) == 3
    for other in (torch.nn.L1Loss, torch.nn.L1Loss(), 3):
        with pytest.raises(InvalidParameterError, match=r"is not a subclass of `deepgum\.losses\.base\.Loss`"):
            get_loss(other)  # type: ignore[arg-type]
