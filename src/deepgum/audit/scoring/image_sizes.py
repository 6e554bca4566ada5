"""How large images are, of those that have to be known."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deepgum.errors import DeepGUMWarning, listing

__all__ = ["ImageSizes"]


class ImageSizes:
    """Sizes of image files, read when they are asked for.

    Parameters
    ----------
    folder : Path
        What the names are relative to.
    names : sequence of str, length n

    Attributes
    ----------
    unreadable : list of str
        Names of images that were asked for and whose size cannot be known.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.new("L", (30, 20)).save(Path(folder) / "b.png")
    ...     sizes = ImageSizes(Path(folder), ["a.png", "b.png", "c.png"])
    ...     print(sizes([1, 2]), sizes.unreadable)
    [[nan nan]
     [30. 20.]
     [nan nan]] ['c.png']
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder, self._names = folder, names
        self.unreadable: list[str] = []

    def __call__(self, rows: Sequence[int]) -> NDArray[np.float64]:
        """Return width and height (n, 2) of the images of these rows; NaN of the others, and where unknown."""
        sizes = np.full((len(self._names), 2), np.nan)
        for row in rows:
            try:
                with Image.open(self._folder / self._names[row]) as image:
                    sizes[row] = image.size
            except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
                self.unreadable.append(self._names[row])
        return sizes

    def warn(self) -> None:
        """Say what could not be known, if there is anything."""
        if self.unreadable:
            warnings.warn(
                f"{len(self.unreadable)} image sizes of flagged samples cannot be read: {listing(self.unreadable)}. "
                "Whether labels lie outside of these images is not known.",
                DeepGUMWarning,
                stacklevel=2,
            )
