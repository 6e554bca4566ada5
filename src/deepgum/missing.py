"""Missing values of other libraries as NaN: masked arrays, `pandas.NA`, `NaT`, and columns of nullable types."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["with_nan"]

_NAMES = frozenset({"NAType", "NaTType", "MaskedConstant"})
"""Names of the types of single missing values, in pandas and NumPy."""


def with_nan(values: Any) -> Any:
    """Return values whose missing ones are NaN; values that cannot have other marks are returned unchanged.

    The fill value of a masked array is no value: NumPy's own conversion would take it for one. A masked array of whole
    numbers becomes float64.

    Examples
    --------
    >>> with_nan(np.ma.masked_array([1, -9999], mask=[False, True]))
    array([ 1., nan])
    >>> import pandas as pd
    >>> with_nan([1.0, pd.NA, None]), with_nan(pd.Series([1, None], dtype="Int64"))
    ([1.0, nan, None], array([ 1., nan]))
    """
    if isinstance(values, np.ma.MaskedArray):
        if values.dtype.kind not in "biuf":
            return values
        kind = values.dtype if values.dtype.kind == "f" else np.dtype(np.float64)
        return np.where(np.ma.getmaskarray(values), np.nan, np.asarray(values.data, dtype=kind))
    if isinstance(values, list | tuple):
        return type(values)(map(with_nan, values)) if type(values) in (list, tuple) and _has_gaps(values) else values
    if isinstance(values, np.ndarray):
        if values.dtype != object or not any(_is_gap(each) for each in values.flat):
            return values
        return np.array([np.nan if _is_gap(each) else each for each in values.flat], dtype=object).reshape(values.shape)
    if _is_gap(values):
        return np.nan
    kind = getattr(values, "dtype", None)
    # A nullable type of pandas has the name of the NumPy type in `numpy_dtype`.
    if hasattr(kind, "na_value") and getattr(getattr(kind, "numpy_dtype", None), "kind", "") in tuple("iuf"):
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    if isinstance(kind, np.dtype) and kind.kind == "O" and hasattr(values, "to_numpy"):
        return with_nan(values.to_numpy())
    return values


def _is_gap(value: Any) -> bool:
    return type(value).__name__ in _NAMES


def _has_gaps(values: Any) -> bool:
    return any(_is_gap(each) or (isinstance(each, list | tuple | np.ma.MaskedArray) and _deep(each)) for each in values)


def _deep(value: Any) -> bool:
    return isinstance(value, np.ma.MaskedArray) or _has_gaps(value)
