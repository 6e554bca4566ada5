"""The named training methods of a comparison, which share the network, the SGD options and the budget."""

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
    """A method of training on labels that may be wrong.

    Attributes
    ----------
    style : MethodStyle
        Name, colour and marker in tables and figures, and a one-line description.
    loss : str, Loss or None
        The loss of a training with one loss (`fit_loss`); None for a training with the mixture.
    options : DeepGUMOptions or None
        The options of a training with the mixture; None for a training with one loss.
    oracle : bool
        Whether the method knows which labels are wrong, and trains only on the right labels.
    head : {"regression", "expectation"}
        The head of the network; see `deepgum.models.build_model`.
    """

    style: MethodStyle
    loss: str | Loss | None = None
    options: DeepGUMOptions | None = None
    oracle: bool = False
    head: str = "regression"

    @classmethod
    def of_loss(cls, loss: Loss) -> Self:
        """Return the method that trains with one loss, with the name and the colour of the loss."""
        return cls(MethodStyle.of_loss(loss), loss=loss)

    @property
    def label(self) -> str:
        """Name in plain text."""
        return self.style.plain

    def with_changes(self, groups: Groups, changes: Mapping[str, Any] | None = None) -> DeepGUMOptions:
        """Return the options with these groups and changes; see `DeepGUMOptions.with_changes`.

        Raises
        ------
        InvalidParameterError
            If the method trains with one loss and so has no options, or if an option does not exist or has an invalid
            value.
        """
        changes = dict(changes or {})
        if self.options is None:
            raise InvalidParameterError("options", f"empty: {self.label} trains with one loss", changes)
        if "groups" in changes:
            raise InvalidParameterError("options", "without `groups`, which is a separate parameter", changes)
        return self.options.with_changes(groups=groups, **changes)


AnyMethod: TypeAlias = str | Method | Loss | type[Loss]
"""A method, the name of a method, a loss, or the path "package.module:name" of a loss."""


_CROSS_ENTROPY = PRESETS["alternate"].with_changes(first_loss=CROSS_ENTROPY, weighted_loss=CROSS_ENTROPY)

_MORE_METHODS: dict[str, dict[str, Any]] = {
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
    | {name: Method(METHOD_STYLES[name], **changes) for name, changes in _MORE_METHODS.items()}
)
"""All methods by name: one for each loss in `LOSSES`, the presets of DeepGUM, Dex, and the oracles."""


def get_method(method: AnyMethod, parameter: str = "methods") -> Method:
    """Return the method for a name, for the path of a loss, or for a loss; a `Method` is returned unchanged.

    Raises
    ------
    UnknownNameError
        If there is no method of that name.
    InvalidParameterError
        If the path is not the path of a loss, or the loss lacks a required attribute or method.

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
    """Raise the errors that `train_method` would raise for these data, without training.

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
        A name in `METHODS`, the path "package.module:name" of a custom loss, a loss, or a method.
    train, validation : RegressionData
        Data with all labels, right and wrong.
    true_outlier, validation_outlier : Tensor (n, l) of bool, optional
        True for wrong landmarks. Only the oracles use these masks.
    groups, sgd, on_event, checkpoint
        The same as in `fit_deepgum`.
    options : mapping, optional
        Changes to the method's `DeepGUMOptions`; see `DeepGUMOptions.with_changes`. Only for methods with a mixture.
    model : str or callable
        The same as in `deepgum.models.build_model`.
    seed : int
        Seed of the initial weights and of the order of the samples.

    Raises
    ------
    UnknownNameError
        If there is no method of that name.
    InvalidParameterError
        If `true_outlier` or `validation_outlier` is missing for an oracle, or an option has an invalid value.
    """
    found = get_method(method)
    sgd = sgd or SGDOptions()
    chosen = found.with_changes(groups, options) if found.options is not None or options else None
    # Build the network from all labels, so that every method starts from the same weights and the same centre.
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
        expected = f"given together with `validation_outlier`: {found.label!r} trains on the right labels only"
        raise InvalidParameterError("true_outlier", expected, None)
    result = fit(without_labels(train, true_outlier), without_labels(validation, validation_outlier))
    # The residuals of all labels rank the wrong labels. There are no flags: the oracle knows the wrong labels.
    residuals = compute_residuals(network, train, device=sgd.device, precision=sgd.precision)
    return replace(result, residuals=residuals, flags=None)
