"""The outliers' component: a density that is the same everywhere, and the three ways to come by it.

There is never a support: a residual beyond anything seen in the fit still meets the same density, so it is an outlier,
not a certain inlier. The density is a product over coordinates, so a missing coordinate's factor is left out.
"""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor

from deepgum.checks import check_choice
from deepgum.errors import InvalidParameterError
from deepgum.mixture.blocks import Incomplete
from deepgum.mixture.spread import Spread
from deepgum.mixture.statistics import Statistics

__all__ = ["FixedDensity", "OutlierMoments", "ResidualRange", "Uniform", "UniformRule", "box", "uniform_rule"]

LOG_12 = math.log(12.0)


@dataclass(frozen=True)
class Uniform:
    """Constant densities of g groups; `log_density_per_coordinate` is (g, k)."""

    log_density_per_coordinate: Tensor

    @property
    def log_standard_deviation(self) -> Tensor:
        """Log of the standard deviation (g, k) of a box of this density."""
        return -0.5 * LOG_12 - self.log_density_per_coordinate

    def log_density(self, values: Tensor) -> Tensor:
        """Log density (g, 1) of complete residuals (g, k, c), whatever they are."""
        return self.log_density_per_coordinate.sum(dim=1, keepdim=True)

    def log_marginal(self, incomplete: Incomplete, chunk: slice) -> Tensor:
        """Log density (m,) of what is observed of incomplete residuals."""
        pattern = (self.log_density_per_coordinate[incomplete.pattern_group] * incomplete.observed).sum(-1)
        return pattern[incomplete.pattern[chunk]]


class UniformRule(Protocol):
    """How the uniform density is come by: at the start, and in each M step."""

    @property
    def is_fixed(self) -> bool:
        """Whether the density is known beforehand."""

    def start(self, spread: Spread) -> Uniform:
        """Return the density before the first E step."""

    def update(self, statistics: Statistics, covariance: Tensor, previous: Uniform) -> Uniform:
        """Return the density after an E step."""


def _from_variance(variance: Tensor) -> Uniform:
    return Uniform(-0.5 * (LOG_12 + variance.log()))


@dataclass(frozen=True)
class OutlierMoments:
    """Equations 5 and 6: a box with the outliers' variances, 1/gamma = prod_d 2 sqrt(3 (C2_d - C1_d^2)).

    The moments are those of the residuals weighted by 1 - r. A variance below the Gaussian's own is raised to it: a
    uniform tighter than the inliers is no model of outliers, and few outliers (or one) would make it so.
    """

    is_fixed: bool = False

    def start(self, spread: Spread) -> Uniform:
        """Return a box with the variances of all the residuals."""
        return _from_variance(spread.variance.maximum(spread.scale.square()))

    def update(self, statistics: Statistics, covariance: Tensor, previous: Uniform) -> Uniform:
        """Return eq. 5; where no outlier weight is left the density stays."""
        weight = statistics.outlier_weight
        some = weight > 1e-12 * statistics.weight[:, None]
        safe = torch.where(some, weight, 1.0)
        variance = statistics.outlier_second / safe - (statistics.outlier_first / safe).square()
        updated = _from_variance(variance.maximum(covariance.diagonal(dim1=-2, dim2=-1)))
        return Uniform(torch.where(some, updated.log_density_per_coordinate, previous.log_density_per_coordinate))


def box(spread: Spread) -> Uniform:
    """Return the box that holds all the residuals: per coordinate, one over the largest less the smallest."""
    return Uniform(-spread.width.log())


@dataclass(frozen=True)
class ResidualRange:
    """The box that holds all the residuals, in each group; it does not change from iteration to iteration."""

    is_fixed: bool = False

    def start(self, spread: Spread) -> Uniform:
        """Return the box."""
        return box(spread)

    def update(self, statistics: Statistics, covariance: Tensor, previous: Uniform) -> Uniform:
        """Return the density as it is."""
        return previous


@dataclass(frozen=True)
class FixedDensity:
    """A log density a coordinate that is known beforehand, such as -log(224) for labels inside 224 pixels."""

    log_density_per_coordinate: float
    is_fixed: bool = True

    def start(self, spread: Spread) -> Uniform:
        """Return the constant, in every group and coordinate."""
        return Uniform(torch.full_like(spread.scale, self.log_density_per_coordinate))

    def update(self, statistics: Statistics, covariance: Tensor, previous: Uniform) -> Uniform:
        """Return the density as it is."""
        return previous


def uniform_rule(uniform: str | float) -> UniformRule:
    """Resolve the argument `uniform`: "moments", "range", or a log density a coordinate."""
    if isinstance(uniform, str):
        check_choice("uniform", uniform, ("moments", "range"))
        return OutlierMoments() if uniform == "moments" else ResidualRange()
    return FixedDensity(_finite(uniform))


def _finite(value: object) -> float:
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not math.isfinite(cast(float, value)):
        raise InvalidParameterError("uniform", "'moments', 'range' or a finite log density per coordinate", value)
    return float(cast(float, value))
