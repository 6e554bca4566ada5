"""Exchanged labels of landmarks: left and right, or x and y."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgum.posteriors.kinds.base import Kind
from deepgum.posteriors.kinds.comparison import Comparison

__all__ = ["ExchangedAxes", "ExchangedSides"]

Values = NDArray[np.float64]


@dataclass(frozen=True)
class ExchangedSides(Kind):
    """The labels of a left and a right landmark are exchanged.

    Examples
    --------
    >>> from dataclasses import replace
    >>> labels = np.array([[1.0, 2.0, 30.0, 40.0]])
    >>> comparison = replace(
    ...     Comparison.of(labels, labels, ((0, 1), (2, 3))), landmarks=True, swap_pairs=((0, 1),))
    >>> ExchangedSides().undo(labels, comparison)
    array([[30., 40.,  1.,  2.]])
    """

    name = "sides"
    reason = "swapped"
    words = "With left and right exchanged"

    def undo(self, labels: Values, comparison: Comparison) -> Values:
        """Return the labels of the other landmark of each pair; NaN for landmarks without a partner."""
        changed = np.full_like(labels, np.nan)
        for left, right in comparison.swap_pairs:
            for one, other in ((left, right), (right, left)):
                changed[:, [2 * one, 2 * one + 1]] = labels[:, [2 * other, 2 * other + 1]]
        return changed

    def applies(self, comparison: Comparison) -> bool:
        """Return whether there are pairs of landmarks."""
        return bool(comparison.swap_pairs)


@dataclass(frozen=True)
class ExchangedAxes(Kind):
    """The x and the y of a landmark are exchanged."""

    name = "axes"
    reason = "axes"
    words = "With x and y exchanged"

    def undo(self, labels: Values, comparison: Comparison) -> Values:
        """Return y x y x ... for x y x y ..."""
        columns = np.arange(labels.shape[1]) ^ 1
        return np.asarray(labels[:, columns])

    def applies(self, comparison: Comparison) -> bool:
        """Return whether labels are landmarks and x and y are in one group."""
        return comparison.landmarks and all(
            {column ^ 1 for column in columns} == set(columns) for columns in comparison.partition
        )
