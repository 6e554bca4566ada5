"""The unit of landmarks in a file: pixels, fractions or percent of the image; and checks that the unit is right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deepgum.errors import InvalidDataError

__all__ = ["UNITS", "check_unit", "pixels_per_unit", "small_notice", "unit_notice"]

Values = NDArray[np.float64]

UNITS = ("pixel", "fraction", "percent")
"""Units of coordinates. Fractions and percent are of the width for x, and of the height for y."""

_SMALLEST_IMAGE, _LARGE_IMAGE = 16, 200
_SMALL = 0.25
"""Share of the longer side of the image below which landmarks are small."""


def pixels_per_unit(unit: str, sizes: Values) -> Values:
    """Return the number of pixels per unit, (n, 2) for x and y, for images of these widths and heights (n, 2).

    Examples
    --------
    >>> pixels_per_unit("percent", np.array([[200.0, 100.0]])), pixels_per_unit("", np.array([[200.0, 100.0]]))
    (array([[2., 1.]]), array([[1., 1.]]))
    """
    return sizes / {"fraction": 1.0, "percent": 100.0}[unit] if unit in ("fraction", "percent") else np.ones_like(sizes)


def check_unit(points: Values, sizes: Values, unit: str) -> None:
    """Refuse landmarks that seem to have another unit than pixels, if the user does not name the unit.

    Parameters
    ----------
    points : array (n, d)
        Landmarks as in the file.
    sizes : array (n, 2)
        Widths and heights of the images; NaN if unknown.
    unit : str
        The unit that the user names, one of `UNITS`; empty if it is not named.

    Raises
    ------
    InvalidDataError
        If all landmarks lie between 0 and 1 although images are larger. Also if the unit is "fraction" or "percent",
        and most landmarks lie far outside of the image.
    """
    known = points[np.isfinite(points)]
    if not known.size or np.isnan(sizes).all():
        return
    typical = float(np.nanmedian(sizes.min(axis=1)))
    if unit == "" and typical >= _SMALLEST_IMAGE and known.min() >= 0 and known.max() <= 1:
        raise InvalidDataError(
            f"Landmarks should be in pixels. Found only numbers from {known.min():.3g} to {known.max():.3g} in images "
            f"of about {typical:.0f} pixels. If they are fractions of width and height, give --coordinates fraction "
            "(`coordinates` in a file and in Python); if they are pixels, give --coordinates pixel."
        )
    top = {"fraction": 1.0, "percent": 100.0}.get(unit)
    if top is not None and np.median(known) > 2 * top:
        raise InvalidDataError(
            f"Landmarks should be {'fractions' if unit == 'fraction' else 'percent'} of width and height, from 0 to "
            f"{top:.0f}, because `coordinates` is {unit!r}. The median of those found is {np.median(known):.4g}. Leave "
            "out --coordinates if they are pixels."
        )


def unit_notice(points: Values, sizes: Values, unit: str) -> str:
    """Return a sentence if landmarks may be percent, or an empty string.

    Examples
    --------
    >>> points = np.array([[20.0, 30.0, 95.0, 80.0]])
    >>> unit_notice(points, np.array([[640.0, 480.0]]), "")
    'All landmarks lie between 0 and 100, in images of about 480 pixels. If they are percent of width and height, ...
    >>> unit_notice(points, np.array([[110.0, 100.0]]), "")
    ''
    """
    known = points[np.isfinite(points)]
    if unit != "" or not known.size or np.isnan(sizes).all():
        return ""
    typical = float(np.nanmedian(sizes.min(axis=1)))
    fills = all(np.nanmax(points[:, axis::2], initial=0) > 60 for axis in (0, 1))
    if typical < _LARGE_IMAGE or known.min() < 0 or known.max() > 100 or not fills:
        return ""
    return (
        f"All landmarks lie between 0 and 100, in images of about {typical:.0f} pixels. If they are percent of width "
        "and height, give --coordinates percent (`coordinates` in a file and in Python); if they are pixels, "
        "--coordinates pixel."
    )


def small_notice(points: Values, sizes: Values, image_size: int) -> str:
    """Return a sentence if landmarks fill a small part of the images, or an empty string.

    `points` (n, d) and `sizes` (n, 2) are in pixels, and `image_size` is the side of the image that the network sees.

    Examples
    --------
    >>> small_notice(np.array([[10.0, 10.0, 30.0, 25.0]]), np.array([[200.0, 100.0]]), 64)
    'The landmarks fill 10 % of a typical image, which are 6 of the 64 pixels that the network sees. ...
    """
    pairs = points.reshape(len(points), -1, 2)
    rows = (np.isfinite(pairs).all(axis=2).sum(axis=1) > 1) & ~np.isnan(sizes).any(axis=1)
    if not rows.any():
        return ""
    extent = (np.nanmax(pairs[rows], axis=1) - np.nanmin(pairs[rows], axis=1)).max(axis=1)
    share = float(np.median(extent / sizes[rows].max(axis=1)))
    if share >= _SMALL:
        return ""
    return (
        f"The landmarks fill {share:.0%} of a typical image, which are {share * image_size:.0f} of the {image_size} "
        "pixels that the network sees. Give the columns of a box around the object (--box x,y,w,h), crop the images, "
        "or raise --image-size."
    ).replace("%", " %")
