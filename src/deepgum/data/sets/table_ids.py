"""The ids of the rows of a user's table: cells of a column, or names of images with the places of repeated names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from deepgum.data.columns import Columns

__all__ = ["former_ids", "image_names", "row_ids"]


def image_names(table: Columns, column: str) -> list[str]:
    """Return the image file of each row, with a slash between folders, also in a table that was made on Windows."""
    return [name.replace("\\", "/") for name in table.texts(column)]


def row_ids(table: Columns, column: str | None, names: Sequence[str]) -> list[str]:
    """Return the id of each row of a table.

    If `column` is given, the ids are the cells of this column. If it is None, the ids are `names`; for a name that
    occurs twice or more in `names`, the id is the name and the place of the row.

    Raises
    ------
    InvalidDataError
        If a cell of the column is empty, or if two cells of the column are equal.
    """
    if column is None:
        counts = Counter(names)
        return [
            name if counts[name] == 1 else f"{name}:{place}" for name, place in zip(names, table.places, strict=True)
        ]
    ids = table.texts(column)
    first: dict[str, int] = {}
    repeated = [row for row, name in enumerate(ids) if first.setdefault(name, row) != row]
    table.refuse(column, repeated, "a name that no other row has")
    return ids


def former_ids(table: Columns, names: Sequence[str]) -> list[str]:
    """Return the ids of rows without a column of ids as version 0.1.0 made them: if any name occurred twice, all ids
    had a place.
    """
    if len(set(names)) == len(names):
        return list(names)
    return [f"{name}:{place}" for name, place in zip(names, table.places, strict=True)]
