"""The density of residuals of labels that are wrong for no known reason: a mixture of four ways to be wrong."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

from deepgum.audit.reasons.gaussian import normal, split

__all__ = ["WrongLabels", "cells_by_size", "components_of", "fit_weights", "log_density_of"]

Values = NDArray[np.float64]
Rows = NDArray[np.intp]

_ITERATIONS = 50
_COMPONENTS = 4
_CELLS = 2**18
"""Maximum number of coordinates that are computed at once."""


@dataclass(frozen=True, eq=False)
class WrongLabels:
    """The density of residuals of labels that are wrong for no known reason, for one group of k coordinates.

    The density is a mixture of these components:

    - *anywhere*: a box with the uniform density of the label mixture.
    - *shifted* by a distance of unknown order of magnitude: uniform in the logarithm of the distance. This component
      covers labels that are a little wrong or very far away. Both are improbable under the uniform density.
    - *any label*: each landmark or value comes from some sample of the data set.
    - *in part*: one landmark or value of the group is *anywhere* or *shifted*, and the others are right.

    Parameters
    ----------
    covariance : array (k, k)
        Covariance of the residuals of right labels, for Mahalanobis distances.
    log_uniform : float
        Log of the uniform density of the label mixture, over all k coordinates.
    farthest : float
        The largest Mahalanobis distance of a flagged label.
    parts : sequence of lists of int
        For each landmark or value of the group, the positions of its coordinates in the group.
    log_weights : array (3,) or (4,), optional
        Log weights of the components, in the same order; `in part` has a weight only if the group has several parts. By
        default, all weights are equal.
    """

    covariance: Values
    log_uniform: float
    farthest: float
    parts: Sequence[list[int]]
    log_weights: Values | None = None

    @property
    def log_width(self) -> Values:
        """Log (k,) of the width of the box along each coordinate. Widths are proportional to standard deviations."""
        log_deviation: Values = 0.5 * np.log(self.covariance.diagonal())
        return np.asarray(log_deviation + (-self.log_uniform - log_deviation.sum()) / len(log_deviation))

    def log_uniform_density(self, residuals: Values) -> Values:
        """Return the log of the uniform density (m,) over the observed coordinates of residuals (m, k)."""
        return np.asarray(-(~np.isnan(residuals) * self.log_width).sum(axis=1))

    def fit(self, residuals: Values, log_any: Values, shares: Values) -> WrongLabels:
        """Return the mixture with weights fitted to the residuals (m, k) of flagged labels.

        `shares` (m,) are the weights of the residuals in the fit. `log_any` is as in `log_density`. The weights of the
        components are fitted by EM, with a prior count of one label per component.
        """
        components = self.components(residuals, log_any)
        (fitted,) = fit_weights([self], components, np.zeros(len(residuals), dtype=np.intp), shares)
        return fitted

    def log_density(self, residuals: Values, log_any: Values) -> Values:
        """Return the log density (m,) of the observed coordinates of residuals (m, k).

        `log_any` (m,) is the log density of the labels with these residuals in the distribution of all labels.
        """
        return log_density_of([self], self.components(residuals, log_any), np.zeros(len(residuals), dtype=np.intp))

    def components(self, residuals: Values, log_any: Values) -> Values:
        """Return the log densities (4, m) of the components, for m residuals; -inf for a component that is not used."""
        anywhere, shifted = _anywhere_and_shifted(residuals, self.covariance, self.log_width, self.farthest)
        in_part = self._in_part(residuals) if len(self.parts) > 1 else np.full(len(residuals), -np.inf)
        return np.stack([anywhere, shifted, log_any, in_part])

    @property
    def log_prior(self) -> Values:
        """Log weights (4,) of the components; -inf for a component that is not used."""
        count = _COMPONENTS if len(self.parts) > 1 else _COMPONENTS - 1
        weights = np.full(count, -math.log(count)) if self.log_weights is None else self.log_weights
        return np.append(weights, np.full(_COMPONENTS - count, -np.inf))

    def _in_part(self, residuals: Values) -> Values:
        logs = np.full((len(self.parts), len(residuals)), -np.inf)
        for place, (part, each) in enumerate(
            zip(self.parts, split(residuals, self.covariance, self.parts), strict=True)
        ):
            own = residuals[:, part]
            covariance, width = self.covariance[np.ix_(part, part)], self.log_width[part]
            wrong = np.logaddexp(*_anywhere_and_shifted(own, covariance, width, self.farthest)) - math.log(2)
            logs[place] = np.where(np.isnan(own).all(axis=1), -np.inf, each.log_rest + wrong)
        count = np.maximum(np.isfinite(logs).sum(axis=0), 1)
        return np.asarray(logsumexp(logs, axis=0) - np.log(count))


def _anywhere_and_shifted(
    residuals: Values, covariance: Values, log_width: Values, farthest: float | Values
) -> tuple[Values, Values]:
    """Return two log densities (m,), of *anywhere* and of *shifted*, for residuals (m, k) of one part.

    The other arguments belong to all residuals, or have one item for each residual.
    """
    right = normal(residuals, covariance)
    seen = np.maximum(right.seen, 1.0)
    log_uniform = np.asarray(-(~np.isnan(residuals) * log_width).sum(axis=1))
    log_ball = 0.5 * seen * math.log(math.pi) - gammaln(0.5 * seen + 1)
    log_distance = np.log(np.maximum(right.distance, 1.0))
    # The axes of the box are unknown, so its volume gets the shape of the ellipsoid of right labels.
    inside = (seen * log_distance <= -log_uniform - log_ball - right.log_volume) | (right.seen == 0)
    orders_of_magnitude = np.maximum(1.0, np.log(np.maximum(farthest, 1.0)))
    shifted = -np.log(orders_of_magnitude) - seen * log_distance - np.log(seen) - log_ball - right.log_volume
    return np.where(inside, log_uniform, -np.inf), np.where(right.seen > 0, shifted, 0.0)


def cells_by_size(partition: Sequence[Sequence[int]], groups: Rows) -> Iterator[tuple[Rows, Rows]]:
    """Yield the places (m,) and the columns (m, k) of cells whose groups have the same size, in blocks.

    A cell is one sample in one group; `groups` (c,) are the groups of the cells.
    """
    sizes = np.array([len(columns) for columns in partition])
    for size in np.unique(sizes[groups]).tolist():
        columns = np.zeros((len(partition), size), dtype=np.intp)
        alike = np.flatnonzero(sizes == size)
        columns[alike] = [list(partition[group]) for group in alike.tolist()]
        places, step = np.flatnonzero(sizes[groups] == size), max(1, _CELLS // size**2)
        for start in range(0, len(places), step):
            some = places[start : start + step]
            yield some, columns[groups[some]]


def components_of(
    densities: Sequence[WrongLabels],
    partition: Sequence[Sequence[int]],
    residuals: Values,
    rows: Rows,
    groups: Rows,
    log_any: Values,
) -> Values:
    """Return `WrongLabels.components` (4, c) for the residuals (n, d) in the cells `rows` (c,) and `groups` (c,).

    Groups of one part are computed together, so that Python does not run once per group.
    """
    found = np.full((_COMPONENTS, len(rows)), -np.inf)
    found[2] = log_any
    is_simple = np.array([len(density.parts) == 1 for density in densities])
    farthest = np.array([density.farthest for density in densities])
    simple, others = np.flatnonzero(is_simple[groups]), np.flatnonzero(~is_simple[groups])
    for places, columns in cells_by_size(partition, groups[simple]):
        cells = simple[places]
        owners, owner = np.unique(groups[cells], return_inverse=True)
        covariances = np.stack([densities[group].covariance for group in owners.tolist()])
        widths = np.stack([densities[group].log_width for group in owners.tolist()])
        values = residuals[rows[cells][:, None], columns]
        found[:2, cells] = _anywhere_and_shifted(values, covariances[owner], widths[owner], farthest[groups[cells]])
    order = others[np.argsort(groups[others], kind="stable")]
    bounds = np.flatnonzero(np.diff(groups[order], prepend=-1, append=-1))
    for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        cells = order[start:end]
        group = int(groups[cells[0]])
        values = residuals[rows[cells]][:, list(partition[group])]
        found[:, cells] = densities[group].components(values, log_any[cells])
    return found


def fit_weights(
    densities: Sequence[WrongLabels], components: Values, groups: Rows, shares: Values
) -> tuple[WrongLabels, ...]:
    """Return the mixtures of all groups with fitted weights; see `WrongLabels.fit`.

    `components` (4, c), `groups` (c,) and `shares` (c,) belong to the flagged labels of all groups.
    """
    several = np.array([len(density.parts) > 1 for density in densities])
    used = several | (np.arange(_COMPONENTS)[:, None] < _COMPONENTS - 1)
    # The labels of a group follow each other, so that sums over groups are sums over slices.
    order = np.argsort(groups, kind="stable")
    present, first, sizes = np.unique(groups[order], return_index=True, return_counts=True)
    density, shares = np.exp(components - components.max(axis=0))[:, order], shares[order]
    weights = used / used.sum(axis=0)
    for _ in range(_ITERATIONS if len(present) else 0):
        joint = density * np.repeat(weights[:, present], sizes, axis=1)
        joint *= shares / joint.sum(axis=0)
        counts = used[:, present] + np.add.reduceat(joint, first, axis=1)
        weights[:, present] = counts / counts.sum(axis=0)
    with np.errstate(divide="ignore"):
        weights = np.log(weights)
    return tuple(
        replace(density, log_weights=weights[used[:, group], group]) for group, density in enumerate(densities)
    )


def log_density_of(densities: Sequence[WrongLabels], components: Values, groups: Rows) -> Values:
    """Return `WrongLabels.log_density` (c,) of cells with these components (4, c), in these groups (c,)."""
    log_prior = np.stack([density.log_prior for density in densities], axis=1)
    return np.asarray(logsumexp(components + log_prior[:, groups], axis=0))
