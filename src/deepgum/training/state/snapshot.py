"""All that an epoch of SGD changes, taken as a state for a checkpoint and given back to the last bit."""

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
    """What SGD moves: the network, the optimiser, the schedule, and the generators that it draws from.

    Parameters
    ----------
    model : nn.Module
        On the device. Of it, the trained parameters and every buffer belong to the state; what is frozen does not.
    optimizer : torch.optim.Optimizer
        Over the model's parameters.
    schedule : LRScheduler
        Of the optimiser.
    generator : torch.Generator
        Of the order of the samples, and of mirroring.
    device : torch.device
        Whose global generator dropout draws from. Take and load the state inside `seeded`, where that is the training's
        own.

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
        """Return the state: nested plain values and tensors, some of which are the live ones. Save it at once."""
        return {
            "model": Weights(self.model).copies,
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "order": self.generator.get_state(),
            "random": _random_state(self.device),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Give everything the state that it had.

        Raises
        ------
        CheckpointError
            If the state is of another network.
        """
        restore_weights(self.model, state["model"]).restore(self.model)
        self.optimizer.load_state_dict(state["optimizer"])
        for parameter, values in self.optimizer.state.items():
            for name, value in values.items():
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    # In the parameter's own memory format, as it was when the optimiser made it.
                    values[name] = _like(parameter, value)
        self.schedule.load_state_dict(state["schedule"])
        self.generator.set_state(state["order"])
        _set_random_state(self.device, state["random"])


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Give what draws from the global generators (dropout) a seed of its own, and put them back as they were."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def restore_weights(model: nn.Module, copies: Mapping[str, Tensor]) -> Weights:
    """Return the copy of a model's weights that has these for its `copies`; the model is left as it is.

    Raises
    ------
    CheckpointError
        If the model's names or shapes are others.
    """
    weights = Weights(model)
    own, given = ({name: tuple(tensor.shape) for name, tensor in w.items()} for w in (weights.copies, copies))
    wrong = sorted(name for name in own.keys() | given.keys() if own.get(name) != given.get(name))
    if wrong:
        raise CheckpointError(
            f"A checkpoint should be of the network that is trained. {listing(wrong)} differ: "
            f"{own.get(wrong[0])} in the network, {given.get(wrong[0])} in the checkpoint."
        )
    for name, tensor in copies.items():
        weights.copies[name].copy_(tensor)
    return weights


def _like(parameter: Tensor, value: Tensor) -> Tensor:
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
    if device.type not in state:  # it was on another device until now
        return
    if device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)
    elif device.type == "mps":
        torch.mps.set_rng_state(state["mps"])
