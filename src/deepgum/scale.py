"""The robust scale of residuals that Huber and Biweight divide by (section 4 of the paper)."""

from __future__ import annotations

import torch
from torch import Tensor

from deepgum.errors import InvalidDataError

__all__ = ["MAD_TO_STD", "mad_scale"]

#: 1 / Phi^-1(3/4): what makes the median absolute deviation of Gaussian noise its standard deviation.
MAD_TO_STD = 1.4826

#: sqrt(pi / 2): the same for the mean absolute deviation.
_MEAN_TO_STD = 1.2533

#: What is smaller would be 0 in single precision, and is taken as 0.
_LEAST = torch.finfo(torch.float32).tiny


def mad_scale(residuals: Tensor) -> Tensor:
    """Return each coordinate's `1.4826 * median |r - median r|`, the standard deviation if the noise were Gaussian.

    The MAD is 0 when over half of a coordinate's residuals are one and the same value. It would make outliers of all
    the others, so the scale is then their *mean* absolute deviation, times 1.2533. And where that is 0 too (all
    residuals equal), or the coordinate has no label at all, there is nothing to scale and the scale is 1.

    Parameters
    ----------
    residuals : Tensor of shape (n, d)
        NaN, where the label is missing, is left out.

    Returns
    -------
    Tensor of shape (d,), float64, on the residuals' device
        In the unit of the residuals; always above 0.

    Raises
    ------
    InvalidDataError
        The residuals are not an (n, d) tensor with n at least 1, or some are infinite.

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
        raise InvalidDataError(f"`residuals` should be finite, or NaN. Found {infinite} infinite.")
    values = residuals.detach().double()
    deviations = (values - _median(values)).abs()
    scale = MAD_TO_STD * _median(deviations)
    scale = torch.where(scale >= _LEAST, scale, _MEAN_TO_STD * deviations.nanmean(dim=0))
    return torch.where(scale >= _LEAST, scale, 1.0)


def _median(values: Tensor) -> Tensor:
    """Return each column's median without its NaN; of an even number of values, the mean of the middle two."""
    lower, upper = values.nanmedian(dim=0).values, -(-values).nanmedian(dim=0).values
    return (lower + upper) / 2
