"""The Cauchy loss, whose scale is fixed in the unit of the targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from deepgum.checks import check_positive
from deepgum.losses.base import Loss
from deepgum.losses.biweight import TUKEY_C

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["CAUCHY_SCALE_95", "CAUCHY_SHARE", "Cauchy"]

CAUCHY_SCALE_95 = 2.3849
"""The scale, in standard deviations, at which the loss is 95 % as efficient as L2 on Gaussian noise."""

CAUCHY_SHARE = 0.25
"""The scale as a share of the labels' spread: small enough to ignore wrong labels, large enough to begin a training."""


@dataclass(frozen=True)
class Cauchy(Loss):
    """The Cauchy (Lorentzian) loss, `rho(r) = s**2 * log(1 + (r / s)**2)`, with a scale `s` fixed in target units.

    The loss has no flat part, so its flag rule comes from the biweight. On Gaussian noise, the Cauchy loss with `s` =
    2.3849 standard deviations is 95 % as efficient as L2. The biweight with `c` = 4.6851 standard deviations is equally
    efficient. A scale of `s` therefore stands for a standard deviation of `s / 2.3849`. A residual is an outlier beyond
    4.6851 standard deviations: `|r| > 1.9645 * s`. At this residual, the weight `1 / (1 + (r / s)**2)` is about a
    fifth.

    Parameters
    ----------
    scale : float, default 1 / 48
        `s`, in the unit of the targets. The default is for landmarks as fractions of the crop's width: one pixel of a
        48-pixel crop.

    Raises
    ------
    InvalidParameterError
        If `scale` is not a finite number above 0.

    Examples
    --------
    >>> import torch
    >>> Cauchy(scale=1.0).psi(torch.tensor([0.5, 1.0, 2.0]))
    tensor([0.8000, 1.0000, 0.8000])
    """

    scale: float = 1 / 48
    name: ClassVar[str] = "cauchy"
    label: ClassVar[str] = "Cauchy"
    colour: ClassVar[str] = "#E69F00"
    marker: ClassVar[str] = "D"
    dashes: ClassVar[str] = "-"
    summary: ClassVar[str] = "the log of the squared error, one run"

    def __post_init__(self) -> None:
        check_positive("scale", self.scale)

    @classmethod
    def for_spread(cls, spread: float | None) -> Self:
        """Return the loss with a scale for labels of this spread. None (if there are no labels) counts as 1."""
        return cls(CAUCHY_SHARE * (1.0 if spread is None else spread))

    def cut(self) -> float:
        """Return 1.9645 times the scale: a larger absolute residual is an outlier."""
        return self.scale * TUKEY_C / CAUCHY_SCALE_95

    def value(self, u: Tensor) -> Tensor:
        """Return `s**2 * log(1 + (u / s)**2)`."""
        return self.scale**2 * (u / self.scale).square().log1p()

    def gradient(self, u: Tensor) -> Tensor:
        """Return `2 * u / (1 + (u / s)**2)`."""
        return 2 * u / (1 + (u / self.scale).square())
