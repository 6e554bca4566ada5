"""The labels of a user's table, so that they can be written again with corrections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgum.data.cell_format import CellFormat
from deepgum.data.edits.base import Annotations, Changes
from deepgum.data.edits.cells import Table, open_table
from deepgum.data.image_reading import ImageReading
from deepgum.data.keypoint_images import image_sizes
from deepgum.data.point_units import pixels_per_unit
from deepgum.data.sets.table_columns import TableColumns
from deepgum.data.sets.table_ids import former_ids, image_names, row_ids
from deepgum.errors import InvalidParameterError, MissingImagesError

__all__ = ["TableAnnotations", "read_labels"]


@dataclass(frozen=True, eq=False)
class TableAnnotations(Annotations):
    """Labels in columns of a CSV or Parquet file.

    A label that is dropped is written as other missing labels of the file are: by a number or a word. If there are
    none, its cell becomes empty (null in Parquet).
    """

    keeps_missing = True
    is_folder = False

    table: Table = field(kw_only=True)
    marks: NDArray[np.float64] = field(kw_only=True)
    """Number (d,) that marks a missing label of each target; NaN if no number does."""
    former: Mapping[str, int] = field(kw_only=True, default_factory=dict)
    """Row of each id as version 0.1.0 made it; see `deepgum.data.sets.table_ids.former_ids`."""
    images: Mapping[str, str] = field(kw_only=True, default_factory=dict)
    """Image file of each sample, by the id of the sample. The mapping is empty if the inputs are features."""
    scale: NDArray[np.float64] = field(kw_only=True)
    """Pixels per unit of each label (n, d), if the table has fractions or percent of the image; otherwise 1."""

    @cached_property
    def rows(self) -> Mapping[str, int]:
        """The id of each sample, mapped to its row in `values`; also ids as version 0.1.0 made them."""
        return {**self.former, **{name: row for row, name in enumerate(self.ids)}}

    def image_file(self, name: str) -> str:
        """Return the image file of the sample with this id. If the sample has no image file, return the id."""
        return self.images.get(name, name)

    def write(self, changes: Changes, out: Path) -> tuple[str, ...]:
        """Write the table with the new labels. Image files are not copied."""
        cells = {}
        for name, labels in changes.items():
            row = self.rows[name]
            if np.isnan(self.scale[row]).any():
                raise MissingImagesError(
                    f"The labels of {name!r} are in parts of its image, and the size of the image is not known. Give a "
                    "table beside its images, as in the audit."
                )
            new = (labels / self.scale[row]).tolist()
            before = (self.values[row] / self.scale[row]).tolist()
            pairs = zip(self.names, before, new, self.marks.tolist(), strict=True)
            cells[row] = {
                target: mark if new != new else new
                for target, old, new, mark in pairs
                if old != new and (old == old or new == new)
            }
        return self.table.write(cells, out)


def read_labels(path: Path, roles: TableColumns, options: Mapping[str, Any]) -> TableAnnotations:
    """Read the labels of a table; `options` are those of `TableFile`."""
    image, column = options["image"] or None, options["id"] or None
    names = [*roles.targets, *roles.named, *filter(None, (image, column))]
    table = open_table(path, names, CellFormat.of(options))
    columns = table.columns
    files = [] if image is None else image_names(columns, image)
    ids = row_ids(columns, column, files or [path.stem] * len(columns))
    values = roles.labels(columns)
    scale = _pixels(path, files, values.shape, options)
    return TableAnnotations(
        source=path,
        ids=tuple(ids),
        names=roles.targets,
        values=values * scale,
        scale=scale,
        marks=roles.own_marks(columns),
        former={} if column else {name: row for row, name in enumerate(former_ids(columns, files))},
        table=table,
        images=dict(zip(ids, files, strict=True)) if files else {},
    )


def _pixels(
    path: Path, files: Sequence[str], shape: tuple[int, ...], options: Mapping[str, Any]
) -> NDArray[np.float64]:
    """Return the pixels per unit of each label (n, d); 1 if labels are in pixels or are no landmarks."""
    unit = options.get("coordinates", "")
    if unit not in ("fraction", "percent") or not files:
        return np.ones(shape)
    if shape[1] % 2:
        raise InvalidParameterError("targets", "two columns for each landmark, x and y", f"{shape[1]} columns")
    root = Path(options["root"]) if options.get("root") else path.parent
    sizes = image_sizes(root, files, ImageReading(bool(options.get("apply_orientation"))))
    return np.tile(pixels_per_unit(unit, sizes), shape[1] // 2)
