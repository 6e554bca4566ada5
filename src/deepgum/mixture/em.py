"""The EM loop: the M step of equations 3 to 6, and the repetition of E and M steps until the parameters converge."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from deepgum.mixture.e_step import summarise
from deepgum.mixture.gaussian import STRUCTURES, TIED, Structure, regularised
from deepgum.mixture.parameters import Parameters, change
from deepgum.mixture.samples import Samples
from deepgum.mixture.spread import Spread
from deepgum.mixture.statistics import Statistics
from deepgum.mixture.uniform import UniformRule

__all__ = ["EM", "Fit"]

START_PRIOR = 0.5

LEAST_SAMPLES = 0.5
"""Minimum distance of an estimated prior from 0 and 1, in samples, because a prior of 0 or 1 would never change."""


@dataclass(frozen=True)
class Fit:
    """The result of EM.

    Attributes
    ----------
    parameters : Parameters
        Parameters after the last M step.
    statistics : Statistics
        Sums of the E step under these parameters.
    n_iter : int
        Number of M steps.
    converged : Tensor (g,) of bool
        Whether the last step changed every parameter of the group by less than the tolerance.
    """

    parameters: Parameters
    statistics: Statistics
    n_iter: int
    converged: Tensor


@dataclass(frozen=True)
class EM:
    """Expectation-maximisation of eq. 1.

    Attributes
    ----------
    covariance_type : str
        A key of `STRUCTURES`.
    uniform : UniformRule
        Rule that estimates the uniform density.
    inlier_prior : float or None
        The fixed prior pi; None if pi is estimated.
    separation : float
        Minimum ratio of the width of outliers to the width of inliers in a mixture; see `judge`.
    reg_covar : float
        Regularisation: this fraction of the squared robust scale is added to each variance.
    tol : float
        EM stops when one step changes every parameter by less than `tol`.
    max_iter : int
        Maximum number of M steps.
    """

    covariance_type: str
    uniform: UniformRule
    inlier_prior: float | None
    separation: float = field(default=0.0, kw_only=True)
    reg_covar: float
    tol: float
    max_iter: int

    @property
    def structure(self) -> Structure:
        """The structure of the covariances."""
        return STRUCTURES[self.covariance_type]

    @property
    def untied(self) -> EM:
        """A copy of this EM in which the groups do not share a covariance: each group has its own covariance."""
        return replace(self, covariance_type=self.covariance_type.removeprefix(TIED))

    def start(self, spread: Spread) -> Parameters:
        """Return the robust start: independent coordinates, robust scales, the prior 1/2, a wide uniform density."""
        prior = START_PRIOR if self.inlier_prior is None else self.inlier_prior
        covariance = torch.diag_embed(self.unit(spread))
        return Parameters(torch.full_like(spread.effective, prior), covariance, self.uniform.start(spread))

    def m_step(self, statistics: Statistics, spread: Spread, previous: Parameters) -> Parameters:
        """Return the parameters of equations 3 to 6.

        The scatter of eq. 3 is divided by the sum of the responsibilities. The paper does not print this division.
        Without it, the covariance would grow with the number of samples.
        """
        covariance = self.covariance(statistics.scatter, statistics.inlier_weight, statistics.weight, spread, previous)
        uniform = self.uniform.update(statistics, covariance, previous.outliers)
        return Parameters(self._prior(statistics, spread), covariance, uniform)

    def covariance(
        self, scatter: Tensor, inlier_weight: Tensor, weight: Tensor, spread: Spread, previous: Parameters
    ) -> Tensor:
        """Return the regularised covariance of eq. 3.

        A group keeps its previous covariance if the sum of its responsibilities is close to 0.
        """
        some = self.structure.pooled(inlier_weight) > 1e-12 * self.structure.pooled(weight)
        covariance = regularised(self.structure.mean(scatter, inlier_weight), self.unit(spread), self.reg_covar)
        return torch.where(some[:, None, None], covariance, previous.covariance)

    def run(self, samples: Samples, spread: Spread, start: Parameters, given: Tensor | None = None) -> Fit:
        """Alternate E and M steps from `start` until every group converges or after `max_iter` M steps.

        If `given` is not None, it holds responsibilities (g, n), which the first M step uses instead of the
        responsibilities under `start`. If there are several processes, all take the same steps, with the parameters of
        process 0, because the last bit may differ between processes.
        """
        parameters, n_iter = start, 0
        statistics = summarise(samples, parameters, given)
        converged = torch.zeros_like(start.inlier_prior, dtype=torch.bool)
        while n_iter < self.max_iter and not bool(converged.all()):
            previous, n_iter = parameters, n_iter + 1
            step = self.m_step(statistics, spread, previous)
            parameters = Parameters.of(*samples.agreed(step.tensors))
            statistics = summarise(samples, parameters)
            converged = change(parameters, previous) < self.tol
        return Fit(parameters, statistics, n_iter, converged)

    def unit(self, spread: Spread) -> Tensor:
        """Return squared robust scales (g, k): equal scales for all coordinates that share a variance."""
        squared = torch.diag_embed(spread.scale.square())
        # A group without labels does not contribute to a shared scale.
        weight = spread.effective if bool(spread.effective.any()) else torch.ones_like(spread.effective)
        if self.structure.is_tied:
            squared = self.structure.mean(squared * weight[:, None, None], weight)
        return self.structure.shape(squared).diagonal(dim1=-2, dim2=-1)

    def _prior(self, statistics: Statistics, spread: Spread) -> Tensor:
        if self.inlier_prior is not None:
            return torch.full_like(statistics.weight, self.inlier_prior)
        least = LEAST_SAMPLES / spread.effective.clamp_min(1.0)
        fraction = statistics.inlier_weight / torch.where(statistics.weight > 0, statistics.weight, 1.0)
        return fraction.clamp(least, 1 - least)
