"""The loss of Student's t, whose scale and degrees of freedom are estimated from residuals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from deepgum.checks import check_positive
from deepgum.losses.base import Loss

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["StudentTLoss"]

FREEDOM = (1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, math.inf)
"""Degrees of freedom that `StudentTLoss.fit` tries. With infinity, the density is a Gaussian and the loss is L2."""

STEPS = 30
"""Number of EM steps for the scale. Each step is quick, and 30 are enough for three digits."""


@dataclass(frozen=True)
class StudentTLoss(Loss):
    """Minus the log-likelihood of Student's t, times its scale: `rho(r) = s (nu + 1) / 2 log(1 + (r / s)**2 / nu)`.

    While a network learns, the scale follows the residuals from large to small. Few degrees of freedom give a robust
    loss like Cauchy's; many give L2. The factor s makes the slope independent of the unit of the labels.

    Parameters
    ----------
    scale : float
        `s`, in the unit of the targets.
    degrees_of_freedom : float
        `nu`; infinity gives L2 divided by `2 s`.

    Raises
    ------
    InvalidParameterError
        If a parameter is not a number above 0, or the scale is infinite.

    Examples
    --------
    >>> import torch
    >>> StudentTLoss(scale=1.0, degrees_of_freedom=1.0).psi(torch.tensor([0.5, 1.0, 2.0]))
    tensor([0.8000, 1.0000, 0.8000])
    """

    scale: float
    degrees_of_freedom: float = 1.0
    name: ClassVar[str] = "student-t"

    def __post_init__(self) -> None:
        check_positive("scale", self.scale)
        if self.degrees_of_freedom != math.inf:
            check_positive("degrees_of_freedom", self.degrees_of_freedom)

    @classmethod
    def fit(cls, residuals: Tensor, otherwise: float) -> Self:
        """Return the loss of the density that describes residuals (n, 1) best; NaN marks a missing label.

        If most residuals are 0, the scale cannot be estimated, and is `otherwise`.
        """
        import torch

        squares = residuals[~residuals.isnan()].double().square()
        start = squares.median().item() / 0.6745**2 if len(squares) else 0.0
        if start <= 0:
            return cls(otherwise)
        best, found = -math.inf, cls(otherwise)
        for nu in FREEDOM:
            if nu == math.inf:
                scale = squares.mean().item()
                density = -0.5 * (math.log(2 * math.pi * scale) + squares / scale)
            else:
                scale = start
                for _ in range(STEPS):
                    weight = (nu + 1) / (nu + squares / scale)
                    scale = ((weight * squares).sum() / weight.sum()).item()
                peak = math.lgamma((nu + 1) / 2) - math.lgamma(nu / 2) - 0.5 * math.log(nu * math.pi * scale)
                density = peak - (nu + 1) / 2 * torch.log1p(squares / (nu * scale))
            if density.sum().item() > best:
                best, found = density.sum().item(), cls(math.sqrt(scale), nu)
        return found

    def value(self, u: Tensor) -> Tensor:
        """Return `s (nu + 1) / 2 log(1 + (u / s)**2 / nu)`, or `u**2 / (2 s)` for infinite degrees of freedom."""
        squares, nu = (u / self.scale).square(), self.degrees_of_freedom
        if nu == math.inf:
            return self.scale / 2 * squares
        return self.scale * (nu + 1) / 2 * (squares / nu).log1p()

    def gradient(self, u: Tensor) -> Tensor:
        """Return `(nu + 1) (u / s) / (nu + (u / s)**2)`, or `u / s` for infinite degrees of freedom."""
        scaled, nu = u / self.scale, self.degrees_of_freedom
        return scaled if nu == math.inf else (nu + 1) * scaled / (nu + scaled.square())
