"""The way from an image file to pixels of 8 bits: deep images, transparency, and the orientation that a file notes.

A person and a network see the same pixels: crops, thumbnails and pages all use this module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from deepgum.data.image_files import open_image
from deepgum.errors import UnreadableImageError

__all__ = ["ImageReading", "ImageSurvey", "orientation_of", "survey_images"]

_KINDS = {"I;16": "16 bits", "I;16L": "16 bits", "I;16B": "16 bits", "I;16N": "16 bits", "I": "32 bits", "F": "float"}
"""Modes of Pillow with one channel of more than 8 bits, and the kind of pixels that each mode means."""
_TURNED = (5, 6, 7, 8)
"""Orientations that exchange width and height."""
_ORIENTATION = 0x0112
_BEHIND = 128
"""Grey level behind transparent pixels: drawings in black and in white are both visible on it."""


@dataclass(frozen=True)
class ImageReading:
    """The settings with which image files become pixels of 8 bits.

    - Pixels of more than 8 bits are scaled from a range (low, high) to 0 ... 255; values outside are clipped. All
      images of a data set have the same range, so that a dark image stays darker than a bright one.
    - Transparent pixels lie on grey.
    - The orientation that a file notes (EXIF) is applied only if the user asks for it.

    Parameters
    ----------
    apply_orientation : bool
        Whether images are turned as their files say. Labels then belong to the turned images.
    ranges : mapping of str to (float, float)
        Range of the pixels of each kind: "16 bits", "32 bits" or "float". `survey_images` finds the ranges of a data
        set. An image whose kind has no range gets the range of this image alone.

    Examples
    --------
    >>> deep = Image.fromarray(np.array([[0, 2048, 4095]], dtype=np.uint16))
    >>> np.asarray(ImageReading(ranges={"16 bits": (0.0, 4095.0)}).pixels(deep, "L"))
    array([[  0, 128, 255]], dtype=uint8)
    """

    apply_orientation: bool = False
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash((self.apply_orientation, *sorted(self.ranges.items())))

    def size(self, image: Image.Image) -> tuple[int, int]:
        """Return the width and the height of an open image, as it is shown."""
        width, height = image.size
        return (height, width) if self._turns(image) in _TURNED else (width, height)

    def stored(self, size: tuple[int, int], image: Image.Image) -> tuple[int, int]:
        """Return a size of the shown image (width, height) in the order of the stored image."""
        return size[::-1] if self._turns(image) in _TURNED else size

    def pixels(self, image: Image.Image, mode: Literal["RGB", "L"]) -> Image.Image:
        """Return an open image as it is shown, in colour ("RGB") or grey ("L").

        Raises
        ------
        ValueError
            If Pillow cannot convert the image, or turns it wrongly.
        """
        before = image.size
        image.load()
        if image.format == "TIFF" and image.size != before:
            # Pillow turns a TIFF itself, and mixes up the rows of a TIFF that is not compressed.
            raise ValueError("Pillow cannot apply the orientation of this TIFF. Write the file without orientation")
        shown = _flat(image, self.ranges).convert(mode)
        turn = self._turns(image)
        if turn != 1:
            # The orientation is that of the file. The converted image may have lost it.
            shown.getexif()[_ORIENTATION] = turn
            shown = ImageOps.exif_transpose(shown)
        return shown

    def _turns(self, image: Image.Image) -> int:
        return orientation_of(image) if self.apply_orientation else 1


@dataclass(frozen=True)
class ImageSurvey:
    """Findings about n image files before they are decoded.

    Attributes
    ----------
    ranges : mapping of str to (float, float)
        Range of the pixels of each kind with more than 8 bits that occurs; see `ImageReading`.
    orientations : mapping of int to int
        Position of each image whose file notes an orientation, and this orientation, 2 to 8.
    """

    ranges: Mapping[str, tuple[float, float]]
    orientations: Mapping[int, int]


def orientation_of(image: Image.Image) -> int:
    """Return the orientation (EXIF, 1 to 8) that an open image notes and that Pillow does not apply; 1 if none.

    Only the beginning of the file is read. A TIFF has orientation 1, because Pillow turns a TIFF while it decodes.

    Examples
    --------
    >>> orientation_of(Image.new("L", (3, 2)))
    1
    """
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return 1  # for a PNG without EXIF before its pixels, Pillow would decode the pixels to look behind them
    try:
        found = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # a damaged block of metadata, in one of many ways; the pixels may be intact
        return 1
    return found if found in range(2, 9) else 1


def survey_images(paths: Sequence[Path], on_progress: Callable[[int, int], None] | None = None) -> ImageSurvey:
    """Return the orientations of image files, and the ranges of their pixels if they have more than 8 bits.

    Files with at most 8 bits per channel are not decoded. Files that cannot be read are passed over.

    The low end of a range is 0 and the high end is the largest number of as few bits as the pixels need: 4095 for
    images of 12 bits in files of 16 bits. Floats that fill more than a quarter of 0 to 1 or of 0 to 255 have this
    range. In all other cases, and if all pixels lie close together, the range is that of the pixels.

    Parameters
    ----------
    paths : sequence of Path, length n
    on_progress : callable, optional
        Called as ``on_progress(done, n)``.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.fromarray(np.array([[7, 4000]], dtype=np.uint16)).save(Path(folder) / "a.png")
    ...     survey_images([Path(folder) / "a.png"])
    ImageSurvey(ranges={'16 bits': (0.0, 4095.0)}, orientations={})
    """
    ends: dict[str, tuple[float, float]] = {}
    orientations = {}
    for row, (kind, low, high, orientation) in enumerate(_looks(paths)):
        if orientation != 1:
            orientations[row] = orientation
        if kind and low <= high:
            known = ends.get(kind, (low, high))
            ends[kind] = min(known[0], low), max(known[1], high)
        if on_progress is not None:
            on_progress(row + 1, len(paths))
    return ImageSurvey({kind: _range(kind, *found) for kind, found in sorted(ends.items())}, orientations)


_Look = tuple[str, float, float, int]
_AT_ONCE = 256


def _looks(paths: Sequence[Path]) -> Iterator[_Look]:
    with ThreadPoolExecutor(max_workers=2) as pool:  # Pillow releases the interpreter lock while it decodes
        for start in range(0, len(paths), _AT_ONCE):
            yield from pool.map(_look, paths[start : start + _AT_ONCE])


def _look(path: Path) -> _Look:
    """Return (kind of pixels, smallest value, largest value, orientation) of an image file. The kind of 8 bits is
    empty.
    """
    try:
        with open_image(path) as image:
            kind, orientation = _KINDS.get(image.mode, ""), orientation_of(image)
            low, high = _ends(np.asarray(image)) if kind else (0.0, 0.0)
            return kind, low, high, orientation
    except (UnreadableImageError, OSError):
        return "", 0.0, 0.0, 1  # the decoder reports the error


def _ends(values: NDArray[np.generic]) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (np.inf, -np.inf)


def _range(kind: str, low: float, high: float) -> tuple[float, float]:
    """Return the range that becomes 0 ... 255, for pixels of a kind from `low` to `high`."""
    if kind == "float":
        for top in (1.0, 255.0):
            if low >= 0 and top / 4 < high <= top:
                return 0.0, top
        return low, high
    top = 2.0 ** max(8, int(high).bit_length()) - 1 if high > 0 else 0.0
    return (low, high) if low < 0 or (high - low < top / 4 and high > low and high > 255) else (0.0, max(top, 255.0))


def _flat(image: Image.Image, ranges: Mapping[str, tuple[float, float]]) -> Image.Image:
    """Return an image with at most 8 bits per channel and without transparent pixels."""
    kind = _KINDS.get(image.mode)
    if kind is not None:
        values = np.asarray(image, dtype=np.float64)
        low, high = ranges[kind] if kind in ranges else _range(kind, *_ends(values))
        scaled = np.nan_to_num((values - low) * (255 / max(high - low, 1e-30)), nan=0.0, posinf=255.0, neginf=0.0)
        return Image.fromarray(np.rint(scaled.clip(0, 255)).astype(np.uint8))
    if image.has_transparency_data:
        colours = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", colours.size, (_BEHIND, _BEHIND, _BEHIND, 255)), colours)
    return image
