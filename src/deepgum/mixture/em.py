"""The EM loop: one M step of equations 3 to 6, and its repetition until the parameters rest."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from deepgum.mixture.blocks import Block
from deepgum.mixture.e_step import summarise
from deepgum.mixture.gaussian import STRUCTURES, regularised
from deepgum.mixture.parameters import Parameters, change
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
    """Expectation-maximisation of eq. 1 with a given structure, uniform rule and prior (None: estimated)."""

    covariance_type: str
    uniform: UniformRule
    inlier_prior: float | None
    reg_covar: float
    tol: float
    max_iter: int

    def least_samples(self, k: int) -> int:
        """Return how many samples a covariance of k coordinates needs."""
        return k + 1 if self.covariance_type == "full" else 2

    def start(self, spread: Spread) -> Parameters:
        """Robust start: independent coordinates with the robust scale, a prior of one half, a wide uniform."""
        prior = START_PRIOR if self.inlier_prior is None else self.inlier_prior
        covariance = torch.diag_embed(self._unit(spread))
        return Parameters(torch.full_like(spread.effective, prior), covariance, self.uniform.start(spread))

    def m_step(self, statistics: Statistics, spread: Spread, previous: Parameters) -> Parameters:
        """Equations 3 to 6.

        The scatter of eq. 3 is divided by the sum of the responsibilities: as printed it would grow with N.
        """
        inlier_weight = statistics.inlier_weight
        some = inlier_weight > 1e-12 * statistics.weight
        scatter = statistics.scatter / torch.where(some, inlier_weight, 1.0)[:, None, None]
        covariance = regularised(STRUCTURES[self.covariance_type](scatter), self._unit(spread), self.reg_covar)
        covariance = torch.where(some[:, None, None], covariance, previous.covariance)
        uniform = self.uniform.update(statistics, covariance, previous.outliers)
        return Parameters(self._prior(statistics, spread), covariance, uniform)

    def run(self, block: Block, spread: Spread, start: Parameters) -> Fit:
        """Alternate E and M steps from `start` until every group rests or `max_iter` M steps are taken."""
        parameters, n_iter = start, 0
        statistics = summarise(block, parameters)
        converged = torch.zeros_like(start.inlier_prior, dtype=torch.bool)
        while n_iter < self.max_iter and not bool(converged.all()):
            previous, n_iter = parameters, n_iter + 1
            parameters = self.m_step(statistics, spread, previous)
            statistics = summarise(block, parameters)
            converged = change(parameters, previous) < self.tol
        return Fit(parameters, statistics, n_iter, converged)

    def _unit(self, spread: Spread) -> Tensor:
        """Squared scales (g, k); one for all coordinates of a group where the covariance has one variance."""
        squared = torch.diag_embed(spread.scale.square())
        return STRUCTURES[self.covariance_type](squared).diagonal(dim1=-2, dim2=-1)

    def _prior(self, statistics: Statistics, spread: Spread) -> Tensor:
        if self.inlier_prior is not None:
            return torch.full_like(statistics.weight, self.inlier_prior)
        least = LEAST_SAMPLES / spread.effective.clamp_min(1.0)
        fraction = statistics.inlier_weight / torch.where(statistics.weight > 0, statistics.weight, 1.0)
        return fraction.clamp(least, 1 - least)
