"""The methods of a comparison, by name: all share the network, the SGD and the budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from torch import Tensor

from deepgum.checks import check_choice
from deepgum.data.regression import RegressionData
from deepgum.errors import InvalidParameterError
from deepgum.losses.kinds import CROSS_ENTROPY
from deepgum.models import Backbone, DeepExpectation, build_model
from deepgum.residuals import compute_residuals
from deepgum.training.algorithm import check_deepgum, fit_deepgum
from deepgum.training.baselines import fit_loss, without_labels
from deepgum.training.history import Event
from deepgum.training.options import PRESETS, DeepGUMOptions, Groups
from deepgum.training.result import TrainingResult, check_training_data
from deepgum.training.sgd_options import SGDOptions

__all__ = ["METHODS", "Method", "check_method", "train_method"]


@dataclass(frozen=True)
class Method:
    """A way to train on doubtful labels.

    Attributes
    ----------
    label : str
        Its name in tables and figures.
    description : str
        One line for `--help`.
    loss : str or None
        A single run with this loss of `fit_loss`,
    options : DeepGUMOptions or None
        or a training with the mixture, by these choices.
    oracle : bool
        Whether it is told which labels are wrong, and trains on the others.
    head : {"regression", "expectation"}
        What the network predicts with, as for `deepgum.models.build_model`.
    """

    label: str
    description: str
    loss: str | None = None
    options: DeepGUMOptions | None = None
    oracle: bool = False
    head: str = "regression"

    def with_changes(self, groups: Groups, changes: Mapping[str, Any] | None = None) -> DeepGUMOptions:
        """Return the options with their groups, and with the fields that `changes` names.

        Raises
        ------
        InvalidParameterError
            If it is one run with one loss, which has no options; if there is no such field; or for its value.
        """
        changes = dict(changes or {})
        if self.options is None:
            raise InvalidParameterError("options", f"empty: {self.label} is one run with one loss", changes)
        for name in changes:
            check_choice("options", name, [field.name for field in fields(DeepGUMOptions) if field.name != "groups"])
        return replace(self.options, groups=groups, **changes)


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "l2": Method("L2", "the squared error, one run", loss="l2"),
        "l1": Method("L1", "the absolute error, one run", loss="l1"),
        "cauchy": Method("Cauchy", "the log of the squared error, one run", loss="cauchy"),
        "huber": Method("Huber", "Huber's loss of residuals scaled by their MAD, after 3 epochs of L2", loss="huber"),
        "biweight": Method("Biweight", "Tukey's biweight, scaled as Huber's, after 3 epochs of L2", loss="biweight"),
        "deepgum": Method(
            "DeepGUM", "the mixture in one run, EM after every epoch: the default", options=PRESETS["default"]
        ),
        "deepgum-alternate": Method(
            "DeepGUM (alternate)", "Algorithm 1, SGD and EM in turn, about four runs", options=PRESETS["alternate"]
        ),
        "deepgum-paper": Method("DeepGUM (paper)", "Algorithm 1 to the letter", options=PRESETS["paper"]),
        "deepgum-authors": Method(
            "DeepGUM (authors' code)", "Algorithm 1 as its authors' code has it", options=PRESETS["authors-code"]
        ),
        "dex": Method(
            "Dex", "a softmax over whole numbers, cross-entropy, one run", loss=CROSS_ENTROPY, head="expectation"
        ),
        "dexgum": Method(
            "DexGUM",
            "Algorithm 1 on Dex: the weighted cross-entropy",
            options=replace(PRESETS["alternate"], first_loss=CROSS_ENTROPY, weighted_loss=CROSS_ENTROPY),
            head="expectation",
        ),
        "oracle": Method("oracle, L2", "L2 on the labels that corruption left alone", loss="l2", oracle=True),
        "oracle-l1": Method("oracle, L1", "L1 on the labels that corruption left alone", loss="l1", oracle=True),
    }
)
"""Every method that `deepgum compare` knows."""


def check_method(
    name: str,
    train: RegressionData,
    validation: RegressionData,
    groups: Groups = "sample",
    options: Mapping[str, Any] | None = None,
) -> None:
    """Raise what `train_method` would raise of these data, without training.

    Raises
    ------
    UnknownNameError
        If there is no method of that name.
    InvalidDataError, InvalidParameterError
        If the data or the groups cannot be used.
    """
    method = METHODS[check_choice("methods", name, METHODS)]
    if method.options is not None or options:
        check_deepgum(train, validation, method.with_changes(groups, options))
        return
    check_training_data(train, validation)
    if method.head == "expectation":
        DeepExpectation.span(train.targets)


def train_method(
    name: str,
    train: RegressionData,
    validation: RegressionData,
    *,
    true_outlier: Tensor | None = None,
    validation_outlier: Tensor | None = None,
    groups: Groups = "sample",
    options: Mapping[str, Any] | None = None,
    sgd: SGDOptions | None = None,
    model: str | Backbone = "facenet",
    seed: int = 0,
    on_event: Callable[[Event], None] | None = None,
    checkpoint: Path | None = None,
) -> TrainingResult:
    """Train a fresh network by a method's name.

    Parameters
    ----------
    name : str
        A key of `METHODS`.
    train, validation : RegressionData
        With the labels as they are, right or wrong.
    true_outlier, validation_outlier : Tensor (n, l) of bool, optional
        The landmarks that are wrong; only the oracles look at them.
    groups, sgd, on_event, checkpoint
        As for `fit_deepgum`.
    options : mapping, optional
        Fields of the method's `DeepGUMOptions` to change; only for methods that have them.
    model : str or callable
        As for `deepgum.models.build_model`.
    seed : int
        Of the initial weights and of the order of the samples: the same for every method.

    Raises
    ------
    UnknownNameError
        If there is no method of that name.
    InvalidParameterError
        If an oracle is not told which labels are wrong, or an option cannot be what it is changed to.
    """
    method = METHODS[check_choice("methods", name, METHODS)]
    sgd = sgd or SGDOptions()
    chosen = method.with_changes(groups, options) if method.options is not None or options else None
    # Made from the labels as they are given, so that every method starts from the same weights and the same middle.
    network = build_model(model, train, seed, method.head)
    if chosen is not None:
        return fit_deepgum(
            network, train, validation, options=chosen, sgd=sgd, seed=seed, on_event=on_event, checkpoint=checkpoint
        )
    assert method.loss is not None
    fit = partial(
        fit_loss,
        network,
        loss=method.loss,
        groups=groups,
        sgd=sgd,
        seed=seed,
        on_event=on_event,
        checkpoint=checkpoint,
    )
    if not method.oracle:
        return fit(train, validation)
    if true_outlier is None or validation_outlier is None:
        raise InvalidParameterError(
            "true_outlier", f"given, with `validation_outlier`: {name!r} trains on the right labels", None
        )
    result = fit(without_labels(train, true_outlier), without_labels(validation, validation_outlier))
    # Its residuals on all labels, the wrong ones included, rank them; flags of labels that it was told would be empty.
    residuals = compute_residuals(network, train, device=sgd.device, precision=sgd.precision)
    return replace(result, residuals=residuals, flags=None)
