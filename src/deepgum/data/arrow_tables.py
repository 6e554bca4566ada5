"""Tables in the formats of Arrow: Parquet, Feather and Arrow files, and JSON with one flat object per row."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from deepgum.data.file_kinds import open_bytes
from deepgum.errors import InvalidDataError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["arrow_batches", "arrow_names"]

_MOST_JSON = 2**31
"""Maximum number of bytes of a JSON table, which is read at once."""


def arrow_names(path: Path, kind: str) -> list[str]:
    """Return the names of the columns of a file of the kind "parquet", "arrow", "feather" or "json".

    Raises
    ------
    InvalidDataError
        If the file cannot be read, or a name is not text in UTF-8.
    """
    import pyarrow.parquet as pq

    with _reading(path, kind):
        try:
            return list(pq.read_schema(path).names if kind == "parquet" else _table(path, kind).schema.names)
        except UnicodeDecodeError as error:
            raise _names_not_utf8(path, error) from error


def arrow_batches(
    path: Path, kind: str, rows: int, choose: Callable[[list[str]], Sequence[str]]
) -> Iterator[pa.RecordBatch]:
    """Yield the columns that `choose` picks from the names of all columns, in batches of at most `rows` rows.

    Raises
    ------
    InvalidDataError
        See `arrow_names`.
    """
    import pyarrow.parquet as pq

    if kind != "parquet":
        with _reading(path, kind):
            table = _table(path, kind)
        chosen = list(choose(table.schema.names))
        yield from table.select(chosen).to_batches(max_chunksize=rows)
        return
    with _reading(path, kind), pq.ParquetFile(path) as file:
        try:
            header = file.schema_arrow.names
        except UnicodeDecodeError as error:
            raise _names_not_utf8(path, error) from error
        yield from file.iter_batches(min(rows, max(1, file.metadata.num_rows)), columns=list(choose(header)))


_WORDS = {"parquet": "a Parquet file", "arrow": "an Arrow file", "feather": "a Feather file", "json": "a JSON table"}


@contextmanager
def _reading(path: Path, kind: str) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowException, NotImplementedError) as error:
        raise InvalidDataError(f"'{path}' should be {_WORDS[kind]}. Found: {error}") from error


def _table(path: Path, kind: str) -> pa.Table:
    import pyarrow as pa
    from pyarrow import feather

    if kind == "json":
        return _json_table(path)
    if kind == "arrow":
        with pa.memory_map(str(path)) as source:
            return pa.ipc.open_file(source).read_all()
    return feather.read_table(path)


def _json_table(path: Path) -> pa.Table:
    """Return the table of JSON lines, or of a JSON list of objects. Each object is a row with numbers and texts."""
    import pyarrow as pa

    with open_bytes(path) as file:
        content = file.read(_MOST_JSON)
    try:
        text = content.decode("utf-8-sig")
        values = json.loads(text) if text.lstrip().startswith("[") else list(map(json.loads, _lines(text)))
    except (ValueError, RecursionError) as error:
        raise _no_table(path, str(error)) from error
    if not isinstance(values, list) or not values or not all(isinstance(each, dict) for each in values):
        raise _no_table(path, "other JSON")
    nested = next((name for row in values for name, v in row.items() if isinstance(v, dict | list)), None)
    if nested is not None:
        raise _no_table(path, f"a list or an object in {nested!r}")
    names = dict.fromkeys(name for row in values for name in row)
    try:
        return pa.table({name: pa.array([row.get(name) for row in values]) for name in names})
    except (pa.ArrowException, OverflowError):
        # Numbers and texts in one column: all become text, and are read as in a CSV file.
        texts = {name: [None if row.get(name) is None else str(row[name]) for row in values] for name in names}
        return pa.table({name: pa.array(cells, pa.string()) for name, cells in texts.items()})


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def _no_table(path: Path, found: str) -> InvalidDataError:
    return InvalidDataError(
        f"'{path}' should be a table: CSV, Parquet, or JSON with one flat object per row (a list, or one per line). "
        f"Found {found}. Save the table as CSV or Parquet. For keypoints, see docs/keypoints.md."
    )


def _names_not_utf8(path: Path, error: UnicodeDecodeError) -> InvalidDataError:
    return InvalidDataError(
        f"'{path}' should have names of columns in UTF-8. Found {error.object!r}. Rename this column."
    )
