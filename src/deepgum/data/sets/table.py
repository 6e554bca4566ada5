"""A table of the user: columns of image files or features, and of targets; optionally columns of parts or clusters.

A row of the table is a sample. The caller gives the names of the columns. `deepgum.data.columns` describes the formats
of the files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from deepgum.data.cell_format import CellFormat, MissingMarks
from deepgum.data.columns import column_names, read_columns
from deepgum.data.copies import check_parts
from deepgum.data.point_units import UNITS
from deepgum.data.pool import Pool
from deepgum.data.regression import RegressionData
from deepgum.data.sets.base import Dataset, check_texts
from deepgum.data.sets.measure import Measure
from deepgum.data.sets.request import Request, Subset
from deepgum.data.sets.table_columns import TableColumns
from deepgum.data.sets.table_labels import TableAnnotations, read_labels
from deepgum.data.sets.table_samples import load_table
from deepgum.data.swap_pairs import SWAPS, swap_pairs_of
from deepgum.errors import InvalidParameterError

__all__ = ["TableFile"]


class TableFile(Dataset):
    """A table of the user."""

    name = "table"
    description = "any CSV or Parquet file; options: targets, image, features, part, keep_together, id, landmarks, ..."
    image_size = 64
    is_file = True
    options = MappingProxyType(
        {
            "targets": [],
            "image": "",
            "features": [],
            "part": "",
            "keep_together": "",
            "id": "",
            "landmarks": False,
            "mirror": "",
            "swap_pairs": [],
            "apply_orientation": False,
            "coordinates": "",
            "box": [],
            "missing": [],
            "decimal": "",
            "thousands": "",
            "root": "",
        }
    )
    choices = MappingProxyType({"mirror": ("", "keep", "landmarks"), "swap_pairs": SWAPS, "coordinates": ("", *UNITS)})
    label_options = (
        "targets", "image", "id", "coordinates", "apply_orientation", "missing", "decimal", "thousands",
    )  # fmt: skip
    local_options = ("root",)

    def pool(self, request: Request, seed: int) -> Pool:
        """Return the samples of the table; see `load_table`."""
        columns: dict[str, Any] = {
            name: None if value in ("", []) else value for name, value in request.options.items()
        }
        columns |= {"decimal": request.options["decimal"] or ".", "thousands": request.options["thousands"]}
        columns["landmarks"] = bool(columns["landmarks"])
        if columns["mirror"] == "landmarks":
            # If `swap_pairs` is empty, no landmarks change places.
            columns |= {"mirror": None, "swap_pairs": request.options["swap_pairs"]}
        columns |= {"coordinates": request.options["coordinates"], "fold": request.fold}
        if columns["image"]:
            columns |= request.images
        if not request.path.is_file():
            # "data.folder" is the name of the file in a configuration.
            expected = "the path of a CSV or Parquet file for the data set `table`"
            raise InvalidParameterError("data.folder", expected, str(request.path))
        return load_table(request.path, encoding=request.encoding, **columns)

    def split(self, pool: Pool, request: Request, seed: int) -> Subset:
        """Divide the samples; see `Dataset.load`. Parts of the table that share an image are an error."""
        if pool.parts is not None and pool.data.pictures is not None:
            check_parts(pool.data.pictures, pool.data.ids, pool.parts, request.path.name)
        return super().split(pool, request, seed)

    def everything(self, request: Request, seed: int) -> tuple[RegressionData, ...]:
        """Return all rows of the table. The options `part` and `keep_together` are ignored."""
        options = {**request.options, "part": "", "keep_together": ""}
        return (self.pool(replace(request, options=options), seed).data,)

    def detect(self, path: Path) -> bool:
        """Return whether the path is a file. The content is read later."""
        return path.is_file()

    def labels(self, path: Path, options: Mapping[str, Any]) -> TableAnnotations:
        """Read the labels of a table.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            If there is no such file or column, or a cell is not a number.
        """
        if not path.is_file():
            raise InvalidParameterError("data", "a CSV or Parquet file", str(path))
        return read_labels(path, self._roles(path, options), options)

    def feature_cells(self, path: Path, options: Mapping[str, Any]) -> Mapping[str, Sequence[Any]]:
        """Return the cells of the columns of features; see `Dataset.feature_cells`."""
        names = self._roles(path, options).features
        return read_columns(path, names).cells if names else {}

    def settled_options(self, path: Path, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options with names of columns in place of patterns, and pairs in place of the name of a scheme."""
        roles, swap = self._roles(path, options), options["swap_pairs"]
        pairs = swap_pairs_of(swap, roles.targets) if isinstance(swap, str) and swap else swap
        settled = {"targets": list(roles.targets), "features": list(roles.features)}
        return {**options, **settled, "swap_pairs": [list(pair) for pair in pairs]}

    def _roles(self, path: Path, options: Mapping[str, Any]) -> TableColumns:
        others = [options[name] for name in ("image", "part", "keep_together", "id") if options.get(name)]
        others += options.get("box", ())
        return TableColumns.of(
            column_names(path),
            options["targets"],
            options.get("features", ()),
            landmarks=bool(options.get("landmarks")),
            others=others,
        )

    def has_images(self, options: Mapping[str, Any]) -> bool:
        """Return whether the inputs are images. This is the case if the option `features` is empty."""
        return not options["features"]

    def measure_of(self, options: Mapping[str, Any]) -> Measure:
        """Return the unit of the errors. If the targets are landmarks, errors are distances."""
        return replace(self.measure, landmarks=bool(options["landmarks"]))

    def audit_groups(self, options: Mapping[str, Any]) -> str:
        """Return "landmark" if the targets are landmarks, otherwise "coordinate"."""
        return "landmark" if options["landmarks"] else "coordinate"

    def fit_groups(self, options: Mapping[str, Any]) -> str:
        """Return "landmark" if the targets are landmarks, otherwise "sample"."""
        return "landmark" if options["landmarks"] else "sample"

    def check_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Check some options, and return all options.

        The options `targets` and `features` must be lists of strings, and `targets` must not be empty.
        """
        if "group" in options:
            hint = "The option is called `keep_together` since version 0.2.0. Rename it."
            raise InvalidParameterError("options.group", "left out", options["group"], hint)
        checked = super().check_options(options)
        for name in ("targets", "features"):
            check_texts(f"options.{name}", checked[name])
        MissingMarks.of(checked["missing"], "options.missing")
        CellFormat.of(checked)
        if not checked["targets"]:
            raise InvalidParameterError("options.targets", "the names of one or more columns", checked["targets"])
        return checked
