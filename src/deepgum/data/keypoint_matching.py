"""The predicted instance that belongs to each labelled instance of an image.

A detector gives instances without names. Labelled and predicted instances of an image are paired one to one, so that
the sum of their similarities is largest. The similarity of two instances is the object keypoint similarity (OKS) of
COCO, and the overlap of their boxes, because all keypoints of an instance may have wrong labels while its box is right.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from deepgum.data.keypoints import Keypoints, placed
from deepgum.errors import InvalidDataError, listing

__all__ = ["PredictedInstances", "instance_boxes", "match"]

Values = NDArray[np.float64]

MOST = 20
"""Predicted instances per image that are looked at, the ones with the highest scores; COCO's evaluation does the same.
If an image has more labelled instances, as many are looked at."""

SPREAD = 0.2
"""Distance, as a share of the square root of the instance's area, at which the similarity of a keypoint is 0.61. COCO's
values are 0.05 (eyes) to 0.21 (hips)."""

LEAST_SIMILARITY, LEAST_OVERLAP = 0.1, 0.3
"""Two instances are one if their OKS, or the overlap of their boxes (intersection over union), is at least this."""


@dataclass(frozen=True, eq=False)
class PredictedInstances:
    """The instances that a model has predicted.

    Parameters
    ----------
    images : tuple of str, length m
        The image of each instance, with the names of `Keypoints.images`.
    points : array, shape (m, k, 2)
        x and y in pixels of the image. NaN marks a keypoint without a prediction.
    scores : array, shape (m,)
        How sure the model is of each instance.

    Raises
    ------
    InvalidDataError
        If lengths do not match, or a number is infinite.
    """

    images: tuple[str, ...]
    points: Values
    scores: Values

    def __post_init__(self) -> None:
        m = len(self.images)
        fits = self.points.ndim == 3 and self.points.shape[::2] == (m, 2) and self.scores.shape == (m,)
        if not fits or np.isinf(self.points).any():
            raise InvalidDataError(
                f"`points` and `scores` should be numbers for {m} instances. Found {self.points.shape} and "
                f"{self.scores.shape}."
            )


def match(keypoints: Keypoints, predicted: PredictedInstances) -> Values:
    """Return the predicted points (n, k, 2) of each labelled instance; NaN for an instance without a prediction.

    Parameters
    ----------
    keypoints : Keypoints
        The n labelled instances.
    predicted : PredictedInstances
        The predicted instances, in any order. Instances of other images are ignored.

    Raises
    ------
    InvalidDataError
        If the number of keypoints differs, or no predicted instance is in an image with labels.

    Examples
    --------
    >>> labels = np.array([[[10.0, 10.0], [30.0, 10.0]], [[60.0, 50.0], [80.0, 50.0]]])
    >>> two = Keypoints(("a#1", "a#2"), ("a", "a"), ("left", "right"), labels, np.full((2, 4), np.nan))
    >>> match(two, PredictedInstances(("a",), labels[1:] + 1, np.ones(1))).tolist()
    [[[nan, nan], [nan, nan]], [[61.0, 51.0], [81.0, 51.0]]]
    """
    k = len(keypoints.names)
    if predicted.points.shape[1] != k:
        raise InvalidDataError(f"The predictions should have {k} keypoints. Found {predicted.points.shape[1]}.")
    labelled_in, predicted_in = _rows_by_image(keypoints.images), _rows_by_image(predicted.images)
    if not labelled_in.keys() & predicted_in.keys():
        raise InvalidDataError(
            f"The predictions should be for the images of the labels. Found predictions for "
            f"{listing(list(predicted_in), 3) or 'no image'}, and labels for {listing(list(labelled_in), 3)}."
        )
    found = np.full(keypoints.points.shape, np.nan)
    label_boxes = instance_boxes(keypoints.boxes, keypoints.points)
    predicted_boxes = instance_boxes(np.full((len(predicted.images), 4), np.nan), predicted.points)
    for image, rows in labelled_in.items():
        candidates = predicted_in.get(image, [])
        best = sorted(candidates, key=lambda row: -predicted.scores[row])[: max(MOST, len(rows))]
        if len(rows) == len(best) == 1 and np.isnan(keypoints.boxes[rows[0]]).any():
            found[rows] = predicted.points[best]  # nothing else could be the instance, and no box contradicts
            continue
        similarity = _similarity(keypoints.points[rows], label_boxes[rows], predicted.points[best])
        overlap = _overlap(label_boxes[rows], predicted_boxes[best])
        for one, other in zip(*linear_sum_assignment(-(similarity + 0.1 * overlap)), strict=True):
            if similarity[one, other] >= LEAST_SIMILARITY or overlap[one, other] >= LEAST_OVERLAP:
                found[rows[one]] = predicted.points[best[other]]
    return found


def instance_boxes(boxes: Values, points: Values) -> Values:
    """Return the box (n, 4) of each instance: left, top, width and height, in pixels.

    It is the box of the file if this has an area, otherwise the box of the points; NaN if there is neither.
    """
    with np.errstate(invalid="ignore"):
        given = np.asarray((boxes[:, 2:] > 0).all(axis=1))
    around = np.full((len(points), 4), np.nan)
    seen = placed(points)
    rows = np.flatnonzero(seen.any(axis=1))
    known = np.where(seen[..., None], points, np.nan)[rows]
    low, high = np.nanmin(known, axis=1), np.nanmax(known, axis=1)
    around[rows] = np.concatenate([low, high - low], axis=1)
    return np.where(given[:, None], boxes, around)


def _rows_by_image(images: Sequence[str]) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = defaultdict(list)
    for row, image in enumerate(images):
        rows[image].append(row)
    return rows


def _similarity(points: Values, boxes: Values, predicted: Values) -> Values:
    """Return the OKS (a, b) of a labelled and b predicted instances. A label without a prediction counts as 0."""
    squared = ((points[:, None] - predicted[None]) ** 2).sum(axis=3)
    area = np.maximum(boxes[:, 2] * boxes[:, 3], (0.2 * boxes[:, 2:].max(axis=1)) ** 2)
    area = np.where(area > 0, area, 1.0)[:, None, None]
    close = np.nan_to_num(np.exp(-squared / (2 * SPREAD**2 * area)))
    labelled = placed(points)
    return np.asarray(close.sum(axis=2) / np.maximum(labelled.sum(axis=1), 1)[:, None])


def _overlap(one: Values, other: Values) -> Values:
    """Return the intersection over union (a, b) of two sets of boxes; 0 for a box that is NaN or empty."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum((one[:, :2] + one[:, 2:])[:, None], (other[:, :2] + other[:, 2:])[None])
    with np.errstate(invalid="ignore", divide="ignore"):
        both = np.clip(high - low, 0, None).prod(axis=2)
        union = one[:, 2:].prod(axis=1)[:, None] + other[:, 2:].prod(axis=1)[None] - both
        return np.asarray(np.nan_to_num(both / union))
