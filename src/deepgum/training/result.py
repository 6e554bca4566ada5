"""The result of a training, and the checks of its network and data."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from deepgum.data.regression import RegressionData
from deepgum.errors import DeepGUMError, InvalidDataError, InvalidParameterError, listing
from deepgum.mixture import GaussianUniformMixture
from deepgum.models.lazy import initialise
from deepgum.posteriors.label_mixture import LabelMixture
from deepgum.residuals import predict
from deepgum.training.history import History
from deepgum.training.sgd_options import SGDOptions, check_device

__all__ = ["TrainingResult", "check_network", "check_training_data"]


@dataclass(frozen=True)
class TrainingResult:
    """A trained network, and the estimates of wrong labels.

    Attributes
    ----------
    model : nn.Module
        The network, in evaluation mode.
    residuals : Tensor (n, d)
        y - phi(x; w) of the training samples, in the targets' units.
    responsibilities : Tensor (n, g) of float64, or None
        Probability that a label is right, from `verdict` or `mixture`; None for a method without a mixture.
    flags : Tensor (n, g) of bool, or None
        True for labels that are outliers by the rule of the method; None for a method without an outlier rule.
    mixture : GaussianUniformMixture or None
        The mixture of eq. 1, which gave the weights of the last epoch or round.
    history : History
        Records of epochs and rounds.
    seconds : float
        Wall time of the training.
    index : Tensor (n,) of int64
        Index of the sample in each row of the residuals. In one process, the indices are 0 to n - 1. In a training with
        several processes, each process has the rows of its own samples only.
    verdict : LabelMixture or None
        The densities that gave the responsibilities; it can also compute responsibilities of other samples. None if
        `mixture` gave them: with the schedule "alternate" (Algorithm 1), or with densities that the user has set.
    """

    model: nn.Module
    residuals: Tensor
    responsibilities: Tensor | None
    flags: Tensor | None
    mixture: GaussianUniformMixture | None
    history: History
    seconds: float
    index: Tensor = None  # type: ignore[assignment]  # `__post_init__` replaces None by all samples
    verdict: LabelMixture | None = None

    def __post_init__(self) -> None:
        if vars(self)["index"] is None:
            object.__setattr__(self, "index", torch.arange(len(self.residuals)))

    @property
    def epochs(self) -> int:
        """Number of epochs of SGD over all rounds."""
        return len(self.history.epochs)


def check_network(model: nn.Module, train: RegressionData, sgd: SGDOptions, seed: int = 0) -> None:
    """Move the network to the device of `sgd`, and check the prediction for one sample.

    The weights of lazy layers are made first; `seed` determines them.

    Raises
    ------
    InvalidParameterError
        If the device is not available, or the network has no parameter to train.
    InvalidDataError
        If the network cannot take the inputs, or does not predict one value per coordinate.
    NonFiniteLossError
        If the prediction is not finite.
    """
    check_device(sgd.device)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise InvalidParameterError("model", "a network with parameters to train", type(model).__name__)
    model.to(sgd.device)
    initialise(model, train, seed, sgd.device)
    try:
        predict(model, train.subset([0]), device=sgd.device, precision=sgd.precision)
    except DeepGUMError:
        raise
    except Exception as error:  # a network of the user may raise anything
        shape = (1, *train.inputs.shape[1:])
        raise InvalidDataError(f"The network cannot take inputs of shape {shape}: {error}") from error


def check_training_data(train: RegressionData, validation: RegressionData) -> None:
    """Check that the data are enough to train any method.

    Raises
    ------
    InvalidDataError
        If training and validation samples differ in shape, one of the sets has no label, or a coordinate has no label
        in the training set.
    """
    for array in ("inputs", "targets"):
        found = [tuple(getattr(side, array).shape[1:]) for side in (train, validation)]
        if found[0] != found[1]:
            raise InvalidDataError(
                f"`validation.{array}` should have samples of shape {found[0]}, as in `train`. Found {found[1]}."
            )
    for name, side in (("train", train), ("validation", validation)):
        if len(side) == 0 or not torch.isfinite(side.targets).any():
            raise InvalidDataError(f"`{name}` should have at least one label. Found none in {len(side)} samples.")
    unlabelled = (~torch.isfinite(train.targets).any(dim=0)).nonzero().flatten().tolist()
    if unlabelled:
        names = listing([train.target_names[place] for place in unlabelled])
        raise InvalidDataError(
            f"`train` should have at least one label for each coordinate. Found none for {names}. Remove these "
            "coordinates from the targets."
        )
