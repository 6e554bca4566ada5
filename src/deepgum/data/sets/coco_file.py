"""The content of a COCO annotation file: images, categories and annotations, checked, as `Keypoints`.

The format: https://cocodataset.org/#format-data. A keypoint is x, y and v: v = 0 means without a label, 1 labelled and
hidden, 2 labelled and visible.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deepgum.data.keypoints import Keypoints, instance_ids, left_right_pairs
from deepgum.errors import InvalidDataError, InvalidParameterError, UnknownNameError, listing
from deepgum.storage.decoding import decoding

__all__ = ["CocoFile", "is_label", "read_values", "triples_of"]

LARGEST = 1e9
"""Largest coordinate. No image is as large, and larger numbers would overflow when they are squared and added."""

CONTENT = "a COCO file: a JSON object with 'images', 'annotations' and 'categories'"


def read_values(path: Path, content: str) -> Any:
    """Return the values of a JSON file. NaN and infinity, which JSON does not have, are read as None.

    Raises
    ------
    InvalidDataError
        If the file cannot be read, or is not JSON in UTF-8.
    """
    with decoding(path, content):
        return json.loads(path.read_text(encoding="utf-8-sig"), parse_constant=lambda _: None)


def is_label(x: float, y: float, visibility: float) -> bool:
    """Return whether three numbers of a keypoint are a label.

    The coordinates (0, 0) are the mark of a keypoint without a label, even if v says something else.
    """
    return visibility > 0 and (x, y) != (0, 0)


def triples_of(value: Any, length: int) -> list[tuple[float, float, float]] | None:
    """Return the triples x, y, v of a list of numbers, or None if it is not a list of `length` numbers up to 1e9."""
    if not isinstance(value, list) or len(value) != length or not _are_numbers(value):
        return None
    return list(zip(value[::3], value[1::3], value[2::3], strict=True))


class CocoFile:
    """A COCO annotation file with keypoints of one category.

    Parameters
    ----------
    path : Path
    category : str
        Name of the category; needed if several categories have keypoints.

    Attributes
    ----------
    names : tuple of str, length k
        Names of the keypoints of the category.
    file_names : mapping of image id to str
    rows : tuple of mappings
        The annotations that `keypoints` returns, in its order.

    Raises
    ------
    InvalidDataError
        If the file is not COCO, has no keypoints, or has an annotation that contradicts the format. The message names
        the annotation.
    InvalidParameterError
        If several categories have keypoints and none is chosen, or the chosen one has none.
    """

    def __init__(self, path: Path, category: str = "") -> None:
        self.path = path
        values = read_values(path, CONTENT)
        if not isinstance(values, dict):
            raise InvalidDataError(f"'{path}' should be {CONTENT}. Found a {type(values).__name__}.")
        images, annotations, categories = (
            self._objects(values, key) for key in ("images", "annotations", "categories")
        )
        chosen = self._choose(categories, category)
        self.category_id = chosen["id"]
        self.names = tuple(chosen["keypoints"])
        self._skeleton = _skeleton(chosen.get("skeleton"), len(self.names))
        self._check_ids("images", images)
        self._check_ids("annotations", annotations)
        self._images = {image["id"]: image for image in images}
        self.file_names: Mapping[Any, str] = {each["id"]: self._file_name(each) for each in images}
        known = {each["id"] for each in categories}
        for annotation in annotations:
            self._check_link(annotation, "category_id", known)
            self._check_link(annotation, "image_id", self.file_names)
        of_category = [each for each in annotations if each["category_id"] == self.category_id]
        names = instance_ids(
            [self.file_names[each["image_id"]] for each in of_category], [a["id"] for a in of_category]
        )
        self._left_out: Counter[str] = Counter()
        kept = [(name, each) for name, each in zip(names, of_category, strict=True) if self._is_labelled(each)]
        self._ids = tuple(name for name, _ in kept)
        self.rows: tuple[Mapping[str, Any], ...] = tuple(each for _, each in kept)

    def keypoints(self) -> Keypoints:
        """Return the labelled instances of the category.

        Raises
        ------
        InvalidDataError
            If there is no labelled instance, or two keypoints of the category have the same name.
        """
        if not self.rows:
            raise InvalidDataError(f"'{self.path}' should have annotations with labelled keypoints. Found none.")
        points = np.full((len(self.rows), len(self.names), 2), np.nan)
        zero = 0
        for row, annotation in enumerate(self.rows):
            for place, (x, y, v) in enumerate(self._triples(annotation)):
                if is_label(x, y, v):
                    points[row, place] = x, y
                zero += v > 0 and (x, y) == (0, 0)
        if zero:
            self._left_out["zero"] = zero
        images = tuple(self.file_names[each["image_id"]] for each in self.rows)
        return Keypoints(
            ids=self._ids,
            images=images,
            names=self.names,
            points=points,
            boxes=np.array([_numbers(each.get("bbox"), 4) for each in self.rows]),
            skeleton=self._skeleton,
            swap_pairs=left_right_pairs(self.names),
            sizes=np.array([self._size(each["image_id"]) for each in self.rows]),
            keys=tuple(each["id"] for each in self.rows),
            notices=self._notices(),
        )

    def _objects(self, values: dict[str, Any], key: str) -> list[dict[str, Any]]:
        found = values.get(key)
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            shown = "no such list" if found is None else "other values"
            raise InvalidDataError(f"'{self.path}' should be {CONTENT}. Found {shown} for {key!r}.")
        return found

    def _choose(self, categories: list[dict[str, Any]], category: str) -> dict[str, Any]:
        """Return the category with keypoints, or the one of this name."""
        self._check_ids("categories", categories)
        with_keypoints = {}
        for each in categories:
            names = each.get("keypoints")
            if names:
                if not isinstance(names, list) or not all(isinstance(name, str) and name.strip() for name in names):
                    raise self._wrong("category", each["id"], "keypoints", "a list of names", names)
                with_keypoints[str(each.get("name", each["id"]))] = each
        if not with_keypoints:
            raise InvalidDataError(
                f"'{self.path}' should have a category with the names of its keypoints ('keypoints': ['nose', ...]). "
                f"Found {len(categories)} categories without. Add the names to the category."
            )
        if category:
            if category not in with_keypoints:
                raise UnknownNameError("category", category, with_keypoints)
            return with_keypoints[category]
        if len(with_keypoints) > 1:
            hint = f"Several categories have keypoints; choose one (--category): {listing(list(with_keypoints), 10)}."
            raise InvalidParameterError("category", "the name of a category", category, hint)
        (only,) = with_keypoints.values()
        return only

    def _check_ids(self, key: str, objects: Sequence[dict[str, Any]]) -> None:
        for each in objects:
            if type(each.get("id")) not in (int, str):
                shown = "no id" if "id" not in each else repr(each["id"])[:60]
                raise InvalidDataError(
                    f"'{self.path}', {key!r}: each should have an id, a whole number. Found {shown}."
                )
        twice = [each for each, count in Counter(each["id"] for each in objects).items() if count > 1]
        if twice:
            raise InvalidDataError(
                f"'{self.path}', {key!r}: each should have its own id, so that each label belongs to one object. Found "
                f"more than once: {listing(twice)}."
            )

    def _check_link(self, annotation: dict[str, Any], key: str, known: Any) -> None:
        value = annotation.get(key)
        if type(value) not in (int, str) or value not in known:
            kind = "images" if key == "image_id" else "categories"
            raise self._wrong("annotation", annotation["id"], key, f"an id of {kind!r}", value)

    def _file_name(self, image: dict[str, Any]) -> str:
        name = image.get("file_name")
        if not isinstance(name, str) or not name.strip():
            raise self._wrong("image", image["id"], "file_name", "the name of its file", name)
        return name.replace("\\", "/")

    def _is_labelled(self, annotation: dict[str, Any]) -> bool:
        """Return whether an annotation is an instance with a labelled keypoint. Count it otherwise."""
        if annotation.get("iscrowd"):
            self._left_out["crowd"] += 1
            return False
        if not annotation.get("keypoints") or not any(is_label(*each) for each in self._triples(annotation)):
            self._left_out["unlabelled"] += 1
            return False
        return True

    def _triples(self, annotation: Mapping[str, Any]) -> list[tuple[float, float, float]]:
        length = 3 * len(self.names)
        triples = triples_of(annotation["keypoints"], length)
        if triples is None:
            expected = f"{length} numbers up to 1e9, x, y and v of {len(self.names)} keypoints"
            raise self._wrong("annotation", annotation["id"], "keypoints", expected, annotation["keypoints"])
        other = next((v for _, _, v in triples if v not in (0, 1, 2)), None)
        if other is not None:
            expected = "visibilities (each third number) of 0, 1 or 2"
            raise self._wrong("annotation", annotation["id"], "keypoints", expected, other)
        return triples

    def _wrong(self, kind: str, key: object, name: str, expected: str, found: object) -> InvalidDataError:
        shown = f"{len(found)} values" if isinstance(found, list) and len(found) > 6 else repr(found)[:80]
        return InvalidDataError(f"'{self.path}', {kind} {key!r}: {name!r} should be {expected}. Found {shown}.")

    def _size(self, image_id: object) -> list[float]:
        image = self._images[image_id]
        return [_number(image.get(key)) for key in ("width", "height")]

    def _notices(self) -> tuple[str, ...]:
        notices = []
        left = {"crowd": "of crowds (iscrowd = 1)", "unlabelled": "without a labelled keypoint"}
        parts = [f"{self._left_out[key]:,} {words}" for key, words in left.items() if self._left_out[key]]
        if parts:
            notices.append(f"Annotations that are left out: {', '.join(parts)}.")
        if self._left_out["zero"]:
            notices.append(
                f"{self._left_out['zero']:,} keypoints have v > 0 and the coordinates (0, 0), the mark of a keypoint "
                "without a label. They count as missing."
            )
        return tuple(notices)


def _are_numbers(values: list[Any]) -> bool:
    """Return whether all values are numbers that a place in an image can have."""
    return all(type(value) in (int, float) and -LARGEST <= value <= LARGEST for value in values)


def _number(value: Any) -> float:
    return float(value) if _are_numbers([value]) else np.nan


def _numbers(value: Any, length: int) -> list[float]:
    """Return a list of numbers, or NaN where it is not a list of `length` numbers."""
    good = isinstance(value, list) and len(value) == length and _are_numbers(value)
    return [float(number) for number in value] if good else [np.nan] * length


def _skeleton(pairs: Any, keypoints: int) -> tuple[tuple[int, int], ...]:
    """Return the lines of a category, counted from 0. COCO counts from 1; a file with a 0 counts from 0.

    The skeleton is drawn and never computed with, so pairs of unknown keypoints are left out.
    """
    found = [
        (pair[0], pair[1])
        for pair in (pairs if isinstance(pairs, list) else [])
        if isinstance(pair, list) and [type(place) for place in pair] == [int, int]
    ]
    first = 0 if any(0 in pair for pair in found) else 1
    shifted = [(one - first, other - first) for one, other in found]
    return tuple((a, b) for a, b in shifted if a != b and min(a, b) >= 0 and max(a, b) < keypoints)
