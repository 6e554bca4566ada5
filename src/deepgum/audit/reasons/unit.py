"""Reason `unit`: wrong unit, sign or scale. After one known conversion, the label agrees with the prediction."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.reasons.base import Explanation, Reason
from deepgum.audit.reasons.case import Case, part_names
from deepgum.audit.reasons.wrong_labels import normal
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

    def find(self, case: Case) -> Iterator[Explanation]:
        """Yield explanations: each conversion of a flagged group, of a part of a group, and of a whole sample."""
        rows = np.flatnonzero(case.flags.any(axis=1))
        shape = (len(rows), len(case.labels.target_names))
        table = POINT_CONVERSIONS if case.landmarks else VALUE_CONVERSIONS
        conversions = [(each, np.full(shape, each.scale)) for each in table]
        if case.landmarks and case.sizes is not None:
            shares = Conversion("As shares of the image's width and height", math.nan)
            conversions.append((shares, np.tile(case.sizes[rows], shape[1] // 2)))
        usual = sum(each.usual for each, _ in conversions)
        weights = [0.5 / (usual if each.usual else len(conversions) - usual) for each, _ in conversions]
        for (each, scales), weight in zip(conversions, weights, strict=True):
            yield from _ConvertedLabels(self, case, rows, each, scales, weight).explanations()


@dataclass(frozen=True, eq=False)
class _ConvertedLabels:
    """The labels of m rows after one conversion with scales (m, d). A `place` is a position among these m rows."""

    reason: Reason
    case: Case
    rows: Rows
    conversion: Conversion
    scales: Values
    weight: float

    @cached_property
    def right(self) -> Values:
        """The converted labels (m, d)."""
        return np.asarray(self.scales * self.case.labels.given[self.rows] + self.conversion.offset)

    @cached_property
    def residuals(self) -> Values:
        """Residuals (m, d) of the converted labels; NaN where a periodic label is outside the range of the predictions.

        Without this limit, any angle would agree with some prediction after enough turns.
        """
        labels = self.case.labels
        residuals = self.case.wrapped(self.right - labels.predicted[self.rows])
        for column, period in enumerate(labels.periods or ()):
            if period > 0:
                low, high = labels.predicted[:, column].min(), labels.predicted[:, column].max()
                slack = _PERIODIC_SLACK * self.case.deviation[self.rows, column]
                possible = (self.right[:, column] >= low - slack) & (self.right[:, column] <= high + slack)
                residuals[~possible, column] = np.nan
        return residuals

    @cached_property
    def rounding(self) -> Values:
        """Variance (m, d) of the rounding errors of the converted labels."""
        return np.asarray(np.square(self.scales * self.case.steps[self.rows]) / 12)

    @cached_property
    def log_change(self) -> Values:
        """Log (m, d) of a ratio: the density of the label divided by the density of the converted label.

        The ratio is the scale of the conversion, unless right labels lie on a grid, for example whole years. If labels
        were rounded before the unit was changed, only some labels are possible: years times ten are multiples of ten.
        Each possible label is then more probable. It is equally probable that labels were rounded before the change or
        after the change.
        """
        step, start = self.case.grids
        with np.errstate(divide="ignore", invalid="ignore"):
            log_scale = np.log(np.abs(self.scales))
            places = (self.right - start) / step
            on_grid = np.abs(places - np.round(places)) <= np.maximum(0.5 * np.abs(self.scales), 0.01)
            log_grid_scale = np.where(on_grid, np.maximum(log_scale, 0.0), -np.inf)
            log_mean = np.logaddexp(log_scale, log_grid_scale) - math.log(2)
            return np.where(self.case.steps[self.rows] > 0, log_mean, log_scale)

    def explanations(self) -> Iterator[Explanation]:
        """Yield the explanations of single groups, of parts of groups, and of whole samples."""
        flags, partition = self.case.flags[self.rows], self.case.labels.partition
        densities = np.zeros(flags.shape)
        for group, columns in enumerate(partition):
            places = np.flatnonzero(flags[:, group])
            covers = np.arange(len(partition)) == np.full((len(places), 1), group)
            densities[places, group] = self._log_density(places, group, columns)
            yield self._explanation(places, covers, densities[places, group])
            parts = self.case.parts(group)
            sizes = range(1, len(parts)) if len(parts) <= _MOST_PARTS else (1,)
            subsets = [subset for size in sizes for subset in combinations(parts, size)]
            for subset in subsets:
                chosen = [columns[place] for part in subset for place in part]
                density = self._log_density(places, group, chosen) - math.log(len(subsets))
                yield self._explanation(places, covers, density, chosen)
        several = np.flatnonzero(flags.sum(axis=1) > 1)
        yield self._explanation(several, flags[several], densities[several].sum(axis=1))

    def _log_density(self, places: Rows, group: int, wrong_columns: Sequence[int]) -> Values:
        """Return the log density (m,) of the labels of a group if only `wrong_columns` have the wrong unit."""
        labels, columns = self.case.labels, list(self.case.labels.partition[group])
        rows = self.rows[places]
        chosen = np.isin(columns, wrong_columns)
        as_given = labels.residuals[rows][:, columns]
        given = ~np.isnan(as_given)
        residuals = np.where(chosen, self.residuals[places][:, columns], as_given)
        rounding = np.where(chosen & given, self.rounding[places][:, columns], 0.0)
        change = np.where(chosen & given, self.log_change[places][:, columns], 0.0).sum(axis=1)
        possible = (~np.isnan(residuals) == given).all(axis=1) & (chosen & given).any(axis=1)
        density = self.case.log_right(residuals, rows, group, rounding)
        return np.asarray(np.where(possible, density + change, -np.inf))

    def _explanation(
        self, places: Rows, covers: NDArray[np.bool_], log_likelihood: Values, wrong_columns: Sequence[int] = ()
    ) -> Explanation:
        labels, unit = self.case.labels, self.case.unit
        all_columns = range(len(labels.target_names))
        changed = np.isin(all_columns, wrong_columns or all_columns)
        parts = part_names(labels, wrong_columns, self.case.landmarks) if wrong_columns else ["it"]
        beginning = f"{self.conversion.words} {', '.join(parts)} {'fits' if len(parts) == 1 else 'fit'}"

        def combine(converted: Values, as_given: Values | float, place: int, group: int) -> Values:
            return np.where(changed, converted[places[place]], as_given)[list(labels.partition[group])]

        def suggest(place: int, group: int) -> tuple[Values, Values]:
            given = labels.given[self.rows[places[place]]]
            return combine(self.right, given, place, group), combine(self.rounding, 0.0, place, group)

        def why(place: int, group: int) -> str:
            residual = combine(self.residuals, labels.residuals[self.rows[places[place]]], place, group)
            away = deviations(float(normal(residual[None], self.case.covariances[group]).distance[0]))
            label = values(suggest(place, group)[0], unit)
            return f"{beginning}: {label}, {away} from the prediction."

        return Explanation(
            reason=self.reason,
            mechanism=self.conversion.words,
            weight=self.weight,
            rows=self.rows[places],
            covers=covers,
            log_likelihood=log_likelihood,
            suggest=suggest,
            why=why,
        )
