"""A density of right labels in numbers, as the summary of an audit records it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgum.posteriors.densities import Density, density_of

__all__ = ["TabulatedDensity"]

Values = NDArray[np.float64]


@dataclass(frozen=True)
class TabulatedDensity:
    """A density of right labels in numbers: a report draws it from a summary without importing the user's code.

    Attributes
    ----------
    coordinate_variance : float
        Variance of a coordinate, for a scale matrix of 1.
    distances, probabilities : tuples of float
        Mahalanobis distances, and how probably a right label is no farther.
    """

    coordinate_variance: float
    distances: tuple[float, ...]
    probabilities: tuple[float, ...]

    @classmethod
    def of(cls, density: Density, dimensions: int) -> TabulatedDensity | None:
        """Return the table of a density; None for those that `density_of` makes from degrees of freedom.

        Examples
        --------
        >>> from deepgum.posteriors.densities import StudentT
        >>> TabulatedDensity.of(StudentT(4.0), 2) is None
        True
        """
        if density == density_of(density.degrees_of_freedom):
            return None
        variance = density.variance(dimensions)
        distances = np.geomspace(1e-3, 1e3, 121) * math.sqrt(variance)
        probabilities = density.cdf(np.square(distances), dimensions)
        return cls(float(variance), tuple(distances.tolist()), tuple(np.asarray(probabilities).tolist()))

    def variance(self, dimensions: int) -> float:
        """Return the variance of a coordinate."""
        return self.coordinate_variance

    def cdf(self, squared: Values, dimensions: int) -> Values:
        """Return the probability of a squared distance of at most this, between those of the table."""
        with np.errstate(divide="ignore"):
            along = 0.5 * np.log(squared)
        return np.interp(along, np.log(self.distances), self.probabilities, left=0.0)
