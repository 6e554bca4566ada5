"""What a training is made of, in one piece: what is trained, on what, how, and from which seed."""

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
    """All that the result of a training depends on; where it is kept and who listens are none of it.

    Two trainings are told apart by `deepgum.training.state.identity`, not by `==`: their data are large.

    Attributes
    ----------
    model : nn.Module
        Trained in place.
    train, validation : RegressionData
        (n, d) and (m, d) labels.
    how : DeepGUMOptions, Loss or str
        By these choices, with the mixture; or with this one loss, by name where it is no loss of residuals.
    sgd : SGDOptions
        With the device and the precision of whatever takes the steps.
    seed : int
        Of the order of the samples and of mirroring.

    Examples
    --------
    >>> data = RegressionData.from_arrays([[0.0], [1.0]], [[0.5], [1.5]])
    >>> training = Training(nn.Linear(1, 1), data, data, DeepGUMOptions(), SGDOptions(), seed=0)
    >>> training.how.schedule, training.sgd.optimizer
    ('interleaved', 'adam')
    """

    model: nn.Module
    train: RegressionData
    validation: RegressionData
    how: How
    sgd: SGDOptions
    seed: int
