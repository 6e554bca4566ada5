"""How many labels a fitted mixture expects at each distance from their prediction."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, f

from deepgum.audit.summary import GroupSummary
from deepgum.posteriors.densities import student_variance

__all__ = ["DistanceMixture"]

Values = NDArray[np.float64]


@dataclass(frozen=True)
class DistanceMixture:
    """The mixture of one group, of Mahalanobis distances instead of residuals of k coordinates.

    Distances are in standard deviations of right labels. Their square is chi-squared with k degrees of freedom; where
    right labels are Student's t of nu, a k-th of it is F with k and nu, but for the variance. The density of wrong
    labels is flat up to the core of right ones, and falls from there as the distance to the power b - k
    (`deepgum.posteriors.densities`); with b = k it is uniform. It ends at the reach.

    Parameters
    ----------
    dimensions : int
        k.
    prior : float
        Share of right labels.
    degrees_of_freedom : float or None
        nu; None for a Gaussian.
    reach : float
        Distance at which the wrong labels end.
    exponent : float, optional
        b; by default k.

    Examples
    --------
    >>> mixture = DistanceMixture(dimensions=2, prior=0.9, degrees_of_freedom=None, reach=100.0)
    >>> mixture.right(np.array([1.0, 5.0])).round(3), mixture.wrong(np.array([50.0, 200.0])).round(3)
    (array([0.354, 0.9  ]), array([0.025, 0.1  ]))
    """

    dimensions: int
    prior: float
    degrees_of_freedom: float | None
    reach: float
    exponent: float | None = None

    @classmethod
    def of(cls, group: GroupSummary) -> DistanceMixture:
        """Return the mixture that an audit fitted to a group."""
        k = len(group.covariance)
        if group.radius is not None:
            return cls(k, group.prior, group.degrees_of_freedom, group.radius, group.exponent)
        # Volume of the unit ball, and of the ellipsoid that is as far as one standard deviation.
        log_ball = k / 2 * math.log(math.pi) - math.lgamma(k / 2 + 1)
        log_ellipsoid = log_ball + np.linalg.slogdet(np.array(group.covariance))[1] / 2
        reach = math.exp(min((-group.log_uniform_density - log_ellipsoid) / k, 300.0))
        return cls(k, group.prior, group.degrees_of_freedom, reach)

    def right(self, distance: Values) -> Values:
        """Share of all labels that are right and at most that far."""
        square = self._variance * np.square(distance)
        if self.degrees_of_freedom is None:
            below = chi2.cdf(square, self.dimensions)
        else:
            below = f.cdf(square / self.dimensions, self.dimensions, self.degrees_of_freedom)
        return self.prior * np.asarray(below)

    def wrong(self, distance: Values) -> Values:
        """Share of all labels that are wrong and at most that far."""
        return (1 - self.prior) * self._mass(np.minimum(distance, self.reach)) / self._mass(np.array(self.reach))

    @property
    def _variance(self) -> float:
        return student_variance(math.inf if self.degrees_of_freedom is None else self.degrees_of_freedom)

    def _mass(self, distance: Values) -> Values:
        """Integral of the density of wrong labels up to a distance, but for a constant."""
        k = self.dimensions
        b = k if self.exponent is None else self.exponent
        core = math.sqrt(max(1.0, k - b) / self._variance)
        inside = np.minimum(distance, core) ** k * core ** (b - k) / k
        return np.asarray(inside + (np.maximum(distance, core) ** b - core**b) / b)
