"""Sizes of the image files of flagged samples."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.reasons.evidence import Sizes
from deepgum.data.image_files import open_image
from deepgum.data.image_reading import ImageReading
from deepgum.errors import DeepGUMWarning, UnreadableImageError, listing

__all__ = ["ImageSizes"]


class ImageSizes:
    """A reader of the sizes of image files. The reader opens a file only when its size is requested.

    Parameters
    ----------
    folder : Path
        Names of images are relative to this folder.
    reading : ImageReading, optional
        The way from the files to the pixels to which the labels belong. By default it is not known whether labels
        belong to the stored image or to the image as viewers turn it: the width and the height are those of the
        smallest image that contains both. A label outside of it is outside of both.

    Attributes
    ----------
    unreadable : list of str
        Names of the images whose size was requested but cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.new("L", (30, 20)).save(Path(folder) / "b.png")
    ...     images = ImageSizes(Path(folder))
    ...     print(images.sizes(["a.png", "b.png", "c.png"])([1, 2]), images.unreadable)
    [[nan nan]
     [30. 20.]
     [nan nan]] ['c.png']
    """

    def __init__(self, folder: Path, reading: ImageReading | None = None) -> None:
        self._folder = folder
        self._readings = [ImageReading(False), ImageReading(True)] if reading is None else [reading]
        self.unreadable: list[str] = []

    def sizes(self, names: Sequence[str]) -> Sizes:
        """Return a function that reads the sizes of the images in the rows that it receives; see `Sizes`.

        `names` are the names of the images, one per row. The function returns sizes (n, 2), NaN in all other rows.
        """
        return partial(self._read, names)

    def _read(self, names: Sequence[str], rows: Sequence[int]) -> NDArray[np.float64]:
        sizes = np.full((len(names), 2), np.nan)
        for row in rows:
            try:
                with open_image(self._folder / names[row]) as image:
                    sizes[row] = np.max([reading.size(image) for reading in self._readings], axis=0)
            except (UnreadableImageError, OSError):
                self.unreadable.append(names[row])
        return sizes

    def warn(self) -> None:
        """Warn about the images that cannot be read, if there are any."""
        if self.unreadable:
            warnings.warn(
                f"{len(self.unreadable)} image sizes of flagged samples cannot be read: {listing(self.unreadable)}. "
                "Labels outside these images are not recognised.",
                DeepGUMWarning,
                stacklevel=2,
            )
