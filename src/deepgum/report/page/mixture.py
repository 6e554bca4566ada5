"""The shares of right and wrong labels that a fitted mixture expects within each distance from the prediction."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.summary import GroupSummary
from deepgum.posteriors.densities import Density, density_of
from deepgum.posteriors.power_law import PowerLaw
from deepgum.posteriors.tabulated import TabulatedDensity

__all__ = ["DistanceMixture"]

Values = NDArray[np.float64]


@dataclass(frozen=True)
class DistanceMixture:
    """The fitted mixture of one group, as a distribution of the Mahalanobis distances of the labels.

    Distances are in standard deviations of right labels.

    Parameters
    ----------
    dimensions : int
        Number of coordinates of the group.
    prior : float
        Share of right labels.
    right_labels : Density or TabulatedDensity
        Density of right labels.
    wrong_labels : PowerLaw
        Density of wrong labels. The radius and the core of this density are in the unit of the distances.

    Examples
    --------
    >>> from deepgum.posteriors.densities import Gaussian
    >>> mixture = DistanceMixture(2, 0.9, Gaussian(), PowerLaw(exponent=2, radius=100.0))
    >>> mixture.right(np.array([1.0, 5.0])).round(3), mixture.wrong(np.array([50.0, 200.0])).round(3)
    (array([0.354, 0.9  ]), array([0.025, 0.1  ]))
    """

    dimensions: int
    prior: float
    right_labels: Density | TabulatedDensity
    wrong_labels: PowerLaw

    @classmethod
    def of(cls, group: GroupSummary) -> DistanceMixture:
        """Return the mixture that an audit fitted to a group."""
        k = len(group.covariance)
        right = density_of(group.degrees_of_freedom) if group.density is None else group.density
        if group.radius is not None:
            exponent, reach = k if group.exponent is None else group.exponent, group.radius
        else:
            # Volumes of the unit ball, and of the ellipsoid at one standard deviation.
            log_ball = k / 2 * math.log(math.pi) - math.lgamma(k / 2 + 1)
            log_ellipsoid = log_ball + np.linalg.slogdet(np.array(group.covariance))[1] / 2
            exponent, reach = k, math.exp(min((-group.log_uniform_density - log_ellipsoid) / k, 300.0))
        return cls(k, group.prior, right, PowerLaw(exponent, reach, right.variance(k)))

    @property
    def reach(self) -> float:
        """The distance above which the density of wrong labels is 0."""
        return self.wrong_labels.radius

    def right(self, distance: Values) -> Values:
        """Return the share of all labels that are right and at most `distance` from the prediction."""
        k = self.dimensions
        return self.prior * self.right_labels.cdf(self.right_labels.variance(k) * np.square(distance), k)

    def wrong(self, distance: Values) -> Values:
        """Return the share of all labels that are wrong and at most `distance` from the prediction."""
        mass = self.wrong_labels.mass
        return (1 - self.prior) * mass(distance, self.dimensions) / mass(np.array(self.reach), self.dimensions)
