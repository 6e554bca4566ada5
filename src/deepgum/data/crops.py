"""Square crops around boxes, and the coordinates of points in these crops.

Coordinates are continuous: ``(0, 0)`` is the upper left corner of an image's first pixel, and ``(0.5, 0.5)`` its
centre. A crop then shifts and scales coordinates, and resizing does not change them as fractions of the crop.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["Square", "cut_square", "read_crop"]


class Square(NamedTuple):
    """A square region of an image, in pixels; its edges may lie between pixels and outside the image.

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
        """Return the square at the box's centre, `scale` times as wide as the box's longer side."""
        side = scale * max(right - left, bottom - top)
        return cls((left + right - side) / 2, (top + bottom - side) / 2, side)

    def fractions(self, points: object) -> NDArray[np.float64]:
        """Return points (..., 2), given in pixels of the image, as fractions of the square's side."""
        return (np.asarray(points, dtype=np.float64) - (self.left, self.top)) / self.side


def cut_square(image: Image.Image, square: Square, size: int) -> Image.Image:
    """Return the square as an image of `size` x `size` pixels, filtered against aliasing.

    Outside the image, the image's outermost pixels are repeated. A constant fill would make a straight edge of high
    contrast, which a network learns like a part of the face.

    Raises
    ------
    ValueError
        If the square's centre is outside the image, or its side is more than three times the image's longer side. Such
        a box belongs to another image, and its crop could need any amount of memory.
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


def read_crop(path: Path, square: Square | None, size: int, *, colour: bool) -> NDArray[np.uint8]:
    """Return a crop of an image file, shape (3, size, size) in colour, else (1, size, size).

    If `square` is None, the crop is the smallest square around the whole image, so that the aspect ratio is kept. The
    orientation tag of the file is ignored: labels refer to the pixels as they are stored.

    Raises
    ------
    OSError, SyntaxError, ValueError
        Raised by Pillow for a file that it cannot decode, or by `cut_square`.
    """
    mode = "RGB" if colour else "L"
    with Image.open(path) as image:
        image.draft(mode, None)  # a gray JPEG then decodes its luma only
        if square is None:
            square = Square.around(0, image.width, 0, image.height, scale=1)
        pixels = np.asarray(cut_square(image.convert(mode), square, size))
    return np.ascontiguousarray(np.atleast_3d(pixels).transpose(2, 0, 1))
