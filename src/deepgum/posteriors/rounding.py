"""The grid of rounded labels (whole years, half pixels), and the variance of rounding errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["label_step", "rounding_variance"]

Values = NDArray[np.float64]


def label_step(values: Values) -> tuple[float, float]:
    """Return a pair: the step of the grid of labels (n,), and the smallest label. The smallest label lies on the grid.

    The step is a low quantile of the differences between labels that follow each other in sorted order. If labels lie
    on no grid, the step has no meaning, and hardly any label lies on the estimated grid. The pair is (0, 0) if there
    are fewer than three different labels.

    Examples
    --------
    >>> label_step(np.array([31.0, 20.0, 21.0, 60.0, np.nan, 22.0]))
    (1.0, 20.0)
    """
    different = np.unique(values[~np.isnan(values)])
    if len(different) < 3:
        return 0.0, 0.0
    gaps = np.sort(np.diff(different))
    return float(gaps[int(0.1 * (len(gaps) - 1))]), float(different[0])


def rounding_variance(values: Values) -> Values:
    """Return the variance (d,) of the rounding errors of values (n, d): for each column, (step of the grid)^2 / 12.

    The variance is close to 0 if the values lie on no grid.

    Examples
    --------
    >>> rounding_variance(np.array([[0.0, 0.1], [3.0, 0.2], [1.0, 0.7], [np.nan, 0.4]])).round(3)
    array([0.083, 0.001])
    """
    return np.array([label_step(column)[0] ** 2 / 12 for column in values.T])
