"""The weights of all samples in the loss, kept by sample and asked for by batch."""

from __future__ import annotations

import torch
from torch import Tensor

from deepgum.data.mirror import Mirror
from deepgum.training.samples.owners import Ahead, Owners

__all__ = ["WeightTable"]


class WeightTable:
    """What each coordinate of each sample counts in the loss: the weight of its label, times the sample's own.

    Parameters
    ----------
    owners : Owners
        Who keeps which samples.
    sample_weight : Tensor (n,), optional
        Of all samples.
    mirror : Mirror, optional
        By which the weights of mirrored samples change places.

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
        self._ahead: Ahead | None = None
        self.sample_weight = None if sample_weight is None else sample_weight[owners.index]
        self.set_labels(None)

    @property
    def has_labels(self) -> bool:
        """Whether anything is known of the labels yet."""
        return self._labels is not None

    def set_labels(self, weights: Tensor | None) -> None:
        """Take the weights (m, d) of the labels that are kept here; None where nothing is known of them."""
        self._labels, self._ahead = weights, None
        self._table = weights
        if self.sample_weight is not None:
            of_samples = self.sample_weight[:, None]
            self._table = of_samples if weights is None else weights * of_samples

    def expect(self, index: Tensor) -> None:
        """Fetch now what `of_batch` will be asked, in one message, from the processes that keep it."""
        if self._table is not None and self._owners.processes.world_size > 1:
            self._ahead = Ahead(index, self._owners.fetch(index, self._table))

    def forget(self) -> None:
        """Forget what was expected."""
        self._ahead = None

    def of(self, index: Tensor) -> Tensor:
        """Return the weights (b, d), or (b, 1), of some samples; 1 where there are none."""
        return torch.ones(len(index), 1) if self._table is None else self._owners.fetch(index, self._table)

    def of_batch(self, index: Tensor, mirrored: Tensor | None) -> Tensor | None:
        """Return what weights the terms of a batch, its mirrored samples as they were shown; None where all are 1."""
        if self._table is None:
            return None
        weights = self._owners.fetch(index, self._table) if self._ahead is None else self._ahead.rows(index)
        if self.has_labels and mirrored is not None:
            assert self._mirror is not None
            weights = torch.where(mirrored.cpu()[:, None], self._mirror.weights(weights), weights)
        return weights
