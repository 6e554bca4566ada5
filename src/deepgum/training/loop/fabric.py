"""The engine of several processes: a `Fabric` of Lightning, which starts them and averages their gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from deepgum.data.batches import Batch, shuffled_batches
from deepgum.data.regression import RegressionData
from deepgum.errors import InvalidDataError, InvalidParameterError, listing
from deepgum.processes import SOLO, Processes, TorchProcesses, watched
from deepgum.training.job import Training
from deepgum.training.options import DeepGUMOptions
from deepgum.training.sgd_options import SGDOptions
from deepgum.training.state.identity import fingerprints

if TYPE_CHECKING:
    from lightning.fabric import Fabric

__all__ = ["FabricEngine", "check_shared"]

PRECISIONS = {"32-true": "float32", "bf16-mixed": "bf16"}
"""Of a Fabric, and what this library calls them."""


class FabricEngine:
    """Device, precision, average of the gradients and shares of the data as a launched `Fabric` has them.

    The samples of an epoch are put in one order, drawn from the training's seed, and the Fabric's own sampler deals
    them out. So the batches of all processes together are those of one process alone, and a training over several is
    that of one up to rounding, and up to three things: batch normalisation and dropout work on each process's share,
    and a label that is missing makes the others of its share, not those of the whole batch, count for more.

    Parameters
    ----------
    fabric : Fabric
        Of `lightning.fabric` or `lightning_fabric`; launched. With the strategy "ddp", or of one device.

    Raises
    ------
    InvalidParameterError
        If it is not launched, or of a strategy or precision that the training does not know.
    """

    def __init__(self, fabric: Fabric) -> None:
        # By name: the package goes by two of them, and is not imported here.
        strategy = type(getattr(fabric, "strategy", None))
        kinds = {kind.__name__ for kind in strategy.__mro__}
        if not kinds & {"DDPStrategy", "SingleDeviceStrategy"} or "_Sharded" in kinds:
            found = f"{type(fabric).__name__} of {strategy.__name__}"
            hint = "Others take the network apart, and its weights could not be kept."
            raise InvalidParameterError("fabric", 'a `Fabric` of one device or of strategy "ddp"', found, hint)
        self.precision = fabric.strategy.precision.precision
        if self.precision not in PRECISIONS:
            expected = f"a `Fabric` of precision {' or '.join(map(repr, PRECISIONS))}"
            raise InvalidParameterError("fabric", expected, self.precision)
        together, up = fabric.world_size > 1, torch.distributed.is_available() and torch.distributed.is_initialized()
        if together and not up:
            hint = "Call `fabric.launch()` first."
            raise InvalidParameterError("fabric", "launched", f"{fabric.world_size} processes, not started", hint)
        self._fabric = fabric
        self.processes = TorchProcesses() if together else SOLO

    def adapt(self, model: nn.Module, sgd: SGDOptions) -> SGDOptions:
        """Return the options with the Fabric's own device and precision.

        Raises
        ------
        InvalidParameterError
            If the batch cannot be shared out, or the network was set up by a Fabric already.
        """
        if isinstance(model, nn.parallel.DistributedDataParallel) or type(model).__name__ == "_FabricModule":
            hint = "Leave out `fabric.setup`: it is done here."
            raise InvalidParameterError("model", "a plain network", type(model).__name__, hint)
        world_size = self.processes.world_size
        if sgd.batch_size % world_size or sgd.batch_size < 2 * world_size:
            expected = f"a multiple of the {world_size} processes, with 2 samples or more for each"
            raise InvalidParameterError("batch_size", expected, sgd.batch_size, "They share each batch.")
        # The kind alone: which of the machine's it is differs from process to process, and each has its own set.
        return replace(sgd, device=self._fabric.device.type, precision=PRECISIONS[self.precision])

    def setup(self, model: nn.Module, optimizer: torch.optim.Optimizer, sgd: SGDOptions) -> _FabricSteps:
        """Have the Fabric average this network's gradients."""
        return _FabricSteps(self._fabric, self.processes, model, optimizer)

    def batches(
        self,
        train: RegressionData,
        sgd: SGDOptions,
        generator: torch.Generator,
        ahead: Callable[[Tensor], None] | None = None,
    ) -> Iterator[Batch]:
        """Yield this process's share of every batch of an epoch, once `ahead` was told of its samples.

        Where the samples cannot be dealt out evenly, the first ones are dealt a second time.
        """
        size = sgd.batch_size // self.processes.world_size

        def cut(order: Tensor, mirrored: Tensor) -> Iterable[tuple[Tensor, Tensor]]:
            loader = DataLoader(TensorDataset(order, mirrored), size)
            shared = self._fabric.setup_dataloaders(loader, move_to_device=False)
            parts = list(cast("Iterable[tuple[Tensor, Tensor]]", shared))
            if ahead is not None:
                ahead(torch.cat([index for index, _ in parts]))
            return parts

        return shuffled_batches(train, sgd.batch_size, generator, mirror=sgd.mirror, device=sgd.device, cut=cut)


class _FabricSteps:
    def __init__(
        self, fabric: Fabric, processes: Processes, model: nn.Module, optimizer: torch.optim.Optimizer
    ) -> None:
        self._fabric, self._processes, self._model = fabric, processes, model
        with watched(processes):
            self._module, self._optimizer = fabric.setup(model, optimizer)

    def forward(self, inputs: Tensor) -> Tensor:
        with watched(self._processes):
            outputs: Tensor = self._module(inputs)
        return outputs

    def step(self, loss: Tensor) -> None:
        self._optimizer.zero_grad(set_to_none=True)
        with watched(self._processes):
            self._fabric.backward(loss)
        self._optimizer.step()

    def settle(self) -> None:
        # Running statistics differ by what each process saw last; all take the first one's, as they do in every forward
        # pass. Whole numbers, which count, are the same already.
        if self._processes.world_size > 1:
            for buffer in self._model.buffers():
                if buffer.is_floating_point():
                    first = buffer if self._processes.rank == 0 else torch.zeros_like(buffer)
                    buffer.copy_(self._processes.sum(first))


def check_shared(processes: Processes, training: Training[DeepGUMOptions]) -> None:
    """Refuse a training that is another one in another process, or that has too few samples for all; together.

    Raises
    ------
    InvalidParameterError
        With what differs.
    InvalidDataError
        If there are fewer samples than processes.
    """
    for name, side in (("train", training.train), ("validation", training.validation)):
        if len(side) < processes.world_size:
            raise InvalidDataError(
                f"`{name}` should have a sample for each of {processes.world_size} processes. Found {len(side)}."
            )
    known = fingerprints(training)
    numbers = torch.tensor(list(known.values()))
    unlike = (processes.minimum(numbers) != processes.maximum(numbers)).tolist()
    wrong = [name for name, differs in zip(known, unlike, strict=True) if differs]
    if wrong:
        hint = "Seed whatever is drawn (`torch.manual_seed`, weights too) before it is drawn, the same everywhere."
        raise InvalidParameterError(wrong[0], "the same in all processes", f"{listing(wrong)} that differ", hint)
