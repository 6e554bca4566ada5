"""The squared error, eq. 7 of the paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from deepgum.losses.base import Loss

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["L2"]


@dataclass(frozen=True)
class L2(Loss):
    """The squared error, `rho(r) = r**2`: the term of one coordinate in eq. 7.

    Eq. 7 calls the weight r and the residual delta.

    Examples
    --------
    >>> import torch
    >>> residuals = torch.tensor([[1.0, 3.0], [float("nan"), -1.0]])
    >>> L2()(residuals)
    tensor(3.6667)
    >>> L2()(residuals, weights=torch.tensor([[1.0, 0.0], [1.0, 1.0]]))
    tensor(0.6667)
    """

    name: ClassVar[str] = "l2"
    label: ClassVar[str] = "$L_2$"
    colour: ClassVar[str] = "#CC79A7"
    marker: ClassVar[str] = "o"
    dashes: ClassVar[str] = "-"
    summary: ClassVar[str] = "the squared error, one run"

    def value(self, u: Tensor) -> Tensor:
        """Return `u**2`."""
        return u.square()

    def gradient(self, u: Tensor) -> Tensor:
        """Return `2 * u`."""
        return 2 * u
