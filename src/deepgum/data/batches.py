"""Mini-batches that carry the index of every sample.

Responsibilities belong to samples, not to positions in a loader. Each batch therefore contains the indices of its
samples and marks the mirrored ones, so that their weights and scales can be looked up and mirrored too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from deepgum.data.mirror import Mirror
from deepgum.data.regression import RegressionData, take_rows

__all__ = ["Batch", "Cut", "ordered_batches", "shuffled_batches"]

Cut = Callable[[Tensor, Tensor], Iterable[tuple[Tensor, Tensor]]]
"""Maps the order (n,) of an epoch and its mirrored mask (n,) to the order and the mask of each batch to yield."""


@dataclass(frozen=True)
class Batch:
    """A mini-batch: some samples of a data set and their indices.

    Attributes
    ----------
    index : Tensor (b,) of int64
        Positions of the samples in the data set.
    inputs : Tensor (b, ...) of float32
        uint8 images are scaled to [0, 1]; inputs of mirrored samples are already mirrored.
    targets : Tensor (b, d) of float32
        Labels; NaN marks a missing one. Labels of mirrored samples are already mirrored.
    mirrored : Tensor (b,) of bool
        Mask of the mirrored samples.
    mirror : Mirror or None
        The change of the coordinates in a mirrored sample; None if no sample is mirrored.
    sample_weight : Tensor (b,) of float32, or None
        Weight of each sample in the loss; None means equal weights.
    """

    index: Tensor
    inputs: Tensor
    targets: Tensor
    mirrored: Tensor
    mirror: Mirror | None
    sample_weight: Tensor | None = None

    def per_coordinate(self, values: Tensor) -> Tensor:
        """Permute values per coordinate to the coordinate order of this batch.

        Parameters
        ----------
        values : Tensor (b, d) or (d,)
            For example the weights of this batch's samples, or a scale per coordinate.

        Returns
        -------
        Tensor (b, d) or as given
            The values, permuted in the mirrored rows: the weight of a left eye follows that eye.
        """
        if self.mirror is None:
            return values
        return torch.where(self.mirrored[:, None], self.mirror.weights(values), values)


def ordered_batches(
    data: RegressionData, batch_size: int, device: torch.device | str = "cpu", index: Tensor | None = None
) -> Iterator[Batch]:
    """Yield all samples in their order, or the samples `index` (m,) in the order of `index`; none is mirrored."""
    samples = torch.arange(len(data)) if index is None else index
    for part, nothing in _in_slices(samples, torch.zeros(len(samples), dtype=torch.bool), batch_size):
        yield _batch(data, part, nothing, None, device)


def shuffled_batches(
    data: RegressionData,
    batch_size: int,
    generator: torch.Generator,
    *,
    mirror: bool = True,
    device: torch.device | str = "cpu",
    cut: Cut | None = None,
) -> Iterator[Batch]:
    """Yield the data set once in a random order, each sample mirrored with probability 1/2.

    Parameters
    ----------
    data : RegressionData
        The n samples.
    batch_size : int
        Samples per batch. A last batch of a single sample is left out (batch normalisation cannot use it), unless it
        is the only one.
    generator : torch.Generator
        Source of the order and of the mirroring; both are drawn before the first batch.
    mirror : bool
        Whether to mirror; it has no effect on data that cannot be mirrored (`data.mirror` is None).
    device : torch.device or str
        Device of the batches.
    cut : callable, optional
        Selects the samples of each batch, for example one process's share; see `Cut`. By default, consecutive slices
        of the order.
    """
    n = len(data)
    order = torch.randperm(n, generator=generator)
    rule = data.mirror if mirror else None
    mirrored = torch.rand(n, generator=generator) < 0.5 if rule else torch.zeros(n, dtype=torch.bool)
    parts = _in_slices(order, mirrored, batch_size) if cut is None else cut(order, mirrored)
    for number, (index, swapped) in enumerate(parts):
        if len(index) == 1 and number > 0:
            return
        yield _batch(data, index, swapped, rule, device)


def _in_slices(order: Tensor, mirrored: Tensor, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size], mirrored[start : start + batch_size]


def _batch(
    data: RegressionData, index: Tensor, mirrored: Tensor, mirror: Mirror | None, device: torch.device | str
) -> Batch:
    targets = data.targets[index]
    if mirror is None:
        inputs = torch.as_tensor(take_rows(data.inputs, index))
    else:
        targets = torch.where(mirrored[:, None], mirror.targets(targets), targets)
        if data.mirrored_inputs is not None:
            inputs = _take_either(data.inputs, data.mirrored_inputs, index, mirrored)
        else:
            inputs = torch.as_tensor(take_rows(data.inputs, index))
            inputs = torch.where(mirrored.view(-1, 1, 1, 1), mirror.images(inputs), inputs)
    # Send bytes and half floats to the device first and convert them there: fewer bytes are transferred.
    inputs = inputs.to(device, non_blocking=True)
    inputs = inputs.float() / 255 if inputs.dtype == torch.uint8 else inputs.float()
    if inputs.ndim == 4:
        inputs = inputs.contiguous(memory_format=torch.channels_last)
    weight = None if data.sample_weight is None else data.sample_weight[index].to(device)
    return Batch(index, inputs, targets.to(device), mirrored.to(device), mirror, weight)


def _take_either(inputs: Tensor | np.ndarray, others: Tensor | np.ndarray, index: Tensor, other: Tensor) -> Tensor:
    """Return rows of `inputs`, or of `others` where `other` is true; each row is read once."""
    first, second = torch.as_tensor(inputs), torch.as_tensor(others)
    rows = [(second if swapped else first)[row] for row, swapped in zip(index.tolist(), other.tolist(), strict=True)]
    if first.ndim == 4:
        # Stacked as (h, w, c): channels-last rows are copied as one block each, and stay channels last.
        return torch.stack([row.movedim(0, -1) for row in rows]).movedim(-1, 1)
    return torch.stack(rows)
