"""The sums over samples that the E step computes for the M step.

The sums over parts of the samples (chunks, minibatches, processes) add up to the sums over all samples.
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
    weight : Tensor (g,)
        Sum of the weights of samples in which the group has a label.
    inlier_weight : Tensor (g,)
        Sum of the responsibilities r. In this sum and in all others, each sample counts with its weight.
    scatter : Tensor (g, k, k)
        Sum of r times the outer product of the residual with itself. If labels are missing, the outer product is
        replaced by its expectation.
    outlier_weight, outlier_first, outlier_second : Tensor (g, k)
        Sums of 1 - r, (1 - r) delta and (1 - r) delta^2 over the samples in which the coordinate is observed.
    log_likelihood : Tensor (g,)
        Sum of the log density of eq. 1.
    """

    weight: Tensor
    inlier_weight: Tensor
    scatter: Tensor
    outlier_weight: Tensor
    outlier_first: Tensor
    outlier_second: Tensor
    log_likelihood: Tensor

    def __add__(self, other: Statistics) -> Statistics:
        """Return the statistics of both sets of samples."""
        return Statistics(*(one + another for one, another in zip(self.tensors, other.tensors, strict=True)))

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The seven sums, in the order of the constructor."""
        return tuple(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True)
class PartialStatistics:
    """The statistics of some samples for every group: one `Statistics` per group size, from the smallest size up.

    The statistics of two sets of samples under the same parameters add up to the statistics of both sets.
    """

    by_size: tuple[Statistics, ...]

    def __add__(self, other: PartialStatistics) -> PartialStatistics:
        """Return the statistics of both sets of samples."""
        return PartialStatistics(tuple(a + b for a, b in zip(self.by_size, other.by_size, strict=True)))
