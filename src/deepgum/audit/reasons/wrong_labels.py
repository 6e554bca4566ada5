"""Densities of residuals: of right labels, and of labels that are wrong in no particular way."""

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
_ITERATIONS = 50


class Normal(NamedTuple):
    """What a zero-mean Gaussian says of m residuals: of each its observed part.

    Attributes
    ----------
    log_density, distance, log_volume : arrays (m,)
        The log density; the Mahalanobis distance; half the log determinant of the observed part's covariance.
    seen : array (m,)
        How many coordinates are observed.
    """

    log_density: Values
    distance: Values
    log_volume: Values
    seen: Values


def normal(residuals: Values, covariance: Values, extra: Values | None = None) -> Normal:
    """Return what N(0, covariance + diag(extra)) says of residuals (m, k); NaN is integrated out.

    Parameters
    ----------
    residuals : array (m, k)
    covariance : array (k, k)
    extra : array (m, k), optional
        Variance of each residual's own, added to the diagonal.

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
            # A missing coordinate becomes one of variance 1 that is independent, and 0: it adds nothing.
            matrices = np.where(observed[part, :, None] & observed[part, None, :], matrices, np.eye(k))
            factors = np.linalg.cholesky(matrices)
            white[part] = np.linalg.solve(factors, values[part, :, None])[:, :, 0]
            log_volume[part] = np.log(factors[:, range(k), range(k)]).sum(axis=1)
    seen = observed.sum(axis=1).astype(np.float64)
    squared = np.square(white).sum(axis=1)
    return Normal(-0.5 * (squared + seen * LOG_2_PI) - log_volume, np.sqrt(squared), log_volume, seen)


@dataclass(frozen=True, eq=False)
class WrongLabels:
    """The density of labels that are wrong in no particular way, for one group of k coordinates.

    It is a mixture of

    - *anywhere*: the mixture's uniform, in a box of its volume;
    - *shifted* by a distance of unknown order of magnitude: even in the logarithm of the distance. A label that is only
      a little off, or beyond all others, does not look special because the uniform expects few there;
    - *any label*: each landmark or value as it is somewhere in the set, whatever the sample is;
    - *in part*: one landmark or value of the group anywhere, the others right.

    Parameters
    ----------
    covariance : array (k, k)
        Of right labels' residuals: the unit in which distances are measured.
    log_uniform : float
        Log density of the mixture's uniform, over all k coordinates.
    farthest : float
        The largest distance of a flagged label, in standard deviations.
    parts : sequence of lists of int
        Coordinates, by their place in the group, that are a landmark or a value of their own.
    log_weights : array (3,) or (4,), optional
        Of the kinds, in the order above; by default all the same.
    """

    covariance: Values
    log_uniform: float
    farthest: float
    parts: Sequence[list[int]]
    log_weights: Values | None = None

    @property
    def log_width(self) -> Values:
        """Log width (k,) of the uniform along each coordinate, in proportion to the right labels' deviations."""
        log_deviation: Values = 0.5 * np.log(self.covariance.diagonal())
        return np.asarray(log_deviation + (-self.log_uniform - log_deviation.sum()) / len(log_deviation))

    def log_uniform_density(self, residuals: Values) -> Values:
        """Return the log density (m,) of the uniform alone, over what is observed of residuals (m, k)."""
        return np.asarray(-(~np.isnan(residuals) * self.log_width).sum(axis=1))

    def fitted(self, residuals: Values, log_any: Values, shares: Values) -> WrongLabels:
        """Return the mixture with the weights that suit flagged residuals (m, k), each counted by its share (m,).

        Found by EM; one label of each kind is taken to have been seen before.
        """
        kinds = self._kinds(residuals, log_any)
        weights = np.full(len(kinds), -math.log(len(kinds)))
        for _ in range(_ITERATIONS):
            joint = kinds + weights[:, None]
            counts = 1 + np.exp(joint - logsumexp(joint, axis=0)) @ shares
            weights = np.log(counts / counts.sum())
        return WrongLabels(self.covariance, self.log_uniform, self.farthest, self.parts, weights)

    def log_density(self, residuals: Values, log_any: Values) -> Values:
        """Return the log density (m,) of what is observed of residuals (m, k).

        The log density (m,) of the labels among all labels of the set is `log_any`.
        """
        kinds = self._kinds(residuals, log_any)
        weights = np.full(len(kinds), -math.log(len(kinds))) if self.log_weights is None else self.log_weights
        return np.asarray(logsumexp(kinds + weights[:, None], axis=0))

    def _kinds(self, residuals: Values, log_any: Values) -> Values:
        """Log densities of each kind, (3, m) or (4, m)."""
        every = list(range(residuals.shape[1]))
        kinds = [*self._anywhere_and_shifted(residuals, every), log_any]
        if len(self.parts) > 1:
            kinds.append(self._in_part(residuals))
        return np.stack(kinds)

    def _anywhere_and_shifted(self, residuals: Values, part: list[int]) -> tuple[Values, Values]:
        """Log densities (m,) of some coordinates of residuals (m, k)."""
        right = normal(residuals[:, part], self.covariance[np.ix_(part, part)])
        seen = np.maximum(right.seen, 1.0)
        log_uniform = np.asarray(-(~np.isnan(residuals[:, part]) * self.log_width[part]).sum(axis=1))
        log_ball = 0.5 * seen * math.log(math.pi) - gammaln(0.5 * seen + 1)
        log_distance = np.log(np.maximum(right.distance, 1.0))
        # The box has no known axes, so its volume is given the form of the right labels' ellipsoid.
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
        some = np.maximum(np.isfinite(logs).sum(axis=0), 1)
        return np.asarray(logsumexp(logs, axis=0) - np.log(some))
