"""Inputs for predictions: images and feature vectors without labels, from files, folders and tables."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deepgum.data.archives import read_archive
from deepgum.data.boxes import box_columns, read_boxes
from deepgum.data.cell_format import CellFormat
from deepgum.data.column_patterns import find_columns
from deepgum.data.columns import Columns, column_names, read_columns
from deepgum.data.crop_cache import CropPlan
from deepgum.data.crops import Square
from deepgum.data.feature_encoding import FeatureEncoding
from deepgum.data.image_reading import ImageReading
from deepgum.data.instance_squares import instance_squares
from deepgum.data.keypoint_images import image_sizes
from deepgum.data.listed_images import present_rows, readable_crops
from deepgum.data.orientation import orientation_notice
from deepgum.data.point_units import pixels_per_unit
from deepgum.data.regression import RegressionData
from deepgum.data.sets.table_ids import image_names, row_ids
from deepgum.errors import DataNotice, InvalidParameterError, listing
from deepgum.experiments.observer import Observer
from deepgum.experiments.runs.config import RunConfig
from deepgum.experiments.runs.network import Signature
from deepgum.storage.decoding import decoding

__all__ = ["read_features", "read_images"]

IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
TABLES = (".csv", ".tsv", ".parquet", ".pq")


def read_images(
    inputs: Sequence[Path],
    config: RunConfig,
    signature: Signature,
    *,
    skip_missing: bool,
    skip_unreadable: bool,
    apply_orientation: bool,
    observer: Observer,
) -> RegressionData:
    """Return images without labels, with their pictures.

    Pixels of more than 8 bits are scaled as in the training. If files note an orientation and `apply_orientation` is
    false, a `DataNotice` says so.

    If the input is a table, each row gives one image with the id in the row, even if two rows name the same file. If
    the inputs are files and folders, a file is read once, even if both its path and its folder are given.

    Raises
    ------
    InvalidParameterError, InvalidDataError
        If there are no images, or a table cannot be read.
    MissingImagesError, UnreadableImagesError
        If images of a table do not exist and `skip_missing` is False, or if images cannot be decoded and
        `skip_unreadable` is False.
    """
    named = _list_images(inputs, config, skip_missing)
    if not named:
        given = ", ".join(str(path) for path in inputs)
        raise InvalidParameterError(
            "inputs", f"image files ({', '.join(IMAGES)}), folders of image files, or a table", given
        )
    files = [each.file for each in named]
    channels, size, _ = signature.inputs
    folder = _common_folder(files)
    names = tuple(file.absolute().relative_to(folder).as_posix() for file in files)
    reading = ImageReading(apply_orientation, {kind: (ends[0], ends[1]) for kind, ends in signature.ranges.items()})
    squares = _squares(folder, names, [each.box for each in named], reading, config)
    plan = CropPlan(folder, names, squares, size, channels == 3, reading)
    crops, rows, _, survey = readable_crops(plan, skip_unreadable, config.data.cache_dir, observer.reading)
    notice = orientation_notice(names, sorted(survey.orientations), applied=apply_orientation)
    if notice:
        warnings.warn(notice, DataNotice, stacklevel=3)
    unknown = np.full((len(rows), len(signature.targets)), np.nan)
    ids = [named[row].id for row in rows]
    data = RegressionData.from_arrays(np.asarray(crops), unknown, ids=ids, target_names=signature.targets)
    return replace(data, pictures=plan.pictures.subset(rows))


class _Image(NamedTuple):
    """An image: its id, its file, and the box of its object (left, top, width, height) if the table has boxes."""

    id: str
    file: Path
    box: Sequence[float] | None = None


def _squares(
    folder: Path,
    names: Sequence[str],
    boxes: Sequence[Sequence[float] | None],
    reading: ImageReading,
    config: RunConfig,
) -> tuple[Square | None, ...]:
    """Return the square of each image that the network sees, as in the training."""
    if not config.data.options.get("box"):
        return (None,) * len(names)
    sizes = image_sizes(folder, names, reading)
    given = np.array([(np.nan,) * 4 if box is None else box for box in boxes])
    given = given * np.tile(pixels_per_unit(config.data.options.get("coordinates", ""), sizes), 2)
    return tuple(instance_squares(np.full((len(names), 1, 2), np.nan), given, sizes))


def _list_images(inputs: Sequence[Path], config: RunConfig, skip_missing: bool) -> list[_Image]:
    """Return the ids and the files of all images."""
    named: list[_Image] = []
    seen = set[Path]()
    box = config.data.options.get("box")
    for path in inputs:
        if path.suffix.lower() in TABLES and not path.is_dir():
            named += _rows(path, config, skip_missing)
            continue
        if box:
            expected = f"a table with the columns {listing(box)}, because the network was trained on crops of boxes"
            raise InvalidParameterError("inputs", expected, str(path))
        found = _images_in(path) if path.is_dir() else [path]
        named += [_Image(str(file), file) for file in found if file not in seen]
        seen.update(found)
    return named


def _images_in(folder: Path) -> list[Path]:
    files = (file for file in sorted(folder.rglob("*")) if file.suffix.lower() in IMAGES and file.is_file())
    return [file for file in files if not file.name.startswith(".")]


def _rows(path: Path, config: RunConfig, skip_missing: bool) -> list[_Image]:
    column, id_column = config.data.options.get("image") or "image", _id_column(path, config)
    corners = box_columns(config.data.options["box"]) if config.data.options.get("box") else {}
    table = read_columns(path, dict.fromkeys([column, *([id_column] if id_column else []), *corners.values()]))
    boxes = read_boxes(table, corners).tolist() if corners else [None] * len(table)
    names = image_names(table, column)
    ids = row_ids(table, id_column, names)
    root = Path(config.data.options.get("root") or path.parent)
    source = f"The column {column!r} names them."
    rows = present_rows(root, {path.name: names}, skip_missing, source)[path.name]
    return [_Image(ids[row], root / names[row], boxes[row]) for row in rows]


def _id_column(path: Path, config: RunConfig) -> str | None:
    """Return the name of the id column in the table of the run. Return None if the table `path` does not have this
    column.
    """
    column: str = config.data.options.get("id", "")
    return column if column and column in column_names(path) else None


def _common_folder(files: Sequence[Path]) -> Path:
    """Return the deepest folder that contains all files. In messages, paths are relative to this folder."""
    folders = {file.absolute().parent for file in files}
    try:
        return Path(os.path.commonpath(folders))
    except ValueError as error:  # on several drives
        raise InvalidParameterError("inputs", "files on one drive", sorted(map(str, folders))) from error


def read_features(inputs: Sequence[Path], config: RunConfig, signature: Signature) -> RegressionData:
    """Return feature vectors without labels: columns of a table, or the array "features" of an .npz file.

    Raises
    ------
    InvalidParameterError, InvalidDataError
        If there is not exactly one table or .npz file, or if the file cannot be read.
    """
    options = config.data.options
    columns: list[str] = options.get("features") or []
    kinds = ((*TABLES, ".npz") if columns else (".npz",)) if len(inputs) == 1 else ()
    path = inputs[0]
    if path.suffix.lower() not in kinds or path.is_dir():
        table = f"one table ({', '.join(TABLES)}) with the columns {listing(columns)}; or " if columns else ""
        expected = f"{table}one .npz file with an array 'features'"
        raise InvalidParameterError("inputs", expected, ", ".join(str(path) for path in inputs))
    if path.suffix.lower() in TABLES:
        id_column = _id_column(path, config)
        others = [*options["targets"], *(options[name] for name in ("part", "keep_together", "id") if options[name])]
        known = columns if signature.encoding is None else signature.encoding.table_columns
        columns = find_columns("features", known, column_names(path), exclude=others)
        names = dict.fromkeys([*columns, *([id_column] if id_column else [])])
        cells = read_columns(path, names, CellFormat.of(options))
        features = _matrix(cells, columns, signature).astype(np.float32)
        ids = row_ids(cells, id_column, [path.stem] * len(cells))
        whole = id_column is not None and cells.has_whole_numbers(id_column)
    elif signature.encoding is not None:
        found = f"the columns {listing(columns)}: some hold categories, texts or gaps"
        expected = f"one table ({', '.join(TABLES)}) with {found}"
        raise InvalidParameterError("inputs", expected, str(path))
    else:
        content = "an archive (.npz) with an array 'features' of shape (n, p)"
        with decoding(path, content):
            features = np.asarray(read_archive(path, ["features"], content)["features"], dtype=np.float32)
            if features.ndim != 2:
                raise ValueError(f"its shape is {features.shape}")
        ids, whole = [f"{path.stem}:{row}" for row in range(len(features))], False
    unknown = np.full((len(features), len(signature.targets)), np.nan)
    data = RegressionData.from_arrays(
        features, unknown, ids=ids, target_names=signature.targets, encoding=signature.encoding
    )
    return replace(data, whole_ids=whole)


def _matrix(table: Columns, names: Sequence[str], signature: Signature) -> NDArray[np.float64]:
    """Return the features of a table (n, p), as the network of a run has learned to read them."""
    plain = FeatureEncoding(tuple(names), ((),) * len(names), (False,) * len(names))
    return (signature.encoding or plain).matrix(table)
