"""Image files of the samples, to show to people, and the square crop of each image that the network receives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deepgum.data.crops import Square
from deepgum.data.image_files import open_image
from deepgum.errors import InvalidDataError

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
        image.

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

    def __post_init__(self) -> None:
        if len(self.squares) != len(self.names):
            raise InvalidDataError(f"`squares` should have length {len(self.names)}. Found {len(self.squares)}.")

    def __len__(self) -> int:
        return len(self.names)

    def subset(self, rows: Sequence[int]) -> Pictures:
        """Return the image files and squares at these positions, in the order of `rows`."""
        return Pictures(self.folder, tuple(self.names[row] for row in rows), tuple(self.squares[row] for row in rows))

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
            return Square.around(0, image.width, 0, image.height, scale=1)
