"""The weights of all samples in the loss, stored by sample and read by batch."""

from __future__ import annotations

import torch
from torch import Tensor

from deepgum.data.mirror import Mirror
from deepgum.training.samples.owners import Owners, PrefetchedRows

__all__ = ["WeightTable"]


class WeightTable:
    """The weights of all samples and coordinates in the loss: the weight of the label times the weight of the sample.

    Parameters
    ----------
    owners : Owners
        The owner processes of the samples.
    sample_weight : Tensor (n,), optional
        Weights of all samples.
    mirror : Mirror, optional
        Mirroring of the labels, for the weights of mirrored samples.

    Examples
    --------
    >>> from deepgum.processes import SOLO
    >>> table = WeightTable(Owners(3, SOLO), torch.tensor([1.0, 2.0, 1.0]))
    >>> table.set_labels(torch.tensor([[0.5], [0.5], [0.0]]))
    >>> table.of(torch.tensor([1, 2])).flatten()
    tensor([1., 0.])
    """

    def __init__(self, owners: Owners, sample_weight: Tensor | None = None, mirror: Mirror | None = None) -> None:
        self._owners, self._mirror = owners, mirror
        self._prefetched: PrefetchedRows | None = None
        self.sample_weight = None if sample_weight is None else sample_weight[owners.index]
        self.set_labels(None)

    @property
    def has_labels(self) -> bool:
        """Whether the labels have weights yet."""
        return self._labels is not None

    def set_labels(self, weights: Tensor | None) -> None:
        """Set the weights (m, d) of this process's labels. None means that the labels have no weights yet."""
        self._labels, self._prefetched = weights, None
        self._table = weights
        if self.sample_weight is not None:
            sample_weight = self.sample_weight[:, None]
            self._table = sample_weight if weights is None else weights * sample_weight

    def expect(self, index: Tensor) -> None:
        """Fetch the weights of all samples (b,) of an epoch from their owners, for later calls of `of_batch`."""
        if self._table is not None and self._owners.processes.world_size > 1:
            self._prefetched = PrefetchedRows(index, self._owners.fetch(index, self._table))

    def forget(self) -> None:
        """Discard the weights that `expect` fetched."""
        self._prefetched = None

    def of(self, index: Tensor) -> Tensor:
        """Return the weights (b, d) of samples (b,), or (b, 1) if the weights do not depend on the coordinate."""
        return torch.ones(len(index), 1) if self._table is None else self._owners.fetch(index, self._table)

    def of_batch(self, index: Tensor, mirrored: Tensor | None) -> Tensor | None:
        """Return the weights of a batch, mirrored for mirrored samples; None if all weights are 1."""
        if self._table is None:
            return None
        weights = self._owners.fetch(index, self._table) if self._prefetched is None else self._prefetched.rows(index)
        if self.has_labels and mirrored is not None:
            assert self._mirror is not None
            weights = torch.where(mirrored.cpu()[:, None], self._mirror.weights(weights), weights)
        return weights
