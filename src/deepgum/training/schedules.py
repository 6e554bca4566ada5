"""The two schedules of EM: after every epoch of a single run of SGD, or after each run of SGD (Algorithm 1)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any, ClassVar, TypeAlias

from deepgum.checks import check_choice, check_count, check_fraction, check_positive
from deepgum.errors import InvalidParameterError, UnknownNameError

__all__ = ["SCHEDULES", "Alternate", "Interleaved", "Schedule", "change_schedule", "get_schedule"]

RULES = ("log-likelihood", "weighted", "unweighted", "trimmed")
EM_STARTS = ("robust", "responsibilities")
RESTARTS = ("continue", "fresh")


@dataclass(frozen=True)
class Interleaved:
    """One run of SGD, with EM after every epoch. EM uses the residuals that the epoch computed for its training loss.

    The network has partly memorised the training labels, so most training residuals are small, but residuals of hard
    samples are large. With the covariance that EM estimates, the mixture would flag the hard samples. The network would
    then not learn the hard samples, so they would stay flagged. With either of the two options below, the mixture
    tolerates larger residuals when EM begins. The effect of the options decays: one half of the effect is left after 5
    epochs, and one third after 10 epochs.

    Parameters
    ----------
    widening : float
        Factor on the inliers' standard deviations, at least 1. The paper has no such factor.
    degrees_of_freedom : float
        Degrees of freedom of the tails of the inlier density. All groups of a sample share the tails: if the residuals
        of the other groups are large, the sample is hard, and the mixture tolerates larger residuals
        (`deepgum.GaussianUniformMixture.responsibilities`). Infinity gives the Gaussian of the paper, with one
        covariance for all samples.

    Raises
    ------
    InvalidParameterError
        If a value is invalid; the message names the option.

    Examples
    --------
    >>> Interleaved(widening=1.0)
    Interleaved(widening=1.0, degrees_of_freedom=4.0)
    """

    widening: float = 2.0
    degrees_of_freedom: float = 4.0

    name: ClassVar[str] = "interleaved"

    def __post_init__(self) -> None:
        _check_leniency(self.widening, self.degrees_of_freedom)


@dataclass(frozen=True)
class Alternate:
    """Algorithm 1 of the paper: runs of SGD, each with an early stop, and EM after each run.

    Parameters
    ----------
    widening : float
        Factor on the inliers' standard deviations in every round, at least 1. The paper has no such factor.
    degrees_of_freedom : float
        Degrees of freedom of the tails of the inlier density in every round; see `Interleaved`. Infinity gives the
        Gaussian of the paper.
    restart : {"continue", "fresh"}
        Start of each run of SGD: from the current weights (the paper), or from the initial weights, so that the network
        forgets labels that are now flagged.
    start_counts : bool
        Whether the weights at the start of a round can be the best weights of the round. The option has an effect only
        with `restart="continue"`. If True, a round that does not improve the score within the patience is the last
        round.
    epoch_rule : {"log-likelihood", "weighted", "unweighted", "trimmed"}
        The validation score for the early stop of a run of SGD. All epochs of a run use the same score:

        - "log-likelihood": the log-likelihood of eq. 1, under the mixture that fits the validation residuals best;
        - "weighted": the loss, weighted by the responsibilities of the validation set at the start of the round (the
          paper);
        - "unweighted": the loss without weights;
        - "trimmed": the loss without weights and without the largest residuals of each group. The share of omitted
          residuals is the flagged share of the training set.

        If the loss is the cross-entropy, the last three rules use the absolute error of the expected value, in the
        targets' unit.
    round_rule : {"log-likelihood", "weighted", "unweighted", "trimmed"}
        The score of a round. Algorithm 1 ends when this score no longer improves. The weighted loss (the paper) also
        decreases when the weights decrease, and the trimmed loss also decreases when more labels are flagged. So these
        two scores are not comparable between rounds. The other two scores are comparable between rounds.
    rounds_max : int
        Maximum number of rounds after the first fit.
    em_start : {"robust", "responsibilities"}
        Start of EM in each round. "robust" starts from a robust scale of the residuals. "responsibilities" (as in the
        authors' code) starts from the responsibilities that were the weights in the loss of the round. In the first
        fit, these are 1.
    em_rows : float
        Share of the training samples that EM uses; these are the first samples by index. All samples get
        responsibilities.

    Raises
    ------
    InvalidParameterError
        If a value is invalid; the message names the option.

    Examples
    --------
    >>> Alternate(restart="fresh").rounds_max
    10
    """

    widening: float = 1.0
    degrees_of_freedom: float = math.inf
    restart: str = "continue"
    start_counts: bool = False
    epoch_rule: str = "log-likelihood"
    round_rule: str = "log-likelihood"
    rounds_max: int = 10
    em_start: str = "robust"
    em_rows: float = 1.0

    name: ClassVar[str] = "alternate"

    def __post_init__(self) -> None:
        _check_leniency(self.widening, self.degrees_of_freedom)
        check_choice("restart", self.restart, RESTARTS)
        if not isinstance(self.start_counts, bool):
            raise InvalidParameterError("start_counts", "True or False", self.start_counts)
        check_choice("epoch_rule", self.epoch_rule, RULES)
        check_choice("round_rule", self.round_rule, RULES)
        check_count("rounds_max", self.rounds_max)
        check_choice("em_start", self.em_start, EM_STARTS)
        check_fraction("em_rows", self.em_rows, open_below=True)


Schedule: TypeAlias = Interleaved | Alternate

SCHEDULES: Mapping[str, type[Schedule]] = MappingProxyType({kind.name: kind for kind in (Interleaved, Alternate)})
"""The schedules by name."""


def get_schedule(schedule: Schedule | str) -> Schedule:
    """Return `schedule` itself, or, if it is a name, the schedule of that name with its defaults.

    Raises
    ------
    UnknownNameError
        If there is no schedule of that name.
    InvalidParameterError
        If the argument is neither a schedule nor a string.

    Examples
    --------
    >>> get_schedule("interleaved")
    Interleaved(widening=2.0, degrees_of_freedom=4.0)
    """
    if isinstance(schedule, Interleaved | Alternate):
        return schedule
    if not isinstance(schedule, str):
        raise InvalidParameterError(
            "schedule", "`Interleaved(...)`, `Alternate(...)` or the name of a schedule", schedule
        )
    return SCHEDULES[check_choice("schedule", schedule, SCHEDULES)]()


def change_schedule(schedule: Schedule, changes: Mapping[str, Any]) -> Schedule:
    """Return the schedule with some options changed. If `name` changes, all other options begin with the defaults.

    Raises
    ------
    InvalidParameterError
        If the schedule has no such option, or the value is invalid; the message names "schedule.OPTION".

    Examples
    --------
    >>> change_schedule(Interleaved(widening=3.0), {"degrees_of_freedom": 8.0})
    Interleaved(widening=3.0, degrees_of_freedom=8.0)
    >>> change_schedule(Interleaved(widening=3.0), {"name": "alternate"}).widening
    1.0
    """
    changes = dict(changes)
    name = changes.pop("name", schedule.name)
    try:
        changed = schedule if name == schedule.name else SCHEDULES[check_choice("name", name, SCHEDULES)]()
        known = [field.name for field in fields(changed)]
        for option in changes:
            if option not in known:
                raise _unknown_option(option, changed, changes[option])
        return replace(changed, **changes)
    except InvalidParameterError as error:
        raise error.within("schedule") from None


def _unknown_option(option: str, schedule: Schedule, value: object) -> InvalidParameterError:
    others = [kind.name for kind in SCHEDULES.values() if option in [field.name for field in fields(kind)]]
    if others:
        hint = f"It is an option of the schedule {others[0]!r}."
        return InvalidParameterError(option, f"left out with the schedule {schedule.name!r}", value, hint)
    return UnknownNameError(option, option, ["name", *(field.name for field in fields(schedule))])


def _check_leniency(widening: float, degrees_of_freedom: float) -> None:
    if check_positive("widening", widening) < 1:
        raise InvalidParameterError("widening", "a number of at least 1", widening)
    if degrees_of_freedom != math.inf:
        check_positive("degrees_of_freedom", degrees_of_freedom)
