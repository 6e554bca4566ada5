"""Equation 1 with other densities: heavy tails for right labels, and wrong labels that are mostly near the right label.

Equation 1 has a Gaussian for right labels and a uniform density for wrong labels. This module also has other densities.
Wrong labels are often nearer to the right label than under a uniform density, because annotators slip or disagree. Let
m be the Mahalanobis distance of a residual of k coordinates, and S the scale matrix:

    p(delta) = pi f(delta; 0, S) + (1 - pi) g(m)

where f is a density of `deepgum.posteriors.densities` and g the power law of `deepgum.posteriors.power_law`. If a part
of a group is missing, f and g are the densities of the observed part.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from deepgum.mixture.hard_samples import responsibilities_of_hard_samples
from deepgum.mixture.partition import Partition
from deepgum.posteriors.densities import Density, log_student
from deepgum.posteriors.observed import Part, parts_of
from deepgum.posteriors.power_law import PowerLaw

__all__ = ["GroupMixture", "GroupMixtures"]

SWEEPS = 6
"""Number of sweeps over the groups of a sample that estimate how hard the sample is."""


@dataclass(frozen=True)
class GroupMixture:
    """The mixture of one group of k coordinates.

    Attributes
    ----------
    prior : float
        pi: the prior probability that a label is right.
    scale : Tensor (k, k)
        S: the covariance of right labels, divided by the variance of the density `right`.
    right : Density
        f: the density of right labels.
    wrong : PowerLaw
        g: the density of wrong labels.
    """

    prior: float
    scale: Tensor
    right: Density
    wrong: PowerLaw

    def squared_distance(self, part: Part) -> Tensor:
        """Return the squared Mahalanobis distances (m,) of the observed coordinates of the residuals in a part."""
        return part.squared_distance(self.scale)

    def log_terms(self, part: Part, squared: Tensor) -> tuple[Tensor, Tensor]:
        """Return two arrays (m,), the logs of pi f and of (1 - pi) g, at the squared distances (m,)."""
        o, k, volume = len(part.seen), len(self.scale), part.log_volume(self.scale)
        log_constant = self.wrong.log_normaliser(o, k) + volume
        right = math.log(self.prior) - volume + self.right.log_density(squared, o)
        wrong = math.log1p(-self.prior) + self.wrong.log_shape(squared, o, k) - log_constant
        return right, wrong


@dataclass(frozen=True)
class GroupMixtures:
    """The mixtures of all groups of a partition.

    Attributes
    ----------
    groups : tuple of GroupMixture
    partition : tuple of tuples of int

    Examples
    --------
    >>> from deepgum.posteriors.densities import StudentT
    >>> one = GroupMixture(0.8, torch.eye(2, dtype=torch.float64), StudentT(4.0), PowerLaw(exponent=1.0, radius=20.0))
    >>> mixtures = GroupMixtures((one,), ((0, 1),))
    >>> mixtures.responsibilities(torch.tensor([[0.0, 1.0], [3.0, 3.0], [9.0, 9.0]])).flatten().round(decimals=2)
    tensor([0.9800, 0.6700, 0.0100], dtype=torch.float64)
    """

    groups: tuple[GroupMixture, ...]
    partition: Partition

    def log_density(self, residuals: Tensor) -> Tensor:
        """Return the log density (n, g), log p(delta), of the observed coordinates; 0 if no coordinate is observed."""
        evidence = self._evidence(residuals)
        return torch.where(evidence.seen > 0, torch.logaddexp(evidence.right, evidence.wrong), 0.0)

    def mahalanobis(self, residuals: Tensor) -> Tensor:
        """Return the Mahalanobis distance (n, g) of the observed coordinates; NaN if no coordinate is observed."""
        evidence = self._evidence(residuals)
        return torch.where(evidence.seen > 0, evidence.squared.sqrt(), torch.nan)

    def responsibilities(self, residuals: Tensor) -> Tensor:
        """Return the probability (n, g) that a label is right; NaN if no coordinate of the group is observed.

        Student's t is a Gaussian with a scale that differs from sample to sample. In each sample, all groups with this
        density share one scale factor: see `deepgum.mixture.hard_samples`. Degrees of freedom may differ between
        groups.
        """
        evidence = self._evidence(residuals)
        seen, squared, volume = evidence.seen, evidence.squared, evidence.volume
        plain = torch.sigmoid(evidence.right - evidence.wrong)
        freedom = [group.right.degrees_of_freedom for group in self.groups]
        heavy = torch.tensor([nu is not None for nu in freedom])
        if len(self.groups) < 2 or not bool(heavy.any()):
            return torch.where(seen > 0, plain, torch.nan)
        log_prior = torch.tensor([group.prior for group in self.groups], dtype=torch.float64).log()

        def posterior(a: Tensor, b: Tensor) -> Tensor:
            wider = b / a
            right = log_prior - volume - 0.5 * seen * wider.log() + log_student(squared / wider, seen, a)
            return torch.where(heavy, torch.sigmoid(right - evidence.wrong), plain)

        shared = responsibilities_of_hard_samples(
            plain,
            posterior,
            distance=squared,
            observed=seen,
            degrees_of_freedom=torch.tensor([1.0 if nu is None else nu for nu in freedom], dtype=torch.float64),
            sweeps=SWEEPS,
        )
        return torch.where(seen > 0, shared, torch.nan)

    def _evidence(self, residuals: Tensor) -> _Evidence:
        n, g = len(residuals), len(self.groups)
        evidence = _Evidence(*(torch.zeros(n, g, dtype=torch.float64) for _ in range(5)))
        for place, (group, columns) in enumerate(zip(self.groups, self.partition, strict=True)):
            for part in parts_of(residuals.to(torch.float64)[:, list(columns)]):
                squared = group.squared_distance(part)
                right, wrong = group.log_terms(part, squared)
                evidence.right[part.rows, place], evidence.wrong[part.rows, place] = right, wrong
                evidence.squared[part.rows, place] = squared
                evidence.volume[part.rows, place] = part.log_volume(group.scale)
                evidence.seen[part.rows, place] = float(len(part.seen))
        return evidence


@dataclass(frozen=True)
class _Evidence:
    """Arrays (n, g): logs of pi f and (1 - pi) g, squared distance, log volume and number of observed coordinates."""

    right: Tensor
    wrong: Tensor
    squared: Tensor
    volume: Tensor
    seen: Tensor
