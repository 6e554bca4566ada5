"""Values that may mark a missing label: many labels have the very same value, and no prediction expects it there.

Files mark a missing label by a number (-9999, -1, 0, 999) or by a point ((0, 0)). Such a label says nothing, but it is
far from its prediction. Hundreds of them would be most of the flagged labels, would hide the other wrong labels, and
would make the share of wrong labels too large.

A value is a mark for one of two reasons:

- It lies alone: below or above all other labels, at a distance of several times their range.
- Predictions do not expect it: most labels with this value are far from their predictions, far more than at any other
  value. This is not so for ratings, rounded labels, or values that really recur (no rain): there, predictions of these
  labels are near the value, or nearer than the predictions of other labels. It is not so for a cap either, whose
  predictions lie at the cap or beyond.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from deepgum.posteriors.rounding import label_steps

__all__ = ["Mark", "find_marks", "lonely_marks"]

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
Unit = tuple[int, ...]

LEAST_LABELS = 5
"""Minimum number of labels that a mark has, in all targets together."""

FAR = 4.0
"""A label is far from its prediction at this number of standard deviations of right labels."""

MOSTLY = 0.7
"""Minimum share of the labels with a value that are far from their predictions, if the value is a mark."""

PILE, PILE_OF_ALL = 5.0, 3.0
"""A mark has this number of times as many far labels (or labels at all) as other values have on average."""

LEAST_AT_END, LEAST_INSIDE = 0.02, 0.05
"""Minimum share of the labels of a target that have a mark: below or above all other labels, and between them."""

EXPECTED = 0.8
"""Predictions expect a value if they are nearer to it for labels with this value than for other labels: with this
probability for one label of each sort."""

GAP = 6.0
"""A value lies alone if its distance from all other labels is this number of times their range."""

LEAST_DISTINCT, LEAST_DISTINCT_ALONE = 10, 3
"""Minimum number of other values of a target: in general, and for a value that lies alone."""

LEAST_INFORMATION = 0.8
"""Maximum ratio of the spread of residuals to the spread of labels, without which a distance says little."""

ROUNDS = 4
"""Maximum number of searches. Each leaves out the marks that were found before."""


@dataclass(frozen=True)
class Mark:
    """A value that may mark a missing label.

    Attributes
    ----------
    value : tuple of float, length k
        The number; for landmarks the point (x, y).
    units : tuple of tuples of int, each of length k
        The columns in which the value is a mark: one column, or the two columns of a landmark.
    reaches : tuple of float
        Distance from the prediction in each of the units, up to which a label with this value may be right.

    Examples
    --------
    >>> mark = Mark((0.0, 0.0), ((0, 1),), (2.0,))
    >>> given = np.array([[0.0, 0.0, 5.0], [0.0, 3.0, 0.0]])
    >>> mark.mask(given)
    array([[ True,  True, False],
           [False, False, False]])
    >>> mark.far(given, np.ones((2, 3))).any()
    np.False_
    """

    value: tuple[float, ...]
    units: tuple[Unit, ...]
    reaches: tuple[float, ...]

    def mask(self, given: Values) -> Flags:
        """Return which labels (n, d) have this value."""
        mask = np.zeros(given.shape, dtype=bool)
        for unit in self.units:
            columns = list(unit)
            mask[:, columns] = (given[:, columns] == self.value).all(axis=1)[:, None]
        return mask

    def far(self, given: Values, predicted: Values) -> Flags:
        """Return which labels (n, d) have this value, and are far from their predictions."""
        mask = self.mask(given)
        for unit, reach in zip(self.units, self.reaches, strict=True):
            columns = list(unit)
            mask[:, columns] &= (np.linalg.norm(predicted[:, columns] - self.value, axis=1) > reach)[:, None]
        return mask


def lonely_marks(given: Values, predicted: Values | None = None) -> tuple[Mark, ...]:
    """Return the marks that lie alone, from labels (n, d) of single targets.

    With predictions, a value is no mark if most predictions of its labels are near it.

    Examples
    --------
    >>> ages = np.append(np.arange(20.0, 80.0), [-9999.0] * 6)[:, None]
    >>> lonely_marks(ages)
    (Mark(value=(-9999.0,), units=((0,),), reaches=(5009.5,)),)
    """
    found: dict[float, list[tuple[Unit, float]]] = {}
    for column, label in enumerate(given.T):
        rest = ~np.isnan(label)
        for _ in range(ROUNDS):
            lonely = _lonely(label, rest, None if predicted is None else predicted[:, column])
            if lonely is None:
                break
            value, gap = lonely
            found.setdefault(value, []).append(((column,), gap / 2))
            rest = rest & (label != value)
    return tuple(Mark((value,), *zip(*parts, strict=True)) for value, parts in found.items())


def _lonely(label: Values, rest: Flags, prediction: Values | None) -> tuple[float, float] | None:
    """Return the pair (value that lies alone, distance from the next label); None if there is no such value."""
    distinct, counts = np.unique(label[rest], return_counts=True)
    if len(distinct) <= LEAST_DISTINCT_ALONE or counts.sum() < 2 * LEAST_LABELS:
        return None
    for place, neighbour, others in ((0, 1, slice(1, None)), (-1, -2, slice(None, -1))):
        value, gap = float(distinct[place]), float(abs(distinct[neighbour] - distinct[place]))
        low, high = np.quantile(np.repeat(distinct[others], counts[others]), (0.01, 0.99))
        if counts[place] < LEAST_LABELS or high == low or gap < GAP * (high - low):
            continue
        if prediction is not None:
            expected = np.abs(prediction[label == value] - value) < gap / 2
            if expected.mean() > 1 - MOSTLY:
                continue
        return value, gap
    return None


def find_marks(given: Values, predicted: Values, units: Sequence[Unit]) -> tuple[Mark, ...]:
    """Return the values that may mark a missing label, from labels and predictions (n, d).

    Parameters
    ----------
    given, predicted : arrays (n, d)
        NaN marks a missing label.
    units : sequence of tuples of int
        The columns of each label: one column, or the two columns of a landmark.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> ages = rng.uniform(20, 80, size=(300, 1))
    >>> predicted = ages + rng.normal(size=(300, 1))
    >>> ages[::10] = 0
    >>> [mark.value for mark in find_marks(ages, predicted, [(0,)])]
    [(0.0,)]
    >>> find_marks(ages, np.where(ages == 0, 1, predicted), [(0,)])
    ()
    """
    marks: list[Mark] = []
    masked = given
    if not _recur(given, units):
        return ()
    if all(len(unit) == 1 for unit in units):
        marks += lonely_marks(given, predicted)
        for mark in marks:
            masked = np.where(mark.mask(given), np.nan, masked)
    cells = _Cells.of(masked, predicted, units)
    for _ in range(ROUNDS):
        found = None if cells is None else cells.most_unexpected()
        if found is None:
            break
        marks.append(found)
        masked = np.where(found.mask(given), np.nan, masked)
        cells = _Cells.of(masked, predicted, units)
    return tuple(marks)


@dataclass(frozen=True, eq=False)
class _Cells:
    """The labels of all units, one after the other: their values, and their distances from their predictions.

    Attributes
    ----------
    units : sequence of tuples of int
    owner : array (m,) of int
        The unit of each label.
    value, predicted : arrays (m, k)
    scales : array (u,)
        Standard deviation of right labels of each unit.
    distance : array (m,)
        Distance from the prediction, in these standard deviations.
    keys : array (m,) of int
        Number of the value among `distinct`.
    distinct : array (v, k)
    """

    units: Sequence[Unit]
    owner: NDArray[np.intp]
    value: Values
    predicted: Values
    scales: Values
    distance: Values
    keys: NDArray[np.intp]
    distinct: Values

    @classmethod
    def of(cls, given: Values, predicted: Values, units: Sequence[Unit]) -> _Cells | None:
        """Return the labels of the units that predictions tell something about; None if there is none."""
        parts, scales = [], np.zeros(len(units))
        for number, unit in enumerate(units):
            columns = list(unit)
            label, prediction = given[:, columns], predicted[:, columns]
            seen = ~(np.isnan(label) | np.isnan(prediction)).any(axis=1)
            label, prediction = label[seen], prediction[seen]
            scales[number] = _scale(label, prediction)
            if scales[number] > 0:
                distance = np.linalg.norm(label - prediction, axis=1) / scales[number]
                parts.append((np.full(len(label), number), label, prediction, distance))
        if not parts:
            return None
        owner, value, prediction, distance = (np.concatenate(each) for each in zip(*parts, strict=True))
        distinct, keys = np.unique(_as_one(value), return_inverse=True)
        points = np.stack([distinct.real, distinct.imag], axis=1)[:, : value.shape[1]]
        return cls(units, owner, value, prediction, scales, distance, keys, points)

    def most_unexpected(self) -> Mark | None:
        """Return the mark with the most labels that are far from their predictions; None if there is none."""
        far = self.distance > FAR
        counts = np.bincount(self.keys[far], minlength=len(self.distinct))
        for number in np.argsort(-counts, kind="stable")[:ROUNDS].tolist():
            others = counts[(counts > 0) & (np.arange(len(counts)) != number)]
            least = max(LEAST_LABELS, PILE * (others.mean() if len(others) else 0))
            if counts[number] < least:
                continue
            members = self.keys == number
            units = [unit for unit in np.unique(self.owner[members]).tolist() if self._is_mark(number, unit, far)]
            members &= np.isin(self.owner, units)
            if units and far[members].sum() >= least and not self._is_expected(members, np.isin(self.owner, units)):
                value = tuple(self.distinct[number].tolist())
                reaches = tuple(float(FAR * self.scales[unit]) for unit in units)
                return Mark(value, tuple(self.units[unit] for unit in units), reaches)
        return None

    def _is_mark(self, number: int, unit: int, far: Flags) -> bool:
        """Return whether a value may be a mark in a unit: most of its labels are far, and it is no cap."""
        own = self.owner == unit
        members, others = own & (self.keys == number), own & (self.keys != number)
        if not members.any() or far[members].mean() < MOSTLY:
            return False
        if self.value.shape[1] > 1:
            return True
        value, prediction, rest = float(self.distinct[number, 0]), self.predicted[members, 0], self.value[others, 0]
        distinct, count = np.unique(rest), int(members.sum())
        if len(distinct) < LEAST_DISTINCT or count < PILE_OF_ALL * len(rest) / len(distinct):
            return False
        is_inside = distinct[0] < value < distinct[-1]
        if count < (LEAST_INSIDE if is_inside else LEAST_AT_END) * (len(rest) + count):
            return False
        spread = 1.4826 * float(np.median(np.abs(rest - np.median(rest))))
        if self.scales[unit] > LEAST_INFORMATION * spread:
            return False
        if not is_inside:
            beyond = prediction >= value if value > distinct[-1] else prediction <= value
            return bool((far[members] & ~beyond).mean() >= MOSTLY)
        return True

    def _is_expected(self, members: Flags, own: Flags) -> bool:
        """Return whether predictions are nearer to the value for its labels than for other labels."""
        others = own & ~members
        if not others.any():
            return True
        value = self.value[np.flatnonzero(members)[0]]
        nearness = -np.linalg.norm(self.predicted - value, axis=1)
        ranks = rankdata(np.concatenate([nearness[members], nearness[others]]))
        inside, outside = int(members.sum()), int(others.sum())
        area = (float(ranks[:inside].sum()) - inside * (inside + 1) / 2) / (inside * outside)
        return area > EXPECTED


def _recur(given: Values, units: Sequence[Unit]) -> bool:
    """Return whether any value comes often enough for a mark."""
    columns = [given[:, list(unit)] for unit in units]
    labels = _as_one(np.concatenate(columns))
    counts = np.unique(labels[~np.isnan(labels)], return_counts=True)[1]
    return bool(len(counts)) and int(counts.max()) >= LEAST_LABELS


def _as_one(values: Values) -> NDArray[np.complex128]:
    """Return numbers (n, 1) or points (n, 2) as complex numbers (n,)."""
    result = np.zeros(len(values), dtype=np.complex128)
    result.real = values[:, 0]
    if values.shape[1] > 1:
        result.imag = values[:, 1]
    return result


def _scale(label: Values, prediction: Values) -> float:
    """Return the standard deviation of residuals of right labels; 0 if there are too few labels.

    It comes from the lower part of the residuals, so that it holds while up to 60 % of the labels are marks. Exact hits
    do not count.
    """
    residuals = np.linalg.norm(label - prediction, axis=1)
    residuals = residuals[residuals > 0]
    if len(residuals) < 2 * LEAST_LABELS:
        return 0.0
    k = label.shape[1]
    # The 0.3 quantiles of |r| for a normal residual in one and in two dimensions.
    scale = float(np.quantile(residuals, 0.3)) / (0.385 if k == 1 else 0.845)
    near = residuals[residuals < 4 * scale]
    scale = float(np.median(near)) / (0.6745 if k == 1 else 1.1774)
    return max(scale, float(label_steps(label)[0].max()) / 2)
