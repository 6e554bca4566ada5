"""Files of landmarks with the ending ``.pts``, one beside each image, as in 300-W."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepgum.checks import is_storable
from deepgum.data.edits.texts import Edit, Text
from deepgum.errors import InvalidDataError

__all__ = ["PtsFile", "find_pts", "image_of", "read_pts"]

_FILE = re.compile(r"\s*version:\s*\S+\s*n_points:\s*(\d{1,6})\s*\{(.*)\}\s*", re.DOTALL)
_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".ppm", ".pgm", ".avif")
MISSING = ((0.0, 0.0), (-1.0, -1.0))
"""Coordinates that stand for a landmark without a label. The first pixel of an image has the coordinates (1, 1)."""


@dataclass(frozen=True, eq=False)
class PtsFile:
    """The content of a file of landmarks.

    Attributes
    ----------
    text : Text
    places : tuple of (int, int), length 2 k
        Start and end of each number in the text.
    points : array (k, 2)
        NaN where the numbers of a landmark are one of `MISSING`.
    """

    text: Text
    places: tuple[tuple[int, int], ...]
    points: NDArray[np.float64]

    def edit(self, number: int, text: str) -> Edit:
        """Return the edit that replaces a number. Numbers are counted from 0, x y x y ..."""
        return (*self.places[number], text)


def find_pts(folder: Path) -> list[str]:
    """Return the names of the files of landmarks in a folder and its subfolders, sorted."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*.pts") if path.is_file())
    return sorted(name for name in found if not any(part.startswith(".") for part in name.split("/")))


def image_of(folder: Path, name: str) -> str:
    """Return the image beside a file of landmarks: the file with the same name and the ending of an image.

    If there is no such file, the name has the ending ``.jpg``.
    """
    stem = name.removesuffix(".pts")
    endings = [*_ENDINGS, *map(str.upper, _ENDINGS)]
    return next((stem + ending for ending in endings if (folder / (stem + ending)).is_file()), stem + ".jpg")


def read_pts(path: Path) -> PtsFile:
    r"""Read a file of landmarks.

    Raises
    ------
    InvalidDataError
        If the file has another form, or another number of landmarks than it says.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.pts"
    ...     _ = path.write_text("version: 1\nn_points: 2\n{\n1.5 2\n-1 -1\n}\n")
    ...     read_pts(path).points
    array([[1.5, 2. ],
           [nan, nan]])
    """
    text = Text.read(path)
    match = _FILE.fullmatch(text.content)
    if match is None:
        raise InvalidDataError(
            f"'{path}' should be a file of landmarks: 'version: 1', 'n_points: 68', and the landmarks between braces. "
            f"Found {text.content[:60]!r}."
        )
    words = list(re.finditer(r"\S+", match[2]))
    numbers = [_number(word[0]) for word in words]
    count = int(match[1])
    if len(numbers) != 2 * count or not count or not all(map(is_storable, numbers)):
        wrong = next((word[0] for word, value in zip(words, numbers, strict=True) if not is_storable(value)), None)
        found = f"{len(numbers)} numbers" if wrong is None else repr(wrong[:40])
        raise InvalidDataError(
            f"'{path}' should have {2 * count} numbers, x and y of {count} landmarks. Found {found}."
        )
    points = np.array(numbers).reshape(count, 2)
    for mark in MISSING:
        points[(points == mark).all(axis=1)] = np.nan
    begin = match.start(2)
    return PtsFile(text, tuple((begin + word.start(), begin + word.end()) for word in words), points)


def _number(word: str) -> float:
    try:
        return float(word) if word.isascii() and "_" not in word else math.nan
    except ValueError:
        return math.nan
