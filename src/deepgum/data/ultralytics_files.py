"""The files of a pose data set of Ultralytics: ``data.yaml``, lists of images, and a text file of labels per image."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from deepgum.checks import is_storable
from deepgum.data.edits.texts import Text
from deepgum.data.project_yaml import read_yaml
from deepgum.errors import InvalidDataError, InvalidParameterError, listing

__all__ = ["BEFORE", "Line", "PoseYaml", "find_yaml", "label_file", "read_lines"]

CONTENT = "the description of a pose data set of Ultralytics (data.yaml)"
PARTS = {"train": "train", "val": "validation", "test": "test"}
"""The keys of the file for the images of each part."""
_ENDINGS = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp", ".avif")
_KEY = re.compile(rb"^\s*kpt_shape\s*:", re.MULTILINE)
BEFORE = 5
"""Numbers of a line before the keypoints: class, centre x and y, width and height."""


class Line(NamedTuple):
    """A line of labels: its number, its place in the text, its numbers, and their places in the text."""

    number: int
    start: int
    end: int
    numbers: tuple[float, ...]
    places: tuple[tuple[int, int], ...]


def find_yaml(path: Path) -> Path | None:
    """Return the description of a data set: the path itself, or the one YAML file with ``kpt_shape`` in the folder."""
    candidates = [path] if path.is_file() else sorted(path.glob("*.y*ml")) if path.is_dir() else []
    found = [each for each in candidates if each.suffix.lower() in (".yaml", ".yml") and _has_key(each)]
    return found[0] if len(found) == 1 else None


def _has_key(path: Path) -> bool:
    try:
        return _KEY.search(path.read_bytes()) is not None
    except OSError:
        return False


@dataclass(frozen=True, eq=False)
class PoseYaml:
    """The description of a pose data set.

    Attributes
    ----------
    path : Path
    values : mapping
        The content of the file.
    keypoints, dimensions : int
        Number of keypoints, and the numbers of each: 2 (x, y) or 3 (x, y, visibility).
    """

    path: Path
    values: dict[str, Any]
    keypoints: int
    dimensions: int

    @classmethod
    def read(cls, path: Path) -> PoseYaml:
        """Read the description of the data set in a folder.

        Raises
        ------
        MissingDependencyError
            If PyYAML is not installed.
        InvalidParameterError
            If there is no such file, or the folder has several.
        InvalidDataError
            If ``kpt_shape`` is not two whole numbers.
        """
        file = find_yaml(path)
        if file is None:
            raise InvalidParameterError("data", "a folder with one data.yaml that has 'kpt_shape'", str(path))
        values = read_yaml(file, CONTENT)
        shape = values.get("kpt_shape")
        match shape:
            case [int(keypoints), 2 | 3 as dimensions] if 0 < keypoints <= 10_000:
                return cls(file, values, keypoints, dimensions)
        raise InvalidDataError(f"'{file}': 'kpt_shape' should be [keypoints, 2 or 3]. Found {str(shape)[:60]}.")

    @cached_property
    def root(self) -> Path:
        """The folder of the data set: ``path`` in the file if it exists, otherwise the folder of the file."""
        stated = self.values.get("path")
        folder = self.path.parent / stated if isinstance(stated, str) and "\0" not in stated else self.path.parent
        return folder if folder.is_dir() else self.path.parent

    @property
    def has_other_root(self) -> bool:
        """Whether the file names the folder of the data set by a path that another folder would not have."""
        stated = self.values.get("path")
        return isinstance(stated, str) and (os.path.isabs(stated) or self.root.resolve() != self.path.parent.resolve())

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the keypoints: those in the file (``kpt_names``, ``node_names``), or point0, point1 ..."""
        stated = self.values.get("kpt_names", self.values.get("node_names"))
        if isinstance(stated, dict) and stated:  # by class; the classes have the same keypoints
            stated = next(iter(stated.values()))
        names = tuple(str(name).strip() for name in stated) if isinstance(stated, list) else ()
        if len(names) == len(set(names)) == self.keypoints and all(names):
            return names
        return tuple(f"point{number}" for number in range(self.keypoints))

    @property
    def swap_pairs(self) -> tuple[tuple[int, int], ...]:
        """The pairs of keypoints that ``flip_idx`` exchanges.

        Raises
        ------
        InvalidDataError
            If ``flip_idx`` does not exchange pairs of keypoints.
        """
        stated = self.values.get("flip_idx")
        if stated is None or stated == []:
            return ()
        good = isinstance(stated, list) and sorted(map(str, stated)) == sorted(map(str, range(self.keypoints)))
        if not good or any(stated[stated[place]] != place for place in range(self.keypoints)):
            raise InvalidDataError(
                f"'{self.path}': 'flip_idx' should exchange pairs of the {self.keypoints} keypoints, counted from 0. "
                f"Found {str(stated)[:80]}."
            )
        return tuple((place, other) for place, other in enumerate(stated) if place < other)

    @property
    def skeleton(self) -> tuple[tuple[int, int], ...]:
        """The lines in ``skeleton``, if the file has any."""
        stated = self.values.get("skeleton")
        pairs = [pair for pair in (stated if isinstance(stated, list) else []) if isinstance(pair, list)]
        good = [pair for pair in pairs if [type(place) for place in pair] == [int, int]]
        return tuple((a, b) for a, b in good if a != b and min(a, b) >= 0 and max(a, b) < self.keypoints)

    def images(self) -> dict[str, str]:
        """Return the part of each image file, relative to the folder of the data set.

        Raises
        ------
        InvalidDataError
            If a part names no folder or list of images inside of the data set, or there is no image.
        """
        found: dict[str, str] = {}
        for key, part in PARTS.items():
            stated = self.values.get(key)
            for place in stated if isinstance(stated, list) else [stated]:
                if place:
                    found |= dict.fromkeys(self._images_at(key, place), part)
        if not found:
            raise InvalidDataError(f"'{self.path}' should name folders of images ('train', 'val'). Found no image.")
        return found

    def _images_at(self, key: str, place: Any) -> Iterator[str]:
        root = self.root.resolve()
        path = root / place if isinstance(place, str) and "\0" not in place else None
        if path is not None and not path.exists() and place.startswith("../"):
            path = root / place.removeprefix("../")  # some programs write places relative to a folder of the data set
        if path is not None and path.is_file():
            with_lines = Text.read(path).content.splitlines()
            paths = [path.parent / line.strip() for line in with_lines if line.strip()]
        elif path is not None and path.is_dir():
            paths = sorted(each for each in path.rglob("*") if each.suffix.lower() in _ENDINGS)
        else:
            raise InvalidDataError(
                f"'{self.path}', {key!r} should be a folder of images, or a list of images, in '{self.root}'. "
                f"Found {str(place)[:80]!r}."
            )
        for each in paths:
            real = Path(os.path.normpath(each))
            if not real.is_relative_to(root):
                raise InvalidDataError(
                    f"'{self.path}', {key!r}: the images should be in the folder of the data set, '{self.root}', so "
                    f"that it can be written to another folder. Found '{each}'."
                )
            yield real.relative_to(root).as_posix()


def label_file(image: str) -> str:
    """Return the file of labels of an image: its last folder ``images`` becomes ``labels``.

    Examples
    --------
    >>> label_file("images/train/a.b.jpg"), label_file("a.jpg")
    ('labels/train/a.b.txt', 'a.txt')
    """
    before, found, after = f"/{image}".rpartition("/images/")
    name = f"{before}/labels/{after}" if found else f"/{image}"
    return name[1:].rpartition(".")[0] + ".txt"


def read_lines(path: Path, text: Text, keypoints: int, dimensions: int, *, more: int = 0) -> list[Line]:
    """Return the lines of a file of labels that have keypoints. Boxes without keypoints are left out.

    Parameters
    ----------
    path : Path
        Name of the file, for messages.
    text : Text
    keypoints, dimensions : int
    more : int
        How many numbers a line may have behind the keypoints.

    Raises
    ------
    InvalidDataError
        If a line has another number of numbers, or a word that is not a number. The message names the line.
    """
    lines, start, expected = [], 0, BEFORE + keypoints * dimensions
    for number, line in enumerate(text.content.splitlines(keepends=True), start=1):
        words = list(re.finditer(r"\S+", line))
        numbers = tuple(_number(word[0]) for word in words)
        if words and len(words) != BEFORE:
            if not expected <= len(words) <= expected + more or not all(map(is_storable, numbers)):
                wrong = [word[0] for word, value in zip(words, numbers, strict=True) if not is_storable(value)]
                raise InvalidDataError(
                    f"'{path}', line {number}: a line should have {expected} numbers: class, box, and {dimensions} for "
                    f"each of {keypoints} keypoints. Found {listing([repr(w[:30]) for w in wrong]) or len(words)}."
                )
            places = tuple((start + word.start(), start + word.end()) for word in words)
            lines.append(Line(number, start, start + len(line), numbers, places))
        start += len(line)
    return lines


def _number(word: str) -> float:
    try:
        return float(word) if word.isascii() and "_" not in word else math.nan
    except ValueError:
        return math.nan
