"""The density of wrong labels: a power of the Mahalanobis distance from the prediction.

Let m be the Mahalanobis distance of a residual of k coordinates:

    g(m) proportional to max(m, c) ** (b - k)  up to  m = R,    c = max(1, sqrt(k - b))

b = k is the uniform density of eq. 1. With b = 1, the distance and the direction of the residual of a wrong label are
uniform, like in the l-UGO noise of the paper. The power law is constant for m < c, because otherwise a label equal to
its prediction would certainly be wrong. For every b up to k, the posterior that a label is right then decreases with
the distance.

If only o of the k coordinates of a group are observed, the marginal of the power law has no closed form. The exponent b
is then replaced by b o / k. This is exact for the uniform density.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["PowerLaw"]

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """Density of the residuals of wrong labels, in k coordinates.

    Attributes
    ----------
    exponent : float
        b, above 0 and at most k.
    radius : float
        R: the largest Mahalanobis distance of the fitted residuals.
    variance : float
        1 if distances are Mahalanobis distances under the scale matrix. If distances are in standard deviations of
        right labels, `variance` is the variance of one coordinate of a right label if the scale matrix is the identity.
        c is divided by the square root of `variance`.

    Examples
    --------
    >>> mass = PowerLaw(exponent=1.0, radius=10.0).mass(np.array([1.0, 5.5, 10.0, 20.0]), dimensions=2)
    >>> (mass / mass[-1]).round(2)
    array([0.05, 0.53, 1.  , 1.  ])
    """

    exponent: float
    radius: float
    variance: float = 1.0

    def log_shape(self, squared: Tensor, observed: int, dimensions: int) -> Tensor:
        """Return the log density (m,) at squared distances (m,), without a constant, as if the radius were infinite."""
        b = self._exponent_of(observed, dimensions)
        if b == observed:  # the uniform density
            return torch.zeros_like(squared)
        return (b - observed) * 0.5 * squared.clamp_min(self._core(b, observed) ** 2).log()

    def log_normaliser(self, observed: int, dimensions: int) -> float:
        """Return the log of the integral of exp(`log_shape`) up to the radius, for a scale matrix of determinant 1."""
        return float(self.log_normalisers(torch.tensor(self.radius, dtype=torch.float64), observed, dimensions))

    def log_normalisers(self, radius: Tensor, observed: int, dimensions: int) -> Tensor:
        """Return the same as `log_normaliser` for several radii (g,) instead of `radius` of this object."""
        b = self._exponent_of(observed, dimensions)
        core = self._core(b, observed)
        surface = math.log(2) + 0.5 * observed * math.log(math.pi) - math.lgamma(0.5 * observed)
        return _log_mass(b, observed, core, radius.clamp_min(core)) + surface

    def mass(self, distance: Values, dimensions: int) -> Values:
        """Return the mass: a constant times the integral of the density over all distances from 0 to `distance`.

        The mass at a distance, divided by the mass at the radius, is the probability that the distance of a wrong label
        is not larger.
        """
        k, b = dimensions, self.exponent
        core, distance = self._core(b, k), np.minimum(distance, self.radius)
        inside = np.minimum(distance, core) ** k * core ** (b - k) / k
        return np.asarray(inside + (np.maximum(distance, core) ** b - core**b) / b)

    def _exponent_of(self, observed: int, dimensions: int) -> float:
        return self.exponent * observed / dimensions

    def _core(self, exponent: float, dimensions: int) -> float:
        """Return c of the module docstring: the density is constant at distances below c."""
        return math.sqrt(max(1.0, dimensions - exponent) / self.variance)


def _log_mass(b: float, k: int, core: float, radius: Tensor) -> Tensor:
    """Return the log of the integral over m, from 0 to R, of max(m, c) ** (b - k) m ** (k - 1), for radii R (g,)."""
    log_radius = radius.log()
    if b == k:
        return b * log_radius - math.log(b)
    return b * log_radius - math.log(b) + torch.log1p(-(b * (math.log(core) - log_radius)).exp() * (1 - b / k))
