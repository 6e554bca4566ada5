"""The parameters of eq. 1, immutable: one object for all groups of one size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from deepgum.mixture.blocks import Incomplete
from deepgum.mixture.gaussian import Conditional, Gaussian
from deepgum.mixture.uniform import Uniform

__all__ = ["Parameters", "change", "merge", "to_device"]


@dataclass(frozen=True)
class Parameters:
    """Parameters of eq. 1 for g groups of k coordinates.

    Attributes
    ----------
    inlier_prior : Tensor (g,)
        pi. If pi is 0, there is only the uniform density. If pi is 1, there is only the Gaussian.
    covariance : Tensor (g, k, k)
        Sigma.
    outliers : Uniform
        gamma.
    """

    inlier_prior: Tensor
    covariance: Tensor
    outliers: Uniform

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """The prior, the covariance and the log density per coordinate, in the order of the parameters of `of`."""
        return self.inlier_prior, self.covariance, self.outliers.log_density_per_coordinate

    @classmethod
    def of(cls, inlier_prior: Tensor, covariance: Tensor, log_density_per_coordinate: Tensor) -> Parameters:
        """Return the parameters with these `tensors`."""
        return cls(inlier_prior, covariance, Uniform(log_density_per_coordinate))

    def __getitem__(self, groups: slice) -> Parameters:
        """Return the parameters of some groups."""
        return Parameters.of(*(tensor[groups] for tensor in self.tensors))

    @cached_property
    def inliers(self) -> Gaussian:
        """The component of inliers: a Gaussian with this covariance."""
        return Gaussian(self.covariance)

    @cached_property
    def _log_priors(self) -> tuple[Tensor, Tensor]:
        return self.inlier_prior.log(), torch.log1p(-self.inlier_prior)

    def log_joint(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return log(pi N) (g, c) and log((1 - pi) gamma) (g, 1) for complete residuals (g, k, c)."""
        log_inlier, log_outlier = self._log_priors
        inlier = self.inliers.log_density(values).add_(log_inlier[:, None])
        return inlier, self.outliers.log_density(values) + log_outlier[:, None]

    def log_joint_incomplete(self, pairs: Incomplete, conditional: Conditional, chunk: slice) -> tuple[Tensor, Tensor]:
        """Return log(pi N) (m,) and log((1 - pi) gamma) (m,) for the observed parts of incomplete residuals."""
        log_inlier, log_outlier = self._log_priors
        pattern, group, values = pairs.pattern[chunk], pairs.group[chunk], pairs.values[chunk]
        whitened = (conditional.precision[pattern] @ values[:, :, None])[:, :, 0]
        inlier = log_inlier[group] + conditional.log_peak[pattern] - 0.5 * (values * whitened).sum(-1)
        return inlier, log_outlier[group] + self.outliers.log_marginal(pairs, chunk)


def merge(where: Tensor, new: Parameters, old: Parameters) -> Parameters:
    """Return the parameters `new` for groups in the mask `where` (g,), and `old` for all other groups."""
    density = new.outliers.log_density_per_coordinate, old.outliers.log_density_per_coordinate
    return Parameters(
        torch.where(where, new.inlier_prior, old.inlier_prior),
        torch.where(where[:, None, None], new.covariance, old.covariance),
        Uniform(torch.where(where[:, None], *density)),
    )


def change(new: Parameters, old: Parameters) -> Tensor:
    """Return the largest change (g,) of a parameter in each group. It does not depend on the unit of residuals.

    The changes are the absolute differences of the prior, of the log densities, and of each entry of the covariance.
    The difference of an entry of the covariance is divided by the product of the two standard deviations.
    """
    deviation = old.covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    difference = (new.covariance - old.covariance).abs() / deviation[:, :, None] / deviation[:, None, :]
    largest = torch.maximum((new.inlier_prior - old.inlier_prior).abs(), difference.amax(dim=(1, 2)))
    density = new.outliers.log_density_per_coordinate - old.outliers.log_density_per_coordinate
    return torch.maximum(largest, density.abs().amax(dim=1))


def to_device(parameters: Parameters, device: torch.device) -> Parameters:
    """Return the same parameters on a device."""
    return Parameters.of(*(tensor.to(device) for tensor in parameters.tensors))
