"""What a person decided about a label: the form in which decisions travel from a review to files."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from deepgum.checks import check_choice
from deepgum.errors import InvalidParameterError

__all__ = ["ACTIONS", "Action", "Decision"]

Action = Literal["keep", "fix", "drop", "skip"]

ACTIONS: tuple[Action, ...] = get_args(Action)
"""Keep the label as it is, put another in its place, use it no more, or leave the question open."""


@dataclass(frozen=True)
class Decision:
    """What is to become of the labels of one group in one sample.

    Parameters
    ----------
    sample : str
        Id of the sample.
    group : str
        Name of the group of labels.
    action : {"keep", "fix", "drop", "skip"}
    new : tuple of float, optional
        The labels of the group as they should be, in their own unit; with "fix", and only then.
    reason : str, optional
        Why, in the reviewer's words or the audit's.
    who : str, optional
        Who decided.
    at : str, optional
        When, as ISO 8601 writes it.

    Raises
    ------
    UnknownNameError
        If the action is none of the four.
    InvalidParameterError
        If `new` is not what the action needs.

    Examples
    --------
    >>> Decision("b.jpg", "nose", "fix", (30.5, 41.0), reason="clicked").new
    (30.5, 41.0)
    >>> Decision("b.jpg", "nose", "fix")
    Traceback (most recent call last):
        ...
    deepgum.errors.InvalidParameterError: Parameter `new` should be finite numbers, one a label of the group, where a
    label is fixed. Found `new = None`.
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
                raise InvalidParameterError("new", f"None where the action is {self.action!r}", self.new)
            return
        try:
            values = () if self.new is None else tuple(map(float, self.new))
        except (TypeError, ValueError):
            values = ()
        if not values or not all(map(math.isfinite, values)):
            raise InvalidParameterError(
                "new", "finite numbers, one a label of the group, where a label is fixed", self.new
            )
        object.__setattr__(self, "new", values)  # NumPy's numbers, and lists, are taken too
