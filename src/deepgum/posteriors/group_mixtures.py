"""Equation 1 with other densities: heavy tails for right labels, and wrong labels that are mostly near the right label.

Equation 1 has a Gaussian for right labels and a uniform density for wrong labels. This module also has other densities.
Wrong labels are often nearer to the right label than under a uniform density, because annotators slip or disagree. Let
m be the Mahalanobis distance of a residual of k coordinates, and S the scale matrix:

    p(delta) = pi f(delta; 0, S) + (1 - pi) g(m)

where f is a density of `deepgum.posteriors.densities` and g the power law of `deepgum.posteriors.power_law`. If a part
of a group is missing, f and g are the densities of the observed part. Skewed residuals are made symmetric first; see
`deepgum.posteriors.skew`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from deepgum.mixture.hard_samples import responsibilities_of_hard_samples
from deepgum.mixture.partition import Partition
from deepgum.posteriors.densities import Density, log_student
from deepgum.posteriors.observed import Part, parts_of
from deepgum.posteriors.power_law import PowerLaw
from deepgum.posteriors.skew import Skew, symmetric

__all__ = ["GroupMixture", "GroupMixtures", "PlacedStack", "Stack", "stacks_of"]

MOST_VALUES = 2**18
"""Maximum number of residuals in a stack of several groups."""

MOST_CELLS = 2**18
"""Maximum number of labels whose probabilities are computed at once, if a sample has no more labels."""

SWEEPS = 6
"""Number of sweeps over the groups of a sample that estimate how hard the sample is."""


@dataclass(frozen=True, slots=True)
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
        right, wrong = Stack.of([self]).log_terms(part, squared[None])
        return right[0], wrong[0]


@dataclass(frozen=True)
class Stack:
    """The mixtures of g groups with the same number of coordinates k and the same kinds of densities.

    Python runs once per stack, not once per group, so that thousands of groups take little time.

    Attributes
    ----------
    prior : Tensor (g,)
    scale : Tensor (g, k, k)
    right : Density
    exponent : float
    radius : Tensor (g,)
        See `GroupMixture` and `PowerLaw`.
    """

    prior: Tensor
    scale: Tensor
    right: Density
    exponent: float
    radius: Tensor

    @classmethod
    def of(cls, groups: Sequence[GroupMixture]) -> Stack:
        """Return the stack of groups with equal sizes, equal densities `right` and equal exponents."""
        return cls(
            torch.tensor([group.prior for group in groups], dtype=torch.float64),
            torch.stack([group.scale for group in groups]),
            groups[0].right,
            groups[0].wrong.exponent,
            torch.tensor([group.wrong.radius for group in groups], dtype=torch.float64),
        )

    def groups(self) -> list[GroupMixture]:
        """Return the mixtures of the stack, group by group."""
        return [
            GroupMixture(prior, scale, self.right, PowerLaw(self.exponent, radius))
            for prior, scale, radius in zip(self.prior.tolist(), self.scale.unbind(), self.radius.tolist(), strict=True)
        ]

    def __getitem__(self, groups: Tensor) -> Stack:
        """Return the stack of some of the groups."""
        return replace(self, prior=self.prior[groups], scale=self.scale[groups], radius=self.radius[groups])

    def log_terms(self, part: Part, squared: Tensor) -> tuple[Tensor, Tensor]:
        """Return two arrays (g, m), the logs of pi f and of (1 - pi) g, at the squared distances (g, m)."""
        o, k, volume = len(part.seen), self.scale.shape[-1], part.log_volume(self.scale)
        law = PowerLaw(self.exponent, 1.0)
        log_constant = law.log_normalisers(self.radius, o, k) + volume
        density = self.right.log_density(squared.flatten(), o).reshape(squared.shape)
        right = (self.prior.log() - volume)[:, None] + density
        wrong = (torch.log1p(-self.prior) - log_constant)[:, None] + law.log_shape(squared, o, k)
        return right, wrong


class PlacedStack(NamedTuple):
    """A stack, with the places (g,) of its groups in a partition and the columns (g, k) of these groups."""

    places: Tensor
    columns: Tensor
    stack: Stack


def stacks_of(
    keys: Sequence[Hashable], partition: Sequence[Sequence[int]], rows: int
) -> Iterator[tuple[list[int], Tensor]]:
    """Yield the places of groups that have equal keys and sizes, and the columns (g, k) of these groups.

    A stack has at most `MOST_VALUES` residuals, or one group, so that memory does not grow with the number of groups.
    """
    places_of: dict[tuple[Hashable, int], list[int]] = defaultdict(list)
    for place, (key, columns) in enumerate(zip(keys, partition, strict=True)):
        places_of[key, len(columns)].append(place)
    for (_, k), places in places_of.items():
        size = max(1, MOST_VALUES // max(rows * k, k * k, 1))
        for first in range(0, len(places), size):
            some = places[first : first + size]
            yield some, torch.tensor([list(partition[place]) for place in some])


@dataclass(frozen=True, eq=False)
class GroupMixtures:
    """The mixtures of all groups of a partition.

    Attributes
    ----------
    stacks : tuple of PlacedStack
    partition : tuple of tuples of int
    skews : mapping of int to Skew
        The skew of the residuals of some columns, which are groups of one coordinate. The mixtures describe the
        symmetric residuals.

    Examples
    --------
    >>> from deepgum.posteriors.densities import StudentT
    >>> one = GroupMixture(0.8, torch.eye(2, dtype=torch.float64), StudentT(4.0), PowerLaw(exponent=1.0, radius=20.0))
    >>> mixtures = GroupMixtures.of([one], [(0, 1)])
    >>> mixtures.responsibilities(torch.tensor([[0.0, 1.0], [3.0, 3.0], [9.0, 9.0]])).flatten().round(decimals=2)
    tensor([0.9800, 0.6700, 0.0100], dtype=torch.float64)
    """

    stacks: tuple[PlacedStack, ...]
    partition: Partition
    skews: Mapping[int, Skew] = field(default_factory=dict)

    @classmethod
    def of(cls, groups: Sequence[GroupMixture], partition: Sequence[Sequence[int]]) -> GroupMixtures:
        """Return the mixtures of these groups."""
        keys = [(group.right, group.wrong.exponent) for group in groups]
        stacks = [
            PlacedStack(torch.tensor(places), columns, Stack.of([groups[place] for place in places]))
            for places, columns in stacks_of(keys, partition, rows=1)
        ]
        return cls(tuple(stacks), tuple(map(tuple, partition)))

    @cached_property
    def groups(self) -> tuple[GroupMixture, ...]:
        """The mixture of each group."""
        found: dict[int, GroupMixture] = {}
        for places, _, stack in self.stacks:
            found.update(zip(places.tolist(), stack.groups(), strict=True))
        return tuple(found[place] for place in range(len(self.partition)))

    @property
    def prior(self) -> Tensor:
        """The prior probability (g,) that a label is right."""
        prior = torch.empty(len(self.partition), dtype=torch.float64)
        for places, _, stack in self.stacks:
            prior[places] = stack.prior
        return prior

    def log_density(self, residuals: Tensor) -> Tensor:
        """Return the log density (n, g), log p(delta), of the observed coordinates; 0 if no coordinate is observed."""
        evidence = self._evidence(residuals)
        return torch.where(evidence.seen > 0, torch.logaddexp(evidence.right, evidence.wrong), 0.0)

    def reaching(self, residuals: Tensor) -> GroupMixtures:
        """Return these mixtures with radii of wrong labels that reach all residuals (n, d)."""
        farthest = self.mahalanobis(residuals).nan_to_num().amax(dim=0)
        stacks = tuple(
            PlacedStack(places, columns, replace(stack, radius=_longer(stack.radius, farthest[places])))
            for places, columns, stack in self.stacks
        )
        return replace(self, stacks=stacks)

    def log_right(self, residuals: Tensor) -> Tensor:
        """Return the log density (n, g) of right labels, log f(delta), at the observed coordinates of residuals."""
        return self._evidence(residuals).right - self.prior.log()

    def log_odds(self, residuals: Tensor) -> Tensor:
        """Return the log odds (n, g) that a label is right. Student's t has no common scale factor of groups here."""
        evidence = self._evidence(residuals)
        return evidence.right - evidence.wrong

    def mahalanobis(self, residuals: Tensor) -> Tensor:
        """Return the Mahalanobis distance (n, g) of the observed coordinates; NaN if no coordinate is observed."""
        return self._mahalanobis(symmetric(residuals, self.skews))

    def distance_between(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the Mahalanobis distance (n, g) between two residuals (n, d) of each sample, like `mahalanobis`."""
        return self._mahalanobis(symmetric(first, self.skews) - symmetric(second, self.skews))

    def _mahalanobis(self, values: Tensor) -> Tensor:
        """Return the Mahalanobis distance (n, g) of symmetric residuals (n, d)."""
        found = []
        for block in self._blocks(values):
            distances = torch.full((len(block), len(self.partition)), torch.nan, dtype=torch.float64)
            for places, columns, stack in self.stacks:
                for part in parts_of(block[:, columns].transpose(0, 1)):
                    part.fill(distances, places, part.squared_distance(stack.scale).sqrt())
            found.append(distances)
        return torch.cat(found)

    def responsibilities(self, residuals: Tensor) -> Tensor:
        """Return the probability (n, g) that a label is right; NaN if no coordinate of the group is observed.

        Student's t is a Gaussian with a scale that differs from sample to sample. In each sample, all groups with this
        density share one scale factor: see `deepgum.mixture.hard_samples`. Degrees of freedom may differ between
        groups.
        """
        return torch.cat([self._responsibilities(block) for block in self._blocks(residuals)])

    def _blocks(self, residuals: Tensor) -> tuple[Tensor, ...]:
        """Return blocks of rows. Rows are independent, so memory need not grow with their number."""
        return torch.split(residuals.to(torch.float64), max(1, MOST_CELLS // max(len(self.partition), 1)))

    def _responsibilities(self, residuals: Tensor) -> Tensor:
        evidence = self._evidence(residuals)
        seen, squared, volume = evidence.seen, evidence.squared, evidence.volume
        plain = torch.sigmoid(evidence.right - evidence.wrong)
        freedom = torch.full((len(self.partition),), torch.nan, dtype=torch.float64)
        for places, _, stack in self.stacks:
            if stack.right.degrees_of_freedom is not None:
                freedom[places] = stack.right.degrees_of_freedom
        is_heavy = ~freedom.isnan()
        if len(freedom) < 2 or not bool(is_heavy.any()):
            return torch.where(seen > 0, plain, torch.nan)
        # Only the heavy groups change. The other groups add constants to the sums over the groups of a sample.
        heavy = is_heavy.nonzero().flatten()
        others = torch.where((seen > 0) & ~is_heavy, plain, 0.0)
        mass = (others * seen).sum(dim=1, keepdim=True)
        squares = torch.where(others > 0, others * squared, 0.0).sum(dim=1, keepdim=True)
        dimensions, distance, wrong = seen[:, heavy], squared[:, heavy], evidence.wrong[:, heavy]
        constant = self.prior[heavy].log() - volume[:, heavy]

        def posterior(a: Tensor, b: Tensor) -> Tensor:
            a = a + mass
            wider = (b + squares) / a
            right = constant - 0.5 * dimensions * wider.log() + log_student(distance / wider, dimensions, a)
            return torch.sigmoid(right - wrong)

        shared = responsibilities_of_hard_samples(
            plain[:, heavy],
            posterior,
            distance=distance,
            observed=dimensions,
            degrees_of_freedom=freedom[heavy],
            sweeps=SWEEPS,
        )
        return torch.where(seen > 0, plain.index_copy(1, heavy, shared), torch.nan)

    def _evidence(self, residuals: Tensor) -> _Evidence:
        n, g = len(residuals), len(self.partition)
        evidence = _Evidence(*(torch.zeros(n, g, dtype=torch.float64) for _ in range(5)))
        residuals = symmetric(residuals.to(torch.float64), self.skews)
        for places, columns, stack in self.stacks:
            for part in parts_of(residuals[:, columns].transpose(0, 1)):
                squared = part.squared_distance(stack.scale)
                right, wrong = stack.log_terms(part, squared)
                volume = part.log_volume(stack.scale)[:, None].expand_as(squared)
                seen = torch.full_like(squared, float(len(part.seen)))
                for each, values in zip(fields(_Evidence), (right, wrong, squared, volume, seen), strict=True):
                    part.fill(getattr(evidence, each.name), places, values)
        return evidence


def _longer(radius: Tensor, farthest: Tensor) -> Tensor:
    """Return the larger of the two; exactly `radius` if they differ by rounding only."""
    return torch.where(farthest > radius * (1 + 1e-6), farthest, radius)


@dataclass(frozen=True)
class _Evidence:
    """Arrays (n, g): logs of pi f and (1 - pi) g, squared distance, log volume and number of observed coordinates."""

    right: Tensor
    wrong: Tensor
    squared: Tensor
    volume: Tensor
    seen: Tensor
