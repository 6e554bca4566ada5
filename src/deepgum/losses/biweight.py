"""Tukey's biweight, the loss of Belagiannis et al. (ICCV 2015)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from deepgum.checks import check_positive
from deepgum.losses.base import Loss

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["TUKEY_C", "Biweight"]

TUKEY_C = 4.6851
"""Tukey's constant, in standard deviations. With this constant, the biweight is 95 % as efficient as L2 on Gaussian
noise."""


@dataclass(frozen=True)
class Biweight(Loss):
    """Tukey's biweight: `c**2 / 3 * (1 - (1 - (r / c)**2)**3)` up to `c`, and the constant `c**2 / 3` beyond `c`.

    As in Belagiannis et al. (ICCV 2015), the unit of the residuals is their MAD scale. A residual in the flat part,
    `|r| > c`, is an outlier and has no gradient.

    Parameters
    ----------
    c : float, default 4.6851
        Start of the flat part, in scaled units.

    Raises
    ------
    InvalidParameterError
        If `c` is not a finite number above 0.

    Examples
    --------
    >>> import torch
    >>> Biweight(c=3.0).rho(torch.tensor([0.0, 3.0, 100.0]))
    tensor([0., 3., 3.])
    """

    c: float = TUKEY_C
    name: ClassVar[str] = "biweight"
    label: ClassVar[str] = "Biweight"
    colour: ClassVar[str] = "#009E73"
    marker: ClassVar[str] = "v"
    dashes: ClassVar[str] = "-"
    summary: ClassVar[str] = "Tukey's biweight of residuals scaled by their MAD, after 3 epochs of L2"
    needs_scale: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_positive("c", self.c)

    def cut(self) -> float:
        """Return `c`: a larger absolute scaled residual is an outlier."""
        return self.c

    def value(self, u: Tensor) -> Tensor:
        """Return the biweight of each scaled residual."""
        # This is 1 - (1 - t)**3, expanded, because the difference would lose digits of small residuals.
        t = (u / self.c).square().clamp(max=1)
        return self.c**2 / 3 * t * (3 - 3 * t + t.square())

    def gradient(self, u: Tensor) -> Tensor:
        """Return `2 * u * (1 - (u / c)**2)**2` up to `c`, and 0 beyond `c`."""
        return 2 * u * (1 - (u / self.c).square().clamp(max=1)).square()
