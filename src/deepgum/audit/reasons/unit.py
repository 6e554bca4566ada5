"""Reason `unit`: wrong unit, sign or scale. The label fits once it is converted by one of a table of conversions."""

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

    `words` begin a sentence that continues with "it fits". The `usual` conversions, slips of the decimal point and of
    the sign, are a priori together as probable as all others.
    """

    words: str
    scale: float
    offset: float = 0.0
    usual: bool = False


def _both(
    factor: float, text: str, multiplied: str = "", divided: str = "", usual: bool = False
) -> tuple[Conversion, Conversion]:
    """Return the conversions by a factor and by its inverse, with the mistake that each of them may come from."""

    def words(verb: str, mistake: str) -> str:
        return f"{verb} by {text}" + (f" ({mistake}?)" if mistake else "")

    return (
        Conversion(words("Multiplied", multiplied), factor, usual=usual),
        Conversion(words("Divided", divided), 1 / factor, usual=usual),
    )


_DECIMALS = (
    *_both(10.0, "10", usual=True),
    *_both(100.0, "100", "a fraction for a percentage", "a percentage for a fraction", usual=True),
    *_both(1000.0, "1000"),
)
_SIGN = Conversion("With the opposite sign", -1.0, usual=True)
_HALVES = _both(2.0, "2")
_INCHES = _both(2.54, "2.54", "inches for centimetres", "centimetres for inches")

VALUE_CONVERSIONS: tuple[Conversion, ...] = (
    *_DECIMALS,
    _SIGN,
    *_HALVES,
    *_INCHES,
    *_both(25.4, "25.4", "inches for millimetres", "millimetres for inches"),
    *_both(0.3048, "0.3048", "feet for metres", "metres for feet"),
    *_both(1.609344, "1.609", "miles for kilometres", "kilometres for miles"),
    *_both(0.45359237, "0.4536", "pounds for kilograms", "kilograms for pounds"),
    *_both(180 / math.pi, "57.3", "radians for degrees", "degrees for radians"),
    *_both(7.0, "7", "weeks for days", "days for weeks"),
    *_both(12.0, "12", "years for months", "months for years"),
    *_both(24.0, "24", "days for hours", "hours for days"),
    *_both(60.0, "60", "hours for minutes", "minutes for hours"),
    *_both(365.25, "365.25", "years for days", "days for years"),
    Conversion("From degrees Fahrenheit to Celsius", 1 / 1.8, -32 / 1.8),
    Conversion("From degrees Celsius to Fahrenheit", 1.8, 32.0),
)
"""Conversions of values."""

POINT_CONVERSIONS: tuple[Conversion, ...] = (*_DECIMALS, _SIGN, *_HALVES, *_INCHES)
"""Conversions of landmarks, in pixels or fractions; the factor 2 comes from images labelled at another size."""


Values = NDArray[np.float64]
Rows = NDArray[np.intp]

_ALL_SUBSETS = 3
_LENIENT = 3.0


class Unit(Reason):
    """The label is in another unit, or has the wrong sign or scale. The converted label is suggested.

    Each conversion is tried on each flagged group, on all flagged groups of a sample at once, and, in a group of
    several landmarks or values, on some of them. The density of the converted label is transformed back to the scale
    of the label: a label near zero, or a rounded one, fits many conversions, and then each of them counts little.
    """

    name = "unit"
    words = "wrong unit, sign or scale"
    rank = 20

    def find(self, case: Case) -> Iterator[Explanation]:
        """Yield one explanation per conversion and set of labels that it is tried on."""
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
            yield from _Converted(self, case, rows, each, scales, weight).explanations()


@dataclass(frozen=True, eq=False)
class _Converted:
    """The labels of m rows after one conversion with scales (m, d). Places are positions among these rows."""

    reason: Reason
    case: Case
    rows: Rows
    conversion: Conversion
    scales: Values
    weight: float

    @cached_property
    def right(self) -> Values:
        """The converted labels, (m, d)."""
        return np.asarray(self.scales * self.case.labels.given[self.rows] + self.conversion.offset)

    @cached_property
    def residuals(self) -> Values:
        """Residuals (m, d) of the converted labels; NaN where a periodic label is outside the range of all right ones.

        Without that limit any angle would fit some prediction after enough turns.
        """
        labels = self.case.labels
        residuals = self.case.wrapped(self.right - labels.predicted[self.rows])
        for column, period in enumerate(labels.periods or ()):
            if period > 0:
                low, high = labels.predicted[:, column].min(), labels.predicted[:, column].max()
                slack = _LENIENT * self.case.deviation[self.rows, column]
                possible = (self.right[:, column] >= low - slack) & (self.right[:, column] <= high + slack)
                residuals[~possible, column] = np.nan
        return residuals

    @cached_property
    def rounding(self) -> Values:
        """Variance (m, d) of the rounding of the converted labels."""
        return np.asarray(np.square(self.scales * self.case.steps[self.rows]) / 12)

    @cached_property
    def log_change(self) -> Values:
        """Log factor (m, d) from the density of the converted label to that of the label.

        The factor is the scale, unless right labels lie on a grid, as whole years do. If they were rounded before the
        unit was changed, the label can have only some values, each of which is more probable accordingly: with tenfold
        years, every tenth number. Rounding before and after the change are equally probable.
        """
        step, start = self.case.grids
        with np.errstate(divide="ignore", invalid="ignore"):
            log_scale = np.log(np.abs(self.scales))
            places = (self.right - start) / step
            on_grid = np.abs(places - np.round(places)) <= np.maximum(0.5 * np.abs(self.scales), 0.01)
            before = np.where(on_grid, np.maximum(log_scale, 0.0), -np.inf)
            either = np.logaddexp(log_scale, before) - math.log(2)
            return np.where(self.case.steps[self.rows] > 0, either, log_scale)

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
            sizes = range(1, len(parts)) if len(parts) <= _ALL_SUBSETS else (1,)
            subsets = [subset for size in sizes for subset in combinations(parts, size)]
            for subset in subsets:
                some = [columns[place] for part in subset for place in part]
                density = self._log_density(places, group, some) - math.log(len(subsets))
                yield self._explanation(places, covers, density, some)
        several = np.flatnonzero(flags.sum(axis=1) > 1)
        yield self._explanation(several, flags[several], densities[several].sum(axis=1))

    def _log_density(self, places: Rows, group: int, some: Sequence[int]) -> Values:
        """Return the log density (m,) of the labels of a group if those in some columns are in the wrong unit."""
        labels, columns = self.case.labels, list(self.case.labels.partition[group])
        rows = self.rows[places]
        chosen = np.isin(columns, some)
        as_given = labels.residuals[rows][:, columns]
        given = ~np.isnan(as_given)
        residuals = np.where(chosen, self.residuals[places][:, columns], as_given)
        rounding = np.where(chosen & given, self.rounding[places][:, columns], 0.0)
        change = np.where(chosen & given, self.log_change[places][:, columns], 0.0).sum(axis=1)
        possible = (~np.isnan(residuals) == given).all(axis=1) & (chosen & given).any(axis=1)
        density = self.case.log_right(residuals, rows, group, rounding)
        return np.asarray(np.where(possible, density + change, -np.inf))

    def _explanation(
        self, places: Rows, covers: NDArray[np.bool_], log_likelihood: Values, some: Sequence[int] = ()
    ) -> Explanation:
        labels, unit = self.case.labels, self.case.unit
        every = range(len(labels.target_names))
        changed = np.isin(every, some or every)
        parts = part_names(labels, some, self.case.landmarks) if some else ["it"]
        fits = f"{self.conversion.words} {', '.join(parts)} {'fits' if len(parts) == 1 else 'fit'}"

        def either(converted: Values, as_given: Values | float, place: int, group: int) -> Values:
            return np.where(changed, converted[places[place]], as_given)[list(labels.partition[group])]

        def suggest(place: int, group: int) -> tuple[Values, Values]:
            given = labels.given[self.rows[places[place]]]
            return either(self.right, given, place, group), either(self.rounding, 0.0, place, group)

        def why(place: int, group: int) -> str:
            residual = either(self.residuals, labels.residuals[self.rows[places[place]]], place, group)
            away = deviations(float(normal(residual[None], self.case.covariances[group]).distance[0]))
            label = values(suggest(place, group)[0], unit)
            return f"{fits}: {label}, {away} from what is predicted."

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
