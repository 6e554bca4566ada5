"""Labels that need no density: exact hits at values that recur, and labels at a cap.

Two kinds of labels do not fit a density of residuals, and are right as far as anyone can tell:

- Exact hits. Many labels have the same value (no rain, four stars), and many predictions are exactly this value. Their
  residuals are a spike at 0, beside which any other residual would look wrong.
- Labels at a cap. All values above the cap were recorded as the cap (or all values below it), so the prediction of such
  a label may lie beyond the cap. The residual then only shows by how much.

Both are left out of the fit of the mixture. The other labels are judged as usual.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgum.mixture.partition import Partition

__all__ = ["Spikes"]

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]

LEAST_HITS = 0.2
"""Exact hits are left out of the fit if they are at least this share of the labels of a target."""

LEAST_REPEATS, LEAST_PILE = 5, 0.01
"""A value recurs, or is a cap, if it is at least this number of labels, and at least this share of the labels."""

PILE = 3.0
"""The highest label is a cap if it comes at least this number of times as often as the next values."""


@dataclass(frozen=True, eq=False)
class Spikes:
    """The recurring values and the caps of d targets.

    Attributes
    ----------
    values : tuple of arrays, length d
        The values of each target that recur among exact hits; empty if there are few exact hits.
    low, high : arrays (d,)
        The value at which labels are cut from below (`low`) or from above (`high`); infinite if there is none.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rain = np.maximum(rng.normal(size=(200, 1)), 0)
    >>> predicted = np.maximum(rain + 0.1 * rng.normal(size=(200, 1)) * (rain > 0), 0)
    >>> spikes = Spikes.of(rain, predicted)
    >>> settled = spikes.settled(rain, predicted, ((0,),))
    >>> spikes.values[0], spikes.low, bool((settled == (rain == 0)).all())
    (array([0.]), array([0.]), True)
    """

    values: tuple[Values, ...]
    low: Values
    high: Values

    @classmethod
    def of(cls, given: Values, predicted: Values, periods: Sequence[float] | None = None) -> Spikes:
        """Find the recurring values and the caps in labels and predictions (n, d). NaN marks a missing label.

        A label with a period has no cap.
        """
        values, low, high = [], [], []
        for column, (label, prediction) in enumerate(zip(given.T, predicted.T, strict=True)):
            distinct, counts = np.unique(label[~np.isnan(label)], return_counts=True)
            least = max(LEAST_REPEATS, LEAST_PILE * counts.sum())
            hits = label == prediction
            enough = bool(len(distinct)) and float(hits.sum()) >= LEAST_HITS * counts.sum()
            recurring = distinct[counts >= least]
            values.append(recurring[np.isin(recurring, label[hits])] if enough else recurring[:0])
            has_caps = not (periods and periods[column])
            low.append(_cap(distinct, counts, least) if has_caps else -np.inf)
            high.append(-_cap(-distinct[::-1], counts[::-1], least) if has_caps else np.inf)
        return cls(tuple(values), np.array(low), np.array(high))

    @property
    def any(self) -> bool:
        """Whether a target has a recurring value or a cap."""
        return bool(np.isfinite(self.low).any() or np.isfinite(self.high).any() or any(map(len, self.values)))

    def hits(self, given: Values, predicted: Values) -> Flags:
        """Return which labels (n, d) are exact hits at a value that recurs."""
        equal = given == predicted
        for column, values in enumerate(self.values):
            equal[:, column] &= np.isin(given[:, column], values) if len(values) else False
        return equal

    def cut(self, given: Values, predicted: Values) -> Flags:
        """Return which labels (n, d) are at a cap, with a prediction at the cap or beyond."""
        below = (given == self.low) & (predicted <= self.low)
        above = (given == self.high) & (predicted >= self.high)
        return np.asarray(below | above)

    def settled(self, given: Values, predicted: Values, partition: Partition) -> Flags:
        """Return which labels (n, g) are exact hits or cut, in every coordinate of their group that has a label."""
        missing, settled = np.isnan(given), self.hits(given, predicted) | self.cut(given, predicted)
        columns = [list(group) for group in partition]
        return np.stack(
            [settled[:, each].any(axis=1) & (settled | missing)[:, each].all(axis=1) for each in columns], axis=1
        )

    def others(self, residuals: Values, given: Values, predicted: Values, partition: Partition) -> Values:
        """Return the residuals (n, d) to which a mixture is fitted: NaN where a label is settled."""
        if not self.any:
            return residuals
        kept, settled = residuals.copy(), self.settled(given, predicted, partition)
        for place, group in enumerate(partition):
            kept[np.ix_(settled[:, place], list(group))] = np.nan
        return kept


def _cap(distinct: Values, counts: NDArray[np.int64], least: float) -> float:
    """Return the lowest of sorted values if labels pile up there, else minus infinity."""
    if len(distinct) < 2 or counts[0] < least:
        return -np.inf
    # Whole numbers recur everywhere: a pile is more than its neighbours.
    return float(distinct[0]) if counts[0] >= PILE * counts[1:6].mean() else -np.inf
