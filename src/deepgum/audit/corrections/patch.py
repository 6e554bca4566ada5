"""The patch of a data set: what was decided about its labels, in a file that is read by people and by `git diff`.

A line of JSON says what the patch is of; then comes a line a decision, in the order of the data set. See docs/patch.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from deepgum.checks import check_choice
from deepgum.errors import InvalidDataError, InvalidParameterError

__all__ = ["FINAL_ACTIONS", "Change", "FinalAction", "Labels", "Patch", "check_change"]

Labels = tuple[float, ...]
"""Of one group in one sample; NaN where one is missing."""

FinalAction = Literal["keep", "fix", "drop"]
FINAL_ACTIONS: tuple[FinalAction, ...] = get_args(FinalAction)
"""The actions of a review without "skip", which leaves a label open."""


@dataclass(frozen=True)
class Change:
    """What was decided about the labels of one group in one sample.

    Parameters
    ----------
    id : str
        Of the sample.
    group : str
    old : tuple of float
        The labels that were looked at, in the unit of the file; NaN where one is missing.
    new : tuple of float or None
        What they are to be; with "fix", and only then.
    decision : {"keep", "fix", "drop"}
        Right as it is; wrong, and known what is right; wrong, or of no use.
    reason, who, at : str, optional
        Why, by whom, and when (ISO 8601).

    Raises
    ------
    UnknownNameError
        If the decision is none of the three.
    InvalidParameterError
        If `new` is not what the decision needs.

    Examples
    --------
    >>> Change("b.jpg", "nose", (30.0, 41.0), (34.5, 41.0), "fix", reason="clicked").new
    (34.5, 41.0)
    """

    id: str
    group: str
    old: Labels
    new: Labels | None
    decision: FinalAction
    reason: str = ""
    who: str = ""
    at: str = ""

    def __post_init__(self) -> None:
        check_choice("decision", self.decision, FINAL_ACTIONS)
        if self.decision == "fix":
            if self.new is None or len(self.new) != len(self.old) or not all(map(math.isfinite, self.new)):
                raise InvalidParameterError("new", f"{len(self.old)} finite numbers, as many as `old` has", self.new)
        elif self.new is not None:
            raise InvalidParameterError("new", f"null where the decision is {self.decision!r}", self.new)


@dataclass(frozen=True)
class Patch:
    """All decisions about one data set.

    Parameters
    ----------
    dataset : str
        A key of `deepgum.data.sets.registry.DATASETS`, or the path of a plug-in.
    options : mapping
        Those of its options that say where the labels are.
    targets : tuple of str, length d
    groups : mapping of str to tuple of int
        The labels of each group.
    unit : str
        What labels are in, for people.
    source : str
        Name of the folder or file that was looked at, for people.
    changes : tuple of Change
        In the order of the data set.

    Raises
    ------
    InvalidDataError
        If a change is of no group, has not one label for each of its group, or comes twice.

    Examples
    --------
    >>> change = Change("b.jpg", "nose", (30.0, 41.0), None, "drop")
    >>> patch = Patch("lfw-net", {}, ("nose_x", "nose_y"), {"nose": (0, 1)}, changes=(change,))
    >>> patch.count("drop"), patch.count("fix")
    (1, 0)
    """

    dataset: str
    options: Mapping[str, Any]
    targets: tuple[str, ...]
    groups: Mapping[str, tuple[int, ...]]
    unit: str = ""
    source: str = ""
    changes: tuple[Change, ...] = ()

    def __post_init__(self) -> None:
        places = [place for group in self.groups.values() for place in group]
        if len(set(places)) < len(places) or not set(places) <= set(range(len(self.targets))):
            raise InvalidDataError(
                f"`groups` should hold places of the {len(self.targets)} targets, each once. Found {dict(self.groups)}."
            )
        seen: set[tuple[str, str]] = set()
        for change in self.changes:
            check_change(change, self.groups)
            if (change.id, change.group) in seen:
                raise InvalidDataError(
                    f"A patch should have one decision a label. Found two for group {change.group!r} of {change.id!r}."
                )
            seen.add((change.id, change.group))

    def count(self, decision: str) -> int:
        """Return how many labels have this decision."""
        return sum(change.decision == decision for change in self.changes)


def check_change(change: Change, groups: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse a change that does not fit the groups.

    Raises
    ------
    InvalidDataError
        With what the group has.
    """
    if change.group not in groups:
        raise InvalidDataError(f"A group should be one of {', '.join(map(repr, groups))}. Found {change.group!r}.")
    size = len(groups[change.group])
    if len(change.old) != size:
        raise InvalidDataError(f"The group {change.group!r} has {size} labels. Found {len(change.old)} in `old`.")
