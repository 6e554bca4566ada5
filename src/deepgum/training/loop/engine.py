"""Engines: the device, the precision and the processes that run the steps of SGD."""

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
    """The forward passes and optimiser steps of one training on an engine."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the network's outputs for a batch, in the engine's precision."""

    def step(self, loss: Tensor) -> None:
        """Take one step of the optimiser on a loss; several processes average their gradients."""

    def synchronise(self) -> None:
        """Make the network, including its buffers, identical on all processes at the end of an epoch."""


class Engine(Protocol):
    """The part of a training that depends on the device, the precision and the processes.

    All processes must call every method with the same arguments and in the same order.
    """

    @property
    def processes(self) -> Processes:
        """The processes that train together."""

    def adapt(self, model: nn.Module, sgd: SGDOptions) -> SGDOptions:
        """Check that the engine can run the training; return the options with the engine's device and precision."""

    def setup(self, model: nn.Module, optimizer: torch.optim.Optimizer, sgd: SGDOptions) -> Steps:
        """Return the `Steps` for a network and its optimiser; the network must already be on its device.

        The caller can still use the network and the optimiser.
        """

    def batches(
        self,
        train: RegressionData,
        sgd: SGDOptions,
        generator: torch.Generator,
        prefetch: Callable[[Tensor], None] | None = None,
    ) -> Iterator[Batch]:
        """Yield this process's share of every batch of an epoch; all processes get the same number of batches.

        If there are several processes, `prefetch` is called before the first batch. The argument is the tensor of the
        indices of all samples that this process gets in the epoch.
        """


class _Local:
    """The engine of a training in one process, with plain torch."""

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
        prefetch: Callable[[Tensor], None] | None = None,
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

    def synchronise(self) -> None:
        pass


LOCAL: Engine = _Local()
"""The engine of one process: plain torch, with the device and the precision of the options."""
