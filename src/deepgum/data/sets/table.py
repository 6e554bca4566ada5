"""A table of the user: columns of image files or features, and of targets; optionally columns of parts or clusters.

A row of the table is a sample. The caller gives the names of the columns. `deepgum.data.columns` describes the formats
of the files.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgum.checks import check_choice, check_count
from deepgum.data.boxes import box_columns, read_boxes
from deepgum.data.cell_format import CellFormat, MissingMarks
from deepgum.data.columns import Columns, column_names, read_columns
from deepgum.data.copies import check_parts
from deepgum.data.crop_cache import Progress
from deepgum.data.edits.base import Annotations, Changes
from deepgum.data.edits.cells import Table, open_table
from deepgum.data.feature_encoding import FeatureEncoding, read_features
from deepgum.data.image_reading import ImageReading
from deepgum.data.keypoint_images import image_sizes
from deepgum.data.listed_images import load_whole_images
from deepgum.data.point_units import UNITS, pixels_per_unit
from deepgum.data.pool import Pool
from deepgum.data.precision import warn_of_lost_spread
from deepgum.data.regression import RegressionData
from deepgum.data.sets.base import Dataset, check_texts
from deepgum.data.sets.measure import Measure
from deepgum.data.sets.request import Request, Subset
from deepgum.data.sets.table_columns import TableColumns
from deepgum.data.sets.table_mirror import mirror_rule
from deepgum.data.sets.table_split import PART_NAMES, check_sides, parts_of
from deepgum.data.swap_pairs import SWAPS, Swap, swap_pairs_of
from deepgum.data.visibility import check_third_columns
from deepgum.errors import InvalidParameterError, MissingImagesError, listing

__all__ = ["PART_NAMES", "TableAnnotations", "TableFile", "load_table", "row_ids"]


def load_table(
    path: str | os.PathLike[str],
    *,
    targets: Sequence[str],
    image: str | None = None,
    features: Sequence[str] | None = None,
    part: str | None = None,
    fold: int = 0,
    keep_together: str | None = None,
    id: str | None = None,
    root: str | os.PathLike[str] | None = None,
    image_size: int = 64,
    colour: bool = True,
    landmarks: bool = False,
    swap_pairs: Swap | None = None,
    mirror: str | None = None,
    apply_orientation: bool = False,
    missing: Any = (),
    decimal: str = ".",
    thousands: str = "",
    coordinates: str = "",
    box: Sequence[str] | None = None,
    skip_missing: bool = False,
    skip_unreadable: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
    on_progress: Progress | None = None,
    encoding: FeatureEncoding | None = None,
) -> Pool:
    r"""Return the samples of a CSV or Parquet file, in the order of the file.

    Parameters
    ----------
    path : path
        A Parquet file (``.parquet``) or a CSV file. A CSV file is text in UTF-8 with comma, semicolon or tab between
        cells. The first line has the names of the columns.
    targets : sequence of str
        Names of the columns of labels, one column of numbers per coordinate. An empty cell is a missing label. A text
        may name several columns: ``"kp_*"``, or a range in the order of the table, ``"x1-y68"``. With `landmarks`,
        columns of visibilities beside x and y (v1, nose_visibility) are no targets: a landmark with visibility 0 is
        missing.
    image : str, optional
        Name of the column of image files. The input is the smallest square around the whole image.
    features : sequence of str, optional
        Names of the columns of features, if the inputs are not images, with patterns and ranges as in `targets`. A
        column holds numbers, dates, true and false, or at most 255 different texts (categories). Cells may be empty.
    part : str, optional
        Name of the column with the part of each sample. The words in this column must be keys of `PART_NAMES`. If all
        cells are whole numbers, they are folds: one fold is the test part, and the others are for training.
    fold : int
        Place of the fold that is the test part, counted from 0, if `part` has folds.
    keep_together : str, optional
        Name of a column, for example of persons or videos. Samples with the same value in this column stay in the same
        part or fold of every split. By default, the rows of the same image file stay together.
    id : str, optional
        Name of a column of unique ids. By default, the id of an image is the name of its file, followed by the place of
        the row if an image has several rows. The default id of features is the name of the table and the place of the
        row, for example ``"ages:line 2"``.
    root : path, optional
        Folder of the image files; by default the folder of the table.
    image_size : int
        Side of the images in pixels, after resizing.
    colour : bool
        If true, images are RGB (n, 3, h, w). If false, they are grey (n, 1, h, w).
    landmarks : bool
        Whether the targets are landmarks x y x y ..., in pixels of the image file. Coordinates are continuous, and
        (0, 0) is the upper left corner of the image (see `deepgum.data.crops`). Landmarks are converted to fractions of
        the longer side of the image. Errors are in the same unit, because the normaliser is 1. Other targets stay
        unchanged.
    swap_pairs : sequence of (int, int) or str, optional
        Only with `landmarks`: pairs of landmarks, counted from 0, that change places when an image is mirrored; "auto"
        for the pairs whose names differ in left and right; or a scheme, "300w-68" or "coco-17". An empty sequence means
        that images may be mirrored and that no landmarks change places. By default images are not mirrored.
    mirror : {"keep"}, optional
        Only without `landmarks`: "keep" means that images may be mirrored, and that mirroring does not change the
        targets (ages). By default images are not mirrored.
    apply_orientation : bool
        Whether images are turned as their files say (EXIF), as viewers and browsers do. Landmarks then are in pixels of
        the turned images. By default images are read as they are stored, and a `DataNotice` counts the images whose
        files note an orientation.
    missing : number, str, pair of numbers, or list of them
        What marks a missing label, in addition to empty cells and the usual words (NA, null, None, #N/A, ...): a number
        (-9999), a word ("?"), or for landmarks a point ((0, 0)).
    decimal, thousands : str
        The decimal separator and the separator of thousands of numbers in text.
    coordinates : {"", "pixel", "fraction", "percent"}
        Only with `landmarks`: the unit of landmarks and boxes in the table. Fractions and percent are of the width for
        x and of the height for y. Empty for pixels; landmarks that seem to be fractions are then refused.
    box : sequence of four str, optional
        Names of the columns of a box around the object in each image: x, y, width and height, or left, top, right and
        bottom, as their names tell. The input then is a square with a margin around the box. In a row without a box, it
        is the square around the whole image.
    skip_missing : bool
        Whether to leave out images that do not exist. A warning gives their number.
    skip_unreadable : bool
        Whether to leave out images that cannot be decoded. A warning gives their number.
    cache_dir : path, optional
        Folder of the cache of decoded images; see `deepgum.data.crop_cache.load_crops`.
    on_progress : callable, optional
        Called as ``on_progress(done, total)`` while images are decoded.
    encoding : FeatureEncoding, optional
        The columns of features of an earlier table, whose places of categories are used. By default, the categories are
        those of this table.

    Raises
    ------
    InvalidParameterError
        If there is no such file, or the options contradict each other.
    InvalidDataError
        If a column is missing or a cell has a wrong value. The message names the file, the line and the column.
    MissingImagesError
        If images are missing and `skip_missing` is not set, or if all images are missing.
    UnreadableImagesError
        If images cannot be decoded and `skip_unreadable` is not set, or if none can be decoded.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "flats.csv"
    ...     _ = path.write_text("rooms,area,rent,split\n2,50,900,train\n3,75,1200,train\n1,30,,test\n")
    ...     pool = load_table(path, targets=["rent"], features=["rooms", "area"], part="split")
    >>> pool.data.targets.flatten(), pool.part("test").ids
    (tensor([ 900., 1200.,   nan]), ('flats:line 4',))
    """
    file = Path(path)
    _check_columns(targets, features, image, file)
    check_count("image_size", image_size, least=8)
    check_choice("coordinates", coordinates, ("", *UNITS))
    if box is not None and image is None:
        raise InvalidParameterError("box", "left out if inputs are not images", tuple(box))
    if coordinates not in ("", "pixel") and not landmarks:
        raise InvalidParameterError("coordinates", "left out if targets are not landmarks", coordinates)
    corners = {} if box is None else box_columns(box)
    named = [name for name in (image, part, keep_together, id, *corners.values()) if name is not None]
    roles = TableColumns.of(column_names(file), targets, features or (), landmarks=landmarks, others=named)
    targets, features = roles.targets, features and roles.features
    rule = mirror_rule(targets, landmarks, swap_pairs, mirror, images=image is not None)
    form = CellFormat(MissingMarks.of(missing), decimal, thousands)
    table = read_columns(file, dict.fromkeys([*roles.all, *named]), form)
    labels, notices = roles.labels(table), roles.notices(table)
    whole = id is not None and table.has_whole_numbers(id)
    if landmarks:
        check_third_columns(targets, labels)
    parts = None if part is None else parts_of(table, part, fold)
    clusters = None if keep_together is None else table.texts(keep_together)
    if keep_together is not None and parts is not None:
        check_sides(table, keep_together, parts)
    if features is not None:
        columns, encoding = read_features(table, features, encoding)
        warn_of_lost_spread("features", columns, features)
        data = RegressionData.from_arrays(
            columns.astype(np.float32),
            labels,
            ids=row_ids(table, id, [file.stem] * len(table)),
            target_names=targets,
            encoding=encoding,
        )
        data = replace(data, whole_ids=whole)
        pool = Pool(data, None if clusters is None else tuple(clusters), None if parts is None else tuple(parts))
        return pool.with_notices(notices, stacklevel=3)
    assert image is not None
    names = [name.replace("\\", "/") for name in table.texts(image)]
    ids = row_ids(table, id, names)
    if clusters is None and len(set(names)) < len(names):
        clusters = names
    pool = load_whole_images(
        file.parent if root is None else Path(root),
        names,
        labels,
        targets,
        landmarks=landmarks,
        apply_orientation=apply_orientation,
        coordinates=coordinates,
        boxes=read_boxes(table, corners) if corners else None,
        mirror=rule,
        ids=ids,
        keep_together=clusters,
        parts=parts,
        title=file.name,
        source=f"The column {image!r} has the names of the images, and `root` is the folder of the images.",
        image_size=image_size,
        colour=colour,
        skip_missing=skip_missing,
        skip_unreadable=skip_unreadable,
        cache_dir=cache_dir,
        on_progress=on_progress,
        stacklevel=4,
    )
    pool = replace(pool, data=replace(pool.data, whole_ids=whole))
    return pool.with_notices(notices, stacklevel=3)


def _check_columns(targets: Sequence[str], features: Sequence[str] | None, image: str | None, file: Path) -> None:
    for parameter, names in (("targets", targets), ("features", features)):
        if names is not None and (isinstance(names, str) or not names or len(set(names)) < len(names)):
            raise InvalidParameterError(parameter, "a list of one or more columns, each once", names)
    if image is None and features is None:
        others = [repr(name) for name in column_names(file) if name not in targets]
        raise InvalidParameterError(
            "features",
            "the columns from which the labels are predicted, unless `image` is the column of image files",
            None,
            f"Say what the input is: --features or --image. The other columns of '{file.name}' are "
            f"{listing(others, most=20)}. Leave out ids, and columns that are made from the label.",
        )
    if (image is None) == (features is None):
        raise InvalidParameterError("image, features", "either `image` or `features`, not both", (image, features))


def row_ids(table: Columns, column: str | None, names: list[str]) -> list[str]:
    """Return the id of each row of a table.

    If `column` is given, the ids are the cells of this column. If it is None, the ids are `names`; for a name that
    occurs twice or more in `names`, the id is the name and the place of the row.

    Raises
    ------
    InvalidDataError
        If a cell of the column is empty, or if two cells of the column are equal.
    """
    if column is None:
        counts = Counter(names)
        return [
            name if counts[name] == 1 else f"{name}:{place}" for name, place in zip(names, table.places, strict=True)
        ]
    ids = table.texts(column)
    first: dict[str, int] = {}
    repeated = [row for row, name in enumerate(ids) if first.setdefault(name, row) != row]
    table.refuse(column, repeated, "a name that no other row has")
    return ids


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
    """Row of each id as earlier versions made them: all ids had the place of the row, if one image had several rows."""
    images: Mapping[str, str] = field(kw_only=True, default_factory=dict)
    """Image file of each sample, by the id of the sample. The mapping is empty if the inputs are features."""
    scale: NDArray[np.float64] = field(kw_only=True)
    """Pixels per unit of each label (n, d), if the table has fractions or percent of the image; otherwise 1."""

    @cached_property
    def rows(self) -> Mapping[str, int]:
        """The id of each sample, mapped to its row in `values`; also ids as earlier versions made them."""
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
        image, column = options["image"] or None, options["id"] or None
        if not path.is_file():
            raise InvalidParameterError("data", "a CSV or Parquet file", str(path))
        roles = self._roles(path, options)
        names = [*roles.targets, *roles.named, *filter(None, (image, column))]
        table = open_table(path, names, CellFormat.of(options))
        columns = table.columns
        files = [] if image is None else [name.replace("\\", "/") for name in columns.texts(image)]
        ids = row_ids(columns, column, files or [path.stem] * len(columns))
        former = zip(files, columns.places, strict=False)
        values, unit = roles.labels(columns), options.get("coordinates", "")
        scale = np.ones_like(values)
        if unit in ("fraction", "percent") and image is not None:
            if values.shape[1] % 2:
                found = f"{values.shape[1]} columns"
                raise InvalidParameterError("targets", "two columns for each landmark, x and y", found)
            root = Path(options["root"]) if options.get("root") else path.parent
            sizes = image_sizes(root, files, ImageReading(bool(options.get("apply_orientation"))))
            scale = np.tile(pixels_per_unit(unit, sizes), values.shape[1] // 2)
        return TableAnnotations(
            source=path,
            ids=tuple(ids),
            names=roles.targets,
            values=values * scale,
            scale=scale,
            marks=roles.own_marks(columns),
            former={} if column else {f"{name}:{place}": row for row, (name, place) in enumerate(former)},
            table=table,
            images={} if image is None else dict(zip(ids, files, strict=True)),
        )

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
