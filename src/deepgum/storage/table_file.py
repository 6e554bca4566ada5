"""Tables as CSV or Parquet files, and a warning about cells that a spreadsheet program may run."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from deepgum.errors import DeepGUMWarning
from deepgum.storage.disk import write_atomically

__all__ = ["formulas", "is_csv", "write_table"]

_FORMULA = "^[=+@\t\r\n＝＋－＠-]"  # noqa: RUF001
_NUMBER = r"([-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|nan)"
_EXAMPLES = 3
"""Largest number of cells that a warning shows."""
_NUMBERS = rf"^{_NUMBER}( {_NUMBER})*$"


def is_csv(path: Path) -> bool:
    """Return whether a table is written to this path as CSV, and not as Parquet."""
    return path.suffix.lower() == ".csv"


def write_table(path: Path, parts: Iterable[pa.Table], *, replace: bool = True) -> None:
    """Write a table as CSV if the path ends in .csv, otherwise as Parquet. The file is never left incomplete.

    All cells are written unchanged, so that the ids in the file are the ids of the user. If a cell of a CSV file begins
    like a formula, a `DeepGUMWarning` names the cell.

    Parameters
    ----------
    path : Path
    parts : iterable of pyarrow.Table
        The rows of the table in parts, at least one. All parts have the same schema. Only one part at a time is in
        memory.
    replace : bool
        See `write_atomically`.

    Raises
    ------
    OutputExistsError, DiskFullError, OSError
        See `write_atomically`.
    """
    examples: list[str] = []
    rows = risky = 0
    with write_atomically(path, replace=replace) as temporary, open(temporary, "wb") as file, ExitStack() as files:
        writer: Any = None
        for part in parts:
            if writer is None:
                # The open file, because pyarrow refuses a path that is not UTF-8.
                opened = (
                    pyarrow.csv.CSVWriter(file, part.schema)
                    if is_csv(path)
                    else pq.ParquetWriter(file, part.schema, compression="zstd")
                )
                writer = files.enter_context(opened)
            writer.write_table(part)
            if is_csv(path):
                found = formulas(part)
                risky += len(found)
                for row, name, cell in found[: _EXAMPLES - len(examples)]:
                    examples.append(f"row {rows + row + 1}, column {name!r}: {cell[:60]!r}")
            rows += len(part)
    if risky:
        warnings.warn(
            f"'{path}' has {risky} cells that a spreadsheet program may run as a formula, such as "
            f"{'; '.join(examples)}. They are written unchanged, so that ids stay the same. Import the columns as "
            "text, or write a .parquet file.",
            DeepGUMWarning,
            stacklevel=2,
        )


def formulas(table: pa.Table) -> list[tuple[int, str, str]]:
    """Return the row, the column and the text of each cell that begins like a formula of a spreadsheet program.

    These cells begin with ``=``, ``+``, ``-``, ``@``, a tab or a line break, and are not numbers.

    Examples
    --------
    >>> formulas(pa.table({"id": ["a", "=1+1", "-7", "-x"], "given": ["-1 2", "nan", None, "-1e3"]}))
    [(1, 'id', '=1+1'), (3, 'id', '-x')]
    """
    found = []
    for name in table.column_names:
        column = table.column(name)
        if not pa.types.is_string(column.type):
            continue
        number = pc.match_substring_regex(column, _NUMBERS)
        risky = pc.and_not(pc.match_substring_regex(column, _FORMULA), number)
        found += [(row, name, column[row].as_py()) for row in pc.indices_nonzero(risky.fill_null(False)).to_pylist()]
    return sorted(found)
