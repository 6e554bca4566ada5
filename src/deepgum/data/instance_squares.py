"""The square of each instance in its image, which the network sees."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deepgum.data.common_shape import shape_boxes
from deepgum.data.crops import Square

__all__ = ["instance_squares"]

Values = NDArray[np.float64]

BOX_MARGIN = 1.25
"""Side of the square, as a multiple of the longer side of the box that the file gives."""
POINTS_MARGIN = 1.5
"""The same for the box around the points, which are inside of the instance."""
SAME_CENTRE = 0.005
"""Centres of boxes that are nearer than this share of a side are the same, also half a pixel apart."""


def instance_squares(points: Values, boxes: Values, sizes: Values) -> list[Square | None]:
    """Return the square of each instance, which the network sees.

    The square has the centre of the box and a margin. Without a box, or with one that does not fit the image, the box
    is that of the common shape of all instances (`deepgum.data.common_shape`), or that around the points in the image,
    if there is no such shape. Boxes that are made from the points count as no boxes: they would give wrong points away.
    A box of points without area gets the typical side of the other squares. Without a point in the image, the square
    is the smallest one around the whole image. The square is None for an image whose size is unknown.

    Parameters
    ----------
    points : array, shape (n, k, 2)
    boxes : array, shape (n, 4)
        Left, top, width and height, or NaN.
    sizes : array, shape (n, 2)
        Width and height of the images; NaN for images that cannot be read.

    Examples
    --------
    >>> points = np.array([[[10.0, 20.0], [30.0, 40.0]], [[10.0, 20.0], [90.0, 2000.0]]])
    >>> boxes = np.array([[0.0, 0.0, 80.0, 40.0], [np.nan] * 4])
    >>> instance_squares(points, boxes, np.array([[100.0, 100.0], [100.0, 100.0]]))
    [Square(left=-10.0, top=-30.0, side=100.0), Square(left=-40.0, top=-30.0, side=100.0)]
    """
    width, height = sizes[:, :1], sizes[:, 1:]
    x, y = points[..., 0], points[..., 1]
    inside = (x >= 0) & (y >= 0) & ~(x > width) & ~(y > height)
    seen = np.where(inside[..., None], points, np.nan)
    has_point = inside.any(axis=1)
    around = np.full((len(points), 4), np.nan)
    low, high = np.nanmin(seen[has_point], axis=1), np.nanmax(seen[has_point], axis=1)
    around[has_point] = np.concatenate([low, high - low], axis=1)
    given = _fitting(boxes, sizes, BOX_MARGIN)
    if _are_made_from(around, boxes):
        given[has_point] = False
    shaped = shape_boxes(seen)
    around = np.where(_fitting(shaped, sizes, POINTS_MARGIN)[:, None], shaped, around)
    sides = np.where(given, BOX_MARGIN * boxes[:, 2:].max(axis=1), POINTS_MARGIN * around[:, 2:].max(axis=1))
    typical = float(np.median(sides[sides > 0])) if (sides > 0).any() else np.inf
    squares: list[Square | None] = []
    for row, (image_width, image_height) in enumerate(sizes.tolist()):
        left, top, box_width, box_height = (boxes if given[row] else around)[row].tolist()
        side = float(sides[row]) if sides[row] > 0 else min(typical, image_width, image_height)
        if np.isnan(image_width):
            squares.append(None)
        elif np.isnan(left):
            squares.append(Square.around(0, image_width, 0, image_height, scale=1))
        else:
            squares.append(Square(left + (box_width - side) / 2, top + (box_height - side) / 2, side))
    return squares


def _fitting(boxes: Values, sizes: Values, margin: float) -> NDArray[np.bool_]:
    """Return which boxes have an area and fit the image, as `deepgum.data.crops.cut_square` needs it."""
    centre, extent = boxes[:, :2] + boxes[:, 2:] / 2, boxes[:, 2:]
    fits = (extent > 0).all(axis=1) & (centre >= 0).all(axis=1) & ~(centre > sizes).any(axis=1)
    return np.asarray(fits & ~(margin * extent.max(axis=1) > 2.5 * sizes.max(axis=1)))


def _are_made_from(around: Values, boxes: Values) -> bool:
    """Return whether most boxes have the centres of those around the points, and so were computed from the points."""
    both = ~np.isnan(around).any(axis=1) & ~np.isnan(boxes).any(axis=1) & (around[:, 2:] > 0).all(axis=1)
    apart = np.abs((around - boxes)[both, :2] + (around - boxes)[both, 2:] / 2)
    near = (apart <= np.maximum(SAME_CENTRE * boxes[both, 2:], 0.5)).all(axis=1)
    return bool(2 * np.sum(near) > np.sum(both))
