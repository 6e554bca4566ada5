"""A table of the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from deepgum.data.annotations.base import Annotations, Changes
from deepgum.data.annotations.cells import Table, open_table
from deepgum.data.table import row_ids
from deepgum.errors import InvalidParameterError

__all__ = ["TableAnnotations", "read_table"]


@dataclass(frozen=True, eq=False)
class TableAnnotations(Annotations):
    """Targets in columns of a CSV or Parquet file; a missing one is an empty cell, or a null."""

    keeps_missing = True
    is_folder = False

    table: Table = field(kw_only=True)

    def write(self, changes: Changes, out: Path) -> tuple[str, ...]:
        """Write the table alone: image files stay where they are."""
        cells = {}
        for name, labels in changes.items():
            row = self.rows[name]
            pairs = zip(self.names, self.values[row].tolist(), labels.tolist(), strict=True)
            cells[row] = {target: new for target, old, new in pairs if old != new and (old == old or new == new)}
        return self.table.write(cells, out)


def read_table(path: Path, options: Mapping[str, Any]) -> TableAnnotations:
    """Read the targets of a table; the options are those of the data set `table`.

    Raises
    ------
    InvalidParameterError, InvalidDataError
        If there is no such file or column, or a cell is no number.
    """
    targets, image, column = tuple(options.get("targets", ())), options.get("image") or None, options.get("id") or None
    if not targets:
        raise InvalidParameterError("options.targets", "the names of one or more columns", targets)
    if not path.is_file():
        raise InvalidParameterError("data", "a CSV or Parquet file", str(path))
    table = open_table(path, [*targets, *filter(None, (image, column))])
    columns = table.columns
    names = [path.stem] * len(columns) if image is None else [name.replace("\\", "/") for name in columns.texts(image)]
    return TableAnnotations(
        source=path,
        ids=tuple(row_ids(columns, column, names)),
        names=targets,
        values=np.stack([columns.numbers(name, missing=True) for name in targets], axis=1),
        table=table,
    )
