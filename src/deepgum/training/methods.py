"""The methods of a comparison, by name: all share the network, the SGD and the budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self, TypeAlias

from torch import Tensor

from deepgum.data.regression import RegressionData
from deepgum.errors import InvalidParameterError, UnknownNameError
from deepgum.losses import LOSSES, Loss, get_loss
from deepgum.losses.cross_entropy import CROSS_ENTROPY
from deepgum.models import Backbone, DeepExpectation, build_model
from deepgum.plugins import PATH, is_path
from deepgum.residuals import compute_residuals
from deepgum.styles import METHOD_STYLES, MethodStyle
from deepgum.training.algorithm import check_deepgum, fit_deepgum
from deepgum.training.baselines import fit_loss, without_labels
from deepgum.training.history import Event
from deepgum.training.options import PRESETS, DeepGUMOptions, Groups
from deepgum.training.result import TrainingResult, check_training_data
from deepgum.training.sgd_options import SGDOptions

__all__ = ["METHODS", "AnyMethod", "Method", "check_method", "get_method", "train_method"]


@dataclass(frozen=True)
class Method:
    """A way to train on labels some of which may be wrong.

    Attributes
    ----------
    style : MethodStyle
        Its name, colour and marker in tables and figures, and one line about it.
    loss : str, Loss or None
        A training with this one loss (`fit_loss`); None for a training with the mixture.
    options : DeepGUMOptions or None
        The options of a training with the mixture; None for a training with one loss.
    oracle : bool
        Whether it gets to know which labels are wrong, and trains on the others.
    head : {"regression", "expectation"}
        The head of the network, as for `deepgum.models.build_model`.
    """

    style: MethodStyle
    loss: str | Loss | None = None
    options: DeepGUMOptions | None = None
    oracle: bool = False
    head: str = "regression"

    @classmethod
    def of_loss(cls, loss: Loss) -> Self:
        """Return the method that trains with one loss: its name and colour are the loss's."""
        return cls(MethodStyle.of_loss(loss), loss=loss)

    @property
    def label(self) -> str:
        """Its name in plain text."""
        return self.style.plain

    def with_changes(self, groups: Groups, changes: Mapping[str, Any] | None = None) -> DeepGUMOptions:
        """Return the options with their groups, and with the changes of `DeepGUMOptions.with_changes`.

        Raises
        ------
        InvalidParameterError
            If it is a training with one loss, which has no options; if there is no such option; or for its value.
        """
        changes = dict(changes or {})
        if self.options is None:
            raise InvalidParameterError("options", f"empty: {self.label} trains with one loss", changes)
        if "groups" in changes:
            raise InvalidParameterError("options", "without `groups`, which is a parameter of its own", changes)
        return self.options.with_changes(groups=groups, **changes)


AnyMethod: TypeAlias = str | Method | Loss | type[Loss]
"""What stands for a method: its name, the path "package.module:name" of a loss, a loss, or the method itself."""


_CROSS_ENTROPY = PRESETS["alternate"].with_changes(first_loss=CROSS_ENTROPY, weighted_loss=CROSS_ENTROPY)

_OTHERS: dict[str, dict[str, Any]] = {
    "deepgum": {"options": PRESETS["default"]},
    "deepgum-alternate": {"options": PRESETS["alternate"]},
    "deepgum-paper": {"options": PRESETS["paper"]},
    "deepgum-authors": {"options": PRESETS["authors-code"]},
    "dex": {"loss": CROSS_ENTROPY, "head": "expectation"},
    "dexgum": {"options": _CROSS_ENTROPY, "head": "expectation"},
    "oracle": {"loss": "l2", "oracle": True},
    "oracle-l1": {"loss": "l1", "oracle": True},
}

METHODS: Mapping[str, Method] = MappingProxyType(
    {name: Method(METHOD_STYLES[name], loss=name) for name in LOSSES}
    | {name: Method(METHOD_STYLES[name], **how) for name, how in _OTHERS.items()}
)
"""Every method by its name: one for each loss of the registry, the presets of DeepGUM, Dex, and the oracles."""


def get_method(method: AnyMethod, parameter: str = "methods") -> Method:
    """Return the method that a value stands for.

    Raises
    ------
    UnknownNameError
        If there is no method of that name.
    InvalidParameterError
        If the path does not lead to a loss, or the loss lacks a part of its contract.

    Examples
    --------
    >>> get_method("deepgum").label, get_method("deepgum.losses:Huber").label
    ('DeepGUM', 'Huber')
    """
    if isinstance(method, Method):
        return method
    if isinstance(method, str) and not is_path(method):
        if method not in METHODS:
            raise UnknownNameError(parameter, method, [*METHODS, PATH])
        return METHODS[method]
    return Method.of_loss(get_loss(method, parameter))


def check_method(
    method: AnyMethod,
    train: RegressionData,
    validation: RegressionData,
    groups: Groups = "sample",
    options: Mapping[str, Any] | None = None,
) -> None:
    """Raise the errors that `train_method` would raise about these data, without training.

    Raises
    ------
    UnknownNameError
        If there is no method of that name.
    InvalidDataError, InvalidParameterError
        If the data or the groups cannot be used.
    """
    found = get_method(method)
    if found.options is not None or options:
        check_deepgum(train, validation, found.with_changes(groups, options))
        return
    check_training_data(train, validation)
    if found.head == "expectation":
        DeepExpectation.span(train.targets)


def train_method(
    method: AnyMethod,
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
    """Build a network and train it with a method.

    Parameters
    ----------
    method : str, Method, Loss or class
        A name in `METHODS`, the path "package.module:name" of a loss of your own, a loss, or a method.
    train, validation : RegressionData
        With the labels as they are, right or wrong.
    true_outlier, validation_outlier : Tensor (n, l) of bool, optional
        The landmarks that are wrong; only the oracles use them.
    groups, sgd, on_event, checkpoint
        The same as in `fit_deepgum`.
    options : mapping, optional
        Changes to the method's `DeepGUMOptions`, as `DeepGUMOptions.with_changes` takes them; only for methods with a
        mixture.
    model : str or callable
        The same as in `deepgum.models.build_model`.
    seed : int
        Seed of the initial weights and of the order of the samples: the same for every method.

    Raises
    ------
    UnknownNameError
        If there is no method of that name.
    InvalidParameterError
        If an oracle does not get the wrong labels, or an option cannot be changed so.
    """
    found = get_method(method)
    sgd = sgd or SGDOptions()
    chosen = found.with_changes(groups, options) if found.options is not None or options else None
    # Built from the labels as they are given, so that every method starts from the same weights and the same centre.
    network = build_model(model, train, seed, found.head)
    if chosen is not None:
        return fit_deepgum(
            network, train, validation, options=chosen, sgd=sgd, seed=seed, on_event=on_event, checkpoint=checkpoint
        )
    assert found.loss is not None
    fit = partial(
        fit_loss,
        network,
        loss=found.loss,
        groups=groups,
        sgd=sgd,
        seed=seed,
        on_event=on_event,
        checkpoint=checkpoint,
    )
    if not found.oracle:
        return fit(train, validation)
    if true_outlier is None or validation_outlier is None:
        expected = f"given, with `validation_outlier`: {found.label!r} trains on the right labels"
        raise InvalidParameterError("true_outlier", expected, None)
    result = fit(without_labels(train, true_outlier), without_labels(validation, validation_outlier))
    # Its residuals on all labels rank the wrong ones; it has no flags, because it did not have to find any.
    residuals = compute_residuals(network, train, device=sgd.device, precision=sgd.precision)
    return replace(result, residuals=residuals, flags=None)
