"""Where the images of a keypoint file are, and whether its points can be pixels of these images."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import numpy as np
from numpy.typing import NDArray

from deepgum.data.image_files import open_image
from deepgum.data.image_reading import ImageReading
from deepgum.data.keypoints import placed
from deepgum.errors import InvalidDataError, InvalidParameterError, UnreadableImageError, listing

__all__ = ["check_places", "check_sizes", "find_images", "folder_of_images", "image_sizes"]

Values = NDArray[np.float64]

FRACTIONS = 16
"""In images with more pixels, coordinates that are all between 0 and 1 are fractions."""


def folder_of_images(file: Path, images: Sequence[str], chosen: str) -> Path:
    """Return the folder of the images of a keypoint file.

    Parameters
    ----------
    file : Path
        The keypoint file.
    images : sequence of str
        Names of the images in the file.
    chosen : str
        The folder that the user names. If it is empty, the folder is the first of the following that has the first
        image: the folder of the file, a folder ``images`` beside the file or beside its folder, and the folder above.

    Raises
    ------
    InvalidParameterError
        If the chosen folder does not exist.
    """
    if chosen:
        if not Path(chosen).is_dir():
            raise InvalidParameterError("images", "the folder of the images", chosen, "There is no such folder.")
        return Path(chosen)
    here = file.parent
    for folder in (here, here / "images", here.parent / "images", here.parent):
        if (folder / find_images(folder, images[:1])[images[0]]).is_file():
            return folder
    return here


def find_images(folder: Path, names: Sequence[str]) -> Mapping[str, str]:
    r"""Return the image file of each name, relative to the folder of the images.

    A name may be a relative path, an absolute path of another machine, or a URL. If there is no file of this name in
    the folder, the longest end of the name that is a file is taken: the folder of ``C:\data\cats\1.jpg`` may have
    ``cats/1.jpg`` or ``1.jpg``. If there is no such file either, the name stays, without its root.

    Raises
    ------
    InvalidDataError
        If two names lead to the same file.

    Examples
    --------
    >>> dict(find_images(Path("nowhere"), ["a/1.jpg", "C:\\cats\\2.jpg", "https://example.org/cats/3.jpg?size=s"]))
    {'a/1.jpg': 'a/1.jpg', 'C:\\cats\\2.jpg': 'cats/2.jpg', 'https://example.org/cats/3.jpg?size=s': 'cats/3.jpg'}
    """
    files = {name: _find(folder, name) for name in dict.fromkeys(names)}
    owners: dict[str, str] = {}
    for name, file in files.items():
        if owners.setdefault(file, name) != name:
            raise InvalidDataError(
                f"The images {owners[file]!r} and {name!r} should be two files. In '{folder}', both are '{file}'. Give "
                "the folder to which both names are relative."
            )
    return files


def _find(folder: Path, name: str) -> str:
    path = unquote(urlsplit(name).path) if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", name) else name
    path = re.sub(r"^[A-Za-z]:", "", path.replace("\\", "/")).lstrip("/") or name
    parts = PurePosixPath(path).parts
    ends = ("/".join(parts[start:]) for start in range(len(parts)))
    return next((end for end in ends if _is_file(folder / end)), path)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or that has a null character
        return False


def image_sizes(folder: Path, files: Sequence[str], reading: ImageReading) -> Values:
    """Return the width and height (n, 2) of n image files, as they are read; NaN for a file that cannot be read."""
    known: dict[str, tuple[float, float]] = {}
    for name in dict.fromkeys(files):
        try:
            with open_image(folder / name) as image:
                known[name] = reading.size(image)
        except (UnreadableImageError, OSError, ValueError):
            known[name] = (np.nan, np.nan)  # the decoder reports the error
    return np.array([known[name] for name in files], dtype=np.float64)


def check_sizes(files: Sequence[str], stated: Values, found: Values) -> None:
    """Refuse images of another size than the keypoint file states, because its points would be at wrong places.

    Raises
    ------
    InvalidDataError
        If a size differs. A stated size that is not positive is ignored.
    """
    differ = (stated > 0).all(axis=1) & ~np.isnan(found).any(axis=1) & (stated != found).any(axis=1)
    wrong = {
        files[row]: f"{files[row]} ({_size(stated[row])}, and {_size(found[row])} in the image)"
        for row in np.flatnonzero(differ).tolist()
    }
    if wrong:
        hint = "Use the images that were annotated."
        if (stated[differ] == found[differ][:, ::-1]).all():
            hint = (
                "They are turned by 90 degrees: --apply-orientation (options.apply_orientation) turns images as their "
                "files note it (EXIF)."
            )
        raise InvalidDataError(
            f"The images should have the widths and heights that the keypoint file states, because the points are in "
            f"pixels. Found {len(wrong)} of {len(set(files))} images with another size: "
            f"{listing(list(wrong.values()), 3)}. {hint}"
        )


def _size(size: Values) -> str:
    return f"{size[0]:g} x {size[1]:g}"


def check_places(points: Values, sizes: Values) -> str:
    """Refuse points that cannot be pixels of their images. Return a notice on points outside, or an empty string.

    Parameters
    ----------
    points : array, shape (n, k, 2)
    sizes : array, shape (n, 2)
        Width and height of the images; NaN for images that cannot be read.

    Raises
    ------
    InvalidDataError
        If all coordinates are fractions, or more than half of the points lie outside of their images.

    Examples
    --------
    >>> check_places(np.array([[[5.0, 5.0], [5.0, 9.0], [5.0, 300.0]]]), np.array([[100.0, 100.0]]))
    '1 of 3 labelled keypoints lies outside of its image.'
    """
    labelled = placed(points) & placed(sizes)[:, None]
    count = int(labelled.sum())
    if not count:
        return ""
    seen = points[labelled]
    if seen.min() >= 0 and seen.max() <= 1 and np.nanmedian(sizes) > FRACTIONS:
        raise InvalidDataError(
            f"The keypoints should be in pixels of their images. Found coordinates from {seen.min():.3g} to "
            f"{seen.max():.3g} in images of about {np.nanmedian(sizes):.0f} pixels: they seem to be fractions of the "
            "width and the height. Multiply them in the file."
        )
    limits = np.broadcast_to(sizes[:, None], points.shape)[labelled] + 1
    outside = int(((seen < -1) | (seen > limits)).any(axis=1).sum())
    if outside > count / 2:
        raise InvalidDataError(
            f"The keypoints should lie in their images. Found {outside:,} of {count:,} outside. Give the images that "
            "were annotated, in their size."
        )
    if not outside:
        return ""
    verb, owners = ("lies", "its image") if outside == 1 else ("lie", "their images")
    return f"{outside:,} of {count:,} labelled keypoints {verb} outside of {owners}."
