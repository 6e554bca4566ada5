"""The EM loop: one M step of equations 3 to 6, and its repetition until the parameters rest."""

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
# A prior stays this many samples away from 0 and 1, where it could never move again.
LEAST_SAMPLES = 0.5


@dataclass(frozen=True)
class Fit:
    """Where EM ended.

    Attributes
    ----------
    parameters : Parameters
        The last M step's.
    statistics : Statistics
        The E step's under these parameters.
    n_iter : int
        M steps taken.
    converged : Tensor
        (g,) bool, whether a group's last step moved nothing by as much as the tolerance.
    """

    parameters: Parameters
    statistics: Statistics
    n_iter: int
    converged: Tensor


@dataclass(frozen=True)
class EM:
    """Expectation-maximisation of eq. 1 with a given structure, uniform rule and prior (None: estimated).

    What it comes to is a mixture if the outliers are at least `separation` times as wide as the inliers: see `judge`.
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
        """What the covariances may be."""
        return STRUCTURES[self.covariance_type]

    @property
    def untied(self) -> EM:
        """The same with a covariance of its own for each group."""
        return replace(self, covariance_type=self.covariance_type.removeprefix(TIED))

    def start(self, spread: Spread) -> Parameters:
        """Robust start: independent coordinates with the robust scale, a prior of one half, a wide uniform."""
        prior = START_PRIOR if self.inlier_prior is None else self.inlier_prior
        covariance = torch.diag_embed(self.unit(spread))
        return Parameters(torch.full_like(spread.effective, prior), covariance, self.uniform.start(spread))

    def m_step(self, statistics: Statistics, spread: Spread, previous: Parameters) -> Parameters:
        """Equations 3 to 6.

        The scatter of eq. 3 is divided by the sum of the responsibilities: as printed it would grow with N.
        """
        covariance = self.covariance(statistics.scatter, statistics.inlier_weight, statistics.weight, spread, previous)
        uniform = self.uniform.update(statistics, covariance, previous.outliers)
        return Parameters(self._prior(statistics, spread), covariance, uniform)

    def covariance(
        self, scatter: Tensor, inlier_weight: Tensor, weight: Tensor, spread: Spread, previous: Parameters
    ) -> Tensor:
        """Equation 3 from its sums, regularised; where there is no inlier weight to speak of it stays as it was."""
        some = self.structure.pooled(inlier_weight) > 1e-12 * self.structure.pooled(weight)
        covariance = regularised(self.structure.mean(scatter, inlier_weight), self.unit(spread), self.reg_covar)
        return torch.where(some[:, None, None], covariance, previous.covariance)

    def run(self, samples: Samples, spread: Spread, start: Parameters, given: Tensor | None = None) -> Fit:
        """Alternate E and M steps from `start` until every group rests or `max_iter` M steps are taken.

        `given` responsibilities (g, n) are what the first M step goes by, instead of those under `start`. Several
        processes take the same steps: all go on from one M step, where the last bit could tell them apart.
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
        """Squared scales (g, k); one for all coordinates of a group, or of all groups, that share a variance."""
        squared = torch.diag_embed(spread.scale.square())
        # A group without labels has no scale of its own to give to a shared one.
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
