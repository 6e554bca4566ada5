"""The patch of a data set: all decisions about its labels, in a form that people and `git diff` can read.

`patch_file` describes the file; see also docs/patch.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from deepgum.audit.corrections.outcomes import OUTCOMES, Outcome
from deepgum.checks import LARGEST, check_choice, is_storable
from deepgum.errors import InvalidDataError, InvalidParameterError

__all__ = ["FINAL_ACTIONS", "Change", "FinalAction", "Labels", "Patch", "check_change"]

Labels = tuple[float, ...]
"""The labels of one group in one sample; NaN for a missing label."""

FinalAction = Literal["keep", "fix", "drop"]
FINAL_ACTIONS: tuple[FinalAction, ...] = get_args(FinalAction)
"""The actions of a review without "skip", which leaves a label open."""


@dataclass(frozen=True)
class Change:
    """A decision about the labels of one group in one sample, with the labels before the decision.

    Parameters
    ----------
    id : str
        Id of the sample.
    group : str
        Name of the group.
    old : tuple of float
        The labels before the decision, in the unit of the data set; NaN for a missing label.
    new : tuple of float or None
        The correct labels; None unless the decision is "fix".
    decision : {"keep", "fix", "drop"}
        "keep": the labels are right. "fix": they are wrong, and `new` is right. "drop": they are wrong or useless.
    reason, who, at : str, optional
        Reason, reviewer, and time in ISO 8601.

    Raises
    ------
    UnknownNameError
        If `decision` is not one of the three decisions.
    InvalidParameterError
        If `new` does not fit the decision.

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
            if self.new is None or len(self.new) != len(self.old) or not all(map(is_storable, self.new)):
                expected = f"{len(self.old)} finite numbers up to {LARGEST:.2g}, as many as `old` has"
                raise InvalidParameterError("new", expected, self.new)
        elif self.new is not None:
            raise InvalidParameterError("new", f"null for the decision {self.decision!r}", self.new)

    @property
    def how(self) -> Outcome | None:
        """Where a new value comes from, "take" (the suggestion) or "fix" (by hand), if the reason begins with it.

        Examples
        --------
        >>> Change("b.jpg", "age", (310.0,), (31.0,), "fix", "Suggestion taken. Divided by 10 it fits.").how
        'take'
        """
        said: tuple[Outcome, Outcome] = ("take", "fix")
        return next((each for each in said if self.reason.lower().startswith(OUTCOMES[each])), None)


@dataclass(frozen=True)
class Patch:
    """All decisions about the labels of one data set.

    Parameters
    ----------
    dataset : str
        A key of `deepgum.data.sets.registry.DATASETS`, or the path of a plug-in.
    options : mapping
        The options of the data set that locate the labels.
    targets : tuple of str, length d
        Names of the labels.
    groups : mapping of str to tuple of int
        Mapping from the name of each group to the positions of its labels in `targets`.
    unit : str
        Unit of the labels: "px", "years".
    source : str
        Name of the folder or file whose labels were reviewed.
    changes : tuple of Change
        The decisions, in the order of the data set.

    Raises
    ------
    InvalidDataError
        If a change names an unknown group or has too many or too few labels, or if a label has two decisions.

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
                f"`groups` should hold places of the {len(self.targets)} targets, each place once. "
                f"Found {dict(self.groups)}."
            )
        seen: set[tuple[str, str]] = set()
        for change in self.changes:
            check_change(change, self.groups)
            if (change.id, change.group) in seen:
                raise InvalidDataError(
                    "A patch should have one decision per label. Found two for group "
                    f"{change.group!r} of {change.id!r}."
                )
            seen.add((change.id, change.group))

    def count(self, decision: str) -> int:
        """Return the number of changes with this decision."""
        return sum(change.decision == decision for change in self.changes)


def check_change(change: Change, groups: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse a change that does not fit the groups.

    Raises
    ------
    InvalidDataError
        If the group is unknown, or the change has another number of labels than the group.
    """
    if change.group not in groups:
        raise InvalidDataError(f"A group should be one of {', '.join(map(repr, groups))}. Found {change.group!r}.")
    size = len(groups[change.group])
    if len(change.old) != size:
        raise InvalidDataError(f"The group {change.group!r} has {size} labels. `old` has {len(change.old)}.")
