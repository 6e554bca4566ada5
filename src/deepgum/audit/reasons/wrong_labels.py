"""Densities of residuals: a Gaussian for right labels, and a mixture for labels that are wrong for no known reason."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.special import gammaln, logsumexp

__all__ = ["LOG_2_PI", "Normal", "WrongLabels", "normal"]

Values = NDArray[np.float64]

LOG_2_PI = math.log(2 * math.pi)
_BLOCK = 2**22
"""Maximum number of matrix entries that are computed at once."""

_ITERATIONS = 50


class Normal(NamedTuple):
    """The density of m residuals under a zero-mean Gaussian. Only observed coordinates count.

    Attributes
    ----------
    log_density, distance, log_volume : arrays (m,)
        Log density, Mahalanobis distance, and half the log determinant of the covariance of the observed coordinates.
    seen : array (m,)
        Number of observed coordinates of each residual.
    """

    log_density: Values
    distance: Values
    log_volume: Values
    seen: Values


def normal(residuals: Values, covariance: Values, extra: Values | None = None) -> Normal:
    """Evaluate N(0, covariance + diag(extra)) at residuals (m, k). A coordinate that is NaN is integrated out.

    Parameters
    ----------
    residuals : array (m, k)
    covariance : array (k, k)
    extra : array (m, k), optional
        Variances that are added to the diagonal of the covariance, for each residual.

    Examples
    --------
    >>> one = normal(np.array([[3.0, np.nan], [3.0, 0.0]]), np.diag([9.0, 4.0]))
    >>> one.distance, one.seen
    (array([1., 1.]), array([1., 2.]))
    """
    observed = ~np.isnan(residuals)
    values = np.where(observed, residuals, 0.0)
    if observed.all() and (extra is None or not extra.any()):
        factor = np.linalg.cholesky(covariance)
        white = solve_triangular(factor, values.T, lower=True).T
        log_volume = np.full(len(values), np.log(factor.diagonal()).sum())
    else:
        white, log_volume = np.empty_like(values), np.empty(len(values))
        k = len(covariance)
        block = max(1, _BLOCK // k**2)
        for start in range(0, len(values), block):
            part = slice(start, start + block)
            matrices = np.repeat(covariance[None], len(values[part]), axis=0)
            if extra is not None:
                matrices[:, range(k), range(k)] += extra[part]
            # A missing coordinate becomes independent, with variance 1 and value 0, so it adds nothing.
            matrices = np.where(observed[part, :, None] & observed[part, None, :], matrices, np.eye(k))
            factors = np.linalg.cholesky(matrices)
            white[part] = np.linalg.solve(factors, values[part, :, None])[:, :, 0]
            log_volume[part] = np.log(factors[:, range(k), range(k)]).sum(axis=1)
    seen = observed.sum(axis=1).astype(np.float64)
    squared = np.square(white).sum(axis=1)
    return Normal(-0.5 * (squared + seen * LOG_2_PI) - log_volume, np.sqrt(squared), log_volume, seen)


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
        Log weights of the components, in the same order. By default, all weights are equal.
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
        components = self._components(residuals, log_any)
        weights = np.full(len(components), -math.log(len(components)))
        for _ in range(_ITERATIONS):
            joint = components + weights[:, None]
            counts = 1 + np.exp(joint - logsumexp(joint, axis=0)) @ shares
            weights = np.log(counts / counts.sum())
        return WrongLabels(self.covariance, self.log_uniform, self.farthest, self.parts, weights)

    def log_density(self, residuals: Values, log_any: Values) -> Values:
        """Return the log density (m,) of the observed coordinates of residuals (m, k).

        `log_any` (m,) is the log density of the labels with these residuals in the distribution of all labels.
        """
        components = self._components(residuals, log_any)
        weights = np.full(len(components), -math.log(len(components))) if self.log_weights is None else self.log_weights
        return np.asarray(logsumexp(components + weights[:, None], axis=0))

    def _components(self, residuals: Values, log_any: Values) -> Values:
        """Return the log densities (3, m) or (4, m) of the components, for m residuals."""
        columns = list(range(residuals.shape[1]))
        components = [*self._anywhere_and_shifted(residuals, columns), log_any]
        if len(self.parts) > 1:
            components.append(self._in_part(residuals))
        return np.stack(components)

    def _anywhere_and_shifted(self, residuals: Values, part: list[int]) -> tuple[Values, Values]:
        """Return two log densities (m,), of *anywhere* and of *shifted*, for the coordinates `part` of residuals."""
        right = normal(residuals[:, part], self.covariance[np.ix_(part, part)])
        seen = np.maximum(right.seen, 1.0)
        log_uniform = np.asarray(-(~np.isnan(residuals[:, part]) * self.log_width[part]).sum(axis=1))
        log_ball = 0.5 * seen * math.log(math.pi) - gammaln(0.5 * seen + 1)
        log_distance = np.log(np.maximum(right.distance, 1.0))
        # The axes of the box are unknown, so its volume gets the shape of the ellipsoid of right labels.
        inside = seen * log_distance <= -log_uniform - log_ball - right.log_volume
        orders_of_magnitude = max(1.0, math.log(max(self.farthest, 1.0)))
        shifted = -math.log(orders_of_magnitude) - seen * log_distance - np.log(seen) - log_ball - right.log_volume
        return np.where(inside, log_uniform, -np.inf), np.where(right.seen > 0, shifted, 0.0)

    def _in_part(self, residuals: Values) -> Values:
        logs = np.full((len(self.parts), len(residuals)), -np.inf)
        for place, part in enumerate(self.parts):
            rest = [column for column in range(residuals.shape[1]) if column not in part]
            right = normal(residuals[:, rest], self.covariance[np.ix_(rest, rest)]).log_density
            wrong = np.logaddexp(*self._anywhere_and_shifted(residuals, part)) - math.log(2)
            logs[place] = np.where(np.isnan(residuals[:, part]).all(axis=1), -np.inf, right + wrong)
        count = np.maximum(np.isfinite(logs).sum(axis=0), 1)
        return np.asarray(logsumexp(logs, axis=0) - np.log(count))
