"""The state of SGD after an epoch, for a checkpoint that restores it exactly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from deepgum.errors import CheckpointError, listing
from deepgum.training.state.weights import Weights

__all__ = ["Machinery", "restore_weights", "seeded"]


@dataclass(frozen=True)
class Machinery:
    """The objects that SGD changes: the network, the optimiser, the schedule and the random generators.

    Parameters
    ----------
    model : nn.Module
        The network, on the device. The state includes its trained parameters and all buffers, but no frozen parameters.
    optimizer : torch.optim.Optimizer
        The optimiser of the model's parameters.
    schedule : LRScheduler
        The schedule of the learning rate.
    generator : torch.Generator
        The generator of the order of the samples and of mirroring.
    device : torch.device
        The device whose global generator dropout uses. Save and load the state inside `seeded`, which isolates that
        generator.

    Examples
    --------
    >>> def fresh():
    ...     model = nn.Linear(1, 1)
    ...     optimizer = torch.optim.Adam(model.parameters())
    ...     schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    ...     return Machinery(model, optimizer, schedule, torch.Generator(), torch.device("cpu"))
    >>> one, other = fresh(), fresh()
    >>> with seeded(0, one.device):
    ...     other.load_state_dict(one.state_dict())
    >>> bool(one.model.weight == other.model.weight)
    True
    """

    model: nn.Module
    optimizer: Optimizer
    schedule: LRScheduler
    generator: torch.Generator
    device: torch.device

    def state_dict(self) -> dict[str, Any]:
        """Return the state as nested plain values and tensors. Save it at once, because some tensors are not copies."""
        return {
            "model": Weights(self.model).copies,
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "order": self.generator.get_state(),
            "random": _random_state(self.device),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore all objects from a `state_dict`.

        Raises
        ------
        CheckpointError
            If the state belongs to another network.
        """
        restore_weights(self.model, state["model"]).restore(self.model)
        self.optimizer.load_state_dict(state["optimizer"])
        for parameter, values in self.optimizer.state.items():
            for name, value in values.items():
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    # Use the memory format of the parameter, as the optimiser does.
                    values[name] = _copy_like(parameter, value)
        self.schedule.load_state_dict(state["schedule"])
        self.generator.set_state(state["order"])
        _set_random_state(self.device, state["random"])


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Set the seed of the global generators (for dropout) in a `with` block, and restore the old states at the end."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def restore_weights(model: nn.Module, copies: Mapping[str, Tensor]) -> Weights:
    """Return `Weights` with these `copies`, for a model with the same names and shapes; the model does not change.

    Raises
    ------
    CheckpointError
        If the names or shapes differ.
    """
    weights = Weights(model)
    own, given = ({name: tuple(tensor.shape) for name, tensor in w.items()} for w in (weights.copies, copies))
    wrong = sorted(name for name in own.keys() | given.keys() if own.get(name) != given.get(name))
    if wrong:
        raise CheckpointError(
            f"A checkpoint should belong to the network of the training. {listing(wrong)} differ; for example, the "
            f"shape of {wrong[0]} is {own.get(wrong[0])} in the network and {given.get(wrong[0])} in the checkpoint."
        )
    for name, tensor in copies.items():
        weights.copies[name].copy_(tensor)
    return weights


def _copy_like(parameter: Tensor, value: Tensor) -> Tensor:
    return torch.empty_like(parameter, dtype=value.dtype, device=value.device, requires_grad=False).copy_(value)


def _random_state(device: torch.device) -> dict[str, Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        state["mps"] = torch.mps.get_rng_state()
    return state


def _set_random_state(device: torch.device, state: Mapping[str, Tensor]) -> None:
    torch.set_rng_state(state["cpu"])
    if device.type not in state:  # the training resumes on another device
        return
    if device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)
    elif device.type == "mps":
        torch.mps.set_rng_state(state["mps"])
