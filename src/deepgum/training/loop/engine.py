"""What takes the steps of SGD: where, in which precision, and with which other processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import torch
from torch import Tensor, nn

from deepgum.data.batches import Batch, shuffled_batches
from deepgum.data.regression import RegressionData
from deepgum.processes import SOLO, Processes
from deepgum.training.sgd_options import SGDOptions

__all__ = ["LOCAL", "Engine", "Steps"]


class Steps(Protocol):
    """A network and its optimiser, as an engine moves them."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the network's outputs for a batch, in the engine's precision."""

    def step(self, loss: Tensor) -> None:
        """Take one step of the optimiser down the gradient of a loss; of its mean over the processes."""

    def settle(self) -> None:
        """End an epoch: from now on the network is the same to the last bit on all processes, its buffers too."""


class Engine(Protocol):
    """Where a training is run; everything else is the same wherever that is.

    All processes call every method, with the same arguments and in the same order.
    """

    @property
    def processes(self) -> Processes:
        """Those that train together."""

    def adapt(self, model: nn.Module, sgd: SGDOptions) -> SGDOptions:
        """Return the options with the engine's own device and precision, once they and the network suit it."""

    def setup(self, model: nn.Module, optimizer: torch.optim.Optimizer, sgd: SGDOptions) -> Steps:
        """Take over a network, which is on its device, and its optimiser; both stay what they are for everyone else."""

    def batches(
        self,
        train: RegressionData,
        sgd: SGDOptions,
        generator: torch.Generator,
        ahead: Callable[[Tensor], None] | None = None,
    ) -> Iterator[Batch]:
        """Yield this process's share of every batch of an epoch; as many of them on each process.

        Where there are several, `ahead` is told before the first batch which samples this process will see.
        """


class _Local:
    """Plain torch, in one process."""

    processes = SOLO

    def adapt(self, model: nn.Module, sgd: SGDOptions) -> SGDOptions:
        return sgd

    def setup(self, model: nn.Module, optimizer: torch.optim.Optimizer, sgd: SGDOptions) -> Steps:
        return _LocalSteps(model, optimizer, sgd)

    def batches(
        self,
        train: RegressionData,
        sgd: SGDOptions,
        generator: torch.Generator,
        ahead: Callable[[Tensor], None] | None = None,
    ) -> Iterator[Batch]:
        return shuffled_batches(train, sgd.batch_size, generator, mirror=sgd.mirror, device=sgd.device)


class _LocalSteps:
    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, sgd: SGDOptions) -> None:
        self._model, self._optimizer = model, optimizer
        self._device, self._autocast = torch.device(sgd.device).type, sgd.precision == "bf16"

    def forward(self, inputs: Tensor) -> Tensor:
        with torch.autocast(self._device, torch.bfloat16, enabled=self._autocast):
            outputs: Tensor = self._model(inputs)
        return outputs

    def step(self, loss: Tensor) -> None:
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()

    def settle(self) -> None:
        pass


LOCAL: Engine = _Local()
"""The engine of an ordinary program: plain torch, on the device and in the precision that the options name."""
