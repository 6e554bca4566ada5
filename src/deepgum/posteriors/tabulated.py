"""A table of a density of right labels, for the summary of an audit."""

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
    """A table of a density of right labels. A report can draw the table without the code of the density.

    Attributes
    ----------
    coordinate_variance : float
        Variance of one coordinate if the scale matrix is the identity.
    distances, probabilities : tuples of float
        Mahalanobis distances, and for each distance the probability that the distance of a right label is not larger.
    """

    coordinate_variance: float
    distances: tuple[float, ...]
    probabilities: tuple[float, ...]

    @classmethod
    def of(cls, density: Density, dimensions: int) -> TabulatedDensity | None:
        """Return the table of a density, or None for a Gaussian or Student's t, which `density_of` can make.

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
        """Return the variance of one coordinate if the scale matrix is the identity."""
        return self.coordinate_variance

    def cdf(self, squared: Values, dimensions: int) -> Values:
        """Return the probability that the squared distance is at most `squared`, interpolated in the table."""
        with np.errstate(divide="ignore"):
            along = 0.5 * np.log(squared)
        return np.interp(along, np.log(self.distances), self.probabilities, left=0.0)
