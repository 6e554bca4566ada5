"""What all losses have in common: the unit, the missing labels, the weights, the mean and the flags."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from deepgum.errors import InvalidDataError

__all__ = ["Loss"]


@dataclass(frozen=True)
class Loss(ABC):
    """A loss of the residuals `target - prediction`, one term a coordinate.

    A kind defines `_rho` and `_psi` on residuals that have no NaN left in them; this class does what all have in
    common: the unit, the missing labels, the weights and the mean.
    """

    #: The name that `get_loss` knows it by.
    name: ClassVar[str]
    #: Whether the residuals are to be divided by their MAD scale first (`deepgum.scale.mad_scale`, every epoch).
    needs_scale: ClassVar[bool] = False

    @abstractmethod
    def _rho(self, u: Tensor) -> Tensor: ...

    @abstractmethod
    def _psi(self, u: Tensor) -> Tensor: ...

    def _cut(self) -> float | None:
        """Return the absolute residual past which a coordinate is called an outlier; None: the loss has no rule."""
        return None

    def rho(self, residuals: Tensor, scale: Tensor | None = None) -> Tensor:
        """Return the loss of each residual.

        Parameters
        ----------
        residuals : Tensor of shape (..., d)
            Target minus prediction; NaN where the label is missing.
        scale : Tensor of shape (d,) or (..., d), optional
            What to divide the residuals by first. None: they already are in the loss's unit.

        Returns
        -------
        Tensor of shape (..., d)
            0, with a gradient of 0, where the residual is NaN.

        Raises
        ------
        InvalidDataError
            The scale has not one value a coordinate, or one a residual.
        """
        return self._rho(_in_units(residuals, scale))

    def psi(self, residuals: Tensor, scale: Tensor | None = None) -> Tensor:
        """Return the derivative of `rho` by each residual, in closed form (M-estimation's influence function)."""
        slope = self._psi(_in_units(residuals, scale))
        return slope if scale is None else slope / scale.to(slope)

    def __call__(self, residuals: Tensor, weights: Tensor | None = None, scale: Tensor | None = None) -> Tensor:
        """Return the weighted mean loss, `sum(w * rho) / (number of observed coordinates)`.

        With L2 and the responsibilities as weights this is eq. 7, divided by the number of its terms: by the *number*
        and not by the weights' sum, so that a weight is the learning rate of its residual, as section 3.2 has it.

        Parameters
        ----------
        residuals : Tensor of shape (n, d)
            Target minus prediction; NaN where the label is missing.
        weights : Tensor of shape (n, d) or (n, 1), optional
            The weight of each coordinate, or of each sample.
        scale : Tensor of shape (d,) or (n, d), optional
            What to divide the residuals by first.

        Returns
        -------
        Tensor of shape ()
            0, still part of the graph, when nothing is observed.

        Raises
        ------
        InvalidDataError
            The weights or the scale do not fit the residuals.
        """
        terms = self.rho(residuals, scale)
        if weights is not None:
            _check_weights(weights, residuals)
            terms = terms * weights.to(terms)
        observed = (~torch.isnan(residuals)).sum()
        return terms.sum() / observed.clamp(min=1)

    def outliers(
        self, residuals: Tensor, partition: Iterable[Sequence[int]] | None = None, scale: Tensor | None = None
    ) -> Tensor | None:
        """Return which residuals the loss calls outliers, or None when it has no rule for that (L2, L1).

        Parameters
        ----------
        residuals : Tensor of shape (n, d)
        partition : sequence of g index sequences, optional
            The groups of coordinates: one is flagged when any of its coordinates is. None: each coordinate alone.
        scale : Tensor of shape (d,) or (n, d), optional
            What to divide the residuals by first.

        Returns
        -------
        Tensor of bool of shape (n, g), or None
            True marks an outlier. A missing label never is one.
        """
        cut = self._cut()
        if cut is None:
            return None
        beyond = _in_units(residuals.detach(), scale).abs() > cut
        if partition is None:
            return beyond
        return torch.stack([beyond[:, list(group)].any(dim=1) for group in partition], dim=1)


def _in_units(residuals: Tensor, scale: Tensor | None) -> Tensor:
    """Return the residuals divided by the scale, 0 where they are NaN.

    NaN is replaced on the way in: a mask on the way out would multiply a NaN derivative by 0, which is NaN.
    """
    known = torch.where(torch.isnan(residuals), 0.0, residuals)
    if scale is None:
        return known
    if scale.shape not in (residuals.shape[-1:], residuals.shape):
        found = f"Found shape {tuple(scale.shape)} for residuals of shape {tuple(residuals.shape)}."
        raise InvalidDataError(f"`scale` should have one value a coordinate, or one a residual. {found}")
    return known / scale.to(known)


def _check_weights(weights: Tensor, residuals: Tensor) -> None:
    # Stricter than broadcasting: weights of shape (n,) would silently weight the coordinates when n equals d.
    fits = weights.ndim == residuals.ndim and all(
        w in (1, r) for w, r in zip(weights.shape, residuals.shape, strict=True)
    )
    if not fits:
        raise InvalidDataError(
            f"`weights` should have the residuals' shape {tuple(residuals.shape)}, or 1 in place of a dimension. "
            f"Found shape {tuple(weights.shape)}."
        )
