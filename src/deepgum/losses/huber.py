"""Huber's loss: quadratic near zero, linear far from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from deepgum.checks import check_positive
from deepgum.losses.base import Loss
from deepgum.losses.biweight import TUKEY_C

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Huber"]


@dataclass(frozen=True)
class Huber(Loss):
    """Huber's loss (1964): `r**2` up to `c`, then the straight line `c * (2 * |r| - c)`.

    As in section 4 of the paper, the unit of the residuals is their MAD scale. A residual in the linear part,
    `|r| > c`, is an outlier.

    Parameters
    ----------
    c : float, default 4.6851
        Start of the straight line, in scaled units. The paper uses the constant of the biweight for Huber's loss too.

    Raises
    ------
    InvalidParameterError
        If `c` is not a finite number above 0.

    Examples
    --------
    >>> import torch
    >>> Huber(c=2.0).rho(torch.tensor([1.0, 2.0, 3.0]))
    tensor([1., 4., 8.])
    """

    c: float = TUKEY_C
    name: ClassVar[str] = "huber"
    label: ClassVar[str] = "Huber"
    colour: ClassVar[str] = "#56B4E9"
    marker: ClassVar[str] = "^"
    dashes: ClassVar[str] = "-"
    summary: ClassVar[str] = "Huber's loss of residuals scaled by their MAD, after 3 epochs of L2"
    needs_scale: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_positive("c", self.c)

    def cut(self) -> float:
        """Return `c`: a larger absolute scaled residual is an outlier."""
        return self.c

    def value(self, u: Tensor) -> Tensor:
        """Return Huber's loss of each scaled residual."""
        size = u.abs()
        bounded = size.clamp(max=self.c)
        return bounded * (2 * size - bounded)

    def gradient(self, u: Tensor) -> Tensor:
        """Return `2 * u`, where `u` is limited to the interval [-c, c]."""
        return 2 * u.clamp(-self.c, self.c)
