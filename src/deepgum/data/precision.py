"""A warning about columns whose values are far from zero and differ so little that float32 loses the differences."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from deepgum.errors import DeepGUMWarning, listing

__all__ = ["median_and_spread", "warn_of_lost_spread"]

_LEAST_RATIO = 1e-4
_MAX_ROWS = 4096
# Types with more digits than float32; narrower numbers fit into float32.
_WIDE_TYPES = ("float64", "longdouble", "int32", "int64", "uint32", "uint64")


def median_and_spread(values: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the pair (median, spread) of columns (n, d), each of shape (d,). Missing values (NaN) are ignored.

    The spread is the interquartile range. If the interquartile range is 0, the spread is the mean absolute deviation
    from the median, which is 0 only for a constant column. A few wrong values hardly change the median or the
    interquartile range. For a column without any value, the median and the spread are NaN.

    Examples
    --------
    >>> median_and_spread(np.array([[0.0, 5.0], [2.0, 5.0], [4.0, np.nan], [6.0, 5.0], [8.0, 5.0]]))
    (array([4., 5.]), array([4., 0.]))
    """
    values = np.asarray(values, dtype=np.float64)
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # NumPy warns of columns without any value
        lower, median, upper = np.nanquantile(values, [0.25, 0.5, 0.75], axis=0)
        spread = upper - lower
        flat = spread == 0
        spread[flat] = np.nanmean(np.abs(values[:, flat] - median[flat]), axis=0)
    return median, spread


def warn_of_lost_spread(parameter: str, values: NDArray[Any] | Tensor, names: Sequence[str] | None = None) -> None:
    """Warn about columns of numbers (n, d) whose spread is less than 1e-4 times the absolute value of their median.

    The relative distance between neighbouring float32 numbers is up to 1.2e-7. In such a column, the differences
    between values therefore keep at most three digits. Differences between timestamps in seconds keep no digit. This is
    a warning and not an error, because these digits may be enough, or other columns may hold the information. Values
    that are already float32 are not checked, because their digits are already lost. If there are many rows, only a few
    thousand evenly spaced rows are checked.

    `parameter` is the name of the parameter that has the values, for the message.

    Examples
    --------
    >>> import pytest
    >>> with pytest.warns(DeepGUMWarning) as caught:
    ...     warn_of_lost_spread("targets", 1.7e9 + np.arange(100.0)[:, None], ["time"])
    >>> print(caught[0].message)
    `targets` should differ by more than a ten-thousandth of their size, because they become float32. Found a spread of
    49.5 around 1.7e+09: time. Subtract a constant from the column (its median), and add it to the predictions.
    """
    if str(values.dtype).removeprefix("torch.") not in _WIDE_TYPES or values.ndim != 2:
        return
    some = values[:: max(1, len(values) // _MAX_ROWS)]
    median, spread = median_and_spread(some.detach().cpu().numpy() if isinstance(some, Tensor) else some)
    lost = np.flatnonzero((spread > 0) & (spread < _LEAST_RATIO * np.abs(median))).tolist()
    if not lost:
        return
    named = listing([f"column {column}" if names is None else names[column] for column in lost])
    undone = ", and add it to the predictions" if parameter == "targets" else ""
    warnings.warn(
        f"`{parameter}` should differ by more than a ten-thousandth of their size, because they become float32. Found "
        f"a spread of {spread[lost[0]]:.3g} around {median[lost[0]]:.3g}: {named}. Subtract a constant from the "
        f"column (its median){undone}.",
        DeepGUMWarning,
        stacklevel=3,
    )
