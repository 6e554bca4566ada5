"""Residuals that fit no smooth density: exact hits at values that recur, labels at a cap, and whole numbers.

Two kinds of labels are right as far as anyone can tell:

- Exact hits. Many labels have the same value (no rain, four stars), and many predictions are exactly this value. Their
  residuals are a spike at 0, beside which any other residual would look wrong.
- Labels at a cap. All values above the cap were recorded as the cap (or all values below it), so the prediction of such
  a label may lie beyond the cap. The residual then only shows by how much.

Both are left out of the fit of the mixture. The other labels are judged as usual.

If labels and predictions are whole numbers (or lie on another grid) and most predictions are right or one step away,
then exact hits are no spike: a residual of 0 stands for all residuals that were rounded to 0. The mixture is then
fitted to residuals before rounding, drawn from a Gaussian whose shares of hits and near misses are those observed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from deepgum.errors import listing
from deepgum.mixture.partition import Partition
from deepgum.posteriors.rounding import label_steps
from deepgum.wording import number

__all__ = ["Spikes"]

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]

LEAST_HITS = 0.2
"""Exact hits are left out of the fit if they are at least this share of the labels of a target."""

LEAST_REPEATS, LEAST_PILE = 5, 0.01
"""A value recurs, or is a cap, if it is at least this number of labels, and at least this share of the labels."""

ON_GRID = 0.99
"""Labels and predictions lie on a grid if this share of them does."""

LEAST_AREA = 0.65
"""Predictions expect a pile if the area under the ROC curve of its members is at least this number."""

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
    piles : tuple of arrays, length d
        The values of `low` and `high` that the predictions expect: they are lower (or higher) for the labels at this
        value than for others. All labels at this value count as right, because a wrong label would hardly hit it. If
        the predictions do not expect a value, it may stand for a missing label.
    steps, deviations : array (d,)
        Step of the grid of labels and predictions, and standard deviation of residuals before rounding; 0 if there is
        no grid, or most misses are by more than one step.

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
    steps: Values
    deviations: Values
    piles: tuple[Values, ...]

    @classmethod
    def of(cls, given: Values, predicted: Values, periods: Sequence[float] | None = None) -> Spikes:
        """Find the recurring values and the caps in labels and predictions (n, d). NaN marks a missing label.

        A label with a period has no cap.
        """
        values, low, high, grids, piles = [], [], [], [], []
        for column, (label, prediction) in enumerate(zip(given.T, predicted.T, strict=True)):
            distinct, counts = np.unique(label[~np.isnan(label)], return_counts=True)
            least = max(LEAST_REPEATS, LEAST_PILE * counts.sum())
            hits = label == prediction
            enough = bool(len(distinct)) and float(hits.sum()) >= LEAST_HITS * counts.sum()
            recurring = distinct[counts >= least]
            grids.append(_grid(label, prediction) if enough else (0.0, 0.0))
            is_spike = enough and not grids[-1][0]
            values.append(recurring[np.isin(recurring, label[hits])] if is_spike else recurring[:0])
            has_caps = not (periods and periods[column])
            low.append(_cap(distinct, counts, least) if has_caps else -np.inf)
            high.append(-_cap(-distinct[::-1], counts[::-1], least) if has_caps else np.inf)
            ends = ((low[-1], -prediction), (high[-1], prediction))
            piles.append(np.array([end for end, order in ends if _is_expected(label == end, order)]))
        steps, deviations = np.array(grids).T
        return cls(tuple(values), np.array(low), np.array(high), steps, deviations, tuple(piles))

    @property
    def any(self) -> bool:
        """Whether a target has a recurring value or a cap."""
        return bool(np.isfinite(self.low).any() or np.isfinite(self.high).any() or any(map(len, self.values)))

    def hits(self, given: Values, predicted: Values) -> Flags:
        """Return which labels (n, d) are exact hits at a value that recurs."""
        equal: Flags = given == predicted
        for column, values in enumerate(self.values):
            equal[:, column] &= np.isin(given[:, column], values) if len(values) else False
        return equal

    def cut(self, given: Values, predicted: Values) -> Flags:
        """Return which labels (n, d) are at a cap, with a prediction at the cap or beyond, or at an expected pile."""
        below = (given == self.low) & (predicted <= self.low)
        above = (given == self.high) & (predicted >= self.high)
        cut = np.asarray(below | above)
        for column, piles in enumerate(self.piles):
            cut[:, column] |= np.isin(given[:, column], piles)
        return cut

    def settled(self, given: Values, predicted: Values, partition: Partition) -> Flags:
        """Return which labels (n, g) are exact hits or cut, in every coordinate of their group that has a label."""
        missing, settled = np.isnan(given), self.hits(given, predicted) | self.cut(given, predicted)
        columns = [np.array(group) for group in partition]
        parts = [(settled[:, each], missing[:, each]) for each in columns]
        return np.stack([here.any(axis=1) & (here | gone).all(axis=1) for here, gone in parts], axis=1)

    def others(self, residuals: Values, given: Values, predicted: Values, partition: Partition) -> Values:
        """Return the residuals (n, d) to which a mixture is fitted: NaN where a label is settled, and
        residuals before rounding where there is a grid.
        """
        if not self.any and not self.steps.any():
            return residuals
        kept, settled = residuals.copy(), self.settled(given, predicted, partition)
        # The same seed each time, because a fit reads a stream several times.
        rng = np.random.default_rng(0)
        for column in np.flatnonzero(self.steps).tolist():
            kept[:, column] = _before_rounding(kept[:, column], self.steps[column], self.deviations[column], rng)
        for place, group in enumerate(partition):
            kept[np.ix_(settled[:, place], np.array(group))] = np.nan
        return kept

    def words(self, group: Sequence[int], settled: int, labels: int) -> str:
        """Return a sentence on the settled labels of a group of columns, given their number and that of all labels.

        The sentence is empty if no label is settled.
        """
        if not settled:
            return ""
        recurring = [value for column in group for value in self.values[column].tolist()]
        caps = [cap for column in group for cap in (self.low[column], self.high[column]) if np.isfinite(cap)]
        of_all = f"{settled:,} of the {labels:,} labels"
        if not caps:
            return f"{of_all} are exactly as predicted, at values that recur: they count as right."
        cut = f"labels are cut at {listing([number(cap, 6) for cap in caps])}"
        if not recurring:
            return f"The {cut}: {of_all} are there, as far as predictions expect it, and count as right."
        return f"{of_all} are exactly as predicted, or beyond the cut ({cut}): they count as right."


def _grid(given: Values, predicted: Values) -> tuple[float, float]:
    """Return the step of the grid of labels and predictions, and the standard deviation of residuals before rounding.

    Both are 0 if there is no grid, or if most misses are by more than one step.
    """
    seen = ~(np.isnan(given) | np.isnan(predicted))
    label, prediction = given[seen], predicted[seen]
    steps, starts = label_steps(label[:, None])
    step, start = float(steps[0]), float(starts[0])
    if step <= 0:
        return 0.0, 0.0
    for values in (label, prediction):
        places = (values - start) / step
        if np.mean(np.abs(places - np.round(places)) < 1e-3) < ON_GRID:
            return 0.0, 0.0
    misses = np.round(np.abs(label - prediction) / step)
    hits, near = float(np.sum(misses == 0)), float(np.sum(misses == 1))
    if not near or near < np.sum(misses > 1):
        return 0.0, 0.0
    quantile = torch.special.ndtri(torch.tensor(0.5 + 0.5 * hits / (hits + near), dtype=torch.float64))
    return step, step / 2 / float(quantile)


def _before_rounding(residuals: Values, step: float, deviation: float, rng: np.random.Generator) -> Values:
    """Return random residuals (n,) that are rounded to the given ones: Gaussian up to one step, uniform beyond."""
    whole, draws = np.round(residuals / step), rng.random(len(residuals))
    edges = torch.from_numpy((whole[:, None] + [-0.5, 0.5]) * step / deviation)
    low, high = torch.special.ndtr(edges).unbind(dim=1)
    gaussian = deviation * torch.special.ndtri(low + torch.from_numpy(draws) * (high - low)).numpy()
    return np.where(np.abs(whole) <= 1, gaussian, residuals + (draws - 0.5) * step)


def _is_expected(members: Flags, order: Values) -> bool:
    """Return whether the order of predictions tells the members of a pile from the other labels.

    The probability that a member comes after another label is the area under the ROC curve, from the sum of ranks.
    """
    known = ~np.isnan(order)
    members, order = members[known], order[known]
    inside, outside = int(members.sum()), int((~members).sum())
    if not inside or not outside:
        return False
    ranks = np.unique(order, return_inverse=True, return_counts=True)
    last = np.cumsum(ranks[2])
    mean_rank = (last - (ranks[2] - 1) / 2)[ranks[1]]
    area = (float(mean_rank[members].sum()) - inside * (inside + 1) / 2) / (inside * outside)
    return area >= LEAST_AREA


def _cap(distinct: Values, counts: NDArray[np.int64], least: float) -> float:
    """Return the lowest of sorted values if labels pile up there, else minus infinity."""
    if len(distinct) < 2 or counts[0] < least:
        return -np.inf
    # Whole numbers recur everywhere: a pile is more than its neighbours.
    return float(distinct[0]) if counts[0] >= PILE * counts[1:6].mean() else -np.inf
