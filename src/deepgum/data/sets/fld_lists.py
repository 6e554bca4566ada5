"""The three lists of FLD, the Fashion Landmark Detection benchmark of DeepFashion, in their published form.

The first line of each list has the number of images, and the second line has the names of the columns. Each further
line describes one image. The fields of a line are separated by white space:

    Anno/list_landmarks.txt        image_name clothes_type variation_type, then visibility x y of each landmark
    Anno/list_bbox.txt             image_name x_1 y_1 x_2 y_2
    Eval/list_eval_partition.txt   image_name train|val|test

The type of clothes is 1 (upper-body), 2 (lower-body) or 3 (full-body). A line has exactly the landmarks that
`LANDMARKS` lists for its type of clothes. Numbers may have leading zeros.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from deepgum.errors import InvalidDataError

__all__ = ["CLOTHES", "LANDMARKS", "FldLine", "read_boxes", "read_landmarks", "read_partition"]

CLOTHES = ("upper", "lower", "full")
"""The types of clothes. Their numbers in the lists are 1, 2 and 3."""

LANDMARKS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        clothes: tuple(f"{side}_{place}" for place in places for side in ("left", "right"))
        for clothes, places in (
            ("upper", ("collar", "sleeve", "hem")),
            ("lower", ("waistline", "hem")),
            ("full", ("collar", "sleeve", "waistline", "hem")),
        )
    }
)
"""The landmarks of each type of clothes, in the order of the lists."""

_PARTS = {"train": "train", "val": "validation", "test": "test"}


@dataclass(frozen=True)
class FldLine:
    """One line of the list of landmarks.

    Parameters
    ----------
    number : int
        Number of the line in the file, counted from 1.
    name : str
        Name of the image file.
    clothes : str
        One of `CLOTHES`.
    variation : int
        1 means normal pose, 2 medium pose, 3 large pose, 4 medium zoom-in, and 5 large zoom-in.
    visibility : array, shape (k,)
        A number for each of k landmarks: 0 means visible, 1 occluded, and 2 cut off.
    points : array, shape (k, 2)
        x and y of each landmark in pixels of the image. Invisible landmarks also have an x and a y.
    """

    number: int
    name: str
    clothes: str
    variation: int
    visibility: NDArray[np.int64]
    points: NDArray[np.float64]


def read_landmarks(path: Path) -> list[FldLine]:
    """Return the lines of a list of landmarks, in the order of the list.

    Raises
    ------
    InvalidDataError
        If the first line does not have the number of images, or a line is malformed. The message names the file and the
        line.

    Examples
    --------
    >>> import tempfile
    >>> text = ["1", "image_name clothes_type ...", "img/a.jpg 2 1 0 010 020 0 030 020 1 012 090 2 000 000"]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "list_landmarks.txt"
    ...     _ = path.write_text(chr(10).join(text))
    ...     (line,) = read_landmarks(path)
    >>> line.clothes, line.visibility.tolist(), line.points[1].tolist()
    ('lower', [0, 0, 1, 2], [30.0, 20.0])
    """
    lines: dict[str, FldLine] = {}
    for number, fields in _entries(path):
        line = _parse_landmarks(number, fields)
        if line is None:
            raise _malformed(
                path,
                number,
                "image_name clothes_type (1 to 3) variation_type (1 to 5), then visibility (0 to 2) x y of each of "
                f"{', '.join(f'{len(LANDMARKS[name])} ({i})' for i, name in enumerate(CLOTHES, 1))} landmarks",
                fields,
            )
        _check_new(path, number, line.name, lines)
        lines[line.name] = line
    return list(lines.values())


def read_boxes(path: Path) -> dict[str, tuple[float, float, float, float]]:
    """Return the box of each image as x_1 y_1 x_2 y_2 (left, top, right, bottom), in pixels.

    Raises
    ------
    InvalidDataError
        See `read_landmarks`. A box without area is no error.
    """
    boxes: dict[str, tuple[float, float, float, float]] = {}
    for number, fields in _entries(path):
        values = _numbers(fields[1:])
        if values is None or len(values) != 4:
            raise _malformed(path, number, "image_name x_1 y_1 x_2 y_2", fields)
        _check_new(path, number, fields[0], boxes)
        left, top, right, bottom = values.tolist()
        boxes[fields[0]] = (left, top, right, bottom)
    return boxes


def read_partition(path: Path) -> dict[str, str]:
    """Return the part of each image: one of `deepgum.data.pool.PARTS`.

    Raises
    ------
    InvalidDataError
        See `read_landmarks`.
    """
    parts: dict[str, str] = {}
    for number, fields in _entries(path):
        if len(fields) != 2 or fields[1] not in _PARTS:
            raise _malformed(path, number, f"image_name {'|'.join(_PARTS)}", fields)
        _check_new(path, number, fields[0], parts)
        parts[fields[0]] = _PARTS[fields[1]]
    return parts


def _entries(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Check the two header lines of a list. Then yield the pair (line number, fields) for the line of each image."""
    lines = path.read_text(encoding="utf-8-sig", errors="surrogateescape").split("\n")
    head, columns, *rest = (line.split() for line in [*lines, "", ""])
    if len(head) != 1 or not head[0].isdecimal():
        raise _malformed(path, 1, "the number of images", head)
    if columns[:1] != ["image_name"]:
        raise _malformed(path, 2, "the column names, starting with image_name", columns)
    found = sum(map(bool, rest))
    if int(head[0]) != found:
        raise InvalidDataError(
            f"'{path}', line 1: the list should have lines of {int(head[0])} images. Found {found} lines of images."
        )
    if not found:
        raise InvalidDataError(f"The list '{path}' should have at least one image. Found none.")
    yield from ((number, fields) for number, fields in enumerate(rest, start=3) if fields)


def _parse_landmarks(number: int, fields: list[str]) -> FldLine | None:
    """Return the line with these fields as an `FldLine`, or None if the line is malformed."""
    values = _numbers(fields[1:])
    if values is None or len(values) < 2 or values[0] not in (1, 2, 3) or values[1] not in (1, 2, 3, 4, 5):
        return None
    clothes = CLOTHES[int(values[0]) - 1]
    if len(values) != 2 + 3 * len(LANDMARKS[clothes]):
        return None
    table = values[2:].reshape(-1, 3)
    if not np.isin(table[:, 0], (0, 1, 2)).all():
        return None
    return FldLine(number, fields[0], clothes, int(values[1]), table[:, 0].astype(np.int64), table[:, 1:])


def _numbers(fields: list[str]) -> NDArray[np.float64] | None:
    try:
        values = np.array(fields, dtype=np.float64)
    except ValueError:
        return None
    return values if np.isfinite(values).all() else None


def _malformed(path: Path, number: int, expected: str, fields: list[str]) -> InvalidDataError:
    return InvalidDataError(f"'{path}', line {number}: the line should be {expected}. Found {' '.join(fields)!r}.")


def _check_new(path: Path, number: int, name: str, seen: Container[str]) -> None:
    if name in seen:
        raise InvalidDataError(f"'{path}', line {number}: an image should have only one line. Found {name!r} again.")
