"""Grids of images, for figures with drawings on the images or captions below the images."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from numpy.typing import NDArray

from deepgum.errors import InvalidDataError

__all__ = ["check_images", "grid_columns", "image_panels"]

_FEWEST, _MOST = 4, 8


def grid_columns(count: int) -> int:
    """Return the number of columns for a grid of `count` images, so that the grid is around twice as wide as high, with
    few empty places.

    Examples
    --------
    >>> [grid_columns(count) for count in (1, 4, 6, 7, 12, 24, 40)]
    [1, 4, 6, 4, 4, 6, 8]
    """
    if count <= _FEWEST:
        return count
    wanted = math.sqrt(2 * count)
    # To avoid one empty place, one column more or less is acceptable.
    return min(range(_FEWEST, _MOST + 1), key=lambda columns: 1.25 * (-count % columns) + abs(columns - wanted))


def check_images(images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]) -> None:
    """Raise an error if the images cannot be drawn as a grid.

    Raises
    ------
    InvalidDataError
        If there are no images, or if an image is not a uint8 array (c, h, w) with c = 1 or 3.

    Examples
    --------
    >>> check_images(np.zeros((2, 1, 8, 8), dtype=np.uint8))
    """
    if len(images) == 0:
        raise InvalidDataError("`images` should hold at least one image. Found none.")
    for index, image in enumerate(images):
        if image.ndim != 3 or image.shape[0] not in (1, 3) or image.size == 0 or image.dtype != np.uint8:
            raise InvalidDataError(
                f"`images[{index}]` should be a uint8 array (c, h, w) with c = 1 or 3. "
                f"Found shape {image.shape} of {image.dtype}."
            )


def image_panels(
    figure: FigureBase, images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8], columns: int
) -> list[Axes]:
    """Draw the images row by row, and return their axes. The last row may have empty places.

    The coordinates of the axes are fractions of the image's width. The left edge of the image is at x = 0, the right
    edge at x = 1, and y increases downwards.

    Parameters
    ----------
    figure : Figure or SubFigure
    images : uint8 array (k, c, h, w), or sequence of k uint8 arrays (c, h, w)
        Gray images (c = 1) or RGB images (c = 3).
    columns : int
        Images per row.
    """
    rows = math.ceil(len(images) / columns)
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes in panels[len(images) :]:
        axes.set_axis_off()
    for axes, image in zip(panels, images, strict=False):
        pixels = image[0] if image.shape[0] == 1 else image.transpose(1, 2, 0)
        height = image.shape[1] / image.shape[2]
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, extent=(0, 1, height, 0), interpolation="nearest")
        axes.set_autoscale_on(False)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    return list(panels[: len(images)])
