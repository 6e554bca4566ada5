"""From the estimator's parameters to a network and to the options of its training."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import torch
from sklearn.base import BaseEstimator
from torch import nn

from deepgum.checks import check_choice
from deepgum.data import RegressionData
from deepgum.errors import InvalidParameterError
from deepgum.models import MLP, build_model
from deepgum.training import DeepGUMOptions, SGDOptions

__all__ = ["build_network", "build_options", "build_sgd_options", "renamed"]

WIDTH = 128
# Fields of `DeepGUMOptions` that are parameters of the estimator; its `options` has the others.
FLAT = ("groups", "schedule", "first_loss", "weighted_loss", "covariance_type")


def build_network(module: Any, device: str, train: RegressionData, seed: int) -> nn.Module:
    """Return the untrained network: a copy of a module, or what a factory makes of the training data.

    Raises
    ------
    InvalidParameterError, InvalidDataError
        If it is neither, or no network comes of it.
    """
    if isinstance(module, nn.Module):
        return copy.deepcopy(module)
    if isinstance(module, type):
        hint = "Give an instance, or a function of `data` and `n_outputs` that makes one."
        raise InvalidParameterError("module", "a torch module and not its class", module.__name__, hint)
    if module is not None:
        return build_model(module, train, seed)
    network = build_model(_small, train, seed)
    # As scikit-learn computes: what is predicted for a row then does not depend on the rows beside it.
    return network if torch.device(device).type == "mps" else network.double()


def _small(data: RegressionData, n_outputs: int) -> MLP:
    return MLP.for_features(torch.as_tensor(data.inputs), n_outputs, width=WIDTH)


def build_options(estimator: BaseEstimator) -> DeepGUMOptions:
    """Return the options of the estimator's parameters, with the others that its `options` name.

    Raises
    ------
    InvalidParameterError
        If a value cannot be worked with, or `options` name what is no option or is a parameter.
    """
    rest = {} if estimator.options is None else dict(estimator.options)
    known = [field.name for field in fields(DeepGUMOptions) if field.name not in FLAT]
    for name in rest:
        check_choice("options", name, known)
    return DeepGUMOptions(**{name: getattr(estimator, name) for name in FLAT}, **rest)


def build_sgd_options(estimator: BaseEstimator) -> SGDOptions:
    """Return the options of SGD of the estimator's parameters.

    Raises
    ------
    InvalidParameterError
        If a value cannot be worked with.
    """
    same = ("optimizer", "learning_rate", "weight_decay", "batch_size", "patience", "device", "precision")
    with renamed(epochs_max="max_epochs", schedule="lr_schedule"):
        return SGDOptions(
            **{name: getattr(estimator, name) for name in same},
            epochs_max=estimator.max_epochs,
            schedule=estimator.lr_schedule,
        )


@contextmanager
def renamed(**names: str) -> Iterator[None]:
    """Let errors call parameters by the estimator's names."""
    try:
        yield
    except InvalidParameterError as error:
        if error.parameter not in names:
            raise
        raise InvalidParameterError(names[error.parameter], error.expected, error.found, error.hint) from error
