"""Conversion of the callers' values (tensors on any device, arrays, lists) to float64 and bool arrays of one shape."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from deepgum.errors import InvalidDataError

__all__ = ["Array", "as_array", "as_mask", "check_same_shape"]

Array = NDArray[np.float64]


def as_array(values: torch.Tensor | ArrayLike) -> Array:
    """Return the values as a float64 array."""
    if isinstance(values, torch.Tensor):
        return np.asarray(values.detach().cpu().double().numpy())
    return np.asarray(values, dtype=np.float64)


def as_mask(name: str, values: torch.Tensor | ArrayLike) -> NDArray[np.bool_]:
    """Return the values as a bool array.

    Raises
    ------
    InvalidDataError
        If the values are numbers, because scores that are used as flags would be true almost everywhere.
    """
    mask = values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)
    if mask.dtype != np.bool_:
        raise InvalidDataError(f"`{name}` should be bool. Found {mask.dtype}.")
    return mask


def check_same_shape(name: str, found: tuple[int, ...], other: str, expected: tuple[int, ...]) -> None:
    """Raise `InvalidDataError` if two arrays do not have the same shape."""
    if found != expected:
        raise InvalidDataError(f"`{name}` should have the shape of `{other}`, {expected}. Found shape {found}.")
