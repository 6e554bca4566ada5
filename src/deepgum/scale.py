"""The robust scale by which Huber and Biweight divide residuals (section 4 of the paper)."""

from __future__ import annotations

import torch
from torch import Tensor

from deepgum.errors import InvalidDataError

__all__ = ["MAD_TO_STD", "mad_scale"]

MAD_TO_STD = 1.4826
"""1 / Phi^-1(3/4): the standard deviation of Gaussian noise, divided by its median absolute deviation."""

_MEAN_TO_STD = 1.2533
"""sqrt(pi / 2): the standard deviation of Gaussian noise, divided by its mean absolute deviation."""

_LEAST = torch.finfo(torch.float32).tiny
"""Smaller scales count as 0, as they would in single precision."""


def mad_scale(residuals: Tensor) -> Tensor:
    """Return `1.4826 * median |r - median r|` of each coordinate: for Gaussian noise, this is the standard deviation.

    If more than half of the residuals of a coordinate are the same number, this median absolute deviation is 0, and all
    other residuals would be outliers. The scale is then 1.2533 times the *mean* absolute deviation. If the mean
    absolute deviation is also 0 (all residuals are equal), or the coordinate has no label, the scale is 1.

    Parameters
    ----------
    residuals : Tensor of shape (n, d)
        Residuals; NaN for a missing label is ignored.

    Returns
    -------
    Tensor of shape (d,), float64, on the residuals' device
        The scales, in the unit of the residuals; always above 0.

    Raises
    ------
    InvalidDataError
        If `residuals` is not an (n, d) tensor with n at least 1, or a residual is infinite.

    Examples
    --------
    >>> mad_scale(torch.tensor([[-1.0], [0.0], [1.0], [1000.0], [float("nan")]]))
    tensor([1.4826], dtype=torch.float64)
    """
    if residuals.ndim != 2 or len(residuals) == 0:
        raise InvalidDataError(
            f"`residuals` should have shape (n, d) with n at least 1. Found shape {tuple(residuals.shape)}."
        )
    if torch.isinf(residuals).any():
        infinite = int(torch.isinf(residuals).sum())
        raise InvalidDataError(f"`residuals` should be finite, or NaN. Found {infinite} infinite residuals.")
    values = residuals.detach().double()
    deviations = (values - _median(values)).abs()
    scale = MAD_TO_STD * _median(deviations)
    scale = torch.where(scale >= _LEAST, scale, _MEAN_TO_STD * deviations.nanmean(dim=0))
    return torch.where(scale >= _LEAST, scale, 1.0)


def _median(values: Tensor) -> Tensor:
    """Return the median of each column without NaN; for an even number of values, the mean of the middle two."""
    lower, upper = values.nanmedian(dim=0).values, -(-values).nanmedian(dim=0).values
    return (lower + upper) / 2
