"""Image files: the formats that are read, and one type of error for every file that cannot be decoded.

All images of the package are opened here. Pillow has decoders for more formats. Some of these decoders start another
program (EPS starts Ghostscript), and others are rarely tested with damaged files. The format is read from the first
bytes of a file, so the ending of the name does not protect: an EPS file may be called `a.jpg`.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from deepgum.errors import UnreadableImageError

__all__ = ["FORMATS", "open_image"]

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "AVIF")
"""Names of the formats that are read, as in Pillow. PPM includes PGM and PBM."""


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """Open an image file, and close it at the end of the `with` block.

    Pillow decodes the pixels only when they are needed. The `with` block should therefore only decode: every error that
    is raised in the block counts as a damaged file.

    Raises
    ------
    UnreadableImageError
        If the file has another format, or cannot be decoded. Decoders raise errors of many types for damaged files;
        here all of them become this type.
    OSError
        If the operating system cannot read the file (no such file, no permission, a disk error). The image itself may
        be intact.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.new("L", (30, 20)).save(Path(folder) / "a.png")
    ...     with open_image(Path(folder) / "a.png") as image:
    ...         print(image.size)
    (30, 20)
    """
    try:
        with Image.open(path, formats=FORMATS) as image:  # noqa: TID251 - the one place
            yield image
    except UnidentifiedImageError as error:
        raise UnreadableImageError(path, _reason_of_refusal(path)) from error
    except Exception as error:
        # A damaged file makes some decoders seek to a place before the beginning; the system calls this EINVAL.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise UnreadableImageError(path, reason) from error


def _reason_of_refusal(path: Path) -> str:
    known = ", ".join(FORMATS)
    found = _other_format(path)
    if found is None:
        return f"this is not an image, or it is damaged, or its format is none of {known}"
    return f"its format is {found}. The formats that are read are {known}. Convert the image to one of them"


def _other_format(path: Path) -> str | None:
    """Return the name of the format, if the first bytes are those of a format that Pillow knows. Nothing is decoded."""
    with open(path, "rb") as file:
        prefix = file.read(16)
    Image.init()  # registers all formats
    for name, (_, accepts) in Image.OPEN.items():
        with suppress(Exception):  # some checks expect more bytes than a short file has
            if name not in FORMATS and accepts is not None and accepts(prefix) is True:
                return name
    return None
