"""Named columns of a table in a file. For error messages, the place of each row in the file is also read."""

from __future__ import annotations

import difflib
import math
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgum.data.arrow_tables import arrow_batches, arrow_names
from deepgum.data.cell_format import CellFormat
from deepgum.data.file_kinds import kind_of
from deepgum.data.text_tables import text_records
from deepgum.errors import InvalidDataError, InvalidParameterError, listing
from deepgum.storage.id_column import are_whole

__all__ = ["PARQUET", "Columns", "column_batches", "column_names", "read_columns"]

_FIRST = "Unnamed: 0"
"""The name that pandas gives to a first column without a name, such as the index of a frame."""
PARQUET = (".parquet", ".pq")
"""Suffixes of Parquet files."""


@dataclass(frozen=True, eq=False)
class Columns:
    """Cells of a table, column by column.

    Attributes
    ----------
    path : Path
        The file that the cells were read from.
    cells : mapping of str to list, length n
        The cells of each column, by the name of the column. Cells of a CSV file are strings. Cells of a Parquet file
        are values of any type; a missing value is None.
    places : tuple of str, length n
        Place of each row in the file. The first row is ``"line 2"`` in a CSV file, where the header is line 1, and
        ``"row 1"`` in a Parquet file.
    form : CellFormat
        How cells are read as numbers.
    is_text : bool
        Whether the file is text, in which a whole number has no type.
    """

    path: Path
    cells: Mapping[str, list[Any]]
    places: tuple[str, ...]
    form: CellFormat = field(default_factory=CellFormat)
    is_text: bool = True

    def __len__(self) -> int:
        return len(self.places)

    def numbers(self, name: str, *, missing: bool) -> NDArray[np.float64]:
        """Return a column as an array of numbers (n,).

        `missing` is whether numbers may be missing. If true, a cell that is empty, null or a word for a missing value
        (see `CellFormat`) becomes NaN. Numbers that mark a missing label stay: see `MissingMarks.removed`.

        Raises
        ------
        InvalidDataError
            If a cell is not a number that float32 can hold. Also if a cell is missing and `missing` is false.
        """
        at_once = self.form.numbers(self.cells[name])
        if at_once is not None and (missing or not np.isnan(at_once).any()):
            return at_once
        values = [self.form.number(cell) for cell in self.cells[name]]
        wrong = [row for row, value in enumerate(values) if value is None or (math.isnan(value) and not missing)]
        hint = self.form.hint(self.cells[name][wrong[0]]) if wrong else ""
        self.refuse(name, wrong, "a number" + (", or empty where the label is missing" if missing else ""), hint)
        return np.array(values, dtype=np.float64)

    def texts(self, name: str) -> list[str]:
        """Return the cells of a column as strings, without white space at the start and the end.

        Raises
        ------
        InvalidDataError
            If a cell is empty.
        """
        values = ["" if cell is None else str(cell).strip() for cell in self.cells[name]]
        self.refuse(name, [row for row, value in enumerate(values) if not value], "some text")
        return values

    def has_whole_numbers(self, name: str) -> bool:
        """Return whether all cells of a column are whole numbers; in a text file, whether they are written as such."""
        return are_whole(self.cells[name], from_text=self.is_text)

    def refuse(self, name: str, rows: Sequence[int], expected: str, hint: str = "") -> None:
        """Raise an `InvalidDataError` that names the wrong cells of a column. If `rows` is empty, do nothing.

        `rows` are the rows of the wrong cells in column `name`, and `expected` says what a cell should be. The message
        gives the file, the line and the column of the first wrong cell, the places of the other wrong cells, and the
        `hint`.
        """
        if rows:
            cell = self.cells[name][rows[0]]
            others = listing([self.places[row] for row in rows[1:]])
            raise InvalidDataError(
                f"'{self.path}', {self.places[rows[0]]}, column {name!r}: a cell should be {expected}. "
                f"Found {'' if cell is None else cell!r}."
                + (f" Other such cells: {others}." if others else "")
                + (f" {hint}" if hint else "")
            )


def read_columns(path: Path, names: Collection[str], form: CellFormat | None = None) -> Columns:
    r"""Read columns of a table.

    The content decides whether a file is Parquet, Feather, Arrow, JSON with one flat object per row, or text; see
    `deepgum.data.file_kinds`. Text is in UTF-8, with or without a byte order mark, and may be compressed (gz, bz2, xz,
    zst). The first line, below comments (``#``) and a line ``sep=;``, has the names of the columns. The delimiter is
    the character that splits this line into the most cells; see `deepgum.data.text_tables`. Cells may be in quotes.
    Blank rows are skipped.

    Parameters
    ----------
    path : Path
        The file.
    names : collection of str
        Names of the columns to read. White space around a name in the file is ignored.
    form : CellFormat, optional
        How cells are read as numbers; by default with a decimal point, and the usual words for missing values.

    Raises
    ------
    InvalidParameterError
        If there is no such file.
    InvalidDataError
        If the file cannot be read, has no row, or has a row with too many or too few cells. Also if a name does not
        belong to exactly one column. If a column is missing, the message lists the columns of the file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "ages.csv"
    ...     _ = path.write_text("file;age\na.jpg;31\nb.jpg;\n")
    ...     table = read_columns(path, ["age"])
    >>> table.numbers("age", missing=True), table.places
    (array([31., nan]), ('line 2', 'line 3'))
    """
    parts = list(column_batches(path, names, sys.maxsize, form))
    cells = {name: list(chain.from_iterable(part.cells[name] for part in parts)) for name in parts[0].cells}
    return replace(parts[0], cells=cells, places=tuple(chain.from_iterable(part.places for part in parts)))


def column_batches(path: Path, names: Collection[str], rows: int, form: CellFormat | None = None) -> Iterator[Columns]:
    r"""Yield the columns that `read_columns` reads, in parts of `rows` rows. Only one part at a time is in memory.

    Parameters
    ----------
    path, names, form
        See `read_columns`.
    rows : int
        Number of rows in each part; the last part may have fewer.

    Raises
    ------
    InvalidParameterError, InvalidDataError
        See `read_columns`. An error in a row is raised when the part with this row is read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "ages.csv"
    ...     _ = path.write_text("file;age\na.jpg;31\nb.jpg;\nc.jpg;7\n")
    ...     [(part.cells, part.places) for part in column_batches(path, ["age"], 2)]
    [({'age': ['31', '']}, ('line 2', 'line 3')), ({'age': ['7']}, ('line 4',))]
    """
    _check_file(path)
    kind, form = kind_of(path), CellFormat() if form is None else form
    parts = _text_parts(path, names, rows, form) if kind == "text" else _arrow_parts(path, kind, names, rows, form)
    has_rows = False
    for part in parts:
        if len(part):
            has_rows = True
            yield part
    if not has_rows:
        raise InvalidDataError(f"'{path}' should have at least one row. Found none.")


def column_names(path: Path) -> list[str]:
    """Return the column names of a table.

    Raises
    ------
    InvalidParameterError, InvalidDataError
        If there is no such file, or if the file cannot be read.
    """
    _check_file(path)
    kind = kind_of(path)
    return text_records(path)[0] if kind == "text" else arrow_names(path, kind)


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise InvalidParameterError("path", "a CSV or Parquet file", str(path))


def _text_parts(path: Path, names: Collection[str], rows: int, form: CellFormat) -> Iterator[Columns]:
    header, records = text_records(path)
    found = _header_positions(path, header, names)
    while part := list(islice(records, rows)):
        for line, row in part:
            if len(row) != len(header):
                raise InvalidDataError(
                    f"'{path}', line {line}: a row should have {len(header)} cells, like the header. Found {len(row)}."
                )
        cells = {name: [row[place] for _, row in part] for name, place in found.items()}
        yield Columns(path, cells, tuple(f"line {line}" for line, _ in part), form)


def _arrow_parts(path: Path, kind: str, names: Collection[str], rows: int, form: CellFormat) -> Iterator[Columns]:
    done = 0
    for batch in arrow_batches(path, kind, rows, lambda header: list(_header_positions(path, header, names))):
        places = tuple(f"row {row}" for row in range(done + 1, done + 1 + batch.num_rows))
        cells = {name: _values(path, name, batch.column(name), done) for name in batch.schema.names}
        yield Columns(path, cells, places, form, is_text=False)
        done += batch.num_rows


def _values(path: Path, name: str, column: Any, done: int) -> list[Any]:
    """Return the values of a column of a Parquet file, below `done` other rows."""
    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        for row, value in enumerate(column, start=done + 1):
            try:
                value.as_py()
            except UnicodeDecodeError as error:
                raise InvalidDataError(
                    f"'{path}', row {row}, column {name!r}: a cell should be text in UTF-8. Found {error.object!r}. "
                    "Write the table again with text in that encoding."
                ) from error
        raise
    return values


def _header_positions(path: Path, header: list[str], names: Collection[str]) -> dict[str, int]:
    """Return the position of each named column in the header. Raise an error if a name does not occur exactly once."""
    if header[:1] == [""] and _FIRST in names and _FIRST not in header:
        header = [_FIRST, *header[1:]]
    missing = [name for name in names if name not in header]
    if missing:
        by_lower = {name.lower(): name for name in header}
        nearest = [difflib.get_close_matches(name.lower(), by_lower, n=1) for name in missing]
        hints = [f"{by_lower[found[0]]!r}" for found in nearest if found]
        meant = f" Did you mean {' and '.join(dict.fromkeys(hints))}?" if hints else ""
        raise InvalidDataError(
            f"'{path}' should have the columns {listing(missing)}. Found {listing(header, most=20) or 'none'}.{meant}"
        )
    double = [name for name in names if header.count(name) > 1]
    if double:
        raise InvalidDataError(f"'{path}' should have each column once. Found more than once: {listing(double)}.")
    return {name: header.index(name) for name in names}
