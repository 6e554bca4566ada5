"""The component of outliers: a density that is the same everywhere, and the three rules that estimate it.

The density has no bounds. So a residual that is larger than all residuals of the fit is an outlier, not an inlier. The
density is a product over coordinates. The factor of a missing coordinate is left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from deepgum.checks import as_number, check_choice
from deepgum.errors import InvalidParameterError
from deepgum.mixture.blocks import Incomplete
from deepgum.mixture.spread import Spread
from deepgum.mixture.statistics import Statistics

__all__ = ["FixedDensity", "OutlierMoments", "ResidualRange", "Uniform", "UniformRule", "box", "uniform_rule"]

LOG_12 = math.log(12.0)
LARGEST_LOG_DENSITY = 1e6
"""Largest absolute log density of a coordinate; sums of log densities cannot overflow."""


@dataclass(frozen=True)
class Uniform:
    """The constant densities of g groups, with `log_density_per_coordinate` (g, k)."""

    log_density_per_coordinate: Tensor

    @property
    def log_standard_deviation(self) -> Tensor:
        """Log of the standard deviation (g, k) of a box with this density."""
        return -0.5 * LOG_12 - self.log_density_per_coordinate

    def log_density(self, values: Tensor) -> Tensor:
        """Return the log density (g, 1) of complete residuals (g, k, c). It is the same for all residuals."""
        return self.log_density_per_coordinate.sum(dim=1, keepdim=True)

    def log_marginal(self, incomplete: Incomplete, chunk: slice) -> Tensor:
        """Return the log density (m,) of the observed parts of incomplete residuals."""
        pattern = (self.log_density_per_coordinate[incomplete.pattern_group] * incomplete.observed).sum(-1)
        return pattern[incomplete.pattern[chunk]]


class UniformRule(Protocol):
    """A rule that estimates the uniform density, at the start and in each M step."""

    @property
    def is_fixed(self) -> bool:
        """Whether the density is given by the user, not estimated."""

    def start(self, spread: Spread) -> Uniform:
        """Return the uniform density for the first E step."""

    def update(self, statistics: Statistics, covariance: Tensor, previous: Uniform) -> Uniform:
        """Return the uniform density of an M step, from the sums of the E step."""


def _from_variance(variance: Tensor) -> Uniform:
    return Uniform(-0.5 * (LOG_12 + variance.log()))


@dataclass(frozen=True)
class OutlierMoments:
    """Equations 5 and 6: a box with the variances of the outliers, 1/gamma = prod_d 2 sqrt(3 (C2_d - C1_d^2)).

    C1 and C2 are the means of the residual and of its square, weighted by 1 - r, where r is the responsibility. The
    variances are at least the variances of the Gaussian, because a uniform density that is narrower than the inliers
    does not describe outliers. A single outlier could cause such a density.
    """

    is_fixed: bool = False

    def start(self, spread: Spread) -> Uniform:
        """Return a box with the variances of all residuals."""
        return _from_variance(spread.variance.maximum(spread.scale.square()))

    def update(self, statistics: Statistics, covariance: Tensor, previous: Uniform) -> Uniform:
        """Return the density of eq. 5. A group in which all labels are inliers keeps its previous density."""
        weight = statistics.outlier_weight
        some = weight > 1e-12 * statistics.weight[:, None]
        safe = torch.where(some, weight, 1.0)
        variance = statistics.outlier_second / safe - (statistics.outlier_first / safe).square()
        updated = _from_variance(variance.maximum(covariance.diagonal(dim1=-2, dim2=-1)))
        return Uniform(torch.where(some, updated.log_density_per_coordinate, previous.log_density_per_coordinate))


def box(spread: Spread) -> Uniform:
    """Return the density of the box that holds all residuals: 1 / (largest - smallest residual) for each coordinate."""
    return Uniform(-spread.width.log())


@dataclass(frozen=True)
class ResidualRange:
    """The density of the box that holds all residuals of a group. It is the same in every iteration."""

    is_fixed: bool = False

    def start(self, spread: Spread) -> Uniform:
        """Return the density of the box."""
        return box(spread)

    def update(self, statistics: Statistics, covariance: Tensor, previous: Uniform) -> Uniform:
        """Return the density unchanged."""
        return previous


@dataclass(frozen=True)
class FixedDensity:
    """A log density per coordinate that the user fixes, for example -log(224) for labels inside 224 pixels."""

    log_density_per_coordinate: float
    is_fixed: bool = True

    def start(self, spread: Spread) -> Uniform:
        """Return the fixed log density for every group and coordinate."""
        return Uniform(torch.full_like(spread.scale, self.log_density_per_coordinate))

    def update(self, statistics: Statistics, covariance: Tensor, previous: Uniform) -> Uniform:
        """Return the density unchanged."""
        return previous


def uniform_rule(uniform: str | float) -> UniformRule:
    """Return the rule for the argument `uniform`: "moments", "range", or a log density per coordinate."""
    if isinstance(uniform, str):
        check_choice("uniform", uniform, ("moments", "range"))
        return OutlierMoments() if uniform == "moments" else ResidualRange()
    number = as_number(uniform)
    if not abs(number) <= LARGEST_LOG_DENSITY:
        limit = f"{LARGEST_LOG_DENSITY:g}"
        expected = f"'moments', 'range' or a finite log density per coordinate, from -{limit} to {limit}"
        raise InvalidParameterError("uniform", expected, uniform)
    return FixedDensity(number)
