"""The contract of a loss, and the common treatment of units, missing labels, weights, means and flags."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

from deepgum.errors import InvalidDataError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Loss"]


class Loss(ABC):
    """A loss of the residuals `target - prediction`, with one term per coordinate.

    A subclass needs only `name` and `value`; everything else has a default. A parameter for a loss accepts a name in
    the registry (`deepgum.losses.LOSSES`), an object, or a path ("package.module:Welsch").

    Attributes
    ----------
    name : str
        Name of the loss in the history, and in the registry.
    label : str
        Name in tables and figures, with mathematics between dollar signs. Default: `name`.
    colour : str
        Colour in figures, "#RRGGBB". Default: the next colour of a cycle of colours.
    marker, dashes : str
        Matplotlib's marker and line style in figures.
    summary : str
        One line for `--help`.
    needs_scale : bool
        Whether residuals are divided by their MAD scale before the loss. `deepgum.scale.mad_scale` computes the scale
        after every epoch.

    Examples
    --------
    >>> import torch
    >>> class Welsch(Loss):
    ...     name = "welsch"
    ...
    ...     def value(self, u):
    ...         return 1 - torch.exp(-u.square())
    >>> Welsch()(torch.tensor([[0.0, 9.0]]))
    tensor(0.5000)
    """

    name: ClassVar[str]
    label: ClassVar[str] = ""
    colour: ClassVar[str] = ""
    marker: ClassVar[str] = "x"
    dashes: ClassVar[str] = ":"
    summary: ClassVar[str] = "your own loss, one run"
    needs_scale: ClassVar[bool] = False

    @abstractmethod
    def value(self, u: Tensor) -> Tensor:
        """Return the loss of each residual. The residuals are in the loss's own unit and have no NaN."""

    def gradient(self, u: Tensor) -> Tensor:
        """Return the derivative of `value` with respect to each residual, by default by automatic differentiation."""
        # Torch is imported in the methods, because help and plots need only the names and colours of losses.
        import torch

        with torch.enable_grad():
            leaf = u.detach().requires_grad_()
            (slope,) = torch.autograd.grad(self.value(leaf).sum(), leaf)
        return slope

    def cut(self) -> float | None:
        """Return the absolute residual above which a coordinate is an outlier, or None if the loss has no flag rule."""
        return None

    def rho(self, residuals: Tensor, scale: Tensor | None = None) -> Tensor:
        """Return the loss of each residual.

        Parameters
        ----------
        residuals : Tensor of shape (..., d)
            Target minus prediction; NaN for a missing label.
        scale : Tensor of shape (d,) or (..., d), optional
            Divisor of the residuals. If None, the residuals are already in the loss's unit.

        Returns
        -------
        Tensor of shape (..., d)
            The losses. If a residual is NaN, its loss and its gradient are 0.

        Raises
        ------
        InvalidDataError
            If the scale has neither one value per coordinate nor one per residual.
        """
        return self.value(_in_units(residuals, scale))

    def psi(self, residuals: Tensor, scale: Tensor | None = None) -> Tensor:
        """Return the derivative of `rho` with respect to each residual (the influence function of M-estimation)."""
        slope = self.gradient(_in_units(residuals, scale))
        return slope if scale is None else slope / scale.to(slope)

    def __call__(self, residuals: Tensor, weights: Tensor | None = None, scale: Tensor | None = None) -> Tensor:
        """Return the weighted mean loss, `sum(w * rho) / (number of observed coordinates)`.

        With L2 and the responsibilities as weights, this is eq. 7 divided by the number of its terms. The divisor is
        the *number* of terms and not the sum of the weights, so that a weight is the learning rate of its residual, as
        in section 3.2.

        Parameters
        ----------
        residuals : Tensor of shape (n, d)
            Target minus prediction; NaN for a missing label.
        weights : Tensor of shape (n, d) or (n, 1), optional
            The weight of each coordinate, or of each sample.
        scale : Tensor of shape (d,) or (n, d), optional
            Divisor of the residuals.

        Returns
        -------
        Tensor of shape ()
            The mean loss. If no residual is observed, the mean loss is 0, and is still part of the gradient graph.

        Raises
        ------
        InvalidDataError
            If the shape of the weights or of the scale does not suit the residuals.
        """
        terms = self.rho(residuals, scale)
        if weights is not None:
            _check_weights(weights, residuals)
            terms = terms * weights.to(terms)
        observed = (~residuals.isnan()).sum()
        return terms.sum() / observed.clamp(min=1)

    def outliers(
        self, residuals: Tensor, partition: Iterable[Sequence[int]] | None = None, scale: Tensor | None = None
    ) -> Tensor | None:
        """Return a mask of the outliers, or None if the loss has no flag rule (L2, L1).

        Parameters
        ----------
        residuals : Tensor of shape (n, d)
        partition : sequence of g index sequences, optional
            The groups of coordinates. A group is an outlier if any of its coordinates is an outlier. If None, each
            coordinate is a group.
        scale : Tensor of shape (d,) or (n, d), optional
            Divisor of the residuals.

        Returns
        -------
        Tensor of bool of shape (n, g), or None
            True marks an outlier. A missing label is never an outlier.
        """
        import torch

        cut = self.cut()
        if cut is None:
            return None
        beyond = _in_units(residuals.detach(), scale).abs() > cut
        if partition is None:
            return beyond
        return torch.stack([beyond[:, list(group)].any(dim=1) for group in partition], dim=1)

    def __repr__(self) -> str:
        # The text has no memory address, so that it identifies the loss in checkpoints of every process.
        parameters = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__qualname__}({parameters})"


def _in_units(residuals: Tensor, scale: Tensor | None) -> Tensor:
    """Return the residuals divided by the scale, with 0 in place of NaN.

    NaN is replaced before the loss. A mask after the loss would multiply a NaN derivative by 0, which is NaN.
    """
    known = residuals.where(~residuals.isnan(), 0.0)
    if scale is None:
        return known
    if scale.shape not in (residuals.shape[-1:], residuals.shape):
        found = f"Found shape {tuple(scale.shape)} for residuals of shape {tuple(residuals.shape)}."
        raise InvalidDataError(f"`scale` should have one value per coordinate, or one value per residual. {found}")
    return known / scale.to(known)


def _check_weights(weights: Tensor, residuals: Tensor) -> None:
    # This is stricter than broadcasting: if n equals d, weights of shape (n,) would silently weight the coordinates.
    fits = weights.ndim == residuals.ndim and all(
        w in (1, r) for w, r in zip(weights.shape, residuals.shape, strict=True)
    )
    if not fits:
        raise InvalidDataError(
            f"`weights` should have the residuals' shape {tuple(residuals.shape)}, or 1 in place of a dimension. "
            f"Found shape {tuple(weights.shape)}."
        )
