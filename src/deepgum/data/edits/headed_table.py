"""Tables with several header lines, as pandas writes them in CSV: each column has a name on every line."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepgum.checks import is_storable
from deepgum.data.edits.cells import Row, cell_rows, inner, with_number
from deepgum.data.edits.texts import NumberStyle, Text, edited
from deepgum.errors import InvalidDataError

__all__ = ["HeadedCsv", "HeadedTable", "first_cells", "read_headed_csv"]

Values = NDArray[np.float64]
_DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True, eq=False)
class HeadedTable(ABC):
    """A table of n rows and c columns of numbers, with l names for each column.

    Attributes
    ----------
    path : Path
        The file.
    levels : tuple of str, length l
        Names of the header lines, for example ``("scorer", "bodyparts", "coords")``.
    columns : tuple of tuples of str, length c
        The l names of each column.
    index : tuple of tuples of str, length n
        The cells at the start of each row that name the row.
    values : array (n, c)
        The numbers; NaN where a cell is empty.
    """

    path: Path
    levels: tuple[str, ...]
    columns: tuple[tuple[str, ...], ...]
    index: tuple[tuple[str, ...], ...]
    values: Values

    def level(self, name: str) -> list[str]:
        """Return the name of each column on one header line.

        Raises
        ------
        ValueError
            If there is no such header line.
        """
        place = self.levels.index(name)
        return [column[place] for column in self.columns]

    @abstractmethod
    def write(self, cells: Mapping[tuple[int, int], float], out: Path) -> None:
        """Write a copy of the file with new numbers in some cells: (row, column) -> number. NaN empties a cell."""


def first_cells(path: Path, lines: int) -> list[str]:
    r"""Return the first cells of the first lines of a text file, without quotes; none if the file cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "t.csv"
    ...     _ = path.write_text("scorer,me\nbodyparts,nose\n")
    ...     first_cells(path, 4)
    ['scorer', 'bodyparts']
    """
    try:
        with open(path, "rb") as file:
            begin = file.read(1 << 16).decode("utf-8-sig", "replace").splitlines()[:lines]
    except OSError:
        return []
    first = (min((line.split(delimiter)[0] for delimiter in _DELIMITERS), key=len) for line in begin)
    return [cell.strip().strip('"') for cell in first]


@dataclass(frozen=True, eq=False)
class HeadedCsv(HeadedTable):
    """A CSV file with several header lines."""

    text: Text
    rows: Sequence[Row]
    width: int
    """Number of cells at the start of each line that name the row."""

    def write(self, cells: Mapping[tuple[int, int], float], out: Path) -> None:
        """Write the text with new numbers in some cells. All other bytes stay."""
        content = self.text.content
        styles = {column: self._style(column) for column in {column for _, column in cells}}
        edits = []
        for (row, column), value in cells.items():
            a, b = self.rows[row][2][self.width + column]
            number = "" if math.isnan(value) else styles[column].text(value)
            edits.append((a, b, with_number(content[a:b], number)))
        Text(edited(content, edits), self.text.mark).write(out)

    def _style(self, column: int) -> NumberStyle:
        spans = [cells[self.width + column] for _, _, cells in self.rows]
        return NumberStyle.of(inner(self.text.content[a:b]).strip() for a, b in spans)


def read_headed_csv(path: Path, levels: Collection[str], last: str) -> HeadedCsv:
    r"""Read a CSV file with several header lines.

    Parameters
    ----------
    path : Path
    levels : collection of str
        Names that a header line may start with.
    last : str
        Name of the last header line.

    Raises
    ------
    InvalidDataError
        If the file has other header lines, a row has too many or too few cells, or a cell is not a number. The message
        names the line.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "t.csv"
    ...     _ = path.write_text("bodyparts,nose,nose\ncoords,x,y\na.png,1.5,\n")
    ...     table = read_headed_csv(path, ["bodyparts", "coords"], "coords")
    >>> table.columns, table.index, table.values
    ((('nose', 'x'), ('nose', 'y')), (('a.png',),), array([[1.5, nan]]))
    """
    text = Text.read(path)
    content = text.content
    first_line = content[: content.find("\n") + 1 or len(content)]
    delimiter = max(_DELIMITERS, key=first_line.count)
    try:
        rows = list(cell_rows(content, delimiter))
    except ValueError as error:
        raise InvalidDataError(f"'{path}' should be a CSV file. Found {error}.") from error
    texts = [[inner(content[a:b]).strip() for a, b in cells] for _, _, cells in rows]
    names = [cells[0] for cells in texts]
    if last not in names[: len(levels)]:
        raise InvalidDataError(
            f"'{path}' should start with header lines named {', '.join(levels)}. Found {names[: len(levels)]}."
        )
    depth = names.index(last) + 1
    header = texts[:depth]
    if not set(names[:depth]) <= set(levels) or len(set(names[:depth])) < depth:
        raise InvalidDataError(
            f"'{path}' should have header lines named {', '.join(levels)}, each once. Found {names[:depth]}."
        )
    width = 1 + next((place for place, cell in enumerate(header[-1][1:]) if cell), 0)
    count = len(header[-1])
    lines = _line_numbers(content, [start for start, _, _ in rows])
    for line, cells in zip(lines, texts, strict=True):
        if len(cells) != count:
            raise InvalidDataError(f"'{path}', line {line}: a line should have {count} cells. Found {len(cells)}.")
    body = texts[depth:]
    values = np.full((len(body), count - width), np.nan)
    for row, cells in enumerate(body):
        for column, cell in enumerate(cells[width:]):
            values[row, column] = _number(cell, path, lines[depth + row], width + column + 1)
    return HeadedCsv(
        path,
        tuple(names[:depth]),
        tuple(zip(*(line[width:] for line in header), strict=True)),
        tuple(tuple(cells[:width]) for cells in body),
        values,
        text,
        rows[depth:],
        width,
    )


def _line_numbers(content: str, starts: Sequence[int]) -> list[int]:
    """Return the number of the line that starts at each of these characters; the first line has the number 1."""
    numbers, line, before = [], 1, 0
    for start in starts:
        line += content.count("\n", before, start)
        before = start
        numbers.append(line)
    return numbers


def _number(cell: str, path: Path, line: int, column: int) -> float:
    if cell.lower() in ("", "nan", "na"):
        return math.nan
    try:
        value = float(cell) if cell.isascii() and "_" not in cell else math.inf
    except ValueError:
        value = math.inf
    if not is_storable(value):
        raise InvalidDataError(
            f"'{path}', line {line}, cell {column}: a cell should be a number, or empty where the label is missing. "
            f"Found {cell[:40]!r}."
        )
    return value
