"""The samples of a user's table: images or features with their labels, read from the columns that the user names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from deepgum.checks import check_choice, check_count
from deepgum.data.boxes import box_columns, read_boxes
from deepgum.data.cell_format import CellFormat, MissingMarks
from deepgum.data.columns import column_names, read_columns
from deepgum.data.crop_cache import Progress
from deepgum.data.feature_encoding import FeatureEncoding, read_features
from deepgum.data.listed_images import load_whole_images
from deepgum.data.point_units import UNITS
from deepgum.data.pool import Pool
from deepgum.data.precision import warn_of_lost_spread
from deepgum.data.regression import RegressionData
from deepgum.data.sets.table_columns import TableColumns
from deepgum.data.sets.table_ids import image_names, row_ids
from deepgum.data.sets.table_mirror import mirror_rule
from deepgum.data.sets.table_split import check_sides, parts_of
from deepgum.data.swap_pairs import Swap
from deepgum.data.visibility import check_third_columns
from deepgum.errors import InvalidParameterError, listing

__all__ = ["load_table"]


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
    missing : number, str, point, or list of them
        What marks a missing label, in addition to empty cells and the usual words (NA, null, None, #N/A, ...): a number
        ``-9999``, a word ``"?"``, or for landmarks a point ``(0, 0)``. Several numbers are a list: ``[0, -1]``.
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
    rule = mirror_rule(roles.targets, landmarks, swap_pairs, mirror, images=image is not None)
    form = CellFormat(MissingMarks.of(missing), decimal, thousands)
    table = read_columns(file, dict.fromkeys([*roles.all, *named]), form)
    labels = roles.labels(table)
    if landmarks:
        check_third_columns(roles.targets, labels)
    parts = None if part is None else parts_of(table, part, fold)
    clusters = None if keep_together is None else table.texts(keep_together)
    if keep_together is not None and parts is not None:
        check_sides(table, keep_together, parts)
    names = [file.stem] * len(table) if image is None else image_names(table, image)
    ids = row_ids(table, id, names)
    if image is None:
        columns, encoding = read_features(table, roles.features, encoding)
        warn_of_lost_spread("features", columns, roles.features)
        data = RegressionData.from_arrays(
            columns.astype(np.float32), labels, ids=ids, target_names=roles.targets, encoding=encoding
        )
        pool = Pool(data, None if clusters is None else tuple(clusters), None if parts is None else tuple(parts))
    else:
        if clusters is None and len(set(names)) < len(names):
            clusters = names
        pool = load_whole_images(
            file.parent if root is None else Path(root),
            names,
            labels,
            roles.targets,
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
    whole = id is not None and table.has_whole_numbers(id)
    pool = replace(pool, data=replace(pool.data, whole_ids=whole))
    return pool.with_notices(roles.notices(table), stacklevel=3)


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
