"""Image files of the samples, to show to people, and the square crop of each image that the network receives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from deepgum.data.crops import Square
from deepgum.data.image_files import open_image
from deepgum.data.image_reading import ImageReading
from deepgum.errors import InvalidDataError
from deepgum.storage.hashes import KeptHashes, file_sha256

__all__ = ["Pictures"]


@dataclass(frozen=True)
class Pictures:
    """Image files of n samples, and the square crop of each image that the network receives.

    The files are only shown to people, and not used in training.

    Parameters
    ----------
    folder : Path
        Folder of the image files.
    names : tuple of str, length n
        Names of the image files, relative to `folder`.
    squares : tuple of Square or None, length n
        The square crop of each image, in pixels of the image file. None means the smallest square around the whole
        image. If `reading` turns images, squares are in pixels of the turned image.
    sha256 : tuple of str, length n or 0
        The SHA-256 of each image file, or an empty string if it is not known. If the tuple is empty, none is known.
    reading : ImageReading
        The way from the files to pixels.

    Raises
    ------
    InvalidDataError
        If the numbers of names and squares differ.

    Examples
    --------
    >>> pictures = Pictures(Path("faces"), ("a.jpg", "b.jpg"), (None, Square(10.0, 0.0, 50.0)))
    >>> pictures.subset([1]).names, pictures.file(0).as_posix()
    (('b.jpg',), 'faces/a.jpg')
    """

    folder: Path
    names: tuple[str, ...]
    squares: tuple[Square | None, ...]
    sha256: tuple[str, ...] = ()
    reading: ImageReading = field(default_factory=ImageReading)

    def __post_init__(self) -> None:
        if len(self.squares) != len(self.names):
            raise InvalidDataError(f"`squares` should have length {len(self.names)}. Found {len(self.squares)}.")
        if len(self.sha256) not in (0, len(self.names)):
            raise InvalidDataError(f"`sha256` should have length {len(self.names)} or 0. Found {len(self.sha256)}.")

    def __len__(self) -> int:
        return len(self.names)

    def subset(self, rows: Sequence[int]) -> Pictures:
        """Return the image files and squares at these positions, in the order of `rows`."""
        names, squares = tuple(self.names[row] for row in rows), tuple(self.squares[row] for row in rows)
        sha256 = tuple(self.sha256[row] for row in rows if self.sha256)
        return Pictures(self.folder, names, squares, sha256, self.reading)

    def hashed(self, cache: Path) -> Pictures:
        """Return the same pictures with the SHA-256 of each file. `cache` is the folder of the kept hashes."""
        hashes = KeptHashes(cache, self.folder).of(self.names)
        return replace(self, sha256=tuple(content or "" for content in hashes))

    def has_changed(self, row: int) -> bool:
        """Return whether the image file at position `row` differs from the file whose SHA-256 is known.

        Raises
        ------
        OSError
            If the file cannot be read.
        """
        known = self.sha256[row] if self.sha256 else ""
        return known != "" and file_sha256(self.file(row)) != known

    def file(self, row: int) -> Path:
        """Return the path of the image file at position `row`."""
        return self.folder / self.names[row]

    def square(self, row: int) -> Square:
        """Return the square crop of the image at position `row`, in pixels of the image file.

        Raises
        ------
        UnreadableImageError, OSError
            If `squares` has None for this image, and the size of the image cannot be read from the file.
        """
        square = self.squares[row]
        if square is not None:
            return square
        with open_image(self.file(row)) as image:
            width, height = self.reading.size(image)
        return Square.around(0, width, 0, height, scale=1)
