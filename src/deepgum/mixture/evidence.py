"""Equation 2, sample by sample: the responsibility of each residual, and the two densities that eq. 2 compares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from deepgum.mixture.blocks import Block
from deepgum.mixture.hard_samples import responsibilities_of_hard_samples
from deepgum.mixture.parameters import Parameters

__all__ = ["Evidence", "evidence"]

SWEEPS = 4
"""Number of sweeps over the groups of a hard sample. More sweeps would change less than one flag in 1000."""


@dataclass(frozen=True)
class Evidence:
    """The densities of each residual under both components: arrays (n, g), or (g, n) for the groups of one size.

    Attributes
    ----------
    inlier, outlier : Tensor
        Log of pi N(delta) (`inlier`) and of (1 - pi) gamma (`outlier`), for the observed part of a group.
    distance : Tensor
        Squared Mahalanobis distance of the observed part.
    observed : Tensor
        Number of observed coordinates.
    prior : Tensor
        pi: the posterior if no coordinate is observed.
    """

    inlier: Tensor
    outlier: Tensor
    distance: Tensor
    observed: Tensor
    prior: Tensor

    @classmethod
    def joined(cls, parts: Sequence[tuple[Sequence[int], Evidence]]) -> Evidence:
        """Join the evidence (g_i, n) of each group size to the evidence (n, g) of all groups.

        A part is a pair: the positions of the groups of one size in the partition, and their evidence.
        """
        places = torch.tensor([group for groups, _ in parts for group in groups])
        order = places.argsort().to(parts[0][1].inlier.device)
        names = [field.name for field in fields(cls)]
        return cls(*(torch.cat([getattr(part, name) for _, part in parts])[order].T.contiguous() for name in names))

    @property
    def responsibility(self) -> Tensor:
        """The responsibilities of eq. 2."""
        return self._posterior(self.inlier)

    @property
    def log_likelihood(self) -> Tensor:
        """The log density of eq. 1; 0 if no coordinate is observed."""
        return torch.where(self.observed > 0, torch.logaddexp(self.inlier, self.outlier), 0.0)

    def hard(self, degrees_of_freedom: float, sweeps: int = SWEEPS) -> Tensor:
        """Return the responsibilities (n, g) if some samples are hard to predict; see `deepgum.mixture.hard_samples`.

        Examples
        --------
        >>> from deepgum.mixture import GaussianUniformMixture
        >>> residuals = torch.randn(1000, 2, generator=torch.Generator().manual_seed(0))
        >>> residuals[:200] = 20 * torch.rand(200, 2, generator=torch.Generator().manual_seed(1)) - 10
        >>> mixture = GaussianUniformMixture(groups="coordinate", degrees_of_freedom=4).fit(residuals)
        >>> alike = torch.tensor([[0.1, 2.9], [2.9, 2.9]])  # the same second residual beside a small and a large one
        >>> bool(mixture.responsibilities(alike)[0, 1] < mixture.responsibilities(alike)[1, 1])
        True
        """
        k, distance = self.observed, self.distance

        def posterior(a: Tensor, b: Tensor) -> Tensor:
            # The ratio of Student's t to the Gaussian has two factors: the ratio at 0, and the ratio of the tails.
            peak = torch.lgamma((a + k) / 2) - torch.lgamma(a / 2) - k / 2 * (b / 2).log()
            tail = -(a + k) / 2 * torch.log1p(distance / b)
            return self._posterior(self.inlier + 0.5 * distance + peak + tail)

        return responsibilities_of_hard_samples(
            self.responsibility,
            posterior,
            distance=distance,
            observed=k,
            degrees_of_freedom=degrees_of_freedom,
            sweeps=sweeps,
        )

    def _posterior(self, inlier: Tensor) -> Tensor:
        return torch.where(self.observed > 0, torch.sigmoid(inlier - self.outlier), self.prior)


def evidence(block: Block, parameters: Parameters) -> Evidence:
    """Return the evidence (g, n) of the residuals in a block, under the parameters."""
    g, k, n = block.values.shape
    found = Evidence(
        inlier=block.values.new_zeros(g, n),
        outlier=block.values.new_zeros(g, n),
        distance=block.values.new_zeros(g, n),
        observed=block.values.new_zeros(g, n),
        prior=parameters.inlier_prior[:, None].expand(g, n),
    )
    log_peak = parameters.inlier_prior.log() + parameters.inliers.log_peak
    for chunk in block.chunks():
        inlier, outlier = parameters.log_joint(block.values[:, :, chunk])
        found.inlier[:, chunk] = inlier
        found.outlier[:, chunk] = outlier
        found.distance[:, chunk] = 2 * (log_peak[:, None] - inlier)
        found.observed[:, chunk] = k * block.observed_rows[:, chunk]
    if block.incomplete is not None:
        pairs = block.incomplete
        conditional = parameters.inliers.conditional(pairs)
        for chunk in pairs.chunks():
            inlier, outlier = parameters.log_joint_incomplete(pairs, conditional, chunk)
            group, pattern = pairs.group[chunk], pairs.pattern[chunk]
            where = group, pairs.row[chunk]
            found.inlier[where], found.outlier[where] = inlier, outlier
            peak = parameters.inlier_prior.log()[group] + conditional.log_peak[pattern]
            found.distance[where] = 2 * (peak - inlier)
            found.observed[where] = pairs.observed[pattern].sum(dim=1)
    return found
