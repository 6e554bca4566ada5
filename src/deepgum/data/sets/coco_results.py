"""Predictions in the format of COCO results: a list of objects with image_id, category_id, keypoints and score."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgum.data.keypoint_matching import PredictedInstances
from deepgum.data.sets.coco_file import CocoFile, read_values, triples_of
from deepgum.errors import InvalidDataError

__all__ = ["read_results"]

CONTENT = "COCO results: a JSON list of objects with 'image_id', 'category_id', 'keypoints' and 'score'"


def read_results(path: Path, file: CocoFile) -> PredictedInstances:
    """Read the predictions of a model for the images of an annotation file.

    A keypoint with the coordinates (0, 0) has no prediction. Predictions of other categories are ignored. A file with
    the predictions as ``annotations``, like an annotation file, is read too.

    Raises
    ------
    InvalidDataError
        If the file is not in this format. The message gives the position of the object.
    """
    values = read_values(path, CONTENT)
    found = values.get("annotations") if isinstance(values, dict) else values
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise InvalidDataError(f"'{path}' should be {CONTENT}. Found other values.")
    images, points, scores = [], [], []
    for place, each in enumerate(found):
        image = each.get("image_id")
        if type(image) not in (int, str):
            raise _wrong(path, place, "'image_id' should be the id of an image", image)
        if each.get("category_id", file.category_id) != file.category_id:
            continue
        images.append(file.file_names.get(image, f"the image with the id {image}"))
        points.append(_points(path, place, each.get("keypoints"), len(file.names)))
        score = each.get("score", 1.0)
        if type(score) not in (int, float) or not -1e300 < score < 1e300:
            raise _wrong(path, place, "'score' should be a number", score)
        scores.append(float(score))
    return PredictedInstances(
        tuple(images), np.array(points, dtype=np.float64).reshape(len(images), len(file.names), 2), np.array(scores)
    )


def _points(path: Path, place: int, value: Any, keypoints: int) -> NDArray[np.float64]:
    triples = triples_of(value, keypoints)
    if triples is None:
        shown = f"{len(value)} values" if isinstance(value, list) else value
        expected = f"'keypoints' should be {3 * keypoints} numbers up to 1e9, x, y and a score of {keypoints} keypoints"
        raise _wrong(path, place, expected, shown)
    points = triples[:, :2]
    return np.where(points.any(axis=1, keepdims=True), points, np.nan)


def _wrong(path: Path, place: int, expected: str, found: Any) -> InvalidDataError:
    return InvalidDataError(f"'{path}', object {place} (counted from 0): {expected}. Found {repr(found)[:80]}.")
