"""The E step's yield: sums over samples from which the M step needs nothing else.

They add: the statistics of two halves sum to the whole's, whether the halves are chunks, minibatches or processes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from torch import Tensor

__all__ = ["PartialStatistics", "Statistics"]


@dataclass(frozen=True)
class Statistics:
    """Weighted sums over samples for g groups of k coordinates, under given parameters.

    Attributes
    ----------
    weight : Tensor
        (g,) sum of sample weights over rows where something of the group is observed.
    inlier_weight : Tensor
        (g,) sum of r.
    scatter : Tensor
        (g, k, k) sum of r times the (expected, where labels are missing) outer product of the residual.
    outlier_weight, outlier_first, outlier_second : Tensor
        (g, k) sums of (1 - r), (1 - r) delta and (1 - r) delta^2 over the rows where the coordinate is observed.
    log_likelihood : Tensor
        (g,) sum of the log density of eq. 1.
    """

    weight: Tensor
    inlier_weight: Tensor
    scatter: Tensor
    outlier_weight: Tensor
    outlier_first: Tensor
    outlier_second: Tensor
    log_likelihood: Tensor

    def __add__(self, other: Statistics) -> Statistics:
        """Return the statistics of both sets of samples together."""
        return Statistics(*(one + another for one, another in zip(self.tensors, other.tensors, strict=True)))

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The seven sums, in the order of the constructor."""
        return tuple(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True)
class PartialStatistics:
    """The statistics of some samples, for every group: one `Statistics` a size of group, smallest first.

    Those of two sets of samples under the same parameters add up to those of both together.
    """

    by_size: tuple[Statistics, ...]

    def __add__(self, other: PartialStatistics) -> PartialStatistics:
        """Return the statistics of both sets of samples together."""
        return PartialStatistics(tuple(a + b for a, b in zip(self.by_size, other.by_size, strict=True)))
