"""Columns of a table by patterns and ranges, wherever a list of columns is taken; and the columns of row numbers.

- ``kp_*``: all columns that fit, where ``*`` stands for any text and ``?`` for one character;
- ``x1-y68``: the column x1, the column y68, and all columns between them in the order of the table;
- a name: this column, even if the name has a star or a minus sign;
- ``!note``, ``!kp_*``: columns that the patterns and ranges of the list leave out.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Sequence

from deepgum.errors import InvalidParameterError, listing

__all__ = ["find_columns", "find_range", "is_pattern", "is_row_number", "refuse_column"]

_ROW_NUMBER = re.compile(r"(Unnamed: \d+(_level_\d+)?|__index_level_\d+__)?")


def is_row_number(name: str) -> bool:
    """Return whether a column has the name of a frame's index, which a program wrote without being asked.

    pandas writes the index as a column without a name, and reads such a column as "Unnamed: 0".

    Examples
    --------
    >>> [name for name in ["", "Unnamed: 0", "__index_level_0__", "age"] if is_row_number(name)]
    ['', 'Unnamed: 0', '__index_level_0__']
    """
    return _ROW_NUMBER.fullmatch(name) is not None


def is_pattern(wanted: str, columns: Collection[str]) -> bool:
    """Return whether a text names several columns of a table, by a star, a question mark or a range.

    Examples
    --------
    >>> [is_pattern(wanted, ["0", "1", "2", "a-b"]) for wanted in ["0-2", "?", "a-b", "0"]]
    [True, True, False, False]
    """
    return wanted not in columns and ("*" in wanted or "?" in wanted or _ends(wanted, columns) is not None)


def find_range(wanted: str, columns: Sequence[str]) -> list[str] | None:
    """Return the columns of a range such as ``x1-y68``, or None if the text is not a range of these columns.

    Examples
    --------
    >>> find_range("x1-y2", ["file", "x1", "y1", "x2", "y2", "age"]), find_range("age", ["age"])
    (['x1', 'y1', 'x2', 'y2'], None)
    """
    ends = None if wanted in columns else _ends(wanted, columns)
    if ends is None:
        return None
    first, last = (columns.index(end) for end in ends)
    return list(columns[first : last + 1])


def find_columns(
    parameter: str, wanted: Sequence[str], columns: Sequence[str], *, exclude: Collection[str] = ()
) -> list[str]:
    """Return the columns that names, patterns and ranges mean, in the order in which they are given.

    Names stay as they are, also names that the table does not have: the reader of the table refuses these.

    Parameters
    ----------
    parameter : str
        Name of the parameter, for messages.
    wanted : sequence of str
        Names, patterns and ranges, and columns to leave out.
    columns : sequence of str
        The columns of the table, in the order of the table.
    exclude : collection of str
        Columns that patterns and ranges leave out, for example the ids. Columns of row numbers are always left out.

    Raises
    ------
    InvalidParameterError
        If a pattern fits no column, the end of a range is before its beginning, a column is meant twice, or all
        columns are left out.

    Examples
    --------
    >>> find_columns("targets", ["age", "kp_*"], ["file", "kp_x", "kp_y", "age"])
    ['age', 'kp_x', 'kp_y']
    >>> find_columns("targets", ["0-2"], ["file", "0", "1", "2"])
    ['0', '1', '2']
    >>> find_columns("features", ["*", "!note"], ["area", "rooms", "note"])
    ['area', 'rooms']
    """
    left_out = [each for each in wanted if each.startswith("!") and each not in columns]
    if left_out:
        without = find_columns(parameter, [each[1:].strip() for each in left_out], columns)
        unknown = [name for name in without if name not in columns]
        if unknown:
            raise refuse_column(parameter, unknown[0], columns)
        rest = [each for each in wanted if each not in left_out]
        named = [each for each in rest if each in without]
        if named or not rest:
            both = f"Both named and left out: {listing(named)}." if named else "Say which columns to take: '*' is all."
            raise InvalidParameterError(parameter, "columns to take, and columns to leave out", tuple(wanted), both)
        return find_columns(parameter, rest, columns, exclude={*exclude, *without})
    found: list[str] = []
    for each in wanted:
        if not is_pattern(each, columns):
            if each not in columns:
                _refuse_ends(parameter, each, columns)
            found.append(each)
            continue
        between = find_range(each, columns)
        fitting = [name for name in columns if _fits(name, each)] if between is None else between
        kept = [name for name in fitting if name not in exclude and not is_row_number(name)]
        if not kept:
            backwards = between is not None and not fitting
            hint = "The first column of the range is behind the last one. " if backwards else ""
            raise refuse_column(parameter, each, columns, hint)
        found += kept
    twice = list(dict.fromkeys(name for name in found if found.count(name) > 1)) if len(set(found)) < len(found) else []
    if twice:
        raise InvalidParameterError(parameter, "columns, each once", tuple(wanted), f"Named twice: {listing(twice)}.")
    return found


def refuse_column(
    parameter: str, wanted: str, columns: Sequence[str], hint: str = "", like: str = ""
) -> InvalidParameterError:
    """Return the error for a name or pattern that fits no column. It names the column most similar to `like`, by
    default to `wanted`.
    """
    nearest = difflib.get_close_matches((like or wanted).replace("*", ""), [name for name in columns if name], n=1)
    meant = f"Did you mean {nearest[0]!r}? " if nearest else ""
    remedy = f"{hint}{meant}The table has {listing(columns, most=20)}."
    return InvalidParameterError(parameter, "columns of the table", wanted, remedy)


def _fits(name: str, pattern: str) -> bool:
    # Brackets belong to names of columns: x[1].
    expression = "".join({"*": ".*", "?": "."}.get(sign, re.escape(sign)) for sign in pattern)
    return re.fullmatch(expression, name, re.DOTALL) is not None


def _ends(wanted: str, columns: Collection[str]) -> tuple[str, str] | None:
    """Return the two columns of a range, or None if no minus sign divides the text into two columns."""
    for place, sign in enumerate(wanted):
        first, last = wanted[:place].strip(), wanted[place + 1 :].strip()
        if sign == "-" and first in columns and last in columns:
            return first, last
    return None


def _refuse_ends(parameter: str, wanted: str, columns: Sequence[str]) -> None:
    """Raise an error if a text looks like a range of which one end is a column of the table."""
    for place, sign in enumerate(wanted):
        first, last = wanted[:place].strip(), wanted[place + 1 :].strip()
        if sign == "-" and first and last and ((first in columns) != (last in columns)):
            missing = last if first in columns else first
            raise refuse_column(
                parameter, wanted, columns, f"The range ends at {missing!r}, which is no column. ", missing
            )
