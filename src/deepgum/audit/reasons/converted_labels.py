"""The flagged labels after a conversion: their densities, suggestions and sentences, for the reason `unit`."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from deepgum.audit.reasons.base import Explanation, Reason, single_groups
from deepgum.audit.reasons.case import Case, part_names
from deepgum.audit.reasons.conversions import Conversion
from deepgum.audit.reasons.gaussian import Split, normal, split
from deepgum.audit.reasons.wrong_labels import cells_by_size
from deepgum.periods import wrapped
from deepgum.wording import deviations, values

__all__ = ["ConvertedLabels", "Flagged"]

Values = NDArray[np.float64]
Rows = NDArray[np.intp]
Mask = NDArray[np.bool_]

_MOST_PARTS = 3
"""In a group with at most this number of parts, all subsets are tried. In a larger group, each single part is tried."""

_SHARES = (0.01, 0.03, 0.1, 0.3, 0.9)
"""Shares of converted labels among flagged labels that are tried."""

_PERIODIC_SLACK = 3.0
"""Tolerance of periodic labels beyond the range of the predictions, in standard deviations of right labels."""


class _Cells(NamedTuple):
    """The coordinates of m labels, k coordinates each, and what is the same for all conversions.

    Attributes
    ----------
    rows, columns : arrays (m, 1) and (m, k)
    given, predicted : arrays (m, k)
    observed : array (m, k) of bool
    step : array (m, k)
        Step of the grid on which each label lies; 0 if it lies on no grid.
    """

    rows: Rows
    columns: Rows
    given: Values
    predicted: Values
    observed: Mask
    step: Values

    @classmethod
    def of(cls, case: Case, rows: Rows, columns: Rows) -> _Cells:
        """Return the cells of labels in `rows` (m,), with the columns (m, k)."""
        rows = rows[:, None]
        given, predicted = case.labels.given[rows, columns], case.labels.predicted[rows, columns]
        return cls(rows, columns, given, predicted, ~np.isnan(given - predicted), case.steps(rows, columns))


class _Subsets(NamedTuple):
    """Subsets of s coordinates of groups: m pairs of a flagged label and a subset that may have the wrong unit.

    Attributes
    ----------
    label : array (m,)
        Places of the labels among the flagged labels.
    cells : _Cells
        The coordinates of the subsets.
    log_share : array (m,)
        Log of the prior probability of the subset among the subsets of its group.
    rest : Split
        The density of the rest of the group, and of the subset given the rest.
    covers : sparse array (m, g)
        The group of each label; see `Explanation`.
    """

    label: Rows
    cells: _Cells
    log_share: Values
    rest: Split
    covers: csr_array


class _Whole(NamedTuple):
    """Flagged labels of equal size, all coordinates of which may have the wrong unit.

    Attributes
    ----------
    label : array (m,)
        Places of the labels among the flagged labels.
    cells : _Cells
    excess : array (m, 1)
        See `Case.excess`.
    covariances : list of pairs
        See `Case.covariances_of`.
    """

    label: Rows
    cells: _Cells
    excess: Values
    covariances: list[tuple[Rows | slice, Values]]


@dataclass(frozen=True, eq=False)
class Flagged:
    """The flagged labels, and what is the same for all conversions.

    Attributes
    ----------
    rows, groups : arrays (f,)
    covers : sparse array (f, g)
        The group of each label; see `Explanation`.
    whole : tuple of _Whole, one per block of labels of equal size
    subsets : tuple of _Subsets, one per number of coordinates
    several : array (m,)
        The rows with several flags.
    several_covers : sparse array (m, g)
        The flagged groups of these rows.
    """

    rows: Rows
    groups: Rows
    covers: csr_array
    whole: tuple[_Whole, ...]
    subsets: tuple[_Subsets, ...]
    several: Rows
    several_covers: csr_array

    @classmethod
    def of(cls, case: Case) -> Flagged:
        """Return the flagged labels of a case."""
        groups, rows = case.flags.T.nonzero()
        several = np.flatnonzero(case.flags.sum(axis=1) > 1)
        return cls(
            rows,
            groups,
            single_groups(groups, case.flags.shape[1]),
            tuple(
                _Whole(
                    places,
                    _Cells.of(case, rows[places], columns),
                    case.excess[rows[places], groups[places]][:, None],
                    list(case.covariances_of(groups[places])),
                )
                for places, columns in cells_by_size(case.labels.partition, groups)
            ),
            tuple(_subsets(case, rows, groups)),
            several,
            csr_array(case.flags[several]),
        )


def _subsets(case: Case, rows: Rows, groups: Rows) -> Iterator[_Subsets]:
    """Yield the subsets of flagged labels, in `rows` (f,) and `groups` (f,), by their number of coordinates."""
    found: dict[int, list[tuple[Rows, Rows, Values, Split]]] = defaultdict(list)
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
            found[len(subset)].append((labels, np.tile(np.array(columns)[subset], (len(labels), 1)), log_share, rest))
    for size in sorted(found):
        *arrays, rests = zip(*found[size], strict=True)
        label, columns_of_subset, log_share = (np.concatenate(each) for each in arrays)
        rest = Split(*(np.concatenate(each) for each in zip(*rests, strict=True)))
        cells = _Cells.of(case, rows[label], columns_of_subset)
        yield _Subsets(label, cells, log_share, rest, single_groups(groups[label], case.flags.shape[1]))


@dataclass(frozen=True, eq=False)
class ConvertedLabels:
    """The flagged labels after one conversion.

    `scales` are the factors for the width and the height of each image, or one factor.
    """

    reason: Reason
    case: Case
    flagged: Flagged
    conversion: Conversion
    scales: Values | float
    weight: float

    def scale(self, cells: _Cells) -> Values:
        """Return the factors by which labels are multiplied: an array (m, k), or () if all factors are equal."""
        return np.asarray(self.scales if isinstance(self.scales, float) else self.scales[cells.rows, cells.columns % 2])

    def scale_of(self, row: int, column: int) -> float:
        """Return the factor by which one label is multiplied."""
        return self.scales if isinstance(self.scales, float) else float(self.scales[row, column % 2])

    def right(self, cells: _Cells) -> Values:
        """Return the converted labels (m, k)."""
        return np.asarray(self.scale(cells) * cells.given + self.conversion.offset)

    def residuals(self, cells: _Cells) -> Values:
        """Return residuals (m, k) of converted labels; NaN for a periodic label outside the range of the predictions.

        Without this limit, any angle would agree with some prediction after enough turns.
        """
        labels, right = self.case.labels, self.right(cells)
        residuals = right - cells.predicted
        if labels.periods is None:
            return residuals
        periods = np.array(labels.periods)[cells.columns]
        low, high = (limit[cells.columns] for limit in self.case.predicted_range)
        slack = _PERIODIC_SLACK * self.case.deviation[cells.rows, cells.columns]
        possible = (periods == 0) | ((right >= low - slack) & (right <= high + slack))
        return np.where(possible, wrapped(residuals, periods), np.nan)

    def rounding(self, cells: _Cells) -> Values:
        """Return the variance (m, k) of the rounding errors of the converted labels."""
        return np.asarray(np.square(self.scale(cells) * cells.step) / 12)

    def log_change(self, cells: _Cells) -> Values:
        """Return the log (m, k) of a ratio: the density of the label divided by the density of the converted label.

        The ratio is the scale of the conversion, unless right labels lie on a grid, for example whole years. If labels
        were rounded before the unit was changed, only some labels are possible: years times ten are multiples of ten.
        Each possible label is then more probable. It is equally probable that labels were rounded before the change or
        after the change.
        """
        is_rounded = cells.step > 0
        step, start = (each[cells.columns] for each in self.case.grids)
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = np.abs(self.scale(cells))
            log_scale = np.log(scale)
            if not is_rounded.any():
                return np.broadcast_to(log_scale, cells.given.shape)
            places = (self.right(cells) - start) / step
            on_grid = np.abs(places - np.round(places)) <= np.maximum(0.5 * scale, 0.01)
            log_grid_scale = np.where(on_grid, np.maximum(log_scale, 0.0), -np.inf)
            log_mean = np.logaddexp(log_scale, log_grid_scale) - math.log(2)
            return np.where(is_rounded, log_mean, log_scale)

    def explanations(self) -> Iterator[Explanation]:
        """Yield the explanations of single groups, of parts of groups, and of whole samples."""
        rows, several = self.flagged.rows, self.flagged.several
        densities = self._densities
        yield self._explanation(rows, self.flagged.covers, densities)
        for subsets in self.flagged.subsets:
            columns = subsets.cells.columns
            yield self._explanation(rows[subsets.label], subsets.covers, self._of_subsets(subsets), columns)
        if len(several):
            total = np.asarray(np.bincount(rows, densities, len(self.case.flags))[several], dtype=np.float64)
            yield self._explanation(several, self.flagged.several_covers, total)

    @property
    def evidence(self) -> float:
        """How much better the conversion of some flagged labels describes these labels than the uniform density of
        wrong labels: the gain of the log-likelihood, for the best share of converted labels.
        """
        uniform = np.array(self.case.log_densities)[self.flagged.groups]
        ratio = np.exp(np.clip(self._densities - uniform, -700.0, 700.0))
        return max(float(np.log1p(share * (ratio - 1)).sum()) for share in _SHARES)

    def times(self, factor: float) -> ConvertedLabels:
        """Return the same labels after a conversion by another factor."""
        return replace(self, scales=self.scales * factor)

    @cached_property
    def _densities(self) -> Values:
        return self._of_groups()

    def _of_groups(self) -> Values:
        """Return the log density (f,) of each flagged label if all its coordinates have the wrong unit."""
        density = np.empty(len(self.flagged.rows))
        for labels in self.flagged.whole:
            residuals, rounding, change, possible = self._converted(labels.cells)
            extra = rounding + labels.excess
            for some, covariance in labels.covariances:
                each = labels.label[some]
                right = np.full(len(each), -np.inf)
                able = possible[some]
                own = covariance[able] if covariance.ndim == 3 else covariance
                right[able] = normal(residuals[some][able], own, extra[some][able]).log_density
                density[each] = right + np.where(able, change[some], 0.0)
        return density

    def _of_subsets(self, subsets: _Subsets) -> Values:
        """Return the log density (m,) of each flagged label if only a subset of its coordinates has the wrong unit."""
        residuals, rounding, change, possible = self._converted(subsets.cells)
        given = normal(residuals - subsets.rest.mean, subsets.rest.covariance, rounding).log_density
        return np.where(possible, given + subsets.rest.log_rest + change + subsets.log_share, -np.inf)

    def _converted(self, cells: _Cells) -> tuple[Values, Values, Values, Mask]:
        """Return residuals and rounding (m, k), the sum of `log_change` (m,), and whether a conversion is possible."""
        residuals, given = self.residuals(cells), cells.observed
        rounding = np.where(given, self.rounding(cells), 0.0)
        change = np.where(given, self.log_change(cells), 0.0).sum(axis=1)
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
            away = deviations(_distance(residual, self.case.covariances[group]))
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


def _distance(residual: Values, covariance: Values) -> float:
    """Return the Mahalanobis distance of a residual (k,)."""
    if len(residual) == 1:
        return abs(residual.item()) / math.sqrt(covariance.item())
    return float(normal(residual[None], covariance).distance[0])
