"""Where the cells of a CSV file stand in its text, so that single ones can be changed."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["Row", "cell_rows", "inner", "with_number"]

Row = tuple[int, int, list[tuple[int, int]]]
"""Where a row begins, where the next one begins, and where each of its cells begins and ends, quotes included."""


def cell_rows(text: str, delimiter: str) -> Iterator[Row]:
    r"""Yield the rows of a well-formed text that are not blank; quoted cells may hold delimiters and line breaks.

    Examples
    --------
    >>> text = 'a,"b\n""c"\r\n\r\n1,2'
    >>> [[text[a:b] for a, b in cells] for _, _, cells in cell_rows(text, ",")]
    [['a', '"b\n""c"'], ['1', '2']]
    """
    cell = re.compile(rf'"[^"]*(?:""[^"]*)*"|[^{re.escape(delimiter)}\r\n]*')
    end = re.compile(r"\r\n|\r|\n|\Z")
    place = 0
    while place < len(text):
        start, cells = place, []
        while True:
            match = cell.match(text, place)
            assert match is not None  # an empty cell is one too
            cells.append(match.span())
            place = match.end()
            if not text.startswith(delimiter, place):
                break
            place += len(delimiter)
        line_end = end.match(text, place)
        if line_end is None:
            raise ValueError(f"text behind a quoted cell at character {place}")
        place = line_end.end()
        if any(inner(text[a:b]).strip() for a, b in cells):
            yield start, place, cells


def inner(cell: str) -> str:
    """Return what a cell says, without its quotes.

    Examples
    --------
    >>> inner('"a ""b"" c"'), inner('a "b" c')
    ('a "b" c', 'a "b" c')
    """
    return cell[1:-1].replace('""', '"') if cell.startswith('"') else cell


def with_number(cell: str, number: str) -> str:
    """Return a cell that says a number, or nothing, with the quotes and the white space that it had.

    Examples
    --------
    >>> with_number('" 31 "', "7"), with_number("31", ""), with_number("", "7")
    ('" 7 "', '', '7')
    """
    quote = '"' if cell.startswith('"') else ""
    said = inner(cell)
    word = said.strip()
    before, _, after = said.partition(word) if word else ("", "", "")
    return f"{quote}{before}{number}{after}{quote}"
