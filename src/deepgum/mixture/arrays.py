"""Checks of the input of the mixture, and conversions between NumPy arrays and tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from deepgum.errors import InvalidDataError, listing
from deepgum.missing import with_nan

__all__ = ["Array", "ArrayT", "as_residuals", "as_responsibilities", "as_rows", "as_weights", "like"]

Array: TypeAlias = Tensor | npt.NDArray[Any]
ArrayT = TypeVar("ArrayT", Tensor, npt.NDArray[Any])

LARGEST = 1e100
"""Maximum absolute residual and maximum weight, because sums of squares must not overflow float64."""

_FLOATS = ("float64", "float32", "float16", "bfloat16")
_REAL = (*_FLOATS, *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))
_REAL_OR_BOOL = (*_REAL, "bool")


def as_residuals(residuals: Array) -> Tensor:
    """Return the residuals as `as_rows` does. If residuals are infinite or too large, the error names the rows."""
    tensor = as_rows(residuals)
    # Comparisons with NaN are false, so a missing label is valid.
    rows = (tensor.isinf() | (tensor.abs() > LARGEST)).any(dim=1).nonzero().flatten().tolist()
    if rows:
        raise InvalidDataError(
            f"Residuals should be finite, or NaN where a label is missing, and below {LARGEST:g} in size. "
            f"Found {len(rows)} invalid rows: {listing(rows)}."
        )
    return tensor


def as_rows(residuals: Array) -> Tensor:
    """Return the residuals as a tensor (n, d) without gradient, of the same type and device, or raise an error."""
    if not isinstance(residuals, Tensor | np.ndarray):
        raise InvalidDataError(
            f"Residuals should be a torch tensor or a NumPy array. Found {type(residuals).__name__}."
        )
    tensor = _as_tensor("residuals", residuals).detach()
    if tensor.device.type == "mps":  # an MPS device has no float64
        tensor = tensor.cpu()
    if tensor.ndim != 2 or tensor.shape[1] == 0:
        hint = " Use `residuals.reshape(-1, 1)` for a single coordinate." if tensor.ndim == 1 else ""
        raise InvalidDataError(f"Residuals should have shape (n, d), d >= 1. Found {tuple(tensor.shape)}.{hint}")
    return tensor


def as_weights(sample_weight: Array | None, residuals: Tensor) -> Tensor | None:
    """Return the weights as a float64 tensor (n,) on the device of the residuals, or raise an error."""
    if sample_weight is None:
        return None
    weights = _as_tensor("sample_weight", sample_weight, _REAL_OR_BOOL)
    weights = weights.detach().to(device=residuals.device, dtype=torch.float64)
    if weights.shape != residuals.shape[:1]:
        raise InvalidDataError(
            f"`sample_weight` should have shape ({len(residuals)},), one per row. Found {tuple(weights.shape)}."
        )
    rows = (~(weights >= 0) | (weights > LARGEST)).nonzero().flatten().tolist()
    if rows:
        raise InvalidDataError(
            f"`sample_weight` should be at least 0 and at most {LARGEST:g}. Found invalid rows: {listing(rows)}."
        )
    return weights


def as_responsibilities(responsibilities: Array | None, residuals: Tensor, groups: int) -> Tensor | None:
    """Return the responsibilities as a float64 tensor (n, g) on the device of the residuals, or raise an error."""
    if responsibilities is None:
        return None
    tensor = _as_tensor("responsibilities", responsibilities, _REAL_OR_BOOL)
    tensor = tensor.detach().to(device=residuals.device, dtype=torch.float64)
    if tensor.shape != (len(residuals), groups):
        raise InvalidDataError(
            f"`responsibilities` should have shape ({len(residuals)}, {groups}), one row per sample and one column per "
            f"group. Found {tuple(tensor.shape)}."
        )
    rows = (~((tensor >= 0) & (tensor <= 1)).all(dim=1)).nonzero().flatten().tolist()
    if rows:
        raise InvalidDataError(f"`responsibilities` should be in [0, 1]. Found invalid rows: {listing(rows)}.")
    return tensor


def like(template: ArrayT, result: Tensor) -> ArrayT:
    """Return `result` as a NumPy array if `template` is a NumPy array, otherwise as a tensor."""
    return result.cpu().numpy() if isinstance(template, np.ndarray) else result


def _as_tensor(name: str, values: Array, kinds: Sequence[str] = _REAL) -> Tensor:
    """Return an array, a tensor or a list as a tensor, or raise an error if its type is not among `kinds`."""
    if not isinstance(values, Tensor):
        try:
            values = np.asarray(with_nan(values))
        except ValueError as error:
            raise InvalidDataError(f"`{name}` should be an array of real numbers. {error}.") from error
    found = str(values.dtype).removeprefix("torch.")
    if found not in kinds:
        raise InvalidDataError(
            f"`{name}` should be real numbers: {', '.join(_FLOATS)} or whole numbers. Found dtype {found}. Convert the "
            "values first."
        )
    # Torch does not support read-only memory or negative strides (of reversed views of arrays).
    if isinstance(values, np.ndarray) and (min(values.strides, default=0) < 0 or not values.flags.writeable):
        values = np.array(values)
    return torch.as_tensor(values)
