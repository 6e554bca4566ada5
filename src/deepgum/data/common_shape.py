"""The place of each instance by the shape that all instances have in common, which a few wrong keypoints do not move.

If a network sees the box around the labelled points of an instance, it sees the labels: a wrong point lies at an edge
of the box. The network learns this, and predicts the wrong point. Here, the place of an instance is that of the common
shape, fitted to its points.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["shape_boxes"]

Values = NDArray[np.float64]
Plane = NDArray[np.complex128]

INSTANCES = 10
"""A common shape needs as many instances with at least `POINTS` points."""
POINTS = 3
"""Two points fit each shape."""
ENOUGH = 1000
"""The common shape is that of as many instances; more would not change it."""
PASSES = 10
"""Number of fits of the instances to the shape, each followed by a new shape, and of the weights in each fit."""
PAIRS = 60
"""Fits to two points that are tried before; with a third of wrong points, half of the pairs are right."""
NEAR = 0.1
"""Scale of the distances of right keypoints, as a share of the longer side of the shape."""


def shape_boxes(points: Values) -> Values:
    """Return the box of each instance: left, top, width and height of the common shape at its place.

    The shape is fitted by shift, size, turn and mirror image. In the complex plane such a fit is ``a m + b`` for the
    points ``m`` of the shape. The best fit to two points begins, and iteratively reweighted least squares end, with
    Cauchy's loss, which bounds the influence of each point. The shape itself is the median of all instances, each
    brought back to a common place. Boxes are enlarged by one factor, so that typical boxes are as large as those around
    the points.

    Parameters
    ----------
    points : array, shape (n, k, 2)
        NaN for a point without a label.

    Returns
    -------
    array, shape (n, 4)
        NaN for an instance with fewer than three points, for one that has less than half of its points in its box, and
        for all if fewer than ten instances have three points.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> face = np.array([[0.0, 0.0], [40.0, 0.0], [20.0, 20.0], [5.0, 40.0], [35.0, 40.0]])
    >>> faces = face + rng.uniform(50, 90, (30, 1, 2))
    >>> right = shape_boxes(faces)[0]
    >>> faces[0, 1] += 200  # one wrong label
    >>> bool(np.allclose(shape_boxes(faces)[0], right, atol=2))
    True
    """
    boxes = np.full((len(points), 4), np.nan)
    labelled = np.asarray(~np.isnan(points).any(axis=2))
    rows = np.flatnonzero(labelled.sum(axis=1) >= POINTS)
    rows = rows[(np.nanmax(points[rows], axis=1) - np.nanmin(points[rows], axis=1)).max(axis=1) > 0]
    if len(rows) < INSTANCES:
        return boxes
    places: Plane = points[rows, :, 0] + 1j * points[rows, :, 1]
    places[~labelled[rows]] = complex(np.nan, np.nan)
    shape = _common_shape(places[:: math.ceil(len(rows) / ENOUGH)])
    a, b, mirrored = _placed(places, shape)
    fitted = a * np.where(mirrored, shape.conj(), shape) + b
    enlarge = float(np.median(_longer_side(places) / _longer_side(fitted)))
    low, high = _corners(fitted)
    centre, side = (low + high) / 2, (high - low) * enlarge
    boxes[rows] = np.column_stack([centre - side / 2, side])
    away = np.abs(np.stack([places.real, places.imag], axis=2) - centre[:, None])
    inside = (away <= side.max(axis=1)[:, None, None] / 2 * 1.5).all(axis=2)
    boxes[rows[2 * inside.sum(axis=1) < labelled[rows].sum(axis=1)]] = np.nan
    return boxes


def _common_shape(places: Plane) -> Plane:
    """Return the median (k,) of all instances, each brought back to the place of the first shape."""
    # The first shape is an instance with most points, of typical proportions between its middle and its extent.
    extent = _longer_side(places)
    known = (~np.isnan(places)).sum(axis=1)
    full = np.flatnonzero(known == known.max())
    spread = _spread(places[full])[:, 0] / extent[full]
    first = full[np.argsort(spread, kind="stable")[len(full) // 2]]
    shape: Plane = (places[first] - _middle(places[first : first + 1])[0]) / extent[first]
    for _ in range(PASSES):
        a, b, mirrored = _placed(places, shape)
        back = (places - b) / a
        back = np.where(mirrored, back.conj(), back)
        known_to_some = np.asarray(~np.isnan(back).all(axis=0))
        shape = np.full_like(shape, complex(np.nan, np.nan))
        shape[known_to_some] = _middle(back[:, known_to_some].T)[:, 0]
        shape /= _longer_side(shape[None])[0]
    return shape


def _placed(places: Plane, shape: Plane) -> tuple[Plane, Plane, NDArray[np.bool_]]:
    """Return size and turn a (n, 1), shift b (n, 1), and whether the mirror image of the shape is taken (n, 1)."""
    a, b, far = _fitted(places, shape)
    other_a, other_b, other_far = _fitted(places, shape.conj())
    mirrored = (other_far < far / 2)[:, None]
    return np.where(mirrored, other_a, a), np.where(mirrored, other_b, b), mirrored


def _fitted(places: Plane, shape: Plane) -> tuple[Plane, Plane, Values]:
    """Fit ``a m + b`` to each instance with Cauchy's loss of the distances; return a, b (n, 1) and the losses (n,)."""
    usable = np.asarray(~np.isnan(places) & ~np.isnan(shape))
    z, m = np.where(usable, places, 0), np.where(usable, shape, 0)
    near = NEAR * _spread(places) / _spread(shape[None])
    a, b, loss = _best_pair(z, m, usable, near, _pairs(shape))
    for _ in range(PASSES):
        weight = usable / (np.abs(z - a * m - b) ** 2 + near**2)
        weight /= weight.sum(axis=1, keepdims=True)
        middle_z, middle_m = (weight * z).sum(axis=1, keepdims=True), (weight * m).sum(axis=1, keepdims=True)
        from_z, from_m = z - middle_z, m - middle_m
        along = (weight * from_m.conj() * from_z).sum(axis=1, keepdims=True)
        spread = (weight * np.abs(from_m) ** 2).sum(axis=1, keepdims=True)
        new_a = along / np.maximum(spread, 1e-12)
        new_b = middle_z - new_a * middle_m
        new_loss = _loss(z - new_a * m - new_b, usable, near)
        better = ((new_loss < loss) & (new_a[:, 0] != 0))[:, None]
        a, b, loss = np.where(better, new_a, a), np.where(better, new_b, b), np.minimum(loss, new_loss)
    return a, b, loss


def _best_pair(
    z: Plane, m: Plane, usable: NDArray[np.bool_], near: Values, pairs: NDArray[np.int64]
) -> tuple[Plane, Plane, Values]:
    """Return the fit to two points of each instance that suits all its points best."""
    best_a, best_b = np.ones((len(z), 1), complex), np.zeros((len(z), 1), complex)
    best = np.full(len(z), np.inf)
    for i, j in pairs.tolist():
        both = usable[:, i] & usable[:, j] & (z[:, i] != z[:, j])
        a = np.where(both, z[:, j] - z[:, i], 1)[:, None] / np.where(both, m[:, j] - m[:, i], 1)[:, None]
        b = z[:, i : i + 1] - a * m[:, i : i + 1]
        loss = np.where(both, _loss(z - a * m - b, usable, near), np.inf)
        better = (loss < best)[:, None]
        best_a, best_b, best = np.where(better, a, best_a), np.where(better, b, best_b), np.minimum(loss, best)
    return best_a, best_b, best


def _pairs(shape: Plane) -> NDArray[np.int64]:
    """Return pairs (p, 2) of points of the shape, at most `PAIRS`, none of two near points if there are more."""
    first, second = np.triu_indices(len(shape), 1)
    apart = np.abs(shape[first] - shape[second])
    first, second, apart = (each[apart > 0] for each in (first, second, apart))
    if len(apart) > PAIRS:
        far = np.flatnonzero(apart >= np.median(apart))
        chosen = np.random.default_rng(0).choice(far, min(PAIRS, len(far)), replace=False)
        first, second = first[chosen], second[chosen]
    return np.column_stack([first, second])


def _loss(apart: Plane, usable: NDArray[np.bool_], near: Values) -> Values:
    return np.asarray((usable * np.log1p((np.abs(apart) / near) ** 2)).sum(axis=1))


def _spread(places: Plane) -> Values:
    """Return the median distance (n, 1) of the points of each instance from their middle, at least 1 % of a side."""
    median = np.nanmedian(np.abs(places - _middle(places)), axis=1)
    return np.asarray(np.maximum(median, _longer_side(places) / 100))[:, None]


def _middle(places: Plane) -> Plane:
    """Return the medians (n, 1) of the coordinates of each instance."""
    middle: Plane = np.nanmedian(places.real, axis=1) + 1j * np.nanmedian(places.imag, axis=1)
    return middle[:, None]


def _corners(places: Plane) -> tuple[Values, Values]:
    """Return the upper left and the lower right corner (n, 2) of the points of each instance."""
    both = np.stack([places.real, places.imag], axis=2)
    return np.nanmin(both, axis=1), np.nanmax(both, axis=1)


def _longer_side(places: Plane) -> Values:
    low, high = _corners(places)
    return np.asarray((high - low).max(axis=1))
