"""The image of a sample, and the columns that the user names, for the report and the review of a scored file."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from deepgum.audit.labels import ScoredLabels
from deepgum.audit.sample_features import SampleFeatures
from deepgum.audit.summary import DataSource
from deepgum.data.crop_cache import default_cache_dir
from deepgum.data.crops import Square
from deepgum.data.image_reading import ImageReading
from deepgum.data.instance_squares import instance_squares
from deepgum.data.keypoint_images import check_sizes, image_sizes
from deepgum.data.pictures import Pictures
from deepgum.data.sets.base import Dataset
from deepgum.data.sets.keypoint_file import KeypointAnnotations, KeypointFile
from deepgum.data.sets.registry import get_dataset
from deepgum.errors import DeepGUMWarning, MissingImagesError

__all__ = ["shown_samples"]


def shown_samples(source: DataSource, labels: ScoredLabels) -> tuple[Pictures | None, SampleFeatures | None]:
    """Return the pictures and the features of a scored file; None for what the file does not have.

    Only the images of flagged samples are read, because only these are shown. If none of them can be read, there are no
    pictures, and a `DeepGUMWarning` says so.

    Parameters
    ----------
    source : DataSource
        The file that was scored, with its options.
    labels : ScoredLabels
        Its scores, in the order of the file.

    Raises
    ------
    InvalidDataError
        If an image has another size than a keypoint file states.
    """
    form, path = get_dataset(source.name), Path(source.path)
    options = form.check_options(source.options)
    rows = np.flatnonzero(labels.flags.any(axis=1)).tolist()
    cells = form.feature_cells(path, options)
    features = SampleFeatures.of(cells, labels.ids, rows) if cells else None
    return _pictures(form, source, options, labels, rows) if source.root else None, features


def _pictures(
    form: Dataset, source: DataSource, options: Mapping[str, Any], labels: ScoredLabels, rows: Sequence[int]
) -> Pictures | None:
    path, folder = Path(source.path), Path(source.root)
    annotations = form.labels(path, options)
    names = tuple(annotations.image_file(name) for name in labels.ids)
    if isinstance(form, KeypointFile) and isinstance(annotations, KeypointAnnotations) and rows:
        try:
            form.prepare(path, annotations.keypoints, options)
        except MissingImagesError as error:
            _warn(str(error))
            return None
    reading = ImageReading(bool(options.get("apply_orientation")))
    flagged = [names[row] for row in rows]
    sizes = image_sizes(folder, flagged, reading).reshape(-1, 2)
    if rows and np.isnan(sizes).all():
        hint = " Give the folder of the images: --images DIR." if "images" in options else ""
        _warn(f"No image of a flagged sample, such as '{flagged[0]}', is in '{folder}'.{hint}")
        return None
    squares: list[Square | None] = [None] * len(names)
    if isinstance(annotations, KeypointAnnotations) and rows:
        keypoints, places = annotations.keypoints, [annotations.rows[name] for name in labels.ids]
        assert keypoints.sizes is not None
        check_sizes(flagged, keypoints.sizes[places][rows], sizes)
        # The squares of flagged samples depend on the shape of all.
        known = np.full((len(names), 2), np.nan)
        known[rows] = sizes
        squares = instance_squares(keypoints.points[places], keypoints.boxes[places], known)
    pictures = Pictures(folder, names, tuple(squares), reading=reading)
    sha256 = [""] * len(names)
    for row, digits in zip(rows, pictures.subset(rows).hashed(default_cache_dir()).sha256, strict=True):
        sha256[row] = digits
    return replace(pictures, sha256=tuple(sha256))


def _warn(why: str) -> None:
    warnings.warn(f"The report has no pictures. {why}", DeepGUMWarning, stacklevel=4)
