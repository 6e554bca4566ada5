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
from numpy.typing import NDArray

from deepgum.data.keypoints import Keypoints, instance_ids, left_right_pairs
from deepgum.errors import InvalidDataError, InvalidParameterError, UnknownNameError, listing
from deepgum.storage.decoding import decoding

__all__ = ["CocoFile", "are_labels", "read_values", "triples_of"]

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


def triples_of(value: Any, keypoints: int) -> NDArray[np.float64] | None:
    """Return x, y and v of each keypoint, (k, 3), or None if `value` is not a list of 3 k numbers up to 1e9.

    Examples
    --------
    >>> triples_of([10, 20.5, 2, 0, 0, 0], 2)
    array([[10. , 20.5,  2. ],
           [ 0. ,  0. ,  0. ]])
    """
    if not isinstance(value, list) or len(value) != 3 * keypoints or not _are_numbers(value):
        return None
    return np.array(value, dtype=np.float64).reshape(keypoints, 3)


def are_labels(triples: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which triples (..., 3) of x, y and v are a label.

    The coordinates (0, 0) are the mark of a keypoint without a label, even if v says something else.
    """
    return np.asarray((triples[..., 2] > 0) & triples[..., :2].any(axis=-1))


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

    Examples
    --------
    >>> import tempfile
    >>> category = {"id": 1, "name": "cat", "keypoints": ["nose", "tail"]}
    >>> cat = {"id": 7, "image_id": 3, "category_id": 1, "keypoints": [10, 20, 2, 0, 0, 0]}
    >>> values = {"images": [{"id": 3, "file_name": "a.jpg"}], "annotations": [cat], "categories": [category]}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "annotations.json"
    ...     _ = path.write_text(json.dumps(values))
    ...     keypoints = CocoFile(path).keypoints()
    >>> keypoints.ids, keypoints.names, keypoints.values.tolist()
    (('a.jpg',), ('nose', 'tail'), [[10.0, 20.0, nan, nan]])
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
        kept = []
        for name, annotation in zip(names, of_category, strict=True):
            triples = self._labelled(annotation)
            if triples is not None:
                kept.append((name, annotation, triples))
        self._ids = tuple(name for name, *_ in kept)
        self.rows: tuple[Mapping[str, Any], ...] = tuple(annotation for _, annotation, _ in kept)
        self._triples = np.array([triples for *_, triples in kept]).reshape(len(kept), len(self.names), 3)

    def keypoints(self) -> Keypoints:
        """Return the labelled instances of the category.

        Raises
        ------
        InvalidDataError
            If there is no labelled instance, or two keypoints of the category have the same name.
        """
        if not self.rows:
            raise InvalidDataError(f"'{self.path}' should have annotations with labelled keypoints. Found none.")
        labels = are_labels(self._triples)
        self._left_out["zero"] = int(((self._triples[..., 2] > 0) & ~labels).sum())
        images = tuple(self.file_names[each["image_id"]] for each in self.rows)
        return Keypoints(
            ids=self._ids,
            images=images,
            names=self.names,
            points=np.where(labels[..., None], self._triples[..., :2], np.nan),
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

    def _labelled(self, annotation: dict[str, Any]) -> NDArray[np.float64] | None:
        """Return x, y and v of the keypoints of an annotation. If none has a label, count it and return None."""
        if annotation.get("iscrowd"):
            self._left_out["crowd"] += 1
            return None
        found = annotation.get("keypoints")
        triples = self._checked(annotation["id"], found) if found else None
        if triples is None or not are_labels(triples).any():
            self._left_out["unlabelled"] += 1
            return None
        return triples

    def _checked(self, key: object, found: Any) -> NDArray[np.float64]:
        k = len(self.names)
        triples = triples_of(found, k)
        if triples is None:
            expected = f"{3 * k} numbers up to 1e9, x, y and v of {k} keypoints"
            raise self._wrong("annotation", key, "keypoints", expected, found)
        other = triples[~np.isin(triples[:, 2], (0, 1, 2)), 2]
        if len(other):
            expected = "visibilities (each third number) of 0, 1 or 2"
            raise self._wrong("annotation", key, "keypoints", expected, float(other[0]))
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
    return set(map(type, values)) <= {int, float} and all(-LARGEST <= value <= LARGEST for value in values)


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
