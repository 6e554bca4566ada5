"""Rule: wrong unit, sign or scale. The label fits once it is converted by one of a table of conversions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.reason import Reason
from deepgum.audit.reasons.case import Case
from deepgum.audit.reasons.conversions import OF_POINTS, OF_VALUES, Conversion
from deepgum.audit.reasons.density import normal
from deepgum.audit.reasons.finding import Explanation
from deepgum.audit.reasons.names import part_names
from deepgum.audit.reasons.wording import deviations, values

__all__ = ["converted"]

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
    shape = case.labels.given.shape
    tried = [(each, np.full(shape, each.scale)) for each in (OF_POINTS if case.landmarks else OF_VALUES)]
    if case.landmarks and case.sizes is not None:
        shares = Conversion("As shares of the image's width and height", math.nan)
        tried.append((shares, np.tile(case.sizes, shape[1] // 2)))
    usual = sum(each.usual for each, _ in tried)
    weights = [0.5 / (usual if each.usual else len(tried) - usual) for each, _ in tried]
    return [
        explanation
        for (each, scales), weight in zip(tried, weights, strict=True)
        for explanation in _Converted(case, each, scales, weight).explanations()
    ]


@dataclass(frozen=True, eq=False)
class _Converted:
    """All labels of a case after one conversion, by scales (n, d)."""

    case: Case
    conversion: Conversion
    scales: Values
    weight: float

    @cached_property
    def right(self) -> Values:
        return np.asarray(self.scales * self.case.labels.given + self.conversion.offset)

    @cached_property
    def residuals(self) -> Values:
        """Of the converted labels; NaN where an angle would be beyond all right ones, since any angle comes round."""
        labels, periods = self.case.labels, self.case.labels.periods
        residuals = self.case.wrapped(self.right - labels.predicted)
        for column, period in enumerate(periods or ()):
            if period > 0:
                low, high = labels.predicted[:, column].min(), labels.predicted[:, column].max()
                slack = _LENIENT * self.case.deviation[:, column]
                possible = (self.right[:, column] >= low - slack) & (self.right[:, column] <= high + slack)
                residuals[~possible, column] = np.nan
        return residuals

    @cached_property
    def rounding(self) -> Values:
        return np.asarray(np.square(self.scales * self.case.steps) / 12)

    def explanations(self) -> Iterator[Explanation]:
        """Yield those of single groups, of parts of groups, and of whole samples."""
        flags, partition = self.case.flags, self.case.labels.partition
        densities = np.zeros(flags.shape)
        for group, columns in enumerate(partition):
            rows = flags[:, group].nonzero()[0]
            covers = np.arange(len(partition)) == np.full((len(rows), 1), group)
            densities[rows, group] = self._log_density(rows, group, columns)
            yield self._explanation(rows, covers, densities[rows, group])
            parts = self.case.parts(group)
            sizes = range(1, len(parts)) if len(parts) <= _ALL_SUBSETS else (1,)
            subsets = [subset for size in sizes for subset in combinations(parts, size)]
            for subset in subsets:
                some = [columns[place] for part in subset for place in part]
                density = self._log_density(rows, group, some) - math.log(len(subsets))
                yield self._explanation(rows, covers, density, some)
        several = (flags.sum(axis=1) > 1).nonzero()[0]
        yield self._explanation(several, flags[several], densities[several].sum(axis=1))

    def _log_density(self, rows: Rows, group: int, some: Sequence[int]) -> Values:
        """Log density (m,) of the labels of a group if those in some columns are in the wrong unit."""
        case, columns = self.case, list(self.case.labels.partition[group])
        chosen = np.isin(columns, some)
        given = ~np.isnan(case.labels.given[rows][:, columns])
        residuals = np.where(chosen, self.residuals[rows][:, columns], case.labels.residuals[rows][:, columns])
        rounding = np.where(chosen & given, self.rounding[rows][:, columns], 0.0)
        with np.errstate(divide="ignore"):
            change = np.where(chosen & given, np.log(np.abs(self.scales[rows][:, columns])), 0.0).sum(axis=1)
        possible = (~np.isnan(residuals) == given).all(axis=1) & (chosen & given).any(axis=1)
        density = case.log_right(residuals, rows, group, rounding)
        return np.asarray(np.where(possible, density + change, -np.inf))

    def _explanation(
        self, rows: Rows, covers: NDArray[np.bool_], log_likelihood: Values, some: Sequence[int] = ()
    ) -> Explanation:
        case, labels = self.case, self.case.labels
        every = range(len(labels.target_names))
        changed = np.isin(every, some or every)
        suggested = np.where(changed, self.right[rows], labels.given[rows])
        what = ", ".join(part_names(labels, some, case.landmarks)) if some else "it"

        def why(place: int, group: int) -> str:
            row, columns = rows[place], list(labels.partition[group])
            residuals = np.where(changed, self.residuals[row], labels.residuals[row])[columns]
            distance = deviations(float(normal(residuals[None], case.covariances[group]).distance[0]))
            label = values(suggested[place, columns], case.unit)
            verb = "fit" if "," in what else "fits"
            return f"{self.conversion.words} {what} {verb}: {label}, {distance} from what is predicted."

        return Explanation(
            reason=Reason.UNIT,
            mechanism=self.conversion.words,
            weight=self.weight,
            rows=rows,
            covers=covers,
            log_likelihood=log_likelihood,
            suggested=suggested,
            variance=np.where(changed, self.rounding[rows], 0.0),
            why=why,
        )
