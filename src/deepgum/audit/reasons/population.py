"""The distribution of right labels over all samples, without regard to the predictions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.reasons.wrong_labels import normal
from deepgum.periods import wrapped

__all__ = ["Population"]

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Population:
    """The distribution of right labels over all samples.

    Parameters
    ----------
    centre, covariance : arrays (d,) and (d, d)
        Mean (`centre`) and covariance (`covariance`) of right labels.
    values : sequence of arrays, one per column
        The right labels of each column, in ascending order.
    widths : array (d,)
        Width of the interval in which the labels of a column are counted, to find frequent values: the step of the grid
        if labels lie on a grid, else the standard deviation of the residuals of right labels.
    periods : sequence of float or None
        Period of each label; 0 for a label without a period.

    Examples
    --------
    >>> population = Population(np.array([5.0]), np.array([[4.0]]), [np.array([1.0, 1.0, 1.0, 9.0])], np.ones(1), None)
    >>> often, seldom = np.exp(population.log_density_of_parts(np.array([[1.0], [9.0]]), [[0]]))
    >>> round(float(often - seldom), 6)
    0.25
    """

    centre: Values
    covariance: Values
    values: Sequence[Values]
    widths: Values
    periods: Sequence[float] | None

    @classmethod
    def of(
        cls, right: Values, predicted: Values, covariance: Values, widths: Values, periods: Sequence[float] | None
    ) -> Population:
        """Return the distribution of right labels `right` (n, d), in which NaN stands for all other labels.

        `predicted` (n, d) are the predictions. `covariance` (d, d) is the covariance of the residuals of right labels.
        `widths` and `periods` are parameters of the class.
        """
        centre = np.asarray(predicted.mean(axis=0))
        for column, period in enumerate(periods or ()):
            if period > 0:
                turn = 2 * np.pi / period
                centre[column] = np.angle(np.exp(1j * turn * predicted[:, column]).mean()) / turn
        deviations = wrapped(predicted - centre, periods)
        values = [np.sort(column[~np.isnan(column)]) for column in right.T]
        return cls(centre, covariance + deviations.T @ deviations / len(predicted), values, widths, periods)

    def log_density(self, given: Values) -> Values:
        """Return the log density (m,) of the labels (m, d) of m samples, under one Gaussian of all d columns."""
        return normal(wrapped(given - self.centre, self.periods), self.covariance).log_density

    def log_density_of_parts(self, given: Values, parts: Sequence[Sequence[int]]) -> Values:
        """Return the log density (m,) of labels (m, d), as if the parts were independent.

        Each item of `parts` lists the columns of one landmark, or one column. The density of a single column is the
        mean of two densities: the Gaussian density and the observed frequency, because some labels are frequent.
        """
        deviations = wrapped(given - self.centre, self.periods)
        total = np.zeros(len(given))
        for part in map(list, parts):
            density = normal(deviations[:, part], self.covariance[np.ix_(part, part)]).log_density
            if len(part) == 1:
                (column,) = part
                density = np.logaddexp(density, self._log_frequency(given[:, column], column)) - math.log(2)
                density = np.where(np.isnan(given[:, column]), 0.0, density)
            total += density
        return total

    def _log_frequency(self, given: Values, column: int) -> Values:
        values, width = self.values[column], self.widths[column]
        if not len(values):
            return np.full(len(given), -np.inf)
        low, high = np.searchsorted(values, given - width / 2), np.searchsorted(values, given + width / 2)
        with np.errstate(divide="ignore"):
            return np.asarray(np.log((high - low) / (len(values) * width)))
