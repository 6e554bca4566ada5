"""Targets with a period, for example angles: shortest differences, and labels without a jump."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["unrolled", "wrapped"]


def wrapped(
    residuals: NDArray[np.float64], periods: Sequence[float] | NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Return residuals (n, d). Columns with a period P above 0 are shifted by multiples of P to [-P / 2, P / 2].

    `periods` has one item for each column, or the shape of the residuals.

    Examples
    --------
    >>> wrapped(np.array([[179.0 - -179.0, 7.0]]), (360.0, 0.0))
    array([[-2.,  7.]])
    """
    if periods is None:
        return residuals
    period = np.asarray(periods, dtype=np.float64)
    turns = np.where(period > 0, np.round(residuals / np.where(period > 0, period, 1.0)), 0.0)
    return np.where(period > 0, residuals - period * turns, residuals)


def unrolled(labels: NDArray[np.float64], periods: Sequence[float] | None) -> NDArray[np.float64]:
    """Return labels (n, d), with periodic labels at most half a period away from the mean direction of the column.

    Periodic labels are shifted by whole periods. Without this, a regressor of angles near 180 degrees would have to
    predict both 180 and -180 for nearly equal inputs.

    Examples
    --------
    >>> unrolled(np.array([[170.0], [178.0], [-170.0]]), (360.0,)).ravel().round(6)
    array([170., 178., 190.])
    """
    moved = labels.copy()
    for column, period in enumerate(periods or ()):
        if period:
            turn = 2 * math.pi / period
            angles = turn * labels[:, column]
            centre = math.atan2(np.nanmean(np.sin(angles)), np.nanmean(np.cos(angles))) / turn
            moved[:, column] = centre + wrapped(labels[:, [column]] - centre, (period,))[:, 0]
    return moved
