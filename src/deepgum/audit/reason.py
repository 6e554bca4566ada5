"""The kinds of error that a flag can have: each with a name for files and words for people."""

from __future__ import annotations

from enum import Enum

__all__ = ["Reason"]


class Reason(Enum):
    """What seems wrong with a flagged label; the value is what `error_kind` says in files.

    Examples
    --------
    >>> Reason("swapped").words
    'left and right are exchanged'
    """

    COPY = "copy"
    FOREIGN = "foreign"
    SWAPPED = "swapped"
    UNIT = "unit"
    OUTSIDE = "outside"
    SHIFTED = "shifted"
    HARD = "hard"
    OFF = "off"

    @property
    def words(self) -> str:
        """A few words for people, to stand in a list of reasons."""
        return _WORDS[self]


_WORDS = {
    Reason.COPY: "the same sample has another label elsewhere",
    Reason.FOREIGN: "all labels seem to be of another sample",
    Reason.SWAPPED: "left and right are exchanged",
    Reason.UNIT: "wrong unit, sign or scale",
    Reason.OUTSIDE: "outside the image",
    Reason.SHIFTED: "the landmark is in the wrong place",
    Reason.HARD: "hard to predict: the label may well be right",
    Reason.OFF: "far from what is predicted",
}
