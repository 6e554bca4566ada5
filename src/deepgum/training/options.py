"""The options of a training with the mixture, and their defaults.

`docs/deviations.md` compares the defaults with the paper and with the code of its authors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Literal, Self

from deepgum.checks import check_choice, check_count, check_fraction, check_positive
from deepgum.data.target_names import default_groups
from deepgum.errors import InvalidParameterError
from deepgum.losses import LOSSES, Loss, get_loss
from deepgum.losses.cross_entropy import CROSS_ENTROPY
from deepgum.mixture import GaussianUniformMixture
from deepgum.plugins import PATH, is_path
from deepgum.training.flat_options import find_section, refuse_moved
from deepgum.training.schedules import Alternate, Interleaved, change_schedule, get_schedule

__all__ = ["PRESETS", "DeepGUMOptions", "Groups"]

Groups = Literal["sample", "landmark", "coordinate"] | Sequence[Sequence[int]]

RETURNS = ("best", "last")
UNSCALED = (*(name for name, kind in LOSSES.items() if not kind.needs_scale), CROSS_ENTROPY)
"""Names of the losses that can be used with the mixture.

Losses of scaled residuals are excluded. They estimate a scale and suppress outliers, and the mixture already does so.
"""

_SET_BY_TRAINING = {
    "groups": "`groups` is an option of `DeepGUMOptions`.",
    "degrees_of_freedom": "`degrees_of_freedom` is an option of the schedule.",
    "warm_start": "The schedule sets the initial values of EM.",
}
"""Settings of the mixture that users cannot set here, with the hint of the error message."""


@dataclass(frozen=True, eq=False)
class DeepGUMOptions:
    """Options of a training with the mixture.

    The defaults gave the best results on faces. `preset("alternate")` gave the best results of Algorithm 1,
    `preset("paper")` follows the paper, and `preset("authors-code")` follows the code that the authors of the paper
    released.

    Parameters
    ----------
    groups : {"sample", "landmark", "coordinate"} or list of lists of int, optional
        Coordinates that are right or wrong together. Each group has its own mixture (section 3.1). By default the names
        of the targets decide: "landmark" if they come in pairs of x and y, otherwise "sample" (see `for_targets`).
    schedule : Interleaved, Alternate or str
        The schedule of EM. `Interleaved(...)` is one run of SGD with EM after every epoch. `Alternate(...)` is
        Algorithm 1: several runs of SGD, with EM after each run. The names "interleaved" and "alternate" select the
        schedule with its defaults.
    mixture : GaussianUniformMixture
        The settings of the mixture, which are copied. The training sets `groups`, `degrees_of_freedom` and
        `warm_start`. A number for `uniform` is the log density of one coordinate **in the targets' unit**: 0 for
        landmarks in fractions of the image's side, -log(224) for pixels of a 224-pixel image, -log(w) for a range of
        width w. With a `tol` of 0, EM takes exactly `max_iter` steps.
    first_loss : {"cauchy", "l1", "l2", "cross-entropy"}, Loss or path
        Loss of the first fit, which has no responsibilities yet. The paper uses "l2". The name "cauchy" stands for the
        Cauchy loss with the scale of `cauchy_scale`. A `Loss` object, or a loss given by its path
        "package.module:name", has its own scale.
    weighted_loss : {"l1", "l2", "cauchy", "cross-entropy"}, Loss or path
        Loss of the fits with responsibilities, which are the weights of the labels. The paper uses "l2", which gives
        eq. 7. The cross-entropy is for a `DeepExpectation` (DexGUM). It must be `first_loss` as well, and it needs the
        schedule "alternate".
    least_weight : float
        Weight of a label with responsibility 0; the weight grows to 1 with the responsibility. The paper uses 0. In a
        short training with L1, a value of 0.1 lets the network recover a label that was flagged too early. In a long
        training, it makes the network learn wrong labels.
    responsibility_power : float
        Exponent p of the responsibility r in the weight r^p of a label. The paper uses 1. The code of the authors
        multiplies the prediction and the target by r before it squares the error, which gives p = 2.
    cauchy_scale : float or None
        Scale of the Cauchy loss in the targets' unit. None means a quarter of the spread of the training labels (the
        median over coordinates of the MAD scale), so that the network does not depend on the unit of the labels. From a
        label far from its prediction, a network then learns nothing, unless the label has other coordinates. For labels
        of one coordinate and the schedule "interleaved", None therefore means that the scale and the degrees of freedom
        follow the residuals of the last epoch (`deepgum.losses.student_t`; one degree of freedom gives Cauchy).
    warmup_epochs : int or None
        Number of epochs of the first fit. With the schedule "alternate", None means an early stop as in Algorithm 1
        (section 4 of the paper has 3 epochs instead). With the schedule "interleaved", None means 5 epochs, but at most
        half of all epochs.
    returned_round : {"best", "last"}
        Round that gives the returned weights of the network: the round with the best score, or the last round. With the
        schedule "interleaved", an epoch gives the weights: the epoch with the best score, or the last epoch.

    Raises
    ------
    InvalidParameterError
        If a value is invalid, or an option belongs to the schedule or the mixture; the message names the option.

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

    groups: Groups | None = None
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
        """Refuse options of version 0.1.0 that have moved, with a message that names their new place."""
        refuse_moved(given, given.get("schedule"))
        return super().__new__(cls)

    def __post_init__(self) -> None:
        object.__setattr__(self, "schedule", get_schedule(self.schedule))
        object.__setattr__(self, "mixture", _copy_mixture(self.mixture))
        for name in ("first_loss", "weighted_loss"):
            object.__setattr__(self, name, _check_loss(name, getattr(self, name)))
        if CROSS_ENTROPY in (self.first_loss, self.weighted_loss) and self.first_loss != self.weighted_loss:
            hint = "A network gives either logits or predictions, so both losses need the same output."
            raise InvalidParameterError(
                "weighted_loss", f"the same as `first_loss`, {self.first_loss!r}", self.weighted_loss, hint
            )
        if isinstance(self.schedule, Interleaved) and self.first_loss == CROSS_ENTROPY:
            hint = "The schedule 'interleaved' needs a loss of residuals."
            raise InvalidParameterError("schedule", f"'alternate' with the {CROSS_ENTROPY}", self.schedule.name, hint)
        check_fraction("least_weight", self.least_weight, open_above=True)
        check_positive("responsibility_power", self.responsibility_power)
        if self.cauchy_scale is not None:
            check_positive("cauchy_scale", self.cauchy_scale)
        if self.warmup_epochs is not None:
            check_count("warmup_epochs", self.warmup_epochs)
        check_choice("returned_round", self.returned_round, RETURNS)
        self.new_mixture()  # checks `groups`

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DeepGUMOptions) and self.to_mapping() == other.to_mapping()

    @property
    def settled_groups(self) -> Groups:
        """The groups; "sample" if they are not set."""
        return "sample" if self.groups is None else self.groups

    def for_targets(self, target_names: Sequence[str]) -> DeepGUMOptions:
        """Return the options with groups. If they are not set, the names of the targets decide.

        Examples
        --------
        >>> DeepGUMOptions().for_targets(["nose_x", "nose_y"]).groups, DeepGUMOptions().for_targets(["yaw"]).groups
        ('landmark', 'sample')
        """
        if self.groups is not None:
            return self
        are_landmarks = bool(target_names) and default_groups(target_names) == "landmark"
        return replace(self, groups="landmark" if are_landmarks else "sample")

    def with_changes(self, **changes: Any) -> DeepGUMOptions:
        """Return the options with some options changed.

        Parameters
        ----------
        **changes
            New values of options, as keyword arguments. A mapping for `schedule` or `mixture` changes only the settings
            in the mapping. If the mapping for `schedule` has a new `name`, all other settings begin with the defaults
            of the new schedule.

        Raises
        ------
        InvalidParameterError
            If an option does not exist or has an invalid value. In the message, the name of an option of the schedule
            is "schedule.OPTION".

        Examples
        --------
        >>> paper = DeepGUMOptions.preset("paper")
        >>> paper.with_changes(mixture={"covariance_type": "diag"}, schedule={"rounds_max": 3}).schedule.epoch_rule
        'weighted'
        """
        known = [each.name for each in fields(self)]
        for name, value in changes.items():
            place = find_section(name)
            if place is not None:
                section, option = place
                hint = f"Write `{section}={{{option!r}: {value!r}}}`."
                raise InvalidParameterError(name, f"an option of the {section}", value, hint)
            check_choice("options", name, known)
        schedule, mixture = changes.get("schedule"), changes.get("mixture")
        if isinstance(schedule, Mapping):
            changes["schedule"] = change_schedule(get_schedule(self.schedule), schedule)
        if isinstance(mixture, Mapping):
            changes["mixture"] = _change_mixture(self.mixture, mixture)
        return replace(self, **changes)

    @classmethod
    def preset(cls, name: str, **changes: Any) -> DeepGUMOptions:
        """Return a preset of `PRESETS`, with some options changed by `with_changes`.

        Raises
        ------
        UnknownNameError
            If there is no preset of that name.
        InvalidParameterError
            If a change is invalid; see `with_changes`.

        Examples
        --------
        >>> DeepGUMOptions.preset("paper", groups="landmark").first_loss
        'l2'
        """
        return PRESETS[check_choice("preset", name, PRESETS)].with_changes(**changes)

    def with_imported_losses(self) -> DeepGUMOptions:
        """Return the options with every path of a loss replaced by the imported loss.

        Raises
        ------
        InvalidParameterError
            If a path cannot be imported, or is not the path of a loss that can be used with the mixture.
        """
        found: dict[str, Any] = {
            name: _check_unscaled(name, value)
            for name in ("first_loss", "weighted_loss")
            if is_path(value := getattr(self, name))
        }
        return replace(self, **found) if found else self

    def new_mixture(self, tol: float | None = None) -> GaussianUniformMixture:
        """Return an unfitted mixture with these settings and groups. A given `tol` replaces the tolerance."""
        changes = {"groups": self.settled_groups} | ({} if tol is None else {"tol": tol})
        return GaussianUniformMixture(**self.mixture.get_params() | changes)

    def to_mapping(self) -> dict[str, Any]:
        """Return all options as nested plain values; a `Loss` object becomes its `repr`.

        Examples
        --------
        >>> DeepGUMOptions().to_mapping()["schedule"]
        {'name': 'interleaved', 'widening': 2.0, 'degrees_of_freedom': 4.0}
        """
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        schedule = get_schedule(self.schedule)
        losses = {name: repr(loss) for name, loss in values.items() if isinstance(loss, Loss)}
        settled = self.settled_groups
        groups = settled if isinstance(settled, str) else [[int(i) for i in group] for group in settled]
        settings = {name: value for name, value in self.mixture.get_params().items() if name not in _SET_BY_TRAINING}
        return {
            **values,
            **losses,
            "groups": groups,
            "schedule": {"name": schedule.name, **asdict(schedule)},
            "mixture": settings,
        }


def _check_loss(parameter: str, loss: str | Loss) -> str | Loss:
    """Return the loss if it can be used with the mixture. A path is checked later, when the training imports it."""
    if loss == CROSS_ENTROPY or is_path(loss):
        return loss
    if isinstance(loss, str):
        return check_choice(parameter, loss, [*UNSCALED, PATH])
    return _check_unscaled(parameter, loss)


def _check_unscaled(parameter: str, loss: str | Loss) -> Loss:
    found = get_loss(loss, parameter)
    if found.needs_scale:
        raise InvalidParameterError(parameter, "a loss whose residuals are not scaled by their MAD", loss)
    return found


def _copy_mixture(mixture: GaussianUniformMixture) -> GaussianUniformMixture:
    if not isinstance(mixture, GaussianUniformMixture):
        raise InvalidParameterError("mixture", "a `GaussianUniformMixture(...)`", mixture)
    default, given = GaussianUniformMixture().get_params(), mixture.get_params()
    for name, reason in _SET_BY_TRAINING.items():
        if given[name] != default[name]:
            raise InvalidParameterError(f"mixture.{name}", "left out", given[name], reason)
    return GaussianUniformMixture(**given)


def _change_mixture(mixture: GaussianUniformMixture, changes: Mapping[str, Any]) -> GaussianUniformMixture:
    known = [name for name in mixture.get_params() if name not in _SET_BY_TRAINING]
    try:
        for name in changes:
            check_choice(name, name, known)
        return GaussianUniformMixture(**mixture.get_params() | dict(changes))
    except InvalidParameterError as error:
        raise error.within("mixture") from None


PRESETS: Mapping[str, DeepGUMOptions] = MappingProxyType(
    {
        "default": DeepGUMOptions(),
        "alternate": DeepGUMOptions(
            groups="sample", schedule=Alternate(), mixture=GaussianUniformMixture(separation=0.0)
        ),
        "paper": DeepGUMOptions(
            groups="sample",
            schedule=Alternate(epoch_rule="weighted", round_rule="weighted"),
            mixture=GaussianUniformMixture(separation=0.0),
            first_loss="l2",
            weighted_loss="l2",
        ),
        "authors-code": DeepGUMOptions(
            groups="sample",
            schedule=Alternate(
                restart="fresh",
                # The default rule of that code; the other two are "trimmed" and "weighted".
                epoch_rule="unweighted",
                round_rule="unweighted",
                # Six fits, the first fit included.
                rounds_max=5,
                em_start="responsibilities",
                # That code stores training and validation samples in one list and runs EM on the first 80 % of the
                # list, which are the training samples.
                em_rows=1.0,
            ),
            mixture=GaussianUniformMixture(
                # The landmark mode of that code. Its flag -iso gives "tied-spherical"; for whole samples its default is
                # "diag".
                covariance_type="spherical",
                # -log 224 for pixels of an image of 224 is 0 for fractions of the image's side.
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
"""Named sets of options.

"default" gave the best results on faces in one run of SGD, and "alternate" gave the best results with Algorithm 1.
"paper" follows the paper exactly. "authors-code" follows the code that the authors of the paper released. The preset
"authors-code" is for landmarks in fractions of the image's side. For labels in other units, change the mixture's
`uniform`.
"""
