"""The distribution of right labels over all samples, without regard to the predictions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from deepgum.audit.reasons.gaussian import LOG_2_PI, normal
from deepgum.periods import wrapped

__all__ = ["Population", "Spread"]

Values = NDArray[np.float64]
Rows = NDArray[np.intp]

_DENSE = 500
"""Maximum number of columns for which the whole covariance is always made."""


@dataclass(frozen=True, eq=False)
class Spread:
    """The covariance of right labels over all samples: of their residuals, plus of their predictions.

    A matrix (d, d) is made only for few columns, so that memory grows with the number of columns, not with its square.

    Parameters
    ----------
    partition : tuple of tuples of int
    blocks : tuple of arrays (k, k), one per group
        Covariances of the residuals. Residuals of different groups are independent.
    factor : array (r, d)
        The covariance of the predictions is ``factor.T @ factor``.
    """

    partition: tuple[tuple[int, ...], ...]
    blocks: tuple[Values, ...]
    factor: Values

    @cached_property
    def _group_of(self) -> dict[int, tuple[int, int]]:
        return {column: (group, i) for group, columns in enumerate(self.partition) for i, column in enumerate(columns)}

    @cached_property
    def diagonal(self) -> Values:
        """Variance (d,) of each column."""
        variance = np.square(self.factor).sum(axis=0)
        for columns, block in zip(self.partition, self.blocks, strict=True):
            variance[list(columns)] += block.diagonal()
        return np.asarray(variance)

    def block(self, columns: Sequence[int]) -> Values:
        """Return the covariance (s, s) of s columns of one group."""
        group = self._group_of[columns[0]][0]
        inside = [self._group_of[column][1] for column in columns]
        part = self.factor[:, list(columns)]
        return np.asarray(self.blocks[group][np.ix_(inside, inside)] + part.T @ part)

    def log_density(self, deviations: Values) -> Values:
        """Return the log density (m,) of deviations (m, d) from the mean. NaN is integrated out."""
        d = self.factor.shape[1]
        if d <= max(len(self.factor), _DENSE):
            covariance = self.factor.T @ self.factor
            for columns, block in zip(self.partition, self.blocks, strict=True):
                covariance[np.ix_(columns, columns)] += block
            return normal(deviations, covariance).log_density
        return np.array([self._log_density_of(row) for row in deviations])

    def _log_density_of(self, deviation: Values) -> float:
        """Return the log density of one deviation (d,) by the Woodbury identity: the factor has few rows."""
        seen = ~np.isnan(deviation)
        white, factor, log_volume = np.zeros_like(deviation), np.zeros_like(self.factor), 0.0
        for columns, block in zip(self.partition, self.blocks, strict=True):
            inside = [i for i, column in enumerate(columns) if seen[column]]
            if inside:
                own = [columns[i] for i in inside]
                root = np.linalg.cholesky(block[np.ix_(inside, inside)])
                white[own] = solve_triangular(root, deviation[own], lower=True)
                factor[:, own] = solve_triangular(root, self.factor[:, own].T, lower=True).T
                log_volume += float(np.log(root.diagonal()).sum())
        inner = np.linalg.cholesky(np.eye(len(factor)) + factor @ factor.T)
        along = solve_triangular(inner, factor @ white, lower=True)
        log_volume += float(np.log(inner.diagonal()).sum())
        squared = float(np.square(white).sum() - np.square(along).sum())
        return -0.5 * (squared + int(seen.sum()) * LOG_2_PI) - log_volume


@dataclass(frozen=True, eq=False)
class Population:
    """The distribution of right labels over all samples.

    Parameters
    ----------
    centre : array (d,)
        Mean of right labels.
    covariance : Spread
        Covariance of right labels.
    values : sequence of arrays, one per column
        The right labels of each column, in ascending order.
    widths : array (d,)
        Width of the interval in which the labels of a column are counted, to find frequent values: the step of the grid
        if labels lie on a grid, else the standard deviation of the residuals of right labels.
    periods : sequence of float or None
        Period of each label; 0 for a label without a period.

    Examples
    --------
    >>> covariance = Spread(((0,),), (np.array([[4.0]]),), np.zeros((0, 1)))
    >>> population = Population(np.array([5.0]), covariance, [np.array([1.0, 1.0, 1.0, 9.0])], np.ones(1), None)
    >>> often, seldom = np.exp(population.log_density_of_parts(np.array([[1.0], [9.0]]), [[0]]))
    >>> round(float(often - seldom), 6)
    0.25
    """

    centre: Values
    covariance: Spread
    values: Sequence[Values]
    widths: Values
    periods: Sequence[float] | None

    @classmethod
    def of(
        cls,
        right: Values,
        predicted: Values,
        partition: Sequence[Sequence[int]],
        covariances: Sequence[Values],
        widths: Values,
        periods: Sequence[float] | None,
    ) -> Population:
        """Return the distribution of right labels `right` (n, d), in which NaN stands for all other labels.

        `predicted` (n, d) are the predictions; NaN where a missing label has none. `covariances` are the covariances of
        the residuals of right labels, one for each group of `partition`. `widths` and `periods` are parameters of the
        class.
        """
        centre = np.asarray(np.nanmean(predicted, axis=0))
        for column, period in enumerate(periods or ()):
            if period > 0:
                turn = 2 * np.pi / period
                centre[column] = np.angle(np.nanmean(np.exp(1j * turn * predicted[:, column]))) / turn
        deviations = np.nan_to_num(wrapped(predicted - centre, periods))
        counts = (~np.isnan(predicted)).sum(axis=0)
        values = [np.sort(column[~np.isnan(column)]) for column in right.T]
        spread = Spread(tuple(map(tuple, partition)), tuple(covariances), deviations / np.sqrt(counts))
        return cls(centre, spread, values, widths, periods)

    def log_density(self, given: Values) -> Values:
        """Return the log density (m,) of the labels (m, d) of m samples, under one Gaussian of all d columns."""
        return self.covariance.log_density(wrapped(given - self.centre, self.periods))

    def log_density_of_parts(self, given: Values, parts: Sequence[Sequence[int]]) -> Values:
        """Return the log density (m,) of labels (m, d), as if the parts were independent.

        Each item of `parts` lists the columns of one landmark, or one column. The density of a single column is the
        mean of two densities: the Gaussian density and the observed frequency, because some labels are frequent.
        """
        single = [part[0] for part in parts if len(part) == 1]
        columns, rows = (
            np.repeat(np.array(single, dtype=np.intp), len(given)),
            np.tile(np.arange(len(given)), len(single)),
        )
        total = self.log_density_of_columns(given[rows, columns], columns).reshape(len(single), len(given)).sum(axis=0)
        for part in (list(part) for part in parts if len(part) > 1):
            periods = None if self.periods is None else [self.periods[column] for column in part]
            deviations = wrapped(given[:, part] - self.centre[part], periods)
            total += normal(deviations, self.covariance.block(part)).log_density
        return np.asarray(total)

    def log_density_of_columns(self, given: Values, columns: Rows) -> Values:
        """Return the log density (c,) of single labels (c,) of some columns (c,), in the order of the columns.

        It is the mean of the Gaussian density and the observed frequency; 0 where a label is missing.
        """
        periods = None if self.periods is None else np.array(self.periods)[columns]
        deviations = wrapped(given - self.centre[columns], periods)
        gaussian = normal(deviations[:, None], self.covariance.diagonal[columns][:, None, None]).log_density
        count, bounds = np.zeros(len(given)), np.flatnonzero(np.diff(columns, prepend=-1, append=-1)).tolist()
        low, high = given - self.widths[columns] / 2, given + self.widths[columns] / 2
        sizes = np.array([max(len(values), 1) for values in self.values])
        for start, end in pairwise(bounds):
            values = self.values[columns[start]]
            count[start:end] = np.searchsorted(values, high[start:end]) - np.searchsorted(values, low[start:end])
        with np.errstate(divide="ignore", invalid="ignore"):
            frequency = np.log(count / (sizes[columns] * self.widths[columns]))
        frequency[count == 0] = -np.inf
        return np.where(np.isnan(given), 0.0, np.logaddexp(gaussian, frequency) - math.log(2))
