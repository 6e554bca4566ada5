"""Rule: wrong unit, sign or scale. The label fits once it is converted by one of a table of conversions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.labels import Reason
from deepgum.audit.reasons.case import Case, part_names
from deepgum.audit.reasons.finding import Explanation
from deepgum.audit.reasons.wrong_labels import normal
from deepgum.wording import deviations, values

__all__ = ["OF_POINTS", "OF_VALUES", "Conversion", "converted"]


class Conversion(NamedTuple):
    """The right value is `scale` times the label, plus `offset`; `words` begin a sentence that goes on "it fits".

    The `usual` ones, slips of the decimal point and of the sign, are together as probable beforehand as all others.
    """

    words: str
    scale: float
    offset: float = 0.0
    usual: bool = False


def _both(
    factor: float, text: str, multiplied: str = "", divided: str = "", usual: bool = False
) -> tuple[Conversion, Conversion]:
    """The conversion by a factor and by its inverse, with what each of them may come from."""

    def words(verb: str, guess: str) -> str:
        return f"{verb} by {text}" + (f" ({guess}?)" if guess else "")

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

OF_VALUES: tuple[Conversion, ...] = (
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
"""Of numbers of any kind."""

OF_POINTS: tuple[Conversion, ...] = (*_DECIMALS, _SIGN, *_HALVES, *_INCHES)
"""Of landmarks, which are in pixels or in fractions; by 2 where an image was labelled at another size."""


Values = NDArray[np.float64]
Rows = NDArray[np.intp]

_ALL_SUBSETS = 3
_LENIENT = 3.0


def converted(case: Case) -> list[Explanation]:
    """Return an explanation for each conversion and what it is tried on.

    It is tried on each flagged group, on all the flagged groups of a sample at once, and, where a group holds several
    landmarks or values, on some of them. The density of the converted label is brought back to the label's own scale:
    a label near zero, or one that is rounded, fits many conversions, and then each is worth little.
    """
    rows = np.flatnonzero(case.flags.any(axis=1))
    shape = (len(rows), len(case.labels.target_names))
    tried = [(each, np.full(shape, each.scale)) for each in (OF_POINTS if case.landmarks else OF_VALUES)]
    if case.landmarks and case.sizes is not None:
        shares = Conversion("As shares of the image's width and height", math.nan)
        tried.append((shares, np.tile(case.sizes[rows], shape[1] // 2)))
    usual = sum(each.usual for each, _ in tried)
    weights = [0.5 / (usual if each.usual else len(tried) - usual) for each, _ in tried]
    return [
        explanation
        for (each, scales), weight in zip(tried, weights, strict=True)
        for explanation in _Converted(case, rows, each, scales, weight).explanations()
    ]


@dataclass(frozen=True, eq=False)
class _Converted:
    """The labels of m rows after one conversion, by scales (m, d). Places are positions among these rows."""

    case: Case
    rows: Rows
    conversion: Conversion
    scales: Values
    weight: float

    @cached_property
    def right(self) -> Values:
        return np.asarray(self.scales * self.case.labels.given[self.rows] + self.conversion.offset)

    @cached_property
    def residuals(self) -> Values:
        """Of the converted labels; NaN where an angle would be beyond all right ones, since any angle comes round."""
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
        return np.asarray(np.square(self.scales * self.case.steps[self.rows]) / 12)

    @cached_property
    def log_change(self) -> Values:
        """Log of what the density of a converted label is multiplied by to be that of the label, (m, d).

        That is the scale. But where right labels lie on a grid, as whole years do, and were put there before the unit
        was changed, the label too can have only some values, and each is as much more probable: of tenfold years every
        tenth number. Before or after, both are as likely.
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
        """Yield those of single groups, of parts of groups, and of whole samples."""
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
        """Log density (m,) of the labels of a group if those in some columns are in the wrong unit."""
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
        what = part_names(labels, some, self.case.landmarks) if some else ["it"]
        fits = f"{self.conversion.words} {', '.join(what)} {'fits' if len(what) == 1 else 'fit'}"

        def either(converted: Values, as_given: Values | float, place: int, group: int) -> Values:
            return np.where(changed, converted[places[place]], as_given)[list(labels.partition[group])]

        def suggest(place: int, group: int) -> tuple[Values, Values]:
            given = labels.given[self.rows[places[place]]]
            return either(self.right, given, place, group), either(self.rounding, 0.0, place, group)

        def why(place: int, group: int) -> str:
            residual = either(self.residuals, labels.residuals[self.rows[places[place]]], place, group)
            off = deviations(float(normal(residual[None], self.case.covariances[group]).distance[0]))
            label = values(suggest(place, group)[0], unit)
            return f"{fits}: {label}, {off} from what is predicted."

        return Explanation(
            reason=Reason.UNIT,
            mechanism=self.conversion.words,
            weight=self.weight,
            rows=self.rows[places],
            covers=covers,
            log_likelihood=log_likelihood,
            suggest=suggest,
            why=why,
        )
