"""Mini-batches that contain the index of every sample.

Each responsibility belongs to a sample, and not to a position in a loader. A batch therefore contains the indices of
its samples and a mask of the mirrored samples. With the index, the weights and scales of a sample can be found. With
the mask, the weights and scales of mirrored samples can be mirrored too.
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
"""Function of the order (n,) of an epoch and the mask (n,) of the mirrored samples. For each batch, it yields the pair
(indices of the samples, mask of the mirrored samples)."""


@dataclass(frozen=True)
class Batch:
    """A mini-batch: some samples of a data set and their indices.

    Attributes
    ----------
    index : Tensor (b,) of int64
        Positions of the samples in the data set.
    inputs : Tensor (b, ...) of float32
        Inputs. uint8 images are scaled to [0, 1]. Inputs of mirrored samples are already mirrored.
    targets : Tensor (b, d) of float32
        Labels; NaN marks a missing label. Labels of mirrored samples are already mirrored.
    mirrored : Tensor (b,) of bool
        Mask of the mirrored samples.
    mirror : Mirror or None
        Change of the targets of a mirrored sample; None if no sample is mirrored.
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
        """Return the values with the values of each mirrored sample in the order of its mirrored coordinates.

        When a sample is mirrored, its left eye takes the place of its right eye. The value of the left eye moves to the
        same place.

        Parameters
        ----------
        values : Tensor (b, d) or (d,)
            Values of coordinates, for example weights (b, d) of the samples of this batch, or scales (d,).

        Returns
        -------
        Tensor
            Values (b, d) in which the rows of mirrored samples are permuted. If `mirror` is None, the unchanged
            `values`.
        """
        if self.mirror is None:
            return values
        return torch.where(self.mirrored[:, None], self.mirror.weights(values), values)


def ordered_batches(
    data: RegressionData, batch_size: int, device: torch.device | str = "cpu", index: Tensor | None = None
) -> Iterator[Batch]:
    """Yield batches of samples in a fixed order, without mirroring.

    If `index` (m,) is given, the batches have the samples at these positions, in the order of `index`. Otherwise they
    have all samples, in the order of the data set.
    """
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
    """Yield batches of all samples of a data set in a random order. Each sample is mirrored with probability 1/2.

    Parameters
    ----------
    data : RegressionData
        The n samples.
    batch_size : int
        Number of samples per batch. If the last batch would have a single sample, it is left out, because batch
        normalisation cannot use it. If this batch is also the first batch, it is kept.
    generator : torch.Generator
        Generator that draws the order and the mirrored samples. Both are drawn before the first batch.
    mirror : bool
        Whether to mirror samples. If `data.mirror` is None, no sample is mirrored.
    device : torch.device or str
        Device of the batches.
    cut : callable, optional
        Function that selects the samples of each batch, for example the samples of one process; see `Cut`. By default,
        a batch is the next `batch_size` samples of the order.
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
    # Send uint8 and half-precision inputs to the device first and convert them there: fewer bytes are transferred.
    inputs = inputs.to(device, non_blocking=True)
    inputs = inputs.float() / 255 if inputs.dtype == torch.uint8 else inputs.float()
    if inputs.ndim == 4:
        inputs = inputs.contiguous(memory_format=torch.channels_last)
    weight = None if data.sample_weight is None else data.sample_weight[index].to(device)
    return Batch(index, inputs, targets.to(device), mirrored.to(device), mirror, weight)


def _take_either(inputs: Tensor | np.ndarray, others: Tensor | np.ndarray, index: Tensor, other: Tensor) -> Tensor:
    """Return the rows at the positions `index` (b,) of two arrays.

    A row is taken from `others` if its element of the mask `other` (b,) is true, else from `inputs`. The row of the
    array that is not used is not read.
    """
    first, second = torch.as_tensor(inputs), torch.as_tensor(others)
    rows = [(second if swapped else first)[row] for row, swapped in zip(index.tolist(), other.tolist(), strict=True)]
    if first.ndim == 4:
        # Stacked as (h, w, c): channels-last rows are copied as one block each, and stay channels last.
        return torch.stack([row.movedim(0, -1) for row in rows]).movedim(-1, 1)
    return torch.stack(rows)
