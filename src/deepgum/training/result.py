"""What a training gives back, and what it asks of its data."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from deepgum.data.regression import RegressionData
from deepgum.errors import InvalidDataError, InvalidParameterError, listing
from deepgum.mixture import GaussianUniformMixture
from deepgum.residuals import predict
from deepgum.training.history import History
from deepgum.training.sgd_options import SGDOptions, check_device

__all__ = ["TrainingResult", "check_network", "check_training_data"]


@dataclass(frozen=True)
class TrainingResult:
    """A trained network, and what the training learned of the labels.

    Attributes
    ----------
    model : nn.Module
        The network, in evaluation mode.
    residuals : Tensor (n, d)
        y - phi(x; w) of the training samples, in the targets' units.
    responsibilities : Tensor (n, g) of float64, or None
        Probability that a label is right; None for a method without a mixture.
    flags : Tensor (n, g) of bool, or None
        What the method itself calls an outlier; None where it has no rule.
    mixture : GaussianUniformMixture or None
        Gives responsibilities for other samples, too.
    history : History
        Epochs and rounds.
    seconds : float
        Wall time of the training.
    index : Tensor (n,) of int64
        The samples that the rows are of: all, in order, but for a training over several processes. There each has the
        rows of the samples that it keeps, and nothing is gathered.
    """

    model: nn.Module
    residuals: Tensor
    responsibilities: Tensor | None
    flags: Tensor | None
    mixture: GaussianUniformMixture | None
    history: History
    seconds: float
    index: Tensor = None  # type: ignore[assignment]  # all of them, by `__post_init__`

    def __post_init__(self) -> None:
        if vars(self)["index"] is None:
            object.__setattr__(self, "index", torch.arange(len(self.residuals)))

    @property
    def epochs(self) -> int:
        """Epochs of SGD in all, over all rounds: what the training cost."""
        return len(self.history.epochs)


def check_network(model: nn.Module, train: RegressionData, sgd: SGDOptions) -> None:
    """Put the network on its device and try it on one sample, before any work.

    Raises
    ------
    InvalidParameterError
        If the device is not there, or no parameter of the network is trained.
    InvalidDataError
        If the network cannot take the inputs, or does not give as many values a sample as there are coordinates.
    NonFiniteLossError
        If they are not finite.
    """
    check_device(sgd.device)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise InvalidParameterError("model", "a network with parameters to train", type(model).__name__)
    model.to(sgd.device)
    try:
        predict(model, train.subset([0]), device=sgd.device, precision=sgd.precision)
    except (RuntimeError, TypeError) as error:
        shape = (1, *train.inputs.shape[1:])
        raise InvalidDataError(f"The network cannot take inputs of shape {shape}: {error}") from error


def check_training_data(train: RegressionData, validation: RegressionData) -> None:
    """Refuse data that no method could be trained on, before any work.

    Raises
    ------
    InvalidDataError
        If training and validation samples differ in shape, a side has no label at all, or a coordinate has none in
        training.
    """
    for what in ("inputs", "targets"):
        found = [tuple(getattr(side, what).shape[1:]) for side in (train, validation)]
        if found[0] != found[1]:
            raise InvalidDataError(
                f"`validation.{what}` should have samples of shape {found[0]} as `train` has. Found {found[1]}."
            )
    for name, side in (("train", train), ("validation", validation)):
        if len(side) == 0 or not torch.isfinite(side.targets).any():
            raise InvalidDataError(f"`{name}` should have at least one label. Found {len(side)} samples without any.")
    never = (~torch.isfinite(train.targets).any(dim=0)).nonzero().flatten().tolist()
    if never:
        raise InvalidDataError(
            f"`train` should have at least one label of each coordinate. Found none of "
            f"{listing([train.target_names[place] for place in never])}. Leave it out of the targets."
        )
