"""Reading of CSV and Parquet tables, and writing of the same tables with other values in some cells."""

from __future__ import annotations

import io
import math
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from deepgum.data.cell_format import CellFormat
from deepgum.data.columns import Columns, column_names, read_columns
from deepgum.data.edits.base import stored
from deepgum.data.edits.texts import Edit, NumberStyle, Text, edited
from deepgum.data.file_kinds import kind_of
from deepgum.data.text_tables import BLANKS, is_comment, text_layout
from deepgum.errors import InvalidDataError

__all__ = ["NewCells", "Row", "Table", "cell_rows", "inner", "open_table", "with_number"]

NewCells = Mapping[int, Mapping[str, float]]
"""New values of cells, by row and column. Rows are counted from 0, without blank rows. NaN means an empty cell."""


@dataclass(frozen=True, eq=False)
class Table(ABC):
    """Some columns of a table. The whole table can be written again with new values in these columns."""

    columns: Columns

    @abstractmethod
    def write(self, cells: NewCells, out: Path, *, without: Collection[int] = ()) -> tuple[str, ...]:
        """Write the table with new values in some cells and without some rows. Return notes for the user.

        `without` has the positions of the rows to leave out, counted from 0. Blank rows are not counted. These rows
        must not have new values.

        Raises
        ------
        InvalidDataError
            If a column cannot hold a new value.
        """


def open_table(path: Path, names: Sequence[str], form: CellFormat | None = None) -> Table:
    """Read columns of a table that can be written again: CSV (also compressed) or Parquet; see `read_columns`.

    Raises
    ------
    InvalidParameterError, InvalidDataError
        See `read_columns`. Also if the table is of a kind that is only read.
    """
    columns = read_columns(path, dict.fromkeys(names), form)
    kind = kind_of(path)
    if kind == "parquet":
        return _ParquetTable(columns)
    if kind != "text":
        raise InvalidDataError(
            f"'{path}' should be a CSV or Parquet file, so that it can be written with new labels. Found {kind}, which "
            "is only read. Save the table as CSV or Parquet, and audit that file."
        )
    return _csv_table(columns)


@dataclass(frozen=True, eq=False)
class _CsvTable(Table):
    text: Text
    delimiter: str
    places: Mapping[str, int]
    rows: Sequence[Row]

    def write(self, cells: NewCells, out: Path, *, without: Collection[int] = ()) -> tuple[str, ...]:
        content, edits, form = self.text.content, list[Edit](), self.columns.form
        styles = {
            name: NumberStyle.of(map(form.plain, map(str, self.columns.cells[name])))
            for name in {name for row in cells.values() for name in row}
        }
        missing = {name: self._missing_word(name) for name in styles}
        for row, wanted in cells.items():
            for name, value in wanted.items():
                a, b = self.rows[row][2][self.places[name]]
                number = missing[name] if math.isnan(value) else form.written(styles[name].text(value))
                cell = content[a:b]
                if self.delimiter in number and not cell.startswith('"'):
                    cell = f'"{cell}"'
                edits.append((a, b, with_number(cell, number)))
        for row in without:
            start, end, _ = self.rows[row]
            edits.append((start, end, ""))
        replace(self.text, content=edited(content, edits)).write(out)
        return ()

    def _missing_word(self, name: str) -> str:
        """Return the most frequent mark of a missing value in a column, or else in all columns: a word, or nothing."""
        form, cells = self.columns.form, self.columns.cells
        for columns in ([cells[name]], cells.values()):
            words = Counter(cell.strip() for column in columns for cell in column if form.is_missing(cell))
            if words:
                return str(words.most_common(1)[0][0])
        return ""


def _csv_table(columns: Columns) -> _CsvTable:
    """Find the position of each cell in the text of a CSV file, and return the table.

    Raise an error if the text at these positions differs from the cells that `read_columns` has read.
    """
    text = Text.read(columns.path)
    header = column_names(columns.path)
    places = {name: header.index(name) for name in columns.cells}
    layout = text_layout(io.StringIO(text.content, newline=""))
    if layout.delimiter == BLANKS:
        raise InvalidDataError(
            f"'{columns.path}' should have one character between cells, so that it can be written with new labels. "
            "Found blanks, which are only read. Save the table as CSV, and audit that file."
        )
    start = sum(map(len, islice(io.StringIO(text.content, newline=""), layout.before)))
    try:
        _, *rows = cell_rows(text.content, layout.delimiter, start)
        rows = [row for row in rows if len(row[2]) == len(header) or not is_comment(text.content[row[0] :][:1])]
        found = {
            name: [inner(text.content[slice(*cells[place])]) for *_, cells in rows] for name, place in places.items()
        }
    except (ValueError, IndexError) as error:
        raise _unclear(columns.path) from error
    if found != columns.cells:
        raise _unclear(columns.path)
    return _CsvTable(columns, text, layout.delimiter, places, rows)


def _unclear(path: Path) -> InvalidDataError:
    return InvalidDataError(
        f"'{path}' should be a CSV file in which the start and end of each cell are clear. Found ambiguous cells. Save "
        "the table again as CSV."
    )


@dataclass(frozen=True, eq=False)
class _ParquetTable(Table):
    def write(self, cells: NewCells, out: Path, *, without: Collection[int] = ()) -> tuple[str, ...]:
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        # Imported late: no other file needs it.
        from deepgum.data.edits.parquet_layout import ParquetLayout

        path, notes = self.columns.path, dict[str, None]()
        layout = ParquetLayout.of(pq.read_metadata(path))
        table = layout.read(path)
        changed = dict.fromkeys(name for row in cells.values() for name in row)
        for name in changed:
            place = table.schema.get_field_index(name)
            field = table.schema.field(place)
            wanted = {row: columns[name] for row, columns in cells.items() if name in columns}
            rows = sorted(wanted)
            mask = np.zeros(len(table), dtype=bool)
            mask[rows] = True
            try:
                plain = field.with_type(_plain_type(field.type))
                new, column_notes = _arrow([wanted[row] for row in rows], plain, f"'{path}', column {name!r},")
                # A dictionary cannot be changed in place: it is decoded, and encoded again.
                column = pc.replace_with_mask(table.column(place).cast(plain.type), pa.array(mask), new)
                if pa.types.is_dictionary(field.type):
                    column = _encoded(column, field.type)
                table = table.set_column(place, field, column.cast(field.type))
            except (pa.ArrowException, NotImplementedError) as error:
                raise InvalidDataError(
                    f"'{path}', column {name!r} should be able to hold the new labels. "
                    f"Found that the type {field.type} cannot: {error}."
                ) from error
            notes.update(dict.fromkeys(column_notes))
        out.parent.mkdir(parents=True, exist_ok=True)
        return (*notes, *layout.write(table, out, changed=changed, without=without))


def _encoded(column: Any, kind: Any) -> Any:
    """Return a column as a dictionary of the type `kind`."""
    import pyarrow as pa

    chunks = column.dictionary_encode().unify_dictionaries().chunks
    return pa.chunked_array(
        [pa.DictionaryArray.from_arrays(each.indices.cast(kind.index_type), each.dictionary) for each in chunks],
        pa.dictionary(kind.index_type, kind.value_type),
    )


def _plain_type(kind: Any) -> Any:
    """Return the type of the values of a column whose values are encoded, and any other type unchanged."""
    import pyarrow as pa

    return kind.value_type if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind) else kind


def _arrow(values: list[float], field: Any, where: str) -> tuple[Any, tuple[str, ...]]:
    """Convert numbers to an Arrow array of the type of a column. Return the pair (array, notes for the user).

    NaN becomes null. `where` is the name of the column, for messages.
    """
    import pyarrow as pa

    missing = np.isnan(values)
    if pa.types.is_floating(field.type):
        return pa.array(np.array(values), pa.float64(), mask=missing if field.nullable else None).cast(field.type), ()
    if missing.any() and not field.nullable:
        raise InvalidDataError(f"{where} should allow nulls, so that a label can be missing. Found {field}.")
    if pa.types.is_integer(field.type):
        whole, notes = stored(np.where(missing, 0, values), np.dtype(field.type.to_pandas_dtype()), where)
        return pa.array(whole, field.type, mask=missing), notes
    style = NumberStyle()
    texts = [None if gone else style.text(value) for value, gone in zip(values, missing, strict=True)]
    if pa.types.is_decimal(field.type):
        return _decimals(texts, field, where)
    return pa.array(texts, pa.string()).cast(field.type), ()


def _decimals(texts: Sequence[str | None], field: Any, where: str) -> tuple[Any, tuple[str, ...]]:
    """Convert numbers, as texts, to the decimals of a column: they are rounded to its scale, and a note says so."""
    import pyarrow as pa

    step, values = Decimal(1).scaleb(-field.type.scale), [None if text is None else Decimal(text) for text in texts]
    with localcontext(prec=100):
        rounded = [None if value is None else value.quantize(step) for value in values]
    note = f"New labels were rounded to {field.type.scale} decimals: {where} can hold only that many."
    return pa.array(rounded, field.type), (note,) if rounded != values else ()


Row = tuple[int, int, list[tuple[int, int]]]
"""Start of a row, start of the next row, and a list of the start and end of each cell. Quotes belong to the cell."""


def cell_rows(text: str, delimiter: str, first: int = 0) -> Iterator[Row]:
    r"""Yield the position of each row of a CSV text, and the positions of its cells. Blank rows are skipped.

    Cells in quotes may hold delimiters and line breaks. The rows begin at the character `first`.

    Examples
    --------
    >>> text = 'a,"b\n""c"\r\n\r\n1,2'
    >>> [[text[a:b] for a, b in cells] for _, _, cells in cell_rows(text, ",")]
    [['a', '"b\n""c"'], ['1', '2']]
    """
    cell = re.compile(rf'"[^"]*(?:""[^"]*)*"|[^{re.escape(delimiter)}\r\n]*')
    end = re.compile(r"\r\n|\r|\n|\Z")
    place = first
    while place < len(text):
        start, cells = place, []
        while True:
            match = cell.match(text, place)
            assert match is not None  # an empty cell matches too
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
    """Return the string in a CSV cell, without the quotes around it.

    Examples
    --------
    >>> inner('"a ""b"" c"'), inner('a "b" c')
    ('a "b" c', 'a "b" c')
    """
    return cell[1:-1].replace('""', '"') if cell.startswith('"') else cell


def with_number(cell: str, number: str) -> str:
    """Return a CSV cell with another number and the same quotes and white space. An empty `number` empties the cell.

    Examples
    --------
    >>> with_number('" 31 "', "7"), with_number("31", ""), with_number("", "7")
    ('" 7 "', '', '7')
    """
    quote = '"' if cell.startswith('"') else ""
    content = inner(cell)
    word = content.strip()
    before, _, after = content.partition(word) if word else ("", "", "")
    return f"{quote}{before}{number}{after}{quote}"
