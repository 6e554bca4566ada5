"""Pictures of the samples for people to look at: the image file, and the square of it that the network sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from deepgum.data.crops import Square
from deepgum.errors import InvalidDataError

__all__ = ["Pictures"]


@dataclass(frozen=True)
class Pictures:
    """Image files of n samples, and the squares cut from them. They are shown to people and not used in training.

    Parameters
    ----------
    folder : Path
        Folder that the names are relative to.
    names : tuple of str, length n
        Image files.
    squares : tuple of Square or None, length n
        Squares in pixels of the file; None means the smallest square around the whole image.

    Raises
    ------
    InvalidDataError
        If the number of squares is not the number of names.

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
        """Return the pictures at these positions, in this order."""
        return Pictures(self.folder, tuple(self.names[row] for row in rows), tuple(self.squares[row] for row in rows))

    def file(self, row: int) -> Path:
        """Return the path of a picture."""
        return self.folder / self.names[row]

    def square(self, row: int) -> Square:
        """Return the square of a picture, in pixels of its file.

        Raises
        ------
        OSError, SyntaxError, ValueError
            Raised by Pillow if the square is the whole image and the file does not give its size.
        """
        square = self.squares[row]
        if square is not None:
            return square
        with Image.open(self.file(row)) as image:
            return Square.around(0, image.width, 0, image.height, scale=1)
