"""A reviewer's decisions about labels, and the labels after these decisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from deepgum.audit.labels import Place, ScoredLabels, Values
from deepgum.checks import LARGEST, check_choice, is_storable
from deepgum.errors import InvalidDataError, InvalidParameterError

__all__ = ["ACTIONS", "Action", "Decision", "corrected_labels", "decisions_by_place"]

Action = Literal["keep", "fix", "drop", "skip"]

ACTIONS: tuple[Action, ...] = get_args(Action)
"""Keep the label, replace it, drop it, or leave it open."""


@dataclass(frozen=True)
class Decision:
    """A decision about the labels of one group in one sample.

    Parameters
    ----------
    sample : str
        Id of the sample.
    group : str
        Name of the group of labels.
    action : {"keep", "fix", "drop", "skip"}
    new : tuple of float, optional
        The correct labels of the group, in the unit of the data set; only for the action "fix".
    reason : str, optional
        The reason, in the words of the reviewer or of the audit.
    who : str, optional
        Name of the reviewer.
    at : str, optional
        Time of the decision, in ISO 8601.

    Raises
    ------
    UnknownNameError
        If `action` is not one of the four actions.
    InvalidParameterError
        If `new` does not fit the action.

    Examples
    --------
    >>> Decision("b.jpg", "nose", "fix", (30.5, 41.0), reason="clicked").new
    (30.5, 41.0)
    >>> Decision("b.jpg", "nose", "fix")
    Traceback (most recent call last):
        ...
    deepgum.errors.InvalidParameterError: Parameter `new` should be finite numbers up to 3.4e+38, one per label of
    the group, for the action 'fix'. Found `new = None`.
    """

    sample: str
    group: str
    action: Action
    new: tuple[float, ...] | None = None
    reason: str = ""
    who: str = ""
    at: str = ""

    def __post_init__(self) -> None:
        check_choice("action", self.action, ACTIONS)
        if self.action != "fix":
            if self.new is not None:
                raise InvalidParameterError("new", f"None for the action {self.action!r}", self.new)
            return
        try:
            values = () if self.new is None else tuple(map(float, self.new))
        except (TypeError, ValueError, OverflowError):
            values = ()
        if not values or not all(map(is_storable, values)):
            expected = f"finite numbers up to {LARGEST:.2g}, one per label of the group, for the action 'fix'"
            raise InvalidParameterError("new", expected, self.new)
        object.__setattr__(self, "new", values)  # lists and NumPy numbers are accepted too


def decisions_by_place(labels: ScoredLabels, decisions: Iterable[Decision]) -> dict[Place, Decision]:
    """Return a mapping from (row, group) to the last decision about the labels of this group in this row.

    The entries are in the order of the labels. If the last decision is "skip", there is no entry.

    Raises
    ------
    InvalidDataError
        If a sample or a group is not in the audit, or a decision has another number of new labels than its group.
    """
    rows = {name: row for row, name in enumerate(labels.ids)}
    groups = {name: place for place, name in enumerate(labels.group_names)}
    last: dict[Place, Decision] = {}
    for decision in decisions:
        if decision.sample not in rows or decision.group not in groups:
            raise InvalidDataError(
                f"A decision should be about a sample and a group of the audit. Found {decision.sample!r}, "
                f"{decision.group!r}. The audit has {len(rows)} samples and the groups {', '.join(map(repr, groups))}."
            )
        place = rows[decision.sample], groups[decision.group]
        size = len(labels.partition[place[1]])
        if decision.new is not None and len(decision.new) != size:
            raise InvalidDataError(
                f"The group {decision.group!r} has {size} labels. Found {len(decision.new)} new labels for "
                f"{decision.sample!r}."
            )
        last[place] = decision
    return {place: last[place] for place in sorted(last) if last[place].action != "skip"}


def corrected_labels(labels: ScoredLabels, decisions: Mapping[Place, Decision]) -> Values:
    """Return the labels (n, d) after the decisions. A dropped label is NaN. A label without a decision is unchanged.

    Parameters
    ----------
    labels : ScoredLabels
    decisions : mapping of (row, group) to Decision
        See `decisions_by_place`.
    """
    values = labels.given.copy()
    for (row, group), decision in decisions.items():
        if decision.action == "drop":
            values[row, list(labels.partition[group])] = np.nan
        elif decision.new is not None:
            values[row, list(labels.partition[group])] = decision.new
    return values
