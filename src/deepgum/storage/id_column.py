"""Columns of ids in tables: whole numbers stay whole numbers, so that the table can be joined with the user's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["are_whole", "id_array", "id_texts"]

_LARGEST = 2**63 - 1


def are_whole(ids: Iterable[object], *, from_text: bool = False) -> bool:
    """Return whether all ids are whole numbers that a column of int64 can hold.

    With `from_text`, the ids are cells of a text file, which are whole numbers if they are written as such: "7", but
    not "007".

    Examples
    --------
    >>> are_whole([7, 12]), are_whole(["7", "12"]), are_whole(["7", "12"], from_text=True)
    (True, False, True)
    >>> are_whole(["007"], from_text=True)
    False
    """
    return all(_is_whole(each, from_text) for each in ids)


def _is_whole(value: object, from_text: bool) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, Integral):
        return -_LARGEST <= int(value) <= _LARGEST
    if not from_text or not isinstance(value, str):
        return False
    digits = value.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) < 19 and str(int(value)) == value


def id_array(ids: Sequence[str] | NDArray[Any], whole: bool) -> pa.Array:
    """Return ids as a column of int64 if they are whole numbers, else as a column of text."""
    return pa.array(list(map(int, ids)), pa.int64()) if whole else pa.array(ids, pa.string())


def id_texts(column: Any) -> list[Any]:
    """Return the ids of a column as texts. Other values than whole numbers stay as they are."""
    return [str(each) if isinstance(each, int) and not isinstance(each, bool) else each for each in column.to_pylist()]
