"""The Gaussian-uniform mixture of section 3.1 of the paper: the probability that each label is right."""

from __future__ import annotations

from deepgum.mixture.model import GaussianUniformMixture
from deepgum.mixture.partition import Groups, Partition, partition
from deepgum.mixture.status import MixtureStatus

__all__ = ["GaussianUniformMixture", "Groups", "MixtureStatus", "Partition", "partition"]
