"""Tables as text: lines before the header, the delimiter, and the records with the numbers of their lines."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from deepgum.data.file_kinds import open_bytes
from deepgum.errors import InvalidDataError

__all__ = ["BLANKS", "TextLayout", "is_comment", "text_layout", "text_lines", "text_records"]

BLANKS = " "
"""The delimiter of a table whose cells are separated by one or more blanks."""

_DELIMITERS = (",", ";", "\t", "|")
_SEP = re.compile(r"\ufeff?\"?sep=(.)\"?\s*", re.IGNORECASE)
_MOST_BEFORE = 1000
"""Maximum number of lines that are looked at to find the header."""


@dataclass(frozen=True)
class TextLayout:
    """Where a table begins in its text, and the character between its cells.

    Attributes
    ----------
    before : int
        Number of lines before the header: comments, which begin with ``#``, and the line ``sep=;`` that Excel reads.
    delimiter : str
    """

    before: int
    delimiter: str


def text_layout(lines: Iterable[str]) -> TextLayout:
    r"""Return the layout of a table.

    The delimiter is the character that splits the header into the most cells: comma, semicolon, tab or ``|``. If none
    of them occurs, and the header and the next row have the same number of words, it is the blank.

    Examples
    --------
    >>> text_layout(["file;age, in years;sex"])
    TextLayout(before=0, delimiter=';')
    >>> text_layout(["# made on Monday\n", "id age\n", "a 31\n"])
    TextLayout(before=1, delimiter=' ')
    >>> text_layout(["sep=|\n", "id|age, in years\n"])
    TextLayout(before=1, delimiter='|')
    """
    head = list(islice(lines, _MOST_BEFORE))
    before, given = 0, ""
    while before < len(head):
        line = head[before]
        match = _SEP.fullmatch(line)
        if match:
            given = match[1]
        elif line.strip() and not (is_comment(line) and not _is_header(head[before:])):
            break
        before += 1
    else:
        before = 0
    rest = head[before:]
    if given:
        return TextLayout(before, given)
    counts = {delimiter: _cells(rest, delimiter) for delimiter in _DELIMITERS}
    best = max(counts, key=lambda each: counts[each])
    words = [line.split() for line in rest if line.strip()][:2]
    if counts[best] < 2 and len(words) == 2 and len(words[0]) == len(words[1]) > 1 and '"' not in rest[0]:
        return TextLayout(before, BLANKS)
    return TextLayout(before, best)


def is_comment(line: str) -> bool:
    """Return whether a line is a comment, if it is no header and no row of the table."""
    return line.lstrip("\ufeff").startswith("#")


def _is_header(lines: Sequence[str]) -> bool:
    """Return whether a line that begins with # is the header: the next line has as many cells, and a number."""
    following = next((line for line in lines[1:] if line.strip() and not is_comment(line)), "")
    for delimiter in _DELIMITERS:
        cells = following.strip().split(delimiter)
        if len(cells) > 1 and len(cells) == len(lines[0].split(delimiter)):
            return not lines[0].startswith("# ") and any(_is_number(cell) for cell in cells)
    return False


def _is_number(cell: str) -> bool:
    with suppress(ValueError):
        float(cell.strip('" '))
        return True
    return False


def _cells(lines: Sequence[str], delimiter: str) -> int:
    try:
        return len(next(filter(any, csv.reader(lines, delimiter=delimiter)), []))
    except csv.Error:  # a line too long for the reader
        return 0


def text_lines(path: Path) -> Generator[str, None, None]:
    """Yield the lines of a UTF-8 file one at a time, including the line breaks. The file may be compressed."""
    try:
        with open_bytes(path) as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as file:
            yield from file
    except UnicodeDecodeError as error:
        raise InvalidDataError(
            f"'{path}', line {_line_not_utf8(path)}: a table should be text in UTF-8. Found: {error.reason}. Save the "
            "table in that encoding."
        ) from error


def _line_not_utf8(path: Path) -> int:
    """Return the number of the first line that is not text in UTF-8."""
    number = 1
    with open_bytes(path) as file, suppress(UnicodeDecodeError):
        for line in file:
            line.decode()
            number += 1
    return number


def text_records(path: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Return the pair (names of the columns, iterator over the records below the header).

    A record is the pair (number of its first line, cells). Blank rows and comments are left out. A row may have several
    lines, because a cell in quotes may hold line breaks.
    """
    with closing(text_lines(path)) as lines:
        layout = text_layout(lines)
    records = _records(path, layout)
    _, header = next(records, (1, []))
    return [name.strip() for name in header], (
        (line, row) for line, row in records if len(row) == len(header) or not is_comment(row[0])
    )


def _records(path: Path, layout: TextLayout) -> Iterator[tuple[int, list[str]]]:
    lines: Iterator[str] = islice(text_lines(path), layout.before, None)
    if layout.delimiter == BLANKS:
        lines = (f"{line.strip()}\n" for line in lines)
    reader = csv.reader(lines, delimiter=layout.delimiter, strict=True, skipinitialspace=layout.delimiter == BLANKS)
    line = layout.before + 1
    try:
        for row in reader:
            if any(map(str.strip, row)):
                yield line, row
            line = layout.before + reader.line_num + 1
    except csv.Error as error:
        raise InvalidDataError(
            f"'{path}', line {line}: a row should consist of cells separated by {layout.delimiter!r}. Found: {error}."
        ) from error
