"""Small versions of the images of samples. If an image cannot be shown, the reason is given instead."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from deepgum.audit.summary import DataSource
from deepgum.data.crops import Square
from deepgum.data.image_files import open_image
from deepgum.data.image_reading import ImageReading
from deepgum.data.pictures import Pictures
from deepgum.errors import UnreadableImageError

__all__ = ["PictureViewer", "View", "enlarged", "visible_box"]

Box = tuple[float, float, float, float]

_QUALITY = 70
_AT_ONCE = 64
"""Number of pictures that are decoded at the same time."""


@dataclass(frozen=True)
class View:
    """The visible part of the image of one sample.

    Attributes
    ----------
    crop : Square or None
        The visible square, in pixels of the image file. The square may reach beyond the image. None if the image cannot
        be shown.
    size : (int, int) or None
        Width and height of the image, as it is shown. None if the file cannot be read.
    problem : str
        The reason why the image cannot be shown, as a sentence. Empty if the image can be shown.
    """

    crop: Square | None = None
    size: tuple[int, int] | None = None
    problem: str = ""


class PictureViewer:
    """A reader that cuts the visible part of each sample out of its image file.

    The file names come from a table that somebody else may have written. Therefore symbolic links are followed first,
    and a file is opened only if it is in the folder of the data.

    Parameters
    ----------
    pictures : Pictures
    root : Path, optional
        Folder that must contain every file; by default the folder of the pictures.
    scale : float
        Side of the visible square, divided by the side of the square that the network saw. With a value above 1, labels
        outside the network's square are also visible.

    Examples
    --------
    >>> viewer = PictureViewer(Pictures(Path("faces"), ("../secret.png", "a.png"), (None, None)))
    >>> viewer.view(0).problem
    "Not opened: the path leads outside of the data's folder."
    >>> viewer.view(1).problem
    'There is no such file.'
    """

    def __init__(self, pictures: Pictures, root: Path | None = None, scale: float = 1.0) -> None:
        self.pictures, self.scale = pictures, scale
        self.root = (pictures.folder if root is None else root).resolve()

    @classmethod
    def of(cls, source: DataSource, pictures: Pictures) -> PictureViewer:
        """Return the viewer for an audit. If the labels are landmarks, it also shows a margin around the square that
        the network saw.
        """
        root = Path(source.root) if source.root else None
        return cls(pictures, root, 1.15 if source.landmarks else 1.0)

    def view(self, row: int) -> View:
        """Return the visible part of a sample. Only the header of the image file is read."""
        return self._draw(row, None)[0]

    def jpeg(self, row: int, side: int) -> tuple[View, bytes | None]:
        """Return the pair (visible part, JPEG) of a sample. The JPEG is None if the image cannot be shown.

        The JPEG shows the `visible_box` of the crop. It is scaled so that the whole crop would be `side` pixels wide.
        The JPEG is in colour even if the network saw gray images. The image is turned as its file says only if the
        network saw it turned, because labels belong to the pixels that the network saw. The JPEG notes no orientation,
        so a browser shows it as it is.
        """
        return self._draw(row, side)

    def jpegs(self, rows: Sequence[int], side: int) -> Iterator[tuple[View, bytes | None]]:
        """Yield the result of `jpeg` for each row, in the order of the rows."""
        # Pillow releases the interpreter lock while it decodes.
        with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
            for start in range(0, len(rows), _AT_ONCE):
                yield from pool.map(lambda row: self.jpeg(row, side), rows[start : start + _AT_ONCE])

    def _draw(self, row: int, side: int | None) -> tuple[View, bytes | None]:
        try:
            path = self.pictures.file(row).resolve()
            if not path.is_relative_to(self.root):
                return View(problem="Not opened: the path leads outside of the data's folder."), None
            if not path.is_file():  # reading a pipe would block
                return View(problem="There is no such file."), None
            if self.pictures.has_changed(row):
                return View(problem="Not shown: the image has changed since the audit."), None
            with open_image(path) as image:
                reading = self.pictures.reading
                size = reading.size(image)
                square = self.pictures.squares[row] or Square.around(0, size[0], 0, size[1], scale=1)
                crop = enlarged(square, self.scale)
                if visible_box(crop, size) is None:
                    return View(size=size, problem="The box lies outside of the image."), None
                return View(crop, size), None if side is None else _encode(image, crop, side, reading)
        # The page shows the reason instead of the image.
        except UnreadableImageError as error:
            return View(problem=f"Cannot be read: {error.reason}."), None
        except OSError as error:
            return View(problem=f"Cannot be read: {error.strerror or error}."), None
        except ValueError as error:  # a name with a null character
            return View(problem=f"Cannot be read: {error}."), None


def enlarged(square: Square, scale: float) -> Square:
    """Return a square with the same centre that is `scale` times as wide.

    Examples
    --------
    >>> enlarged(Square(10.0, 20.0, 40.0), 1.5)
    Square(left=0.0, top=10.0, side=60.0)
    """
    left, top, side = square
    return Square.around(left, left + side, top, top + side, scale)


def visible_box(crop: Square, size: tuple[int, int]) -> Box | None:
    """Return the box (left, top, right, bottom) of the overlap of a crop and an image, in pixels.

    Return None if the crop and the image do not overlap.

    Examples
    --------
    >>> visible_box(Square(-10.0, 0.0, 60.0), (40, 100))
    (0.0, 0.0, 40.0, 60.0)
    """
    left, top, side = crop
    box = max(0.0, left), max(0.0, top), min(float(size[0]), left + side), min(float(size[1]), top + side)
    return box if box[0] < box[2] and box[1] < box[3] else None


def _encode(image: Image.Image, crop: Square, side: int, reading: ImageReading) -> bytes:
    """Return a JPEG of the part of the image inside the crop. It is scaled so that the whole crop would be `side`
    pixels wide.
    """
    width, height = reading.size(image)
    box = visible_box(crop, (width, height))
    assert box is not None
    scale = side / crop.side
    # Pillow decodes a JPEG at a half, a quarter or an eighth of its size, if the result is large enough.
    least = max(1, round(width * scale)), max(1, round(height * scale))
    image.draft("RGB", reading.stored(least, image))
    shown = reading.pixels(image, "RGB")
    by_x, by_y = shown.width / width, shown.height / height
    target = max(1, round((box[2] - box[0]) * scale)), max(1, round((box[3] - box[1]) * scale))
    drawn = shown.resize(
        target,
        Image.Resampling.BILINEAR,
        box=(box[0] * by_x, box[1] * by_y, box[2] * by_x, box[3] * by_y),
        reducing_gap=2.0,
    )
    encoded = io.BytesIO()
    drawn.save(encoded, "JPEG", quality=_QUALITY, optimize=True)
    return encoded.getvalue()
