"""Options of stochastic gradient descent: optimiser, schedule, patience, device."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch

from deepgum.checks import check_choice, check_count, check_positive
from deepgum.errors import InvalidParameterError

__all__ = ["SGDOptions", "check_device"]

OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "cosine", "one-cycle")
PRECISIONS = ("float32", "bf16")
PATIENCE = 5
"""Default patience with a constant learning rate."""


@dataclass(frozen=True)
class SGDOptions:
    """Options of stochastic gradient descent, which all methods of a comparison share.

    Parameters
    ----------
    optimizer : {"adam", "adamw", "sgd"}
        The optimiser; `sgd` is SGD with Nesterov momentum 0.9.
    learning_rate : float
        Maximum of the learning rate.
    schedule : {"constant", "cosine", "one-cycle"}
        Schedule of the learning rate over `epochs_max` epochs. In Algorithm 1, every round starts the schedule again.
    weight_decay : float
        Weight decay of the optimiser.
    batch_size : int
        Number of samples per step. The paper uses 128.
    epochs_max : int
        Maximum number of epochs of one run of SGD. In Algorithm 1, each round has one run of SGD.
    patience : int, optional
        Number of epochs without a better validation score before a run of SGD stops. By default 5 if the schedule is
        constant (in the paper, K = 5). With a schedule whose rate decreases, the default is no early stop, because the
        score can still improve while the rate decreases. With interleaved EM, patience has an effect only if the
        schedule is constant.
    mirror : bool
        Whether to mirror each training image with probability 1/2. The option has no effect on data without `mirror`.
    device : str
        Device of the network, for example `"cpu"`, `"cuda"` or `"mps"`.
    precision : {"float32", "bf16"}
        Precision of the forward and backward passes. Losses, weights and the mixture are always float32 or float64.

    Raises
    ------
    InvalidParameterError
        If a value is invalid; the message names the option.

    Examples
    --------
    >>> SGDOptions(patience=3).stops_after, SGDOptions().stops_after
    (3, 5)
    >>> SGDOptions(schedule="one-cycle", epochs_max=25).stops_after
    25
    """

    optimizer: str = "adam"
    learning_rate: float = 1e-3
    schedule: str = "constant"
    weight_decay: float = 0.0
    batch_size: int = 64
    epochs_max: int = 100
    patience: int | None = None
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
        if self.patience is not None:
            check_count("patience", self.patience)
        check_choice("precision", self.precision, PRECISIONS)

    @property
    def is_constant(self) -> bool:
        """Whether the learning rate stays constant."""
        return self.schedule == "constant"

    @property
    def stops_after(self) -> int:
        """The number of epochs without a better validation score after which a run of SGD stops."""
        if self.patience is not None:
            return self.patience
        return PATIENCE if self.is_constant else self.epochs_max

    @property
    def effective(self) -> dict[str, Any]:
        """All options with their values. `patience` is the number that takes effect."""
        return {**asdict(self), "patience": self.stops_after}


def check_device(name: str) -> None:
    """Refuse a device that torch does not know, or that this machine does not have.

    Raises
    ------
    InvalidParameterError
        If the device cannot be used; the message includes the message of torch.
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
        raise InvalidParameterError("device", "an available device", name, reason) from error
