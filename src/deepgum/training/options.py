"""The options of a training with the mixture: every choice that the paper leaves open, with its default.

`docs/deviations.md` compares these choices with the paper and with the code of its authors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Literal, Self

from deepgum.checks import check_choice, check_count, check_fraction, check_positive
from deepgum.errors import InvalidParameterError
from deepgum.losses import LOSSES, Loss, get_loss
from deepgum.losses.cross_entropy import CROSS_ENTROPY
from deepgum.mixture import GaussianUniformMixture
from deepgum.plugins import PATH, is_path
from deepgum.training.flat_options import moved, refuse_moved
from deepgum.training.schedules import Alternate, Interleaved, change_schedule, get_schedule

__all__ = ["PRESETS", "DeepGUMOptions", "Groups"]

Groups = Literal["sample", "landmark", "coordinate"] | Sequence[Sequence[int]]

RETURNS = ("best", "last")
UNSCALED = (*(name for name, kind in LOSSES.items() if not kind.needs_scale), CROSS_ENTROPY)
"""Names of the losses that the mixture goes with; a loss of scaled residuals would do its work a second time."""

_ELSEWHERE = {
    "groups": "`groups` is an option of `DeepGUMOptions`.",
    "degrees_of_freedom": "`degrees_of_freedom` is an option of the schedule.",
    "warm_start": "The schedule sets what EM starts from.",
}
"""Settings of the mixture that the training sets, and why."""


@dataclass(frozen=True, eq=False)
class DeepGUMOptions:
    """The choices of a training with the mixture.

    The defaults measured best on faces. `preset("alternate")` is what measured best of Algorithm 1, `preset("paper")`
    follows the paper, and `preset("authors-code")` the code that its authors released.

    Parameters
    ----------
    groups : {"sample", "landmark", "coordinate"} or list of lists of int
        Coordinates that are right or wrong together: each group has a mixture of its own (section 3.1).
    schedule : Interleaved, Alternate or the name of one
        When EM is run. `Interleaved(...)` is one run of SGD with EM after every epoch. `Alternate(...)` is Algorithm 1:
        several runs of SGD, with EM after each. A name, "interleaved" or "alternate", stands for the defaults.
    mixture : GaussianUniformMixture
        The settings of the mixture; it is copied, and not fitted. Its `groups`, `degrees_of_freedom` and `warm_start`
        are set by the training. A `uniform` that is a number is the log density of one coordinate **in the targets'
        unit**: 0 for landmarks in fractions of the image's side, -log(224) in pixels of an image of 224, -log(w) in any
        range of width w. A `tol` of 0 takes exactly `max_iter` steps.
    first_loss : {"cauchy", "l1", "l2", "cross-entropy"}, Loss or path
        Loss of the first fit, before there are responsibilities (the paper: "l2"). A `Loss`, or the path
        "package.module:name" of one, is used as it is; "cauchy" by name has the scale of `cauchy_scale`.
    weighted_loss : {"l1", "l2", "cauchy", "cross-entropy"}, Loss or path
        Loss that the responsibilities weight (the paper: "l2", which is eq. 7). The cross-entropy is for a
        `DeepExpectation` (DexGUM); it is both losses or neither, and needs the schedule "alternate".
    least_weight : float
        Weight of a label that is certainly wrong; between it and 1 weights go by the responsibility. The paper: 0. A
        weight of 0.1 lets a label come back that was flagged too early, if the loss is L1 and the training short; in a
        long one the network learns wrong labels by it.
    responsibility_power : float
        The weight of a label is its responsibility to this power (the paper: 1; the authors' code multiplies prediction
        and target by r under a squared loss, which is 2).
    cauchy_scale : float or None
        Scale of the Cauchy loss in the targets' unit. None: a quarter of the training labels' own spread (the median
        over coordinates of their MAD scale), so that labels in other units give the same network.
    warmup_epochs : int or None
        Epochs of the first fit. None: with the schedule "alternate" it is trained until it stops early, as Algorithm 1
        says (section 4 says 3 epochs); with "interleaved", 5 epochs, and at most half of a short training.
    returned_round : {"best", "last"}
        Whose weights are returned: those of the round (interleaved: of the epoch) with the best score, or of the last.

    Raises
    ------
    InvalidParameterError
        If a value cannot be used, or an option belongs to the schedule or the mixture; the message names it.

    Examples
    --------
    >>> DeepGUMOptions(groups="landmark", schedule=Alternate(restart="fresh")).schedule.rounds_max
    10
    >>> DeepGUMOptions(restart="fresh")
    Traceback (most recent call last):
        ...
    deepgum.errors.InvalidParameterError: Parameter `restart` should be an option of `Alternate`. Found
    `restart = 'fresh'`. Write `schedule=Alternate(restart='fresh')`.
    """

    groups: Groups = "sample"
    schedule: Interleaved | Alternate | str = field(default_factory=Interleaved)
    mixture: GaussianUniformMixture = field(default_factory=GaussianUniformMixture)
    first_loss: str | Loss = "cauchy"
    weighted_loss: str | Loss = "l1"
    least_weight: float = 0.0
    responsibility_power: float = 1.0
    cauchy_scale: float | None = None
    warmup_epochs: int | None = None
    returned_round: str = "best"

    def __new__(cls, *_: object, **given: object) -> Self:
        """Refuse options of version 0.1.0 that have moved; Python's own message would not tell where to."""
        refuse_moved(given, given.get("schedule"))
        return super().__new__(cls)

    def __post_init__(self) -> None:
        object.__setattr__(self, "schedule", get_schedule(self.schedule))
        object.__setattr__(self, "mixture", _copied(self.mixture))
        for name in ("first_loss", "weighted_loss"):
            object.__setattr__(self, name, _checked_loss(name, getattr(self, name)))
        if CROSS_ENTROPY in (self.first_loss, self.weighted_loss) and self.first_loss != self.weighted_loss:
            hint = "A network has logits for both or for neither."
            raise InvalidParameterError("weighted_loss", f"{self.first_loss!r} as well", self.weighted_loss, hint)
        if isinstance(self.schedule, Interleaved) and self.first_loss == CROSS_ENTROPY:
            hint = "Only losses of residuals can be interleaved."
            raise InvalidParameterError("schedule", f"'alternate' with the {CROSS_ENTROPY}", self.schedule.name, hint)
        check_fraction("least_weight", self.least_weight, open_above=True)
        check_positive("responsibility_power", self.responsibility_power)
        if self.cauchy_scale is not None:
            check_positive("cauchy_scale", self.cauchy_scale)
        if self.warmup_epochs is not None:
            check_count("warmup_epochs", self.warmup_epochs)
        check_choice("returned_round", self.returned_round, RETURNS)
        self.new_mixture()  # which checks the names of groups

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DeepGUMOptions) and self.to_mapping() == other.to_mapping()

    def with_changes(self, **changes: Any) -> DeepGUMOptions:
        """Return the options with some of them changed.

        Parameters
        ----------
        **changes
            Options by name. A mapping for `schedule` or `mixture` changes some of its options and keeps the others;
            `{"name": "alternate", ...}` begins with the defaults of that schedule.

        Raises
        ------
        InvalidParameterError
            If there is no such option, or for its value; about an option of the schedule as "schedule.OPTION".

        Examples
        --------
        >>> paper = DeepGUMOptions.preset("paper")
        >>> paper.with_changes(mixture={"covariance_type": "diag"}, schedule={"rounds_max": 3}).schedule.epoch_rule
        'weighted'
        """
        known = [each.name for each in fields(self)]
        for name, value in changes.items():
            place = moved(name)
            if place is not None:
                section, option = place
                hint = f"Write `{section}={{{option!r}: {value!r}}}`."
                raise InvalidParameterError(name, f"an option of the {section}", value, hint)
            check_choice("options", name, known)
        schedule, mixture = changes.get("schedule"), changes.get("mixture")
        if isinstance(schedule, Mapping):
            changes["schedule"] = change_schedule(get_schedule(self.schedule), schedule)
        if isinstance(mixture, Mapping):
            changes["mixture"] = _changed(self.mixture, mixture)
        return replace(self, **changes)

    @classmethod
    def preset(cls, name: str, **changes: Any) -> DeepGUMOptions:
        """Return the options of a preset of `PRESETS`, with the changes of `with_changes`.

        Raises
        ------
        UnknownNameError
            If there is no preset of that name.
        InvalidParameterError
            If the changes cannot be made; see `with_changes`.

        Examples
        --------
        >>> DeepGUMOptions.preset("paper", groups="landmark").first_loss
        'l2'
        """
        return PRESETS[check_choice("preset", name, PRESETS)].with_changes(**changes)

    def with_imported_losses(self) -> DeepGUMOptions:
        """Return the options with paths of losses replaced by the losses themselves.

        Raises
        ------
        InvalidParameterError
            If a path cannot be imported, or does not lead to a loss that the mixture goes with.
        """
        found: dict[str, Any] = {
            name: _unscaled(name, value)
            for name in ("first_loss", "weighted_loss")
            if is_path(value := getattr(self, name))
        }
        return replace(self, **found) if found else self

    def new_mixture(self, tol: float | None = None) -> GaussianUniformMixture:
        """Return an unfitted mixture with these settings and groups, and with another tolerance if one is given."""
        changes = {"groups": self.groups} | ({} if tol is None else {"tol": tol})
        return GaussianUniformMixture(**self.mixture.get_params() | changes)

    def to_mapping(self) -> dict[str, Any]:
        """Return all options as nested plain values; a loss that is an object as its text.

        Examples
        --------
        >>> DeepGUMOptions().to_mapping()["schedule"]
        {'name': 'interleaved', 'widening': 2.0, 'degrees_of_freedom': 4.0}
        """
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        schedule = get_schedule(self.schedule)
        losses = {name: repr(loss) for name, loss in values.items() if isinstance(loss, Loss)}
        groups = self.groups if isinstance(self.groups, str) else [[int(i) for i in group] for group in self.groups]
        settings = {name: value for name, value in self.mixture.get_params().items() if name not in _ELSEWHERE}
        return {
            **values,
            **losses,
            "groups": groups,
            "schedule": {"name": schedule.name, **asdict(schedule)},
            "mixture": settings,
        }


def _checked_loss(parameter: str, loss: str | Loss) -> str | Loss:
    """Return a loss that the mixture goes with; a path is imported later, when the training begins."""
    if loss == CROSS_ENTROPY or is_path(loss):
        return loss
    if isinstance(loss, str):
        return check_choice(parameter, loss, [*UNSCALED, PATH])
    return _unscaled(parameter, loss)


def _unscaled(parameter: str, loss: str | Loss) -> Loss:
    found = get_loss(loss, parameter)
    if found.needs_scale:
        raise InvalidParameterError(parameter, "a loss whose residuals are not scaled by their MAD", loss)
    return found


def _copied(mixture: GaussianUniformMixture) -> GaussianUniformMixture:
    if not isinstance(mixture, GaussianUniformMixture):
        raise InvalidParameterError("mixture", "a `GaussianUniformMixture(...)`", mixture)
    default, given = GaussianUniformMixture().get_params(), mixture.get_params()
    for name, reason in _ELSEWHERE.items():
        if given[name] != default[name]:
            raise InvalidParameterError(f"mixture.{name}", "left out", given[name], reason)
    return GaussianUniformMixture(**given)


def _changed(mixture: GaussianUniformMixture, changes: Mapping[str, Any]) -> GaussianUniformMixture:
    known = [name for name in mixture.get_params() if name not in _ELSEWHERE]
    try:
        for name in changes:
            check_choice(name, name, known)
        return GaussianUniformMixture(**mixture.get_params() | dict(changes))
    except InvalidParameterError as error:
        raise error.within("mixture") from None


PRESETS: Mapping[str, DeepGUMOptions] = MappingProxyType(
    {
        "default": DeepGUMOptions(),
        "alternate": DeepGUMOptions(schedule=Alternate(), mixture=GaussianUniformMixture(separation=0.0)),
        "paper": DeepGUMOptions(
            schedule=Alternate(epoch_rule="weighted", round_rule="weighted"),
            mixture=GaussianUniformMixture(separation=0.0),
            first_loss="l2",
            weighted_loss="l2",
        ),
        "authors-code": DeepGUMOptions(
            schedule=Alternate(
                restart="fresh",
                # The default of its three rules; the other two are "trimmed" and "weighted".
                epoch_rule="unweighted",
                round_rule="unweighted",
                # Six fits, the first one included.
                rounds_max=5,
                em_start="responsibilities",
                # It has training and validation samples in one list and runs EM on the first 80 % of it, which are the
                # training samples.
                em_rows=1.0,
            ),
            mixture=GaussianUniformMixture(
                # Its landmark mode. With its flag -iso it is "tied-spherical"; for whole samples, without a flag,
                # "diag".
                covariance_type="spherical",
                # -log 224 in pixels of an image of 224 is this in fractions of its side.
                uniform=0.0,
                inlier_prior=0.95,
                separation=0.0,
                tol=0.0,
                max_iter=6,
            ),
            first_loss="l2",
            weighted_loss="l2",
            responsibility_power=2.0,
        ),
    }
)
"""Named sets of options: what measured best on faces, in one run of SGD and in rounds of it; the paper to the letter;
and the code that its authors released.

The last is for landmarks in fractions of the image's side; for labels in other units, change the mixture's `uniform`.
"""
