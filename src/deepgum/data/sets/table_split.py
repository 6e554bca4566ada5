"""The parts of a user's table for training, validation and test, from a column of words or of folds."""

from __future__ import annotations

from deepgum.data.columns import Columns
from deepgum.errors import InvalidParameterError

__all__ = ["PART_NAMES", "check_sides", "parts_of"]

PART_NAMES = {
    "train": "train",
    "validation": "validation",
    "val": "validation",
    "valid": "validation",
    "test": "test",
    "training": "train",
    "dev": "validation",
    "testing": "test",
}
"""The words that a column of parts may contain, and the part of `deepgum.data.pool.PARTS` that each word means. Upper
and lower case have the same meaning."""


def parts_of(table: Columns, column: str, fold: int = 0) -> list[str]:
    """Return the part of each row. If the column has whole numbers, they are folds, and one fold is the test part.

    `fold` is the place of this fold, counted from 0, among the folds in ascending order.

    Raises
    ------
    InvalidDataError
        If a cell is neither a word of `PART_NAMES` nor, as all other cells, a whole number.
    InvalidParameterError
        If there are fewer than two folds, or no fold at this place.
    """
    words = [word.lower() for word in table.texts(column)]
    numbers = [_whole(word) for word in words]
    if all(number is not None for number in numbers):
        folds = sorted({number for number in numbers if number is not None})
        if len(folds) < 2:
            raise InvalidParameterError("part", "a column of at least two folds, or of words such as train", column)
        if fold >= len(folds):
            raise InvalidParameterError("fold", f"a whole number from 0 to {len(folds) - 1}", fold)
        return ["test" if number == folds[fold] else "train" for number in numbers]
    unknown = [row for row, word in enumerate(words) if word not in PART_NAMES]
    table.refuse(column, unknown, "one of " + ", ".join(PART_NAMES) + ", or in all rows the number of a fold")
    return [PART_NAMES[word] for word in words]


def check_sides(table: Columns, column: str, parts: list[str]) -> None:
    """Refuse a value of a column of clusters whose rows are in several parts."""
    side: dict[str, str] = {}
    pairs = zip(table.texts(column), parts, strict=True)
    divided = [row for row, (label, part) in enumerate(pairs) if side.setdefault(label, part) != part]
    table.refuse(column, divided, "a value whose samples are all in the same part")


def _whole(word: str) -> int | None:
    try:
        number = float(word)
    except ValueError:
        return None
    return int(number) if number.is_integer() else None
