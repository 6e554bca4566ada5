"""The absolute error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from deepgum.losses.base import Loss

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["L1"]


@dataclass(frozen=True)
class L1(Loss):
    """The absolute error, `rho(r) = |r|`; its derivative at 0 is 0.

    Examples
    --------
    >>> import torch
    >>> L1()(torch.tensor([[1.0, -3.0]]))
    tensor(2.)
    """

    name: ClassVar[str] = "l1"
    label: ClassVar[str] = "$L_1$"
    colour: ClassVar[str] = "#CC79A7"
    marker: ClassVar[str] = "o"
    dashes: ClassVar[str] = "--"
    summary: ClassVar[str] = "the absolute error, one run"

    def value(self, u: Tensor) -> Tensor:
        """Return `|u|`."""
        return u.abs()

    def gradient(self, u: Tensor) -> Tensor:
        """Return the sign of u."""
        return u.sign()
