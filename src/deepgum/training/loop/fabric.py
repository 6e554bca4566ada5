"""The engine of several processes: a `Fabric` of Lightning starts the processes and averages their gradients."""

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
"""Precisions: names in Fabric, and names in this library."""


class FabricEngine:
    """Engine that uses the device, the precision, the gradient averages and the data sampler of a launched `Fabric`.

    The seed of the training determines one order of the samples of an epoch, and the Fabric's own sampler distributes
    the samples to the processes. The joint batches of all processes are therefore the batches of a single process, and
    the result equals the result of a single process up to rounding, with three exceptions: batch normalisation and
    dropout work on each process's share, and each process divides its loss by the number of observed labels in its own
    share.

    Parameters
    ----------
    fabric : Fabric
        A launched Fabric of `lightning.fabric` or `lightning_fabric`, with one device or the strategy "ddp".

    Raises
    ------
    InvalidParameterError
        If the Fabric is not launched, or its strategy or precision is not supported.
    """

    def __init__(self, fabric: Fabric) -> None:
        # Compare class names, because the package has two import names and is not imported here.
        strategy = type(getattr(fabric, "strategy", None))
        kinds = {kind.__name__ for kind in strategy.__mro__}
        if not kinds & {"DDPStrategy", "SingleDeviceStrategy"} or "_Sharded" in kinds:
            found = f"{type(fabric).__name__} of {strategy.__name__}"
            hint = "Other strategies split the network, so that its weights cannot be saved."
            raise InvalidParameterError("fabric", 'a `Fabric` of one device or of strategy "ddp"', found, hint)
        self.precision = fabric.strategy.precision.precision
        if self.precision not in PRECISIONS:
            expected = f"a `Fabric` of precision {' or '.join(map(repr, PRECISIONS))}"
            raise InvalidParameterError("fabric", expected, self.precision)
        several = fabric.world_size > 1
        if several and not (torch.distributed.is_available() and torch.distributed.is_initialized()):
            hint = "Call `fabric.launch()` first."
            raise InvalidParameterError("fabric", "launched", f"{fabric.world_size} processes, not started", hint)
        self._fabric = fabric
        self.processes = TorchProcesses() if several else SOLO

    def adapt(self, model: nn.Module, sgd: SGDOptions) -> SGDOptions:
        """Return the options with the Fabric's own device and precision.

        Raises
        ------
        InvalidParameterError
            If the batch cannot be divided among the processes, or a Fabric has already set up the network.
        """
        if isinstance(model, nn.parallel.DistributedDataParallel) or type(model).__name__ == "_FabricModule":
            hint = "Leave out `fabric.setup`; the training calls it."
            raise InvalidParameterError("model", "a plain network", type(model).__name__, hint)
        world_size = self.processes.world_size
        if sgd.batch_size % world_size or sgd.batch_size < 2 * world_size:
            expected = f"a multiple of the {world_size} processes, with 2 samples or more for each"
            raise InvalidParameterError("batch_size", expected, sgd.batch_size, "The processes share each batch.")
        # Only the type of the device, because its number differs between processes.
        return replace(sgd, device=self._fabric.device.type, precision=PRECISIONS[self.precision])

    def setup(self, model: nn.Module, optimizer: torch.optim.Optimizer, sgd: SGDOptions) -> _FabricSteps:
        """Set up the network and its optimiser with the Fabric, which averages the gradients."""
        return _FabricSteps(self._fabric, self.processes, model, optimizer)

    def batches(
        self,
        train: RegressionData,
        sgd: SGDOptions,
        generator: torch.Generator,
        prefetch: Callable[[Tensor], None] | None = None,
    ) -> Iterator[Batch]:
        """Yield this process's share of every batch of an epoch.

        Before the first batch, `prefetch` is called with the indices of all samples that this process gets in the
        epoch.

        If the number of samples is not divisible by the number of processes, the first samples occur a second time.
        """
        size = sgd.batch_size // self.processes.world_size

        def cut(order: Tensor, mirrored: Tensor) -> Iterable[tuple[Tensor, Tensor]]:
            loader = DataLoader(TensorDataset(order, mirrored), size)
            shared = self._fabric.setup_dataloaders(loader, move_to_device=False)
            parts = list(cast("Iterable[tuple[Tensor, Tensor]]", shared))
            if prefetch is not None:
                prefetch(torch.cat([index for index, _ in parts]))
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

    def synchronise(self) -> None:
        # Running statistics differ, because each process sees its own share. All processes copy those of the first
        # process, as they do in every forward pass. Integer buffers are counters and do not differ.
        if self._processes.world_size > 1:
            for buffer in self._model.buffers():
                if buffer.is_floating_point():
                    first = buffer if self._processes.rank == 0 else torch.zeros_like(buffer)
                    buffer.copy_(self._processes.sum(first))


def check_shared(processes: Processes, training: Training[DeepGUMOptions]) -> None:
    """Check that all processes have the same arguments and enough samples. All processes must call this together.

    Raises
    ------
    InvalidParameterError
        If an argument differs between processes; the message names the argument.
    InvalidDataError
        If there are fewer samples than processes.
    """
    for name, side in (("train", training.train), ("validation", training.validation)):
        if len(side) < processes.world_size:
            raise InvalidDataError(
                f"`{name}` should have at least one sample for each of {processes.world_size} processes. "
                f"Found {len(side)}."
            )
    known = fingerprints(training)
    numbers = torch.tensor(list(known.values()))
    unlike = (processes.minimum(numbers) != processes.maximum(numbers)).tolist()
    wrong = [name for name, differs in zip(known, unlike, strict=True) if differs]
    if wrong:
        hint = "Call `torch.manual_seed` with the same seed in all processes before you build the network and the data."
        raise InvalidParameterError(wrong[0], "the same in all processes", f"{listing(wrong)} that differ", hint)
