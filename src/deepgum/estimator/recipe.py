"""Conversion of the estimator's parameters into a network and the options of its training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import torch
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from deepgum.checks import check_choice, check_count
from deepgum.data import RegressionData
from deepgum.errors import InvalidParameterError
from deepgum.estimator.cross_fit import LEAST_ROWS
from deepgum.losses import Loss
from deepgum.models import MLP, OutputOf, build_model
from deepgum.models.lazy import copy_of
from deepgum.training import PRESETS, DeepGUMOptions, Interleaved, SGDOptions
from deepgum.training.flat_options import find_section, refuse_moved
from deepgum.training.loop.label_loss import label_loss, label_spread
from deepgum.training.schedules import Alternate, Schedule, get_schedule

__all__ = [
    "CROSS_FIT",
    "SCHEDULES",
    "build_losses",
    "build_network",
    "build_options",
    "build_sgd_options",
    "chosen_schedule",
    "rename_parameters",
]

AUTO, CROSS_FIT = "auto", "cross-fit"
SCHEDULES = (AUTO, CROSS_FIT, Interleaved.name, Alternate.name)
WIDTH = 128
DROPOUT = 0.1
# Share of the epochs before the learning rate of "one-cycle" reaches its maximum.
WARMUP_SHARE = 0.3
# Options of the training that are parameters of the estimator; the parameter `options` has all others.
PARAMETERS = ("groups", "schedule", "first_loss", "weighted_loss", "covariance_type", "warmup_epochs")


def build_network(module: Any, device: str, train: RegressionData, seed: int, output: Any = None) -> nn.Module:
    """Return the untrained network: a copy of a module, or a network that a factory builds for the training data.

    Raises
    ------
    InvalidParameterError, InvalidDataError
        If the argument is not a module, a factory or a name, or the factory does not return a network.
    """
    if output is not None:
        if module is None or isinstance(module, str):
            raise InvalidParameterError("output", "left out without a `module` of your own", output)
        if isinstance(module, nn.Module):
            return OutputOf(copy_of(module), output)
    if isinstance(module, nn.Module):
        return copy_of(module)
    if module is None:
        network = build_model(_default_network, train, seed)
        # Use float64 as scikit-learn does; in float32 the prediction of a row depends on the other rows by rounding.
        return network if str(device).startswith("mps") else network.double()
    if isinstance(module, str):
        return build_model(module, train, seed)
    expected = "a torch module, a callable `module(data, n_outputs)` that returns a torch module, or a name"
    if isinstance(module, type) or not callable(module):
        hint = "Give an instance of the class." if isinstance(module, type) else ""
        raise InvalidParameterError("module", expected, module, hint)

    def make(data: RegressionData, n_outputs: int) -> nn.Module:
        made = module(data, n_outputs)
        if not isinstance(made, nn.Module):
            raise InvalidParameterError("module", expected, module, f"It returns a {type(made).__name__}.")
        return made if output is None else OutputOf(made, output)

    return build_model(make, train, seed)


def _default_network(data: RegressionData, n_outputs: int) -> MLP:
    return MLP.for_features(torch.as_tensor(data.inputs), n_outputs, width=WIDTH, dropout=DROPOUT)


def chosen_schedule(estimator: BaseEstimator, rows: int) -> str:
    """Return the name of the schedule for a number of training rows, in place of "auto".

    Raises
    ------
    UnknownNameError
        If there is no schedule of that name.
    InvalidParameterError
        If the schedule is "cross-fit" and there is a module, there are options, or there are too few rows.
    """
    schedule, is_own = estimator.schedule, estimator.module is None and estimator.options is None
    if isinstance(schedule, Schedule):
        return schedule.name
    if not isinstance(schedule, str):
        raise InvalidParameterError(
            "schedule", "the name of a schedule, `Interleaved(...)` or `Alternate(...)`", schedule
        )
    check_choice("schedule", schedule, SCHEDULES)
    if schedule == AUTO:
        return CROSS_FIT if is_own and rows >= LEAST_ROWS else Interleaved.name
    if schedule == CROSS_FIT:
        if not is_own:
            hint = "Without them, the default network is trained."
            raise InvalidParameterError("schedule", "'interleaved' with a `module` or `options`", schedule, hint)
        if rows < LEAST_ROWS:
            expected = f"'interleaved' for fewer than {LEAST_ROWS} rows with a label and a positive weight"
            raise InvalidParameterError("schedule", expected, schedule, f"Found {rows} rows.")
    return schedule


def build_losses(estimator: BaseEstimator, targets: Tensor) -> tuple[Loss, Loss]:
    """Return the first loss and the weighted loss of the schedule "cross-fit", for labels (n, d).

    Raises
    ------
    InvalidParameterError
        If a parameter of the estimator is invalid.
    """
    options, spread = build_options(estimator).with_imported_losses(), label_spread(targets)
    return label_loss(options.first_loss, options, spread), label_loss(options.weighted_loss, options, spread)


def build_options(estimator: BaseEstimator) -> DeepGUMOptions:
    """Return the options of the training from the estimator's parameters and its `options`.

    Raises
    ------
    InvalidParameterError
        If a value is invalid, or a name in `options` is not an option or is a parameter of the estimator.
    """
    rest = {} if estimator.options is None else estimator.options
    if not isinstance(rest, Mapping):
        raise InvalidParameterError("options", "a mapping from options of `DeepGUMOptions` to their values", rest)
    schedule = get_schedule(Interleaved.name if estimator.schedule in (AUTO, CROSS_FIT) else estimator.schedule)
    for name, value in rest.items():
        _check_option(name, value, schedule)
    own = {name: getattr(estimator, name) for name in PARAMETERS if name != "covariance_type"} | {"schedule": schedule}
    if own["warmup_epochs"] is None and isinstance(schedule, Interleaved):
        own["warmup_epochs"] = max(1, round(WARMUP_SHARE * check_count("max_epochs", estimator.max_epochs)))
    with rename_parameters(**{"mixture.covariance_type": "covariance_type"}):
        preset = PRESETS["default" if isinstance(schedule, Interleaved) else "alternate"]
        preset = preset.with_changes(**own, mixture={"covariance_type": estimator.covariance_type})
    return preset.with_changes(**rest)


def _check_option(name: str, value: object, schedule: Schedule) -> None:
    """Refuse an option that does not exist, or that a parameter of the estimator already sets."""
    section, _ = find_section(name) or ("", "")
    if section == "schedule":
        refuse_moved({name: value}, schedule)
    if section != "mixture" or name in PARAMETERS:
        check_choice("options", name, [each.name for each in fields(DeepGUMOptions) if each.name not in PARAMETERS])
    if name == "mixture" and not (isinstance(value, Mapping) and "covariance_type" not in value):
        expected = "a mapping from settings of the mixture, without the parameter `covariance_type`, to their values"
        raise InvalidParameterError("options['mixture']", expected, value)


def build_sgd_options(estimator: BaseEstimator, n: int) -> SGDOptions:
    """Return the options of SGD from the estimator's parameters, for n training rows.

    Raises
    ------
    InvalidParameterError
        If a value is invalid.
    """
    same = ("optimizer", "learning_rate", "weight_decay", "patience", "device", "precision")
    automatic = isinstance(estimator.batch_size, str) and estimator.batch_size == "auto"
    with rename_parameters(epochs_max="max_epochs", schedule="lr_schedule"):
        return SGDOptions(
            **{name: getattr(estimator, name) for name in same},
            batch_size=min(max(n // 16, 8), 128) if automatic else estimator.batch_size,
            epochs_max=estimator.max_epochs,
            schedule=estimator.lr_schedule,
        )


@contextmanager
def rename_parameters(**names: str) -> Iterator[None]:
    """Rename the parameter in an error of the `with` block; `names` maps each name to its name in the estimator."""
    try:
        yield
    except InvalidParameterError as error:
        if error.parameter not in names:
            raise
        raise InvalidParameterError(names[error.parameter], error.expected, error.found, error.hint) from error
