"""The evidence that every rule may use: labels, predictions, densities, and facts about the samples."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.labels import Place, ScoredLabels
from deepgum.audit.reasons.evidence import Evidence
from deepgum.audit.reasons.gaussian import normal
from deepgum.audit.reasons.known_errors import KnownErrors
from deepgum.audit.reasons.population import Population
from deepgum.audit.reasons.right_labels import check_covariances, label_covariance, label_uniform
from deepgum.audit.reasons.wrong_labels import (
    WrongLabels,
    cells_by_size,
    components_of,
    fit_weights,
    log_density_of,
)
from deepgum.errors import InvalidDataError, InvalidParameterError, listing
from deepgum.periods import wrapped
from deepgum.posteriors.rounding import label_steps

__all__ = ["Case", "part_names"]


def part_names(labels: ScoredLabels, columns: Sequence[int], landmarks: bool) -> list[str]:
    """Return the names of the landmarks to which `columns` belong if labels are landmarks, else of the columns."""
    if landmarks:
        return [labels.landmark_names[landmark] for landmark in dict.fromkeys(column // 2 for column in columns)]
    return [labels.target_names[column] for column in columns]


Values = NDArray[np.float64]
Rows = NDArray[np.intp]
Mask = NDArray[np.bool_]

_FACTS = (
    "labelled", "flags", "places", "wrong", "excess", "usual_spread", "deviation", "predicted_range", "group_of",
    "_parts", "population", "grids", "_equal_weights",
)  # fmt: skip
"""Cached attributes of a case that do not depend on `Case.explained`."""

_SMALL = 4
"""Maximum number of coordinates of a group for which each label gets its own copy of the covariance."""

_CELLS = 2**18
"""Maximum number of labels whose densities are computed at once."""


@dataclass(frozen=True, eq=False)
class Case:
    """All evidence on n samples, each with d labels in g groups. `Case.of` estimates what is not passed.

    Attributes
    ----------
    labels : ScoredLabels
    covariances : tuple of arrays (k, k), one per group
        Covariance of the residuals of right labels.
    log_densities : tuple of float, one per group
        Log density of the residuals of wrong labels: the uniform density of the mixture, over all k coordinates.
    landmarks : bool
        Whether labels are coordinates of landmarks, x y x y ...
    swap_pairs : tuple of (int, int)
        Pairs of left and right landmarks.
    unit : str
        Unit of the labels, for sentences about the flags.
    evidence : Evidence
    conflicts : tuple of tuples of int
        Rows of the samples in `evidence.conflicts`.
    sizes : array (n, 2) or None
        Width and height of the image of each flagged sample, NaN for other samples; None if samples have no images or
        labels are not landmarks.
    known : KnownErrors or None
        The kinds of wrong labels that the data prove, with the probabilities of the labels.
    explained : array (n, g) or None
        Probability that a rule explains a flag; None before the rules are weighed. The density of labels that are wrong
        for no known reason is fitted to the flags that no rule explains.

    Examples
    --------
    >>> from deepgum.audit import ScoredLabels
    >>> predicted = np.arange(20.0)[:, None]
    >>> given = predicted + np.where(np.arange(20) == 3, 30.0, np.arange(20) % 3 - 1)[:, None]
    >>> nothing = np.full((20, 1), np.nan)
    >>> labels = ScoredLabels(
    ...     tuple(map(str, range(20))), ("age",), ("age",), ((0,),), given, predicted,
    ...     np.where(given - predicted > 20, 0.01, 0.99), np.abs(given - predicted), nothing, nothing)
    >>> case = Case.of(labels, unit="years")
    >>> case.covariances[0].round(1), case.places, case.wrong.round(2)
    (array([[0.6]]), [(3, 0)], array([0.1]))
    """

    labels: ScoredLabels
    covariances: tuple[Values, ...]
    log_densities: tuple[float, ...]
    landmarks: bool = False
    swap_pairs: tuple[tuple[int, int], ...] = ()
    unit: str = ""
    evidence: Evidence = field(default_factory=Evidence)
    conflicts: tuple[tuple[int, ...], ...] = ()
    sizes: Values | None = None
    known: KnownErrors | None = None
    explained: Values | None = None

    @classmethod
    def of(
        cls,
        labels: ScoredLabels,
        *,
        landmarks: bool = False,
        swap_pairs: Sequence[tuple[int, int]] = (),
        unit: str = "",
        covariances: Sequence[Values] | None = None,
        log_densities: Sequence[float] | None = None,
        evidence: Evidence | None = None,
        known: KnownErrors | None = None,
    ) -> Case:
        """Return the case of scored labels.

        Parameters
        ----------
        labels : ScoredLabels
            Labels with scores. The reasons and suggestions in `labels` are ignored.
        landmarks, swap_pairs, unit
            See the attributes.
        covariances : sequence of arrays (k, k), one per group, optional
            By default estimated from the unflagged labels.
        log_densities : sequence of float, one per group, optional
            By default estimated from the flagged labels.
        evidence : Evidence, optional
        known : KnownErrors, optional

        Raises
        ------
        InvalidParameterError
            If landmarks have an odd number of coordinates, `swap_pairs` names unknown landmarks, a covariance is
            invalid, or a density is not finite.
        InvalidDataError
            If image sizes have a wrong shape, or conflicts name ids that the labels do not have.
        """
        n, d, groups = len(labels), len(labels.target_names), range(len(labels.partition))
        evidence = evidence or Evidence()
        if landmarks and d % 2:
            raise InvalidParameterError("landmarks", "False for an odd number of labels (x y x y ...)", landmarks)
        _check_pairs(swap_pairs, d // 2 if landmarks else 0)
        sizes = None
        if evidence.sizes is not None and landmarks:
            sizes = np.asarray(evidence.sizes(np.flatnonzero(labels.flags.any(axis=1)).tolist()), dtype=np.float64)
            if sizes.shape != (n, 2):
                raise InvalidDataError(f"`sizes` should have the shape {(n, 2)}: width, height. Found {sizes.shape}.")
        rows = {name: row for row, name in enumerate(labels.ids)}
        unknown = [name for copies in evidence.conflicts for name in copies if name not in rows]
        if unknown:
            raise InvalidDataError(f"`conflicts` should name ids of the labels. Found {listing(unknown)}.")
        if covariances is None:
            covariances = [label_covariance(labels, group) for group in groups]
        covariances = check_covariances(labels, covariances)
        if log_densities is None:
            log_densities = [label_uniform(labels, group, covariances[group]) for group in groups]
        if len(log_densities) != len(groups) or not np.isfinite(log_densities).all():
            expected = f"{len(groups)} finite numbers, one per group"
            raise InvalidParameterError("log_densities", expected, list(log_densities))
        return cls(
            labels,
            tuple(covariances),
            tuple(float(value) for value in log_densities),
            landmarks,
            tuple((int(a), int(b)) for a, b in swap_pairs),
            unit,
            evidence,
            tuple(tuple(rows[name] for name in copies) for copies in evidence.conflicts),
            sizes,
            known,
        )

    @cached_property
    def labelled(self) -> Mask:
        """Array (n, g) of bool: whether a group has a label."""
        return ~np.isnan(self.labels.responsibilities) & ~np.isnan(self.labels.residual_norms)

    @cached_property
    def flags(self) -> Mask:
        """Array (n, g) of bool: whether a label is flagged, and therefore needs a reason."""
        return self.labels.flags & self.labelled

    @cached_property
    def places(self) -> list[Place]:
        """The pairs (row, group) of the flagged labels."""
        rows, groups = self.flags.nonzero()
        return list(zip(rows.tolist(), groups.tolist(), strict=True))

    @cached_property
    def wrong(self) -> Values:
        """Estimated share of wrong labels (g,), strictly between 0 and 1."""
        wrong = np.where(self.labelled, 1 - self.labels.responsibilities, 0.0).sum(axis=0)
        return np.asarray((wrong + 1) / (self.labelled.sum(axis=0) + 2))

    @cached_property
    def excess(self) -> Values:
        """Excess variance (n, g) of each coordinate of a prediction: the squared spread minus its usual value.

        The spread is the disagreement between networks. The covariance of right labels includes the usual value.
        """
        if self.labels.spread is None:
            return np.broadcast_to(0.0, self.labels.responsibilities.shape)
        sizes = np.array([len(group) for group in self.labels.partition])
        above = np.square(self.labels.spread) - np.square(self.usual_spread)
        return np.asarray(np.maximum(np.nan_to_num(above), 0.0) / sizes)

    @cached_property
    def usual_spread(self) -> Values:
        """Median spread (g,) of the predictions of unflagged labels; 0 where the spread is unknown."""
        usual = np.zeros(len(self.labels.partition))
        if self.labels.spread is not None:
            for group, values in enumerate(self.labels.spread.T):
                values = values[~self.flags[:, group] & np.isfinite(values)]
                usual[group] = np.median(values) if len(values) else 0.0
        return usual

    @cached_property
    def deviation(self) -> Values:
        """Standard deviation (n, d) of a right label around the prediction. It includes the spread between networks."""
        labels, right = self.labels, np.empty(len(self.labels.target_names))
        for columns, covariance in zip(labels.partition, self.covariances, strict=True):
            right[list(columns)] = covariance.diagonal()
        if labels.spread is None:
            return np.broadcast_to(np.sqrt(right), labels.predicted.shape)
        variance = np.tile(right, (len(labels), 1))
        for group, own in enumerate(map(list, labels.partition)):
            variance[:, own] += np.nan_to_num(np.square(labels.spread[:, [group]])) / len(own)
        return np.sqrt(variance)

    @cached_property
    def group_of(self) -> Rows:
        """The group (d,) of each column."""
        owners = np.empty(len(self.labels.target_names), dtype=np.intp)
        for group, columns in enumerate(self.labels.partition):
            owners[list(columns)] = group
        return owners

    @cached_property
    def _parts(self) -> list[list[list[int]]]:
        found = []
        for columns in self.labels.partition:
            parts: dict[int, list[int]] = {}
            for i, column in enumerate(columns):
                parts.setdefault(column // 2 if self.landmarks else column, []).append(i)
            found.append(list(parts.values()))
        return found

    def parts(self, group: int) -> list[list[int]]:
        """Return the parts of a group (landmarks, else coordinates): for each part, the positions in the group.

        One part can be wrong while the other parts are right.
        """
        return self._parts[group]

    def log_right(self, residuals: Values, rows: Rows, group: int, extra: Values | None = None) -> Values:
        """Return the log density (m,) of the residuals (m, k) in a group of the samples `rows`, if labels are right.

        The density is wider for samples on which the networks disagree more than usual. `extra` (m, k) is additional
        variance.
        """
        excess = np.repeat(self.excess[rows, group][:, None], residuals.shape[1], axis=1)
        return normal(residuals, self.covariances[group], excess if extra is None else excess + extra).log_density

    @cached_property
    def predicted_range(self) -> tuple[Values, Values]:
        """The smallest and the largest prediction (d,) of each column."""
        return self.labels.predicted.min(axis=0), self.labels.predicted.max(axis=0)

    @cached_property
    def population(self) -> Population:
        """Distribution of right labels over all samples."""
        labels = self.labels
        variance = np.empty(len(labels.target_names))
        for columns, block in zip(labels.partition, self.covariances, strict=True):
            variance[list(columns)] = block.diagonal()
        steps = self.grids[0]
        rounded = (self.steps(slice(None), slice(None)) > 0).sum(axis=0) > 0.5 * (~np.isnan(labels.given)).sum(axis=0)
        widths = np.where(rounded, steps, np.sqrt(variance))
        return Population.of(
            self.unflagged, labels.predicted, labels.partition, self.covariances, widths, labels.periods
        )

    def log_any(self, rows: Rows, groups: Rows) -> Values:
        """Return the log density (c,) of labels in the distribution of all labels.

        `rows` (c,) and `groups` (c,) say which labels. The parts of a group count as independent.
        """
        labels, found = self.labels, np.zeros(len(rows))
        order = np.argsort(groups, kind="stable")
        single = np.array([len(columns) == 1 for columns in labels.partition])[groups[order]]
        first = np.array([columns[0] for columns in labels.partition])
        alone = order[single]
        columns = first[groups[alone]]
        by_column = np.argsort(columns, kind="stable")
        alone, columns = alone[by_column], columns[by_column]
        found[alone] = self.population.log_density_of_columns(labels.given[rows[alone], columns], columns)
        several = order[~single]
        for start, end in pairwise(np.flatnonzero(np.diff(groups[several], prepend=-1, append=-1)).tolist()):
            cells = several[start:end]
            group = int(groups[cells[0]])
            parts = [[labels.partition[group][i] for i in part] for part in self.parts(group)]
            found[cells] = self.population.log_density_of_parts(labels.given[rows[cells]], parts)
        return found

    @property
    def unflagged(self) -> Values:
        """The labels (n, d), with NaN in place of flagged labels."""
        given = self.labels.given.copy()
        for group, columns in enumerate(map(list, self.labels.partition)):
            given[:, columns] = np.where(self.flags[:, [group]], np.nan, given[:, columns])
        return given

    @cached_property
    def wrong_labels(self) -> tuple[WrongLabels, ...]:
        """Density of labels that are wrong for no known reason, one per group, fitted to the flagged labels."""
        rows, groups = self.flags.nonzero()
        shares = np.ones(len(rows)) if self.explained is None else 1 - self.explained[rows, groups]
        return fit_weights(*self._equal_weights, groups, shares)

    @cached_property
    def _equal_weights(self) -> tuple[list[WrongLabels], Values]:
        """Densities of wrong labels with equal weights of the components, and the components (4, f) of all flags."""
        rows, groups = self.flags.nonzero()
        farthest = np.full(len(self.labels.partition), -np.inf)
        if len(rows):
            np.maximum.at(farthest, groups, self._distances(rows, groups))
        farthest[np.isneginf(farthest)] = 1.0
        densities = [
            WrongLabels(covariance, log_density, far, self.parts(group))
            for group, (covariance, log_density, far) in enumerate(
                zip(self.covariances, self.log_densities, farthest.tolist(), strict=True)
            )
        ]
        return densities, self._components(densities, rows, groups)

    def _components(self, densities: Sequence[WrongLabels], rows: Rows, groups: Rows) -> Values:
        labels = self.labels
        return components_of(densities, labels.partition, labels.residuals, rows, groups, self.log_any(rows, groups))

    def _distances(self, rows: Rows, groups: Rows) -> Values:
        """Return the Mahalanobis distances (c,) of labels in the cells `rows` (c,) and `groups` (c,)."""
        return self._normal(rows, groups, np.zeros(len(rows)))[1]

    def _normal(self, rows: Rows, groups: Rows, excess: Values) -> tuple[Values, Values]:
        """Return the log density and the distance (c,) of labels in cells, with an excess variance (c,)."""
        log_density, distance = np.empty(len(rows)), np.empty(len(rows))
        for places, columns in cells_by_size(self.labels.partition, groups):
            k, residuals = columns.shape[1], self.labels.residuals[rows[places][:, None], columns]
            extra = np.repeat(excess[places][:, None], k, axis=1)
            for some, covariance in self.covariances_of(groups[places]):
                found = normal(residuals[some], covariance, extra[some])
                log_density[places[some]], distance[places[some]] = found.log_density, found.distance
        return log_density, distance

    def covariances_of(self, groups: Rows) -> Iterator[tuple[Rows | slice, Values]]:
        """Yield positions (m,) among cells in groups (c,) of equal size k, and the covariance of these cells.

        The covariance has the shape (m, k, k) for small groups, and (k, k), one group at a time, for large groups.
        """
        owners, owner = np.unique(groups, return_inverse=True)
        if len(owners) and len(self.labels.partition[owners[0]]) <= _SMALL:
            yield slice(None), np.stack([self.covariances[group] for group in owners.tolist()])[owner]
            return
        for number, group in enumerate(owners.tolist()):
            yield np.flatnonzero(owner == number), self.covariances[group]

    def log_odds_right(self, residuals: Values, rows: Rows, group: int) -> Values:
        """Return the log odds (m,) that labels with residuals (m, k) are right: eq. 2, with the spread of networks."""
        log_prior = np.log1p(-self.wrong[group]) - np.log(self.wrong[group])
        log_right = self.log_right(residuals, rows, group)
        return np.asarray(log_prior + log_right - self.wrong_labels[group].log_uniform_density(residuals))

    def log_wrong(self, rows: Rows, groups: Rows) -> Values:
        """Return the log density (c,) of residuals if labels are wrong for no known reason.

        `rows` (c,) and `groups` (c,) say which labels.
        """
        density = np.empty(len(rows))
        for block in _blocks(len(rows)):
            components = self._components_at(rows[block], groups[block])
            density[block] = log_density_of(self.wrong_labels, components, groups[block])
        return density

    def _components_at(self, rows: Rows, groups: Rows) -> Values:
        """Return the components (4, c) of the density of wrong labels. Those of flagged labels are known."""
        densities, of_flags = self._equal_weights
        width, flagged = self.flags.shape[1], self.flags[rows, groups]
        components = np.empty((len(of_flags), len(rows)))
        places = np.searchsorted(np.flatnonzero(self.flags), rows[flagged] * width + groups[flagged])
        components[:, flagged] = of_flags[:, places]
        if not flagged.all():
            components[:, ~flagged] = self._components(densities, rows[~flagged], groups[~flagged])
        return components

    def log_unexplained(self, rows: Rows, groups: Rows) -> Values:
        """Return the log joint density (c,) of a label and the event that no rule explains it; 0 if there is no label.

        The density is the sum of two densities: the density of wrong labels times the share of wrong labels, and the
        density of right labels that are hard to predict times the share of right labels. `rows` (c,) and `groups` (c,)
        say which labels.
        """
        right, _ = self._normal(rows, groups, self.excess[rows, groups])
        wrong = self.wrong[groups]
        joint = np.logaddexp(np.log1p(-wrong) + right, np.log(wrong) + self.log_wrong(rows, groups))
        return np.where(self.labelled[rows, groups], joint, 0.0)

    def with_explained(self, explained: Values) -> Case:
        """Return the same case with another `explained`. Facts that do not depend on it are not computed again."""
        case = replace(self, explained=explained)
        facts = {name: value for name, value in vars(self).items() if name in _FACTS}
        vars(case).update(facts)
        return case

    @cached_property
    def grids(self) -> tuple[Values, Values]:
        """Two arrays (d,): the step and a value of the grid to which each column is rounded; see `label_steps`."""
        return label_steps(self.unflagged)

    def steps(self, rows: Rows | slice, columns: Rows | slice) -> Values:
        """Return the steps of the grids on which labels of some rows and columns lie; 0 for labels on no grid."""
        step, start = (each[columns] for each in self.grids)
        with np.errstate(divide="ignore", invalid="ignore"):
            places = (self.labels.given[rows, columns] - start) / step
            return np.where(np.abs(places - np.round(places)) < 0.01, step, 0.0)

    def step_of(self, row: int, column: int) -> float:
        """Return the step of the grid on which one label lies; 0 if the label lies on no grid."""
        step, start = (each.item(column) for each in self.grids)
        place = (self.labels.given.item(row, column) - start) / step if step else math.nan
        return step if math.isfinite(place) and abs(place - round(place)) < 0.01 else 0.0

    def wrapped(self, residuals: Values, columns: Sequence[int] | Rows | None = None) -> Values:
        """Return residuals, wrapped by the periods of labels: (..., d) for all columns, or (..., k) for `columns`."""
        periods = self.labels.periods
        if periods is not None and columns is not None:
            periods = tuple(periods[column] for column in columns)
        return wrapped(residuals, periods)


def _blocks(count: int) -> Iterator[slice]:
    """Yield slices of at most `_CELLS` of `count` labels."""
    return (slice(start, start + _CELLS) for start in range(0, count, _CELLS))


def _check_pairs(pairs: Sequence[tuple[int, int]], landmarks: int) -> None:
    used = [index for pair in pairs for index in pair]
    paired = all(len(pair) == 2 for pair in pairs) and len(set(used)) == len(used)
    if not paired or not all(0 <= index < landmarks for index in used):
        expected = f"pairs of different landmarks below {landmarks}" if landmarks else "empty if labels are not points"
        raise InvalidParameterError("swap_pairs", expected, tuple(pairs))
