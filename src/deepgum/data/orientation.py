"""The orientation that image files note (EXIF): a notice for the user, with the reading that fits the landmarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from deepgum.errors import listing

__all__ = ["fits", "orientation_notice"]

_REMEDY = (
    "Viewers and browsers turn such images. If the labels were marked on turned images, give --apply-orientation "
    "(`apply_orientation` in a file and in Python); if they were computed from the stored pixels, change nothing."
)


def fits(points: NDArray[np.float64], size: tuple[int, int]) -> bool:
    """Return whether all points (d,), x y x y ..., lie in an image of this width and height. Missing ones do.

    A point may lie one pixel outside, because some programs count pixels from 1.

    Examples
    --------
    >>> fits(np.array([63.0, 10.0]), (48, 64)), fits(np.array([63.0, np.nan]), (64, 48))
    (False, True)
    """
    most = np.tile(np.array(size, dtype=np.float64) + 1, len(points) // 2)
    return not ((points < -1) | (points > most)).any()


def orientation_notice(
    names: Sequence[str],
    oriented: Sequence[int],
    *,
    applied: bool,
    points: NDArray[np.float64] | None = None,
    sizes: Mapping[int, tuple[int, int]] | None = None,
) -> str:
    """Return the sentences about images that note an orientation, or an empty string if nothing need be said.

    Parameters
    ----------
    names : sequence of str, length n
        Names of all images.
    oriented : sequence of int
        Positions of the images whose files note an orientation.
    applied : bool
        Whether the orientation is applied.
    points : array (n, d), optional
        Landmarks x y x y ..., in pixels of the image as it is read.
    sizes : mapping of int to (int, int), optional
        Width and height of the oriented images as they are read, by their positions.

    Examples
    --------
    >>> print(orientation_notice(["a.jpg", "b.jpg"], [1], applied=False))
    1 of 2 images carries an EXIF orientation that is not applied: b.jpg. ...
    >>> orientation_notice(["a.jpg", "b.jpg"], [1], applied=True)
    ''
    """
    if not oriented:
        return ""
    here, there = _only_one_fits(oriented, points, sizes or {})
    if applied:
        if there <= here:
            return ""
        return (
            f"The labels of {there} of {len(oriented)} images that are turned as their files say lie outside of the "
            "turned image, and inside of the stored one: leave out --apply-orientation (`apply_orientation`)."
        )
    count = f"{len(oriented)} of {len(names)} images {'carries' if len(oriented) == 1 else 'carry'}"
    notice = f"{count} an EXIF orientation that is not applied: {listing([names[row] for row in oriented])}."
    if there > here:
        return (
            f"{notice} The labels of {there} of them lie outside of the stored image, and inside of the image as "
            "viewers turn it: give --apply-orientation (`apply_orientation` in a file and in Python)."
        )
    if here > there:
        return f"{notice} The labels of {here} of them fit only the stored image, so this is probably right."
    return f"{notice} {_REMEDY}"


def _only_one_fits(
    oriented: Sequence[int], points: NDArray[np.float64] | None, sizes: Mapping[int, tuple[int, int]]
) -> tuple[int, int]:
    """Return the number of images whose points fit only the image as it is read, and only the other reading."""
    here = there = 0
    for row in oriented:
        if points is not None and row in sizes:
            width, height = sizes[row]
            read, other = fits(points[row], (width, height)), fits(points[row], (height, width))
            here, there = here + (read and not other), there + (other and not read)
    return here, there
