"""A training in one object: the network, the data, the choices and the seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from torch import nn

from deepgum.data.regression import RegressionData
from deepgum.losses import Loss
from deepgum.training.options import DeepGUMOptions
from deepgum.training.sgd_options import SGDOptions

__all__ = ["Training"]

How = TypeVar("How", bound=DeepGUMOptions | Loss | str, covariant=True)


@dataclass(frozen=True, eq=False)
class Training(Generic[How]):
    """Everything that the result of a training depends on; its checkpoint and its listener are not part of it.

    Two trainings are compared by `deepgum.training.state.identity`, not by `==`: their data are large.

    Attributes
    ----------
    model : nn.Module
        Trained in place.
    train, validation : RegressionData
        (n, d) and (m, d) labels.
    how : DeepGUMOptions, Loss or str
        The options of a training with the mixture; or the one loss, by name if it is not a loss of residuals.
    sgd : SGDOptions
        With the device and the precision of the engine that takes the steps.
    seed : int
        Seed of the order of the samples and of mirroring.

    Examples
    --------
    >>> data = RegressionData.from_arrays([[0.0], [1.0]], [[0.5], [1.5]])
    >>> training = Training(nn.Linear(1, 1), data, data, DeepGUMOptions(), SGDOptions(), seed=0)
    >>> training.how.first_loss, training.sgd.optimizer
    ('cauchy', 'adam')
    """

    model: nn.Module
    train: RegressionData
    validation: RegressionData
    how: How
    sgd: SGDOptions
    seed: int
