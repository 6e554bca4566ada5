"""The component of inliers: a zero-mean Gaussian, exact marginals for missing labels, and structures of covariances.

The covariance is always stored as a full matrix, so the formulas are the same for all structures.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from deepgum.mixture.blocks import Incomplete

__all__ = ["FLOOR", "STRUCTURES", "TIED", "Conditional", "Gaussian", "Structure", "regularised"]

LOG_2PI = math.log(2 * math.pi)
FLOOR = 1e-10
"""Minimum relative eigenvalue of a covariance. The Cholesky factorisation is accurate far below this minimum."""


@dataclass(frozen=True)
class Conditional:
    """The marginal density of the observed coordinates and the conditional density of the missing coordinates.

    They are computed for P patterns. A pattern is a group together with a set of observed coordinates.

    Attributes
    ----------
    precision : Tensor (P, k, k)
        Inverse covariance of the observed coordinates; 0 for missing coordinates.
    log_peak : Tensor (P,)
        Log density of the observed coordinates at 0.
    gain : Tensor (P, k, k)
        Matrix that maps observed residuals to the expectations of missing residuals.
    covariance : Tensor (P, k, k)
        Covariance of the missing coordinates given the observed coordinates; 0 for observed coordinates.
    """

    precision: Tensor
    log_peak: Tensor
    gain: Tensor
    covariance: Tensor


@dataclass(frozen=True)
class Gaussian:
    """The zero-mean Gaussian of each of g groups, with `covariance` (g, k, k)."""

    covariance: Tensor

    @cached_property
    def _whitening(self) -> tuple[Tensor, Tensor]:
        factor = torch.linalg.cholesky(self.covariance)
        k = factor.shape[-1]
        identity = torch.eye(k, dtype=factor.dtype, device=factor.device).expand_as(factor)
        inverse = torch.linalg.solve_triangular(factor, identity, upper=False)
        log_peak = -0.5 * k * LOG_2PI - factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return inverse, log_peak[:, None]

    @property
    def log_peak(self) -> Tensor:
        """Log density (g,) at 0."""
        return self._whitening[1][:, 0]

    def log_density(self, values: Tensor) -> Tensor:
        """Return the log density (g, c) of complete residuals (g, k, c)."""
        inverse, log_peak = self._whitening
        # A product of many matrices of one number takes ten times as long as a product of arrays.
        if values.shape[1] == 1:
            squared_distance = (inverse * values).square_()[:, 0]
        else:
            squared_distance = (inverse @ values).square_().sum(dim=1)
        return torch.add(log_peak, squared_distance, alpha=-0.5)

    def conditional(self, incomplete: Incomplete) -> Conditional:
        """Return marginal and conditional densities for each pattern of `incomplete`; see `Conditional`."""
        seen = incomplete.observed
        covariance = self.covariance[incomplete.pattern_group]
        both = seen[:, :, None] * seen[:, None, :]
        # Missing coordinates get the variance 1 and no correlation. The determinant and the inverse of the observed
        # part do not change.
        padded = covariance * both + torch.diag_embed(1 - seen)
        factor = torch.linalg.cholesky(padded)
        precision = torch.cholesky_inverse(factor) * both
        log_determinant = 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        regression = covariance @ precision
        hidden = (1 - seen)[:, :, None]
        return Conditional(
            precision=precision,
            log_peak=-0.5 * (seen.sum(-1) * LOG_2PI + log_determinant),
            gain=hidden * regression,
            covariance=hidden * (covariance - regression @ covariance) * hidden.mT,
        )


def _full(scatter: Tensor) -> Tensor:
    return 0.5 * (scatter + scatter.mT)


def _diag(scatter: Tensor) -> Tensor:
    return torch.diag_embed(scatter.diagonal(dim1=-2, dim2=-1))


def _spherical(scatter: Tensor) -> Tensor:
    variance = scatter.diagonal(dim1=-2, dim2=-1).mean(-1, keepdim=True)
    return torch.diag_embed(variance.expand(scatter.shape[:-1]))


@dataclass(frozen=True)
class Structure:
    """The structure of a covariance, and its estimate from sums over samples.

    Attributes
    ----------
    shape : callable
        Function that takes symmetric matrices (g, k, k) and returns the maximum-likelihood covariances (g, k, k) of
        this structure.
    parameters : callable
        Function that takes k and returns the number of free parameters of one covariance.
    is_full : bool
        Whether coordinates may be correlated. If so, the covariance needs k + 1 samples, otherwise 2 samples.
    is_tied : bool
        Whether all groups share one covariance, estimated from the samples of all groups. If so, all groups must have
        the same size.
    """

    shape: Callable[[Tensor], Tensor]
    parameters: Callable[[int], int]
    is_full: bool = False
    is_tied: bool = False

    def least_samples(self, k: int) -> int:
        """Return the number of samples that a covariance of k coordinates needs."""
        return k + 1 if self.is_full else 2

    def mean(self, scatter: Tensor, weight: Tensor) -> Tensor:
        """Return the covariances (g, k, k) of this structure: weighted means of the outer products of residuals.

        `scatter` (g, k, k) holds sums of outer products, and `weight` (g,) holds sums of weights. Every sum of weights
        must be above 0. If all groups share the covariance, one sum above 0 suffices.
        """
        if self.is_tied:
            scatter, weight = self.pooled(scatter), self.pooled(weight)
        return self.shape(scatter / torch.where(weight > 0, weight, 1.0)[:, None, None])

    def pooled(self, sums: Tensor) -> Tensor:
        """Return `sums` (g, ...). If all groups share the covariance, replace each item by the sum over all groups."""
        return sums.sum(dim=0, keepdim=True).expand_as(sums) if self.is_tied else sums


TIED = "tied-"
"""Prefix of the names of structures with a shared covariance. The rest of the name is the unshared structure."""

STRUCTURES: dict[str, Structure] = {
    "full": Structure(_full, lambda k: k * (k + 1) // 2, is_full=True),
    "diag": Structure(_diag, lambda k: k),
    "spherical": Structure(_spherical, lambda k: 1),
    f"{TIED}spherical": Structure(_spherical, lambda k: 1, is_tied=True),
}


def regularised(covariance: Tensor, unit: Tensor, reg_covar: float) -> Tensor:
    """Add `reg_covar` times `unit` to each variance, and raise covariances until they can be factorised.

    `unit` (g, k) holds squared robust scales. So the regularisation does not depend on the unit of the residuals.
    """
    covariance = covariance + torch.diag_embed(reg_covar * unit)
    variance = covariance.diagonal(dim1=-2, dim2=-1).maximum(FLOOR * unit)
    deviation = variance.sqrt()
    correlation = covariance / deviation[:, :, None] / deviation[:, None, :]
    least = torch.linalg.eigvalsh(correlation)[:, :1]
    lift = (variance - covariance.diagonal(dim1=-2, dim2=-1)) + (FLOOR - least).clamp_min(0.0) * variance
    return covariance + torch.diag_embed(lift)
