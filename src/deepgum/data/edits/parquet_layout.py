"""The layout of a Parquet file, which a new file keeps: row groups, codecs, INT96 timestamps and sorting columns."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from deepgum.errors import listing

__all__ = ["ParquetLayout"]


@dataclass(frozen=True)
class ParquetLayout:
    """How a Parquet file stores a table.

    Parameters
    ----------
    rows : tuple of int
        Number of rows of each row group; it may be 0.
    codecs : mapping of str to str
        Codec of each column, by the path of the column in the file (``"age"``, ``"box.list.element"``).
    int96 : tuple of str
        Paths of the columns with timestamps of the deprecated type INT96.
    sorting : sequence of pyarrow.parquet.SortingColumn
        The columns by which the file says that its rows are sorted.
    varies : bool
        Whether row groups differ in their codecs or in their sorting columns. The values above are then those of the
        first row group with rows.
    """

    rows: tuple[int, ...]
    codecs: dict[str, str]
    int96: tuple[str, ...]
    sorting: Sequence[Any]
    varies: bool

    @classmethod
    def of(cls, about: Any) -> ParquetLayout:
        """Return the layout that the metadata of a Parquet file describe. The file must have rows."""
        groups = [about.row_group(place) for place in range(about.num_row_groups)]
        kept = [
            (
                {each.path_in_schema: each.compression.lower() for each in map(group.column, range(group.num_columns))},
                tuple(group.sorting_columns),
            )
            for group in groups
            if group.num_rows
        ]
        codecs, sorting = kept[0]
        columns = map(about.schema.column, range(len(about.schema)))
        int96 = tuple(column.path for column in columns if column.physical_type == "INT96")
        rows = tuple(group.num_rows for group in groups)
        return cls(rows, codecs, int96, sorting, any(each != kept[0] for each in kept))

    def read(self, path: Path) -> pa.Table:
        """Read the table with all its digits.

        Timestamps of the type INT96 are read as nanoseconds, or as microseconds if nanoseconds cannot hold a year.
        """
        table = pq.read_table(path, partitioning=None)
        if self.int96:
            coarse = pq.read_table(path, partitioning=None, coerce_int96_timestamp_unit="us")
            for place, (one, other) in enumerate(zip(table.columns, coarse.columns, strict=True)):
                if one.type != other.type and not pc.cast(one, other.type, safe=False).equals(other):
                    table = table.set_column(place, coarse.schema.field(place), other)
        return table

    def write(self, table: pa.Table, out: Path, *, changed: Collection[str], without: Collection[int]) -> list[str]:
        """Write a table of the same columns in this layout, without some rows. Return notes for the user.

        Parameters
        ----------
        table : pyarrow.Table
            The table, still with all rows.
        out : Path
        changed : collection of str
            Names of columns with changed values. If the rows were sorted by one of these columns, the new file does not
            say that it is sorted.
        without : collection of int
            The rows to leave out, counted from 0.
        """
        notes = []
        paths = list(self.codecs)
        order = [paths[column.column_index] for column in self.sorting]
        is_sorted = not self.varies and not any(_is_part(path, name) for path in order for name in changed)
        if order and not is_sorted:
            notes.append(f"The new file does not say that its rows are sorted by {listing(order)}.")
        if self.varies:
            notes.append("The row groups of the new file have the codecs of the first row group.")
        stamps = [field.name for field in table.schema if _has_timestamp(field.type)]
        # The writer stores all timestamps as INT96, or none.
        keeps_int96 = bool(self.int96) and all(any(_is_part(path, name) for path in self.int96) for name in stamps)
        if self.int96 and not keeps_int96:
            notes.append(f"The timestamps of {listing(self.int96)} were stored as INT96. They are stored as INT64 now.")
        writer = pq.ParquetWriter(
            out,
            table.schema,
            compression={path: "none" if codec == "uncompressed" else codec for path, codec in self.codecs.items()},
            use_deprecated_int96_timestamps=keeps_int96,
            sorting_columns=self.sorting if order and is_sorted else None,
        )
        gone, first = set(without), 0
        with writer:
            for count in self.rows:
                kept = [row for row in range(first, first + count) if row not in gone]
                part = table.take(pa.array(kept, pa.int64())) if len(kept) < count else table.slice(first, count)
                writer.write_table(part, max(1, count))
                first += count
        return notes


def _is_part(path: str, name: str) -> bool:
    """Return whether the path of a column in a file belongs to the column `name` of the table."""
    return path == name or path.startswith(f"{name}.")


def _has_timestamp(kind: Any) -> bool:
    """Return whether a type is a timestamp, or holds timestamps."""
    return pa.types.is_timestamp(kind) or any(
        _has_timestamp(kind.field(place).type) for place in range(kind.num_fields)
    )
