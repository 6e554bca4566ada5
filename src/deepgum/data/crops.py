"""Square crops around boxes, and the coordinates of points in these crops.

Coordinates are continuous: ``(0, 0)`` is the upper left corner of the first pixel of an image, and ``(0.5, 0.5)`` is
the centre of this pixel. Cropping shifts and scales coordinates. If coordinates are given as fractions of the crop,
resizing does not change them.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deepgum.data.image_files import open_image
from deepgum.data.image_reading import ImageReading

__all__ = ["Square", "cut_square", "read_crop"]


class Square(NamedTuple):
    """A square region of an image, in pixels. The edges of the square may lie between pixels or outside the image.

    Examples
    --------
    >>> square = Square.around(left=10, right=50, top=20, bottom=40, scale=1.5)
    >>> square
    Square(left=0.0, top=0.0, side=60.0)
    >>> square.fractions([[30.0, 15.0]])
    array([[0.5 , 0.25]])
    """

    left: float
    top: float
    side: float

    @classmethod
    def around(cls, left: float, right: float, top: float, bottom: float, scale: float) -> Square:
        """Return the square that has the same centre as a box. Its side is `scale` times the longer side of the box."""
        side = scale * max(right - left, bottom - top)
        return cls((left + right - side) / 2, (top + bottom - side) / 2, side)

    def fractions(self, points: object) -> NDArray[np.float64]:
        """Convert points (..., 2) from pixels of the image to fractions of the side of the square.

        The upper left corner of the square becomes ``(0, 0)``.
        """
        return (np.asarray(points, dtype=np.float64) - (self.left, self.top)) / self.side


def cut_square(image: Image.Image, square: Square, size: int) -> Image.Image:
    """Return a square crop of an image, resized to `size` x `size` pixels with a filter against aliasing.

    Where the square lies outside the image, the outermost pixels of the image are repeated. A constant colour there
    would make a straight edge of high contrast, and a network would learn this edge like a part of the face.

    Raises
    ------
    ValueError
        If the centre of the square is outside the image, or if the side of the square is more than three times the
        longer side of the image. Such a square probably belongs to another image, and the crop could need too much
        memory.
    """
    left, top, side = square
    right, bottom = left + side, top + side
    inside = 0 <= left + side / 2 <= image.width and 0 <= top + side / 2 <= image.height
    if not inside or side > 3 * max(image.size):
        raise ValueError(f"the box does not fit an image of {image.width} x {image.height} pixels")
    before = max(0, math.ceil(-left)), max(0, math.ceil(-top))
    after = max(0, math.ceil(right - image.width)), max(0, math.ceil(bottom - image.height))
    if any(before + after):
        pixels = np.asarray(image)
        margins = ((before[1], after[1]), (before[0], after[0]), (0, 0))[: pixels.ndim]
        image = Image.fromarray(np.pad(pixels, margins, mode="edge"))
    box = (left + before[0], top + before[1], right + before[0], bottom + before[1])
    return image.resize((size, size), Image.Resampling.BILINEAR, box=box)


def read_crop(
    path: Path, square: Square | None, size: int, *, colour: bool, reading: ImageReading | None = None
) -> NDArray[np.uint8]:
    """Return a crop of an image file as an array (c, size, size), where c = 3 with `colour` and c = 1 without.

    If `square` is None, the crop is the smallest square around the whole image, so that the aspect ratio is kept. By
    default, the orientation that the file notes is not applied, and labels belong to the stored pixels.

    Raises
    ------
    UnreadableImageError
        If the file cannot be decoded, or the square does not fit the image; see `cut_square`.
    OSError
        If the operating system cannot read the file.
    """
    mode: Literal["RGB", "L"] = "RGB" if colour else "L"
    with open_image(path) as image:
        image.draft(mode, None)  # a gray JPEG then decodes its luma only
        shown = (reading or ImageReading()).pixels(image, mode)
        if square is None:
            square = Square.around(0, shown.width, 0, shown.height, scale=1)
        pixels = np.asarray(cut_square(shown, square, size))
    return np.ascontiguousarray(np.atleast_3d(pixels).transpose(2, 0, 1))
