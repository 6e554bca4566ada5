"""The arguments of a training in one object: the network, the data, the settings and the seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from torch import nn

from deepgum.data.regression import RegressionData
from deepgum.losses import Loss
from deepgum.training.options import DeepGUMOptions
from deepgum.training.sgd_options import SGDOptions

__all__ = ["Training"]

Settings = TypeVar("Settings", bound=DeepGUMOptions | Loss | str, covariant=True)


@dataclass(frozen=True, eq=False)
class Training(Generic[Settings]):
    """The arguments that determine the result of a training. The checkpoint and the listener do not change the result.

    `deepgum.training.state.identity` compares two trainings by hashes, because their data are too large for `==`.

    Attributes
    ----------
    model : nn.Module
        The network, which is trained in place.
    train, validation : RegressionData
        The training set with labels (n, d), and the validation set with labels (m, d).
    settings : DeepGUMOptions, Loss or str
        For a training with the mixture, the options. For a training with one loss, the loss. The cross-entropy is given
        by its name, because it is not a loss of residuals.
    sgd : SGDOptions
        Options of SGD, with the device and the precision of the engine.
    seed : int
        Seed of the order of the samples and of mirroring.

    Examples
    --------
    >>> data = RegressionData.from_arrays([[0.0], [1.0]], [[0.5], [1.5]])
    >>> training = Training(nn.Linear(1, 1), data, data, DeepGUMOptions(), SGDOptions(), seed=0)
    >>> training.settings.first_loss, training.sgd.optimizer
    ('cauchy', 'adam')
    """

    model: nn.Module
    train: RegressionData
    validation: RegressionData
    settings: Settings
    sgd: SGDOptions
    seed: int
