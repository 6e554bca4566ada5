"""Angles without a period: labels that differ from their predictions by one full turn.

359 and 2 degrees are three degrees apart. If nobody says that the label has a period, the residual is 357, and a right
label looks wrong. Such residuals tell the period: they lie at plus or minus one turn, as near to it as the other
residuals are to 0, and the labels fill a range of that length.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgum.periods import wrapped
from deepgum.posteriors.rounding import label_steps

__all__ = ["PERIODS", "Turn", "find_turn"]

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]

PERIODS = (
    360.0, 2 * math.pi, 180.0, math.pi, 24.0, 12.0, 7.0, 1.0, 2.0, 52.0, 60.0, 100.0, 200.0, 256.0, 365.0, 365.25,
    366.0, 400.0, 1440.0, 3600.0, 6400.0, 86400.0,
)  # fmt: skip
"""Full turns: degrees, radians, orientations, hours, months, days of the week, phases, weeks, minutes, percent, hues,
days of the year, gon, mils and seconds."""

LEAST_TURNS = 3
"""Minimum number of labels that are one turn away."""

NEAR = 4.0
"""A label is one turn away if it is within this number of standard deviations of right labels of the turn."""

LEAST_PERIOD = 12.0
"""A turn is at least this number of standard deviations of right labels."""

INSIDE = 0.97
"""Minimum share of the labels in a range of the length of the turn."""

FILLED = 0.9
"""Minimum length of the range of the labels, as a share of the turn."""

END, MOST_UNEQUAL = 0.05, 5
"""The ends of the range, as a share of the turn: one has at most this number of times as many labels as the other."""

LEAST_MIDDLE, LEAST_DISTINCT = 0.2, 6
"""Minimum share of the labels that are not near the ends of the range, and minimum number of different labels."""

MORE = 10.0
"""Labels one turn away are at least this number of times as many as if large residuals were spread evenly."""


@dataclass(frozen=True)
class Turn:
    """A target whose labels differ from their predictions by one full turn, now and then.

    Attributes
    ----------
    column : int
    period : float
        The length of the turn, in the unit of the labels.
    reach : float
        A label is one turn away if the residual is at most this far from the turn.
    """

    column: int
    period: float
    reach: float

    def mask(self, residuals: Values) -> Flags:
        """Return which residuals (n, d) are one full turn."""
        mask = np.zeros(residuals.shape, dtype=bool)
        own = np.abs(residuals[:, self.column])
        mask[:, self.column] = np.abs(own - self.period) <= self.reach
        return mask


def find_turn(given: Values, predicted: Values, column: int = 0) -> Turn | None:
    """Return the full turn that some labels (n,) differ from their predictions by; None if there is none.

    NaN marks a missing label. `column` is kept in the result.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.uniform(0, 360, size=600)
    >>> predicted = (truth + rng.normal(0, 4, size=600)) % 360
    >>> find_turn(truth, predicted).period, find_turn(truth, truth + 4) is None
    (360.0, True)
    """
    seen = ~(np.isnan(given) | np.isnan(predicted))
    label, residuals = given[seen], (given - predicted)[seen]
    sizes = np.abs(residuals)
    if len(label) < 30 or len(np.unique(label)) < LEAST_DISTINCT:
        return None
    low, high = np.quantile(label, (0.005, 0.995))
    scale = max(1.4826 * float(np.median(sizes)), float(label_steps(label[:, None])[0][0]) / 2)
    found: tuple[int, Turn] | None = None
    for period in PERIODS:
        if scale <= 0 or period < LEAST_PERIOD * scale or not FILLED * period <= high - low <= 1.05 * period:
            continue
        turn = Turn(column, period, NEAR * scale)
        count = int(turn.mask(np.where(np.arange(column + 1) == column, residuals[:, None], 0))[:, column].sum())
        if count < LEAST_TURNS or (found is not None and count <= found[0]):
            continue
        if _is_filled(label, period) and _stands_out(residuals, period, turn.reach, count):
            found = count, turn
    return None if found is None else found[1]


def _is_filled(label: Values, period: float) -> bool:
    """Return whether the labels fill a range of one period, and are as frequent at one end as at the other."""
    width = END * period
    ends = sorted([int((label <= label.min() + width).sum()), int((label >= label.max() - width).sum())])
    if ends[1] > MOST_UNEQUAL * ends[0]:
        return False
    for start in (0.0, -period / 2, float(label.min())):
        inside = (label >= start - 1e-6 * period) & (label <= start + (1 + 1e-6) * period)
        if inside.mean() >= INSIDE:
            middle = np.abs(label - start - period / 2) < 0.4 * period
            return bool(middle.mean() >= LEAST_MIDDLE)
    return False


def _stands_out(residuals: Values, period: float, reach: float, count: int) -> bool:
    """Return whether residuals at one turn are more frequent than other large residuals, and centred on the turn.

    If wrong labels and predictions were independent and uniform in the range, the density of their residuals would
    fall linearly to 0 at plus and minus one turn.
    """
    sizes = np.abs(residuals)
    large = int(((sizes > reach) & (sizes < period - reach)).sum())
    share = (reach / period) ** 2 / (1 - (reach / period) ** 2)
    if count < MORE * max(large * share, 0.01):
        return False
    near = wrapped(residuals[np.abs(sizes - period) <= reach][:, None], (period,))
    return abs(float(np.median(near))) <= reach / 2
