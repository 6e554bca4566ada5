"""The grid of rounded labels (whole years, half pixels), and the variance of rounding errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["label_steps", "rounding_variance"]

Values = NDArray[np.float64]

_MOST_VALUES = 2**18
"""Maximum number of labels that are sorted at once."""


def label_steps(values: Values) -> tuple[Values, Values]:
    """Return two arrays (d,): the step of the grid of the labels (n, d) in each column, and the smallest label.

    The smallest label lies on the grid. The step is a low quantile of the differences between labels that follow each
    other in sorted order. If labels lie on no grid, the step has no meaning, and hardly any label lies on the estimated
    grid. Both are 0 if there are fewer than three different labels. NaN marks a missing label.

    Examples
    --------
    >>> label_steps(np.array([[31.0], [20.0], [21.0], [60.0], [np.nan], [22.0]]))
    (array([1.]), array([20.]))
    """
    n, d = values.shape
    steps, starts = np.zeros(d), np.zeros(d)
    width = max(1, _MOST_VALUES // max(n, 1))
    for first in range(0, d if n else 0, width):
        ordered = np.sort(values[:, first : first + width], axis=0)  # NaN comes last
        gaps = np.diff(ordered, axis=0)
        gaps[~(gaps > 0)] = np.inf
        count = np.isfinite(gaps).sum(axis=0)
        enough = np.flatnonzero(count >= 2)
        gaps = np.sort(gaps[:, enough], axis=0)
        low = (0.1 * (count[enough] - 1)).astype(np.intp)
        steps[first + enough] = gaps[low, np.arange(len(enough))]
        starts[first + enough] = ordered[0, enough]
    return steps, starts


def rounding_variance(values: Values) -> Values:
    """Return the variance (d,) of the rounding errors of values (n, d): for each column, (step of the grid)^2 / 12.

    The variance is close to 0 if the values lie on no grid.

    Examples
    --------
    >>> rounding_variance(np.array([[0.0, 0.1], [3.0, 0.2], [1.0, 0.7], [np.nan, 0.4]])).round(3)
    array([0.083, 0.001])
    """
    return np.asarray(np.square(label_steps(values)[0]) / 12)
