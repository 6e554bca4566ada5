"""The losses themselves, one class each, and their names."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

import torch
from torch import Tensor

from deepgum.checks import check_positive
from deepgum.errors import InvalidParameterError, UnknownNameError
from deepgum.losses.base import Loss

__all__ = ["CROSS_ENTROPY", "L1", "L2", "LOSSES", "TUKEY_C", "Biweight", "Cauchy", "Huber", "get_loss"]

#: Tukey's tuning constant, in standard deviations: the biweight is then 95 % as efficient as L2 on Gaussian noise.
TUKEY_C = 4.6851

#: The Cauchy loss's scale with that same efficiency, in standard deviations.
_CAUCHY_SCALE_95 = 2.3849


@dataclass(frozen=True)
class L2(Loss):
    """The squared error, `rho(r) = r**2`: one coordinate's term of eq. 7 (r there is the weight, delta the residual).

    Examples
    --------
    >>> residuals = torch.tensor([[1.0, 3.0], [float("nan"), -1.0]])
    >>> L2()(residuals)
    tensor(3.6667)
    >>> L2()(residuals, weights=torch.tensor([[1.0, 0.0], [1.0, 1.0]]))
    tensor(0.6667)
    """

    name: ClassVar[str] = "l2"

    def _rho(self, u: Tensor) -> Tensor:
        return u.square()

    def _psi(self, u: Tensor) -> Tensor:
        return 2 * u


@dataclass(frozen=True)
class L1(Loss):
    """The absolute error, `rho(r) = |r|`; its derivative at 0 is 0.

    Examples
    --------
    >>> L1()(torch.tensor([[1.0, -3.0]]))
    tensor(2.)
    """

    name: ClassVar[str] = "l1"

    def _rho(self, u: Tensor) -> Tensor:
        return u.abs()

    def _psi(self, u: Tensor) -> Tensor:
        return u.sign()


@dataclass(frozen=True)
class Huber(Loss):
    """Huber's loss (1964): `r**2` up to `c`, then the straight line `c * (2 * |r| - c)`.

    As in section 4 of the paper, the unit of the residuals is their MAD scale, and a residual in the linear part,
    `|r| > c`, is called an outlier.

    Parameters
    ----------
    c : float, default 4.6851
        Where the line begins, in scaled units. The paper gives Huber the constant of the biweight.

    Raises
    ------
    InvalidParameterError
        `c` is not a finite number above 0.

    Examples
    --------
    >>> Huber(c=2.0).rho(torch.tensor([1.0, 2.0, 3.0]))
    tensor([1., 4., 8.])
    """

    c: float = TUKEY_C
    name: ClassVar[str] = "huber"
    needs_scale: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_positive("c", self.c)

    def _cut(self) -> float:
        return self.c

    def _rho(self, u: Tensor) -> Tensor:
        size = u.abs()
        bounded = size.clamp(max=self.c)
        return bounded * (2 * size - bounded)

    def _psi(self, u: Tensor) -> Tensor:
        return 2 * u.clamp(-self.c, self.c)


@dataclass(frozen=True)
class Cauchy(Loss):
    """The Cauchy (Lorentzian) loss, `rho(r) = s**2 * log(1 + (r / s)**2)`, with a scale `s` fixed in target units.

    Its own rule for outliers: it has no flat part to go by, so it is cut where the biweight is. With `s` = 2.3849
    standard deviations it is 95 % as efficient as L2 on Gaussian noise, as the biweight is with `c` = 4.6851 of them. A
    Cauchy loss of scale `s` thus speaks of a noise of `s / 2.3849`, and calls an outlier what lies beyond
    4.6851 of that: `|r| > 1.9645 * s`, where a residual's weight `1 / (1 + (r / s)**2)` has fallen to a fifth.

    Parameters
    ----------
    scale : float, default 1 / 48
        `s`, in the unit of the targets. The default is meant for landmarks as fractions of the crop's width: one pixel
        of a 48-pixel crop.

    Raises
    ------
    InvalidParameterError
        `scale` is not a finite number above 0.

    Examples
    --------
    >>> Cauchy(scale=1.0).psi(torch.tensor([0.5, 1.0, 2.0]))
    tensor([0.8000, 1.0000, 0.8000])
    """

    scale: float = 1 / 48
    name: ClassVar[str] = "cauchy"

    def __post_init__(self) -> None:
        check_positive("scale", self.scale)

    def _cut(self) -> float:
        return self.scale * TUKEY_C / _CAUCHY_SCALE_95

    def _rho(self, u: Tensor) -> Tensor:
        return self.scale**2 * torch.log1p((u / self.scale).square())

    def _psi(self, u: Tensor) -> Tensor:
        return 2 * u / (1 + (u / self.scale).square())


@dataclass(frozen=True)
class Biweight(Loss):
    """Tukey's biweight: `c**2 / 3 * (1 - (1 - (r / c)**2)**3)` up to `c`, the constant `c**2 / 3` beyond it.

    As in Belagiannis et al. (ICCV 2015), the unit of the residuals is their MAD scale. A residual in the flat part,
    `|r| > c`, is called an outlier: it has no gradient.

    Parameters
    ----------
    c : float, default 4.6851
        Where the flat part begins, in scaled units.

    Raises
    ------
    InvalidParameterError
        `c` is not a finite number above 0.

    Examples
    --------
    >>> Biweight(c=3.0).rho(torch.tensor([0.0, 3.0, 100.0]))
    tensor([0., 3., 3.])
    """

    c: float = TUKEY_C
    name: ClassVar[str] = "biweight"
    needs_scale: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_positive("c", self.c)

    def _cut(self) -> float:
        return self.c

    def _rho(self, u: Tensor) -> Tensor:
        # 1 - (1 - t)**3, multiplied out: the difference would lose a small residual's digits.
        t = (u / self.c).square().clamp(max=1)
        return self.c**2 / 3 * t * (3 - 3 * t + t.square())

    def _psi(self, u: Tensor) -> Tensor:
        return 2 * u * (1 - (u / self.c).square().clamp(max=1)).square()


#: Every loss by its name.
LOSSES: dict[str, type[Loss]] = {kind.name: kind for kind in (L2, L1, Huber, Cauchy, Biweight)}


def get_loss(name: str, **parameters: float) -> Loss:
    """Return the loss of a name, with its parameters.

    Raises
    ------
    UnknownNameError
        No loss is called that.
    InvalidParameterError
        The loss has no such parameter, or it cannot have that value.

    Examples
    --------
    >>> get_loss("cauchy", scale=0.5)
    Cauchy(scale=0.5)
    """
    if name not in LOSSES:
        raise UnknownNameError("loss", name, LOSSES)
    known = [field.name for field in fields(LOSSES[name])]
    for parameter, value in parameters.items():
        if parameter not in known:
            expected = f"one that the loss {name!r} has ({', '.join(known) or 'it has none'})"
            raise InvalidParameterError(parameter, expected, value)
    return LOSSES[name](**parameters)


CROSS_ENTROPY = "cross-entropy"
"""The name of the one loss that is not one of residuals."""
