"""Names of the same images in two files, which may have been made in different folders or on different machines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from deepgum.errors import InvalidDataError

__all__ = ["labelled_images", "same_images"]


def same_images(names: Sequence[str], known: Sequence[str]) -> list[str]:
    r"""Return, for each name, the known name of the same image; an empty string if there is none or more than one.

    Two names are of the same image if they are equal, or if the shorter one is the end of the longer one.

    Examples
    --------
    >>> same_images(["C:\\data\\v1\\1.png", "2.png", "v3/1.png"], ["v1/1.png", "v2/1.png", "v2/2.png"])
    ['v1/1.png', 'v2/2.png', '']
    """
    by_file: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for name in dict.fromkeys(known):
        parts = _parts(name)
        by_file.setdefault(parts[-1], []).append((name, parts))
    found = []
    for name in names:
        parts = _parts(name)
        candidates = by_file.get(parts[-1], [])
        equal = [other for other, other_parts in candidates if other_parts == parts]
        near = [other for other, other_parts in candidates if _is_end(parts, other_parts)]
        (only,) = equal or (near if len(near) == 1 else [""])
        found.append(only)
    return found


def labelled_images(path: Path, names: Sequence[str], labelled: Sequence[str]) -> list[str]:
    """Return the labelled image of each image in a file of predictions; an empty string for an image without labels.

    Raises
    ------
    InvalidDataError
        If no image has labels. The message names the file.
    """
    found = same_images(names, labelled)
    if not any(found):
        others = f"other images, such as {names[0]!r}" if names else "none"
        raise InvalidDataError(
            f"'{path}' should have predictions for the labelled images, such as {labelled[0]!r}. Found {others}."
        )
    return found


def _parts(name: str) -> tuple[str, ...]:
    parts = tuple(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))
    return parts or ("",)


def _is_end(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    length = min(len(one), len(other))
    return one[-length:] == other[-length:]
