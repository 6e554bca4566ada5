"""Reason `unit`: wrong unit, sign or scale. After one known conversion, the label agrees with the prediction."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from deepgum.audit.reasons.base import Explanation, Reason, single_groups
from deepgum.audit.reasons.case import Case, part_names
from deepgum.audit.reasons.gaussian import Split, normal, split
from deepgum.audit.reasons.wrong_labels import cells_by_size
from deepgum.periods import wrapped
from deepgum.wording import deviations, values

__all__ = ["POINT_CONVERSIONS", "VALUE_CONVERSIONS", "Conversion", "Unit"]


class Conversion(NamedTuple):
    """A conversion: the right value is `scale` times the label, plus `offset`.

    `words` is the start of a sentence that continues with "it fits". `usual` is True for a shifted decimal point or a
    wrong sign. All conversions with `usual` together have the prior probability one half.
    """

    words: str
    scale: float
    offset: float = 0.0
    usual: bool = False


def _by_factor(
    factor: float, text: str, multiplied: str = "", divided: str = "", usual: bool = False
) -> tuple[Conversion, Conversion]:
    """Return two conversions: the label times a factor, and the label divided by the factor.

    `text` is the factor in words. `multiplied` names the mistake that the first conversion corrects, and `divided`
    names the mistake that the second conversion corrects; empty if the mistake has no name.
    """

    def words(verb: str, mistake: str) -> str:
        return f"{verb} by {text}" + (f" ({mistake}?)" if mistake else "")

    return (
        Conversion(words("Multiplied", multiplied), factor, usual=usual),
        Conversion(words("Divided", divided), 1 / factor, usual=usual),
    )


_DECIMALS = (
    *_by_factor(10.0, "10", usual=True),
    *_by_factor(100.0, "100", "a fraction for a percentage", "a percentage for a fraction", usual=True),
    *_by_factor(1000.0, "1000"),
)
_SIGN = Conversion("With the opposite sign", -1.0, usual=True)
_HALVES = _by_factor(2.0, "2")
_INCHES = _by_factor(2.54, "2.54", "inches for centimetres", "centimetres for inches")

VALUE_CONVERSIONS: tuple[Conversion, ...] = (
    *_DECIMALS,
    _SIGN,
    *_HALVES,
    *_INCHES,
    *_by_factor(25.4, "25.4", "inches for millimetres", "millimetres for inches"),
    *_by_factor(0.3048, "0.3048", "feet for metres", "metres for feet"),
    *_by_factor(1.609344, "1.609", "miles for kilometres", "kilometres for miles"),
    *_by_factor(0.45359237, "0.4536", "pounds for kilograms", "kilograms for pounds"),
    *_by_factor(180 / math.pi, "57.3", "radians for degrees", "degrees for radians"),
    *_by_factor(7.0, "7", "weeks for days", "days for weeks"),
    *_by_factor(12.0, "12", "years for months", "months for years"),
    *_by_factor(24.0, "24", "days for hours", "hours for days"),
    *_by_factor(60.0, "60", "hours for minutes", "minutes for hours"),
    *_by_factor(365.25, "365.25", "years for days", "days for years"),
    Conversion("From degrees Fahrenheit to Celsius", 1 / 1.8, -32 / 1.8),
    Conversion("From degrees Celsius to Fahrenheit", 1.8, 32.0),
)
"""Conversions of values."""

POINT_CONVERSIONS: tuple[Conversion, ...] = (*_DECIMALS, _SIGN, *_HALVES, *_INCHES)
"""Conversions of landmarks, in pixels or fractions. The factor 2 is for images that were labelled at another size."""


Values = NDArray[np.float64]
Rows = NDArray[np.intp]

_MOST_PARTS = 3
"""In a group with at most this number of parts, all subsets are tried. In a larger group, each single part is tried."""

_PERIODIC_SLACK = 3.0
"""Tolerance of periodic labels beyond the range of the predictions, in standard deviations of right labels."""


class Unit(Reason):
    """The label is in another unit, or has the wrong sign or scale. The converted label is suggested.

    Each conversion is tried on each flagged group and on all flagged groups of a sample at once. In a group of several
    landmarks or values, it is also tried on subsets of the group. The density of the converted label is transformed to
    the scale of the label. A label near zero or a rounded label agrees with the prediction after many conversions.
    Such a label is therefore weak evidence for each of these conversions.
    """

    name = "unit"
    words = "wrong unit, sign or scale"
    rank = 20
    applied_once = True

    def find(self, case: Case) -> Iterator[Explanation]:
        """Yield explanations: each conversion of flagged groups, of parts of groups, and of whole samples."""
        table = POINT_CONVERSIONS if case.landmarks else VALUE_CONVERSIONS
        conversions: list[tuple[Conversion, Values | float]] = [(each, each.scale) for each in table]
        if case.landmarks and case.sizes is not None:
            shares = Conversion("As shares of the image's width and height", math.nan)
            conversions.append((shares, case.sizes))
        usual = sum(each.usual for each, _ in conversions)
        weights = [0.5 / (usual if each.usual else len(conversions) - usual) for each, _ in conversions]
        flagged = _Flagged.of(case)
        for (each, scales), weight in zip(conversions, weights, strict=True):
            yield from _ConvertedLabels(self, case, flagged, each, scales, weight).explanations()


class _Subsets(NamedTuple):
    """Subsets of s coordinates of groups: m pairs of a flagged label and a subset that may have the wrong unit.

    Attributes
    ----------
    label : array (m,)
        Places of the labels among the flagged labels.
    inside, columns : arrays (m, s)
        The coordinates of the subset: their positions in the group, and their columns.
    log_share : array (m,)
        Log of the prior probability of the subset among the subsets of its group.
    rest : Split
        The density of the rest of the group, and of the subset given the rest.
    covers : sparse array (m, g)
        The group of each label; see `Explanation`.
    """

    label: Rows
    inside: Rows
    columns: Rows
    log_share: Values
    rest: Split
    covers: csr_array


@dataclass(frozen=True, eq=False)
class _Flagged:
    """The flagged labels, and what is the same for all conversions.

    Attributes
    ----------
    rows, groups : arrays (f,)
    covers : sparse array (f, g)
        The group of each label; see `Explanation`.
    subsets : tuple of _Subsets, one per number of coordinates
    several : array (m,)
        The rows with several flags.
    several_covers : sparse array (m, g)
        The flagged groups of these rows.
    """

    rows: Rows
    groups: Rows
    covers: csr_array
    subsets: tuple[_Subsets, ...]
    several: Rows
    several_covers: csr_array

    @classmethod
    def of(cls, case: Case) -> _Flagged:
        groups, rows = case.flags.T.nonzero()
        found: dict[int, list[_Subsets]] = defaultdict(list)
        bounds = np.searchsorted(groups, np.arange(len(case.labels.partition) + 1)).tolist()
        for group, columns in enumerate(case.labels.partition):
            parts, labels = case.parts(group), np.arange(bounds[group], bounds[group + 1])
            if len(parts) == 1 or not len(labels):
                continue
            sizes = range(1, len(parts)) if len(parts) <= _MOST_PARTS else (1,)
            subsets = [list(chain.from_iterable(each)) for size in sizes for each in combinations(parts, size)]
            own = rows[labels]
            residuals = case.labels.residuals[own][:, list(columns)]
            splits = split(residuals, case.covariances[group], subsets, case.excess[own, group])
            log_share = np.full(len(labels), -math.log(len(subsets)))
            for subset, rest in zip(subsets, splits, strict=True):
                inside = np.tile(subset, (len(labels), 1))
                covers = single_groups(groups[labels], case.flags.shape[1])
                found[len(subset)].append(_Subsets(labels, inside, np.array(columns)[inside], log_share, rest, covers))
        several = np.flatnonzero(case.flags.sum(axis=1) > 1)
        return cls(
            rows,
            groups,
            single_groups(groups, case.flags.shape[1]),
            tuple(_joined(found[size]) for size in sorted(found)),
            several,
            csr_array(case.flags[several]),
        )


def _joined(subsets: Sequence[_Subsets]) -> _Subsets:
    *arrays, rests, covers = zip(*subsets, strict=True)
    rest = Split(*(np.concatenate(each) for each in zip(*rests, strict=True)))
    label, inside, columns, log_share = (np.concatenate(each) for each in arrays)
    return _Subsets(label, inside, columns, log_share, rest, vstack(covers, format="csr"))


@dataclass(frozen=True, eq=False)
class _ConvertedLabels:
    """The flagged labels after one conversion. `scales` are for the width and the height of each image, or one number.

    All methods take the rows and the columns of m labels of k coordinates, of the shapes (m, 1) and (m, k).
    """

    reason: Reason
    case: Case
    flagged: _Flagged
    conversion: Conversion
    scales: Values | float
    weight: float

    def scale(self, rows: Rows, columns: Rows) -> Values:
        """Return the factor (m, k) by which each label is multiplied."""
        if isinstance(self.scales, float):
            return np.full(np.broadcast_shapes(rows.shape, columns.shape), self.scales)
        return np.asarray(self.scales[rows, columns % 2])

    def scale_of(self, row: int, column: int) -> float:
        """Return the factor by which one label is multiplied."""
        return self.scales if isinstance(self.scales, float) else float(self.scales[row, column % 2])

    def right(self, rows: Rows, columns: Rows) -> Values:
        """Return the converted labels (m, k)."""
        given = self.case.labels.given[rows, columns]
        return np.asarray(self.scale(rows, columns) * given + self.conversion.offset)

    def residuals(self, rows: Rows, columns: Rows) -> Values:
        """Return residuals (m, k) of converted labels; NaN for a periodic label outside the range of the predictions.

        Without this limit, any angle would agree with some prediction after enough turns.
        """
        labels, right = self.case.labels, self.right(rows, columns)
        residuals = right - labels.predicted[rows, columns]
        if labels.periods is None:
            return residuals
        periods = np.array(labels.periods)[columns]
        low, high = (limit[columns] for limit in self.case.predicted_range)
        slack = _PERIODIC_SLACK * self.case.deviation[rows, columns]
        possible = (periods == 0) | ((right >= low - slack) & (right <= high + slack))
        return np.where(possible, wrapped(residuals, periods), np.nan)

    def rounding(self, rows: Rows, columns: Rows) -> Values:
        """Return the variance (m, k) of the rounding errors of the converted labels."""
        return np.asarray(np.square(self.scale(rows, columns) * self.case.steps(rows, columns)) / 12)

    def log_change(self, rows: Rows, columns: Rows) -> Values:
        """Return the log (m, k) of a ratio: the density of the label divided by the density of the converted label.

        The ratio is the scale of the conversion, unless right labels lie on a grid, for example whole years. If labels
        were rounded before the unit was changed, only some labels are possible: years times ten are multiples of ten.
        Each possible label is then more probable. It is equally probable that labels were rounded before the change or
        after the change.
        """
        step, start = (each[columns] for each in self.case.grids)
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = np.abs(self.scale(rows, columns))
            log_scale = np.log(scale)
            places = (self.right(rows, columns) - start) / step
            on_grid = np.abs(places - np.round(places)) <= np.maximum(0.5 * scale, 0.01)
            log_grid_scale = np.where(on_grid, np.maximum(log_scale, 0.0), -np.inf)
            log_mean = np.logaddexp(log_scale, log_grid_scale) - math.log(2)
            return np.where(self.case.steps(rows, columns) > 0, log_mean, log_scale)

    def explanations(self) -> Iterator[Explanation]:
        """Yield the explanations of single groups, of parts of groups, and of whole samples."""
        rows, several = self.flagged.rows, self.flagged.several
        densities = self._of_groups()
        yield self._explanation(rows, self.flagged.covers, densities)
        for subsets in self.flagged.subsets:
            yield self._explanation(rows[subsets.label], subsets.covers, self._of_subsets(subsets), subsets.columns)
        if len(several):
            total = np.asarray(np.bincount(rows, densities, len(self.case.flags))[several], dtype=np.float64)
            yield self._explanation(several, self.flagged.several_covers, total)

    def _of_groups(self) -> Values:
        """Return the log density (f,) of each flagged label if all its coordinates have the wrong unit."""
        case, density = self.case, np.empty(len(self.flagged.rows))
        for places, columns in cells_by_size(case.labels.partition, self.flagged.groups):
            rows, groups = self.flagged.rows[places][:, None], self.flagged.groups[places]
            residuals, rounding, change, possible = self._converted(rows, columns)
            extra = rounding + case.excess[rows, groups[:, None]]
            for some, covariance in case.covariances_of(groups):
                each = places[some]
                right = np.full(len(each), -np.inf)
                able = possible[some]
                own = covariance[able] if covariance.ndim == 3 else covariance
                right[able] = normal(residuals[some][able], own, extra[some][able]).log_density
                density[each] = right + np.where(able, change[some], 0.0)
        return density

    def _of_subsets(self, subsets: _Subsets) -> Values:
        """Return the log density (m,) of each flagged label if only a subset of its coordinates has the wrong unit."""
        rows = self.flagged.rows[subsets.label][:, None]
        residuals, rounding, change, possible = self._converted(rows, subsets.columns)
        given = normal(residuals - subsets.rest.mean, subsets.rest.covariance, rounding).log_density
        return np.where(possible, given + subsets.rest.log_rest + change + subsets.log_share, -np.inf)

    def _converted(self, rows: Rows, columns: Rows) -> tuple[Values, Values, Values, NDArray[np.bool_]]:
        """Return residuals and rounding (m, k), the sum of `log_change` (m,), and whether a conversion is possible."""
        given = ~np.isnan(self.case.labels.residuals[rows, columns])
        residuals = self.residuals(rows, columns)
        rounding = np.where(given, self.rounding(rows, columns), 0.0)
        change = np.where(given, self.log_change(rows, columns), 0.0).sum(axis=1)
        possible = (~np.isnan(residuals) == given).all(axis=1) & given.any(axis=1)
        return residuals, rounding, change, possible

    def _explanation(
        self, rows: Rows, covers: csr_array, log_likelihood: Values, wrong_columns: Rows | None = None
    ) -> Explanation:
        labels, unit, landmarks = self.case.labels, self.case.unit, self.case.landmarks

        def is_changed(place: int, columns: Sequence[int]) -> list[bool]:
            chosen = columns if wrong_columns is None else wrong_columns[place].tolist()
            return [column in chosen for column in columns]

        def suggest(place: int, group: int) -> tuple[Values, Values]:
            # Plain numbers: arrays of few numbers would take most of the time if there are many flags.
            row, columns = int(rows[place]), labels.partition[group]
            label, variance = [], []
            for column, changed in zip(columns, is_changed(place, columns), strict=True):
                given, scale = labels.given.item(row, column), self.scale_of(row, column)
                label.append(scale * given + self.conversion.offset if changed else given)
                variance.append((scale * self.case.step_of(row, column)) ** 2 / 12 if changed else 0.0)
            return np.array(label), np.array(variance)

        def why(place: int, group: int) -> str:
            columns, (suggested, _) = list(labels.partition[group]), suggest(place, group)
            residual = self.case.wrapped(suggested - labels.predicted[rows[place], columns], columns)
            away = deviations(float(normal(residual[None], self.case.covariances[group]).distance[0]))
            label = values(suggested, unit)
            parts = ["it"] if wrong_columns is None else part_names(labels, wrong_columns[place].tolist(), landmarks)
            beginning = f"{self.conversion.words} {', '.join(parts)} {'fits' if len(parts) == 1 else 'fit'}"
            return f"{beginning}: {label}, {away} from the prediction."

        return Explanation(
            reason=self.reason,
            mechanism=self.conversion.words,
            weight=self.weight,
            rows=rows,
            covers=covers,
            log_likelihood=log_likelihood,
            suggest=suggest,
            why=why,
        )
