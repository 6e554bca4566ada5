"""Small pictures of samples, and words for those that cannot be shown."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from deepgum.audit.summary import DataSource
from deepgum.data.crops import Square
from deepgum.data.pictures import Pictures

__all__ = ["PictureViewer", "View", "enlarged", "visible_box"]

Box = tuple[float, float, float, float]

_QUALITY = 70
_AT_ONCE = 64
"""Pictures that are decoded before the first of them is handed on."""


@dataclass(frozen=True)
class View:
    """What is shown of a sample.

    Attributes
    ----------
    crop : Square or None
        In pixels of the file; it may reach beyond the image. None where there is nothing to show.
    size : (int, int) or None
        Width and height of the image in the file.
    problem : str
        Why there is nothing to show, a sentence; empty where there is something.
    """

    crop: Square | None = None
    size: tuple[int, int] | None = None
    problem: str = ""


class PictureViewer:
    """Cuts from image files what a person is to see of each sample.

    A file is opened only if it lies in the folder of the data, links followed to their end: the names come from a table
    that somebody else may have written.

    Parameters
    ----------
    pictures : Pictures
    root : Path, optional
        What no file may lie outside of; by default the folder of the pictures.
    scale : float
        Side of what is shown, in sides of the square that the network saw. More than 1 shows labels outside of that.

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
        """Return what shows the pictures of an audit; of landmarks also those somewhat outside of the square."""
        root = Path(source.root) if source.root else None
        return cls(pictures, root, 1.15 if source.landmarks else 1.0)

    def view(self, row: int) -> View:
        """Return what is to be shown of a sample, for which only the head of its file is read."""
        return self._draw(row, None)[0]

    def jpeg(self, row: int, side: int) -> tuple[View, bytes | None]:
        """Return the part of the image that lies in the crop, as a JPEG; None where there is a problem.

        The picture is as large as `visible_box` says, in a crop of `side` pixels. It is in colour whatever the network
        saw, and an orientation noted in the file is not applied: labels are given for the pixels as they are stored.
        """
        return self._draw(row, side)

    def jpegs(self, rows: Sequence[int], side: int) -> Iterator[tuple[View, bytes | None]]:
        """Yield what `jpeg` returns, in the order of the rows."""
        # Pillow lets go of the interpreter lock while it decodes.
        with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
            for start in range(0, len(rows), _AT_ONCE):
                yield from pool.map(lambda row: self.jpeg(row, side), rows[start : start + _AT_ONCE])

    def _draw(self, row: int, side: int | None) -> tuple[View, bytes | None]:
        try:
            path = self.pictures.file(row).resolve()
            if not path.is_relative_to(self.root):
                return View(problem="Not opened: the path leads outside of the data's folder."), None
            if not path.is_file():  # a pipe would be waited for
                return View(problem="There is no such file."), None
            with Image.open(path) as image:
                size = image.size
                square = self.pictures.squares[row] or Square.around(0, size[0], 0, size[1], scale=1)
                crop = enlarged(square, self.scale)
                if visible_box(crop, size) is None:
                    return View(size=size, problem="The box lies outside of the image."), None
                return View(crop, size), None if side is None else _encode(image, crop, side)
        except UnidentifiedImageError:
            return View(problem="Cannot be read: this is no image, or a damaged one."), None
        except Exception as error:
            # Decoders of damaged files raise whatever they meet. One such file is a word on the page, and no end of it.
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            return View(problem=f"Cannot be read: {reason or type(error).__name__}."), None


def enlarged(square: Square, scale: float) -> Square:
    """Return a square about the same centre, `scale` times as wide.

    Examples
    --------
    >>> enlarged(Square(10.0, 20.0, 40.0), 1.5)
    Square(left=0.0, top=10.0, side=60.0)
    """
    left, top, side = square
    return Square.around(left, left + side, top, top + side, scale)


def visible_box(crop: Square, size: tuple[int, int]) -> Box | None:
    """Return left, top, right, bottom of what a crop and an image have in common, in pixels; None if that is nothing.

    Examples
    --------
    >>> visible_box(Square(-10.0, 0.0, 60.0), (40, 100))
    (0.0, 0.0, 40.0, 60.0)
    """
    left, top, side = crop
    box = max(0.0, left), max(0.0, top), min(float(size[0]), left + side), min(float(size[1]), top + side)
    return box if box[0] < box[2] and box[1] < box[3] else None


def _encode(image: Image.Image, crop: Square, side: int) -> bytes:
    """Return a JPEG of what is seen in the crop, at `side` pixels a crop."""
    width, height = image.size
    box = visible_box(crop, (width, height))
    assert box is not None
    scale = side / crop.side
    # A JPEG is decoded at a half, a fourth or an eighth, if that is as large as needed.
    image.draft("RGB", (max(1, round(width * scale)), max(1, round(height * scale))))
    by_x, by_y = image.width / width, image.height / height
    target = max(1, round((box[2] - box[0]) * scale)), max(1, round((box[3] - box[1]) * scale))
    drawn = image.convert("RGB").resize(
        target,
        Image.Resampling.BILINEAR,
        box=(box[0] * by_x, box[1] * by_y, box[2] * by_x, box[3] * by_y),
        reducing_gap=2.0,
    )
    encoded = io.BytesIO()
    drawn.save(encoded, "JPEG", quality=_QUALITY, optimize=True)
    return encoded.getvalue()
