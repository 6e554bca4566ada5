"""How stochastic gradient descent runs, whatever it minimises: optimiser, schedule, patience, device."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from deepgum.checks import check_choice, check_count, check_positive
from deepgum.errors import InvalidParameterError

__all__ = ["SGDOptions", "check_device"]

OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "cosine", "one-cycle")
PRECISIONS = ("float32", "bf16")


@dataclass(frozen=True)
class SGDOptions:
    """How stochastic gradient descent runs: the same for every method of a comparison.

    Parameters
    ----------
    optimizer : {"adam", "adamw", "sgd"}
        `sgd` is SGD with Nesterov momentum 0.9.
    learning_rate : float
        The highest that the schedule reaches.
    schedule : {"constant", "cosine", "one-cycle"}
        Over `epochs_max` epochs; a DeepGUM round begins it anew.
    weight_decay : float
        As the optimiser understands it.
    batch_size : int
        Samples a step (the paper: 128).
    epochs_max : int
        The most epochs of one run of SGD; of one round in DeepGUM.
    patience : int
        Epochs without a better validation score before a run of SGD stops (the paper's K: 5). Interleaved, it counts
        only where the schedule is constant.
    mirror : bool
        Mirror each training image with probability 1/2, where the data says how.
    device : str
        Where the network is trained: `"cpu"`, `"cuda"`, `"mps"`.
    precision : {"float32", "bf16"}
        Of the forward and backward passes; losses, weights and the mixture are float32 or float64 in either.

    Raises
    ------
    InvalidParameterError
        If a value cannot be worked with; the message names it.

    Examples
    --------
    >>> SGDOptions(patience=3).patience
    3
    """

    optimizer: str = "adam"
    learning_rate: float = 1e-3
    schedule: str = "constant"
    weight_decay: float = 0.0
    batch_size: int = 64
    epochs_max: int = 100
    patience: int = 5
    mirror: bool = True
    device: str = "cpu"
    precision: str = "float32"

    def __post_init__(self) -> None:
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        check_positive("learning_rate", self.learning_rate)
        check_choice("schedule", self.schedule, SCHEDULES)
        check_positive("weight_decay", self.weight_decay, zero=True)
        check_count("batch_size", self.batch_size, least=2)
        check_count("epochs_max", self.epochs_max)
        check_count("patience", self.patience)
        check_choice("precision", self.precision, PRECISIONS)


def check_device(name: str) -> None:
    """Refuse a device that torch does not know, or that this machine does not have.

    Raises
    ------
    InvalidParameterError
        With torch's own words.
    """
    try:
        device = torch.device(name)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise InvalidParameterError("device", "the name of a device that torch knows", name, reason) from error
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidParameterError("device", "a device that is there", name, reason) from error
