"""Where the picture of each sample comes from: its file, and the square of it that the network is shown."""

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
    """Image files of n samples, and the squares that were cut from them. Nothing is trained on this: it is for people.

    Parameters
    ----------
    folder : Path
        What the names are relative to.
    names : tuple of str, length n
    squares : tuple of Square or None, length n
        In pixels of the file; None stands for the smallest square around the whole image.

    Raises
    ------
    InvalidDataError
        If there are not as many squares as names.

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
            As Pillow raises them, where the square is the whole image and the file does not say how large that is.
        """
        square = self.squares[row]
        if square is not None:
            return square
        with Image.open(self.file(row)) as image:
            return Square.around(0, image.width, 0, image.height, scale=1)
