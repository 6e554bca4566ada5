"""The two schedules of EM: after every epoch of one run of SGD, or after each of several runs (Algorithm 1)."""

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
    """One run of SGD, with EM after every epoch on the residuals of the epoch's own forward passes.

    The training residuals are those of labels that the network has partly memorised, and a network errs far on a few
    hard samples. By the covariance that EM estimates those samples are flagged, not learned from, and so stay flagged.
    Both options allow for larger residuals when EM begins, and wear off: half of each is left 5 epochs later, a third
    after 10.

    Parameters
    ----------
    widening : float
        Factor on the inliers' standard deviations, at least 1; the paper has none.
    degrees_of_freedom : float
        Degrees of freedom of the inliers' tails in each sample, which all its groups share: if the network misses a
        sample's other labels by more than usual, the sample is hard, and larger residuals are allowed
        (`deepgum.GaussianUniformMixture.responsibilities`). Infinity is the paper's Gaussian, one covariance for all
        samples.

    Raises
    ------
    InvalidParameterError
        If a value cannot be used; the message names it.

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
    """Algorithm 1 of the paper: SGD and EM in turn, each run of SGD to an early stop.

    Parameters
    ----------
    widening : float
        Factor on the inliers' standard deviations, at least 1, in every round; the paper has none.
    degrees_of_freedom : float
        Degrees of freedom of the inliers' tails in each sample, as for `Interleaved`, in every round. Infinity is the
        paper's Gaussian.
    restart : {"continue", "fresh"}
        Whether a round of SGD starts from the current weights (the paper), or from the initial ones, without what the
        network learned from labels that are now known to be wrong.
    start_counts : bool
        Whether the weights that a round starts from are a candidate for its best ones; only with `restart="continue"`.
        If they are, a round that does not improve on them within the patience is the last.
    epoch_rule : {"log-likelihood", "weighted", "unweighted", "trimmed"}
        The validation score that stops a run of SGD early: the log-likelihood of eq. 1 under its best mixture; the
        weighted loss, with the responsibilities of the validation set when the round began (the paper); the unweighted
        loss; or the unweighted loss without the largest residuals of each group, as large a share of them as is flagged
        in the training set. Each is the same measure from epoch to epoch. If the losses are the cross-entropy, the last
        three take the absolute error of the expected value, in the targets' unit.
    round_rule : {"log-likelihood", "weighted", "unweighted", "trimmed"}
        The score that ends the alternation when it no longer improves. The weighted loss (the paper) has other weights
        in every round, and falls when they do, and the trimmed one falls when more is flagged; the other two compare
        like with like.
    rounds_max : int
        Maximum number of rounds after the first fit.
    em_start : {"robust", "responsibilities"}
        What EM starts from in each round: a robust scale of the residuals; or the responsibilities that the network was
        trained with, which are 1 in the first fit and then those of the round before (the authors' code).
    em_rows : float
        Share of the training samples that EM is run on, the first ones by index; all get responsibilities.

    Raises
    ------
    InvalidParameterError
        If a value cannot be used; the message names it.

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
"""The schedules by their names."""


def get_schedule(schedule: Schedule | str) -> Schedule:
    """Return a schedule as it is, or the one of a name with its defaults.

    Raises
    ------
    UnknownNameError
        If there is no schedule of that name.
    InvalidParameterError
        If it is neither a schedule nor a name.

    Examples
    --------
    >>> get_schedule("interleaved")
    Interleaved(widening=2.0, degrees_of_freedom=4.0)
    """
    if isinstance(schedule, Interleaved | Alternate):
        return schedule
    if not isinstance(schedule, str):
        raise InvalidParameterError("schedule", "`Interleaved(...)`, `Alternate(...)` or the name of one", schedule)
    return SCHEDULES[check_choice("schedule", schedule, SCHEDULES)]()


def change_schedule(schedule: Schedule, changes: Mapping[str, Any]) -> Schedule:
    """Return the schedule with some options changed; a `name` among the changes stands for that schedule's defaults.

    Raises
    ------
    InvalidParameterError
        About "schedule.OPTION", if the schedule has no such option, or for its value.

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
                raise _unknown(option, changed, changes[option])
        return replace(changed, **changes)
    except InvalidParameterError as error:
        raise error.within("schedule") from None


def _unknown(option: str, schedule: Schedule, value: object) -> InvalidParameterError:
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
