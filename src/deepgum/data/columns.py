"""Named columns of a CSV or Parquet file. For error messages, the place of each row in the file is also read."""

from __future__ import annotations

import csv
import difflib
import math
import sys
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgum.checks import LARGEST, is_storable
from deepgum.errors import InvalidDataError, InvalidParameterError, listing

__all__ = ["PARQUET", "Columns", "column_batches", "column_names", "delimiter_of", "read_columns"]

_DELIMITERS = (",", ";", "\t")
_FIRST = "Unnamed: 0"
"""The name that pandas gives to a first column without a name, such as the index of a frame."""
PARQUET = (".parquet", ".pq")
"""Suffixes of Parquet files. A file with any other suffix is read as CSV."""


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
    """

    path: Path
    cells: Mapping[str, list[Any]]
    places: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.places)

    def numbers(self, name: str, *, missing: bool) -> NDArray[np.float64]:
        """Return a column as an array of numbers (n,).

        `missing` is whether numbers may be missing. If true, a cell that is empty, null or ``nan`` becomes NaN.

        Raises
        ------
        InvalidDataError
            If a cell is not a number that float32 can hold. Also if a cell is empty, null or ``nan`` and `missing` is
            false.
        """
        at_once = _numbers(self.cells[name])
        if at_once is not None and (missing or not np.isnan(at_once).any()):
            return at_once
        values = [_number(cell) for cell in self.cells[name]]
        wrong = [row for row, value in enumerate(values) if value is None or (math.isnan(value) and not missing)]
        self.refuse(name, wrong, "a number" + (", or empty where the label is missing" if missing else ""))
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

    def refuse(self, name: str, rows: Sequence[int], expected: str) -> None:
        """Raise an `InvalidDataError` that names the wrong cells of a column. If `rows` is empty, do nothing.

        `rows` are the rows of the wrong cells in column `name`, and `expected` says what a cell should be. The message
        gives the file, the line and the column of the first wrong cell, and the places of the other wrong cells.
        """
        if rows:
            cell = self.cells[name][rows[0]]
            others = listing([self.places[row] for row in rows[1:]])
            raise InvalidDataError(
                f"'{self.path}', {self.places[rows[0]]}, column {name!r}: a cell should be {expected}. "
                f"Found {'' if cell is None else cell!r}." + (f" Other such cells: {others}." if others else "")
            )


def read_columns(path: Path, names: Collection[str]) -> Columns:
    r"""Read columns of a CSV or Parquet file.

    A file with the suffix ``.parquet`` or ``.pq`` is read as a Parquet file, and any other file as a CSV file. A CSV
    file is text in UTF-8, with or without a byte order mark. The first line has the names of the columns. The delimiter
    is a comma, a semicolon or a tab: the character that splits the first line into the most cells. Cells may be in
    quotes. Blank rows are skipped.

    Parameters
    ----------
    path : Path
        The file.
    names : collection of str
        Names of the columns to read. White space around a name in the file is ignored.

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
    parts = list(column_batches(path, names, sys.maxsize))
    cells = {name: list(chain.from_iterable(part.cells[name] for part in parts)) for name in parts[0].cells}
    return Columns(path, cells, tuple(chain.from_iterable(part.places for part in parts)))


def column_batches(path: Path, names: Collection[str], rows: int) -> Iterator[Columns]:
    r"""Yield the columns that `read_columns` reads, in parts of `rows` rows. Only one part at a time is in memory.

    Parameters
    ----------
    path, names
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
    parts = _parquet_parts(path, names, rows) if _is_parquet(path) else _csv_parts(path, names, rows)
    has_rows = False
    for part in parts:
        if len(part):
            has_rows = True
            yield part
    if not has_rows:
        raise InvalidDataError(f"'{path}' should have at least one row. Found none.")


def column_names(path: Path) -> list[str]:
    """Return the column names of a CSV or Parquet file.

    Raises
    ------
    InvalidParameterError, InvalidDataError
        If there is no such file, or if the file cannot be read.
    """
    _check_file(path)
    if not _is_parquet(path):
        return _csv_records(path)[0]
    # Imported late: no other file needs it.
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return list(pq.read_schema(path).names)
    except UnicodeDecodeError as error:
        raise _names_not_utf8(path, error) from error
    except (OSError, pa.ArrowException) as error:
        raise InvalidDataError(f"'{path}' should be a Parquet file. Found: {error}") from error


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise InvalidParameterError("path", "a CSV or Parquet file", str(path))


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() in PARQUET


def _lines(path: Path) -> Generator[str, None, None]:
    """Yield the lines of a UTF-8 file one at a time, including the line breaks."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            yield from file
    except UnicodeDecodeError as error:
        raise InvalidDataError(
            f"'{path}', line {_line_not_utf8(path)}: a table should be text in UTF-8. Found: {error.reason}. Save the "
            "table in that encoding."
        ) from error


def _line_not_utf8(path: Path) -> int:
    """Return the number of the first line that is not text in UTF-8."""
    number = 1
    with open(path, "rb") as file, suppress(UnicodeDecodeError):
        for line in file:
            line.decode()
            number += 1
    return number


def _csv_records(path: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Return the pair (names of the columns, iterator over the records below the header); see `_records`."""
    with closing(_lines(path)) as lines:
        delimiter = delimiter_of(lines)
    records = _records(path, delimiter)
    _, header = next(records, (1, []))
    return [name.strip() for name in header], records


def _csv_parts(path: Path, names: Collection[str], rows: int) -> Iterator[Columns]:
    header, records = _csv_records(path)
    found = _header_positions(path, header, names)
    while part := list(islice(records, rows)):
        for line, row in part:
            if len(row) != len(header):
                raise InvalidDataError(
                    f"'{path}', line {line}: a row should have {len(header)} cells, like the header. Found {len(row)}."
                )
        cells = {name: [row[place] for _, row in part] for name, place in found.items()}
        yield Columns(path, cells, tuple(f"line {line}" for line, _ in part))


def delimiter_of(lines: Iterable[str]) -> str:
    """Return the delimiter of CSV lines: comma, semicolon or tab.

    The delimiter is the character that splits the header into the most cells. The header is the first line that is not
    blank.

    Examples
    --------
    >>> delimiter_of(["file;age, in years;sex"])
    ';'
    """
    read: list[str] = []

    def all_lines() -> Iterator[str]:
        """Yield the lines that were already read, and then the next lines. A header may have several lines."""
        yield from list(read)
        for line in rest:
            read.append(line)
            yield line

    def cells(delimiter: str) -> int:
        try:
            return len(next(filter(any, csv.reader(all_lines(), delimiter=delimiter)), []))
        except csv.Error:  # a line too long for the reader
            return 0

    rest = iter(lines)
    return max(_DELIMITERS, key=cells)


def _records(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the pair (line number, cells) for each row that is not blank.

    A row may have several lines, because a cell in quotes may hold line breaks. The number is that of the first line.
    """
    reader = csv.reader(_lines(path), delimiter=delimiter, strict=True)
    line = 1
    try:
        for row in reader:
            if any(map(str.strip, row)):
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise InvalidDataError(
            f"'{path}', line {line}: a row should consist of cells separated by {delimiter!r}. Found: {error}."
        ) from error


def _parquet_parts(path: Path, names: Collection[str], rows: int) -> Iterator[Columns]:
    # Imported late: no other file needs it.
    import pyarrow as pa
    import pyarrow.parquet as pq

    done = 0
    try:
        with pq.ParquetFile(path) as file:
            try:
                header = file.schema_arrow.names
            except UnicodeDecodeError as error:
                raise _names_not_utf8(path, error) from error
            found = list(_header_positions(path, header, names))
            for batch in file.iter_batches(min(rows, max(1, file.metadata.num_rows)), columns=found):
                places = tuple(f"row {row}" for row in range(done + 1, done + 1 + batch.num_rows))
                yield Columns(path, {name: _values(path, name, batch.column(name), done) for name in found}, places)
                done += batch.num_rows
    except (OSError, pa.ArrowException) as error:
        raise InvalidDataError(f"'{path}' should be a Parquet file. Found: {error}") from error


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


def _names_not_utf8(path: Path, error: UnicodeDecodeError) -> InvalidDataError:
    return InvalidDataError(
        f"'{path}' should have names of columns in UTF-8. Found {error.object!r}. Rename this column."
    )


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


def _numbers(cells: list[Any]) -> NDArray[np.float64] | None:
    """Convert all cells to numbers at once. Return None if the cells must be checked one by one."""
    kinds = set(map(type, cells))
    if (kinds != {str} and not kinds <= {float, int}) or (kinds == {str} and "_" in "".join(cells)):
        return None
    try:
        values = np.array(list(map(float, cells)), dtype=np.float64)
    except (ValueError, OverflowError):
        return None
    return None if (np.abs(values) > LARGEST).any() else values


def _number(cell: Any) -> float | None:
    """Convert a cell to a number.

    Return NaN if the cell is empty, and None if the cell is not a number that float32 can hold.
    """
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return math.nan
    # Python reads True as 1 and 1_000 as 1000. In a table, such cells are probably mistakes.
    if isinstance(cell, bool) or (isinstance(cell, str) and "_" in cell):
        return None
    try:
        value = float(cell)
    except (TypeError, ValueError, OverflowError):
        return None
    return value if math.isnan(value) or is_storable(value) else None
