"""Keypoints of instances in images, as a keypoint file gives them, and the left and right keypoints by their names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from deepgum.errors import InvalidDataError, listing

__all__ = ["Keypoints", "instance_ids", "left_right_pairs", "placed"]

Values = NDArray[np.float64]

_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+|[^A-Za-z0-9]+")
_SIDES = {"left": "right", "l": "r"}
_OTHER_SIDE = {**_SIDES, **{right: left for left, right in _SIDES.items()}}


@dataclass(frozen=True, eq=False)
class Keypoints:
    """The labels of a keypoint file: n instances (persons, animals, faces) with k keypoints each.

    Parameters
    ----------
    ids : tuple of str, length n
        Unique names of the instances that stay the same when labels are corrected; see `instance_ids`.
    images : tuple of str, length n
        The image file of each instance, as the keypoint file names it.
    names : tuple of str, length k
        Names of the keypoints.
    points : array, shape (n, k, 2)
        x and y in pixels of the image. NaN marks a keypoint without a label.
    boxes : array, shape (n, 4)
        Left, top, width and height of the instance in pixels of the image. A row of NaN means that the file has no box.
    skeleton : tuple of (int, int)
        Pairs of keypoints that a line connects in pictures.
    swap_pairs : tuple of (int, int)
        Pairs of left and right keypoints.
    sizes : array, shape (n, 2), optional
        Width and height of the image of each instance, as the keypoint file gives them; NaN if it does not.
    together : tuple of str, length n, optional
        Instances with the same value stay in one fold, for example the frames of one video; by default `images`.
    keys : tuple of int or str, length n or 0
        What names each instance in its file, for the function that writes the file.
    places : tuple of int, length k, optional
        The position of each keypoint among all keypoints of the file; see `select`.
    notices : tuple of str
        Sentences for the user, for example on the instances that are left out.

    Attributes
    ----------
    targets : tuple of str, length 2 k
        Names of the coordinates: "NAME_x", "NAME_y".

    Raises
    ------
    InvalidDataError
        If there are no instances or no keypoints, if lengths do not match, if a name occurs twice, or if a number is
        infinite.

    Examples
    --------
    >>> points = np.array([[[10.0, 20.0], [30.0, 20.0]]])
    >>> cat = Keypoints(("a.jpg",), ("a.jpg",), ("left_ear", "right_ear"), points, np.full((1, 4), np.nan))
    >>> cat.targets, cat.values.tolist()
    (('left_ear_x', 'left_ear_y', 'right_ear_x', 'right_ear_y'), [[10.0, 20.0, 30.0, 20.0]])
    """

    ids: tuple[str, ...]
    images: tuple[str, ...]
    names: tuple[str, ...]
    points: Values
    boxes: Values
    skeleton: tuple[tuple[int, int], ...] = ()
    swap_pairs: tuple[tuple[int, int], ...] = ()
    sizes: Values | None = None
    together: tuple[str, ...] | None = None
    keys: tuple[int | str, ...] = ()
    places: tuple[int, ...] | None = None
    notices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n, k = len(self.ids), len(self.names)
        if not n or not k:
            raise InvalidDataError(f"A keypoint file should have labelled instances. Found {n} with {k} keypoints.")
        for what, names in (("instance", self.ids), ("keypoint", self.names)):
            twice = [name for name, count in Counter(names).items() if count > 1]
            if twice:
                raise InvalidDataError(
                    f"A keypoint file should have one {what} of each name. Found twice: {listing(twice)}."
                )
        if self.sizes is None:
            object.__setattr__(self, "sizes", np.full((n, 2), np.nan))
        if self.together is None:
            object.__setattr__(self, "together", self.images)
        if self.places is None:
            object.__setattr__(self, "places", tuple(range(k)))
        for parameter, shape in (("points", (n, k, 2)), ("boxes", (n, 4)), ("sizes", (n, 2))):
            values = getattr(self, parameter)
            if values.shape != shape or np.isinf(values).any():
                raise InvalidDataError(
                    f"`{parameter}` should be finite numbers or NaN, {shape}. Found shape {values.shape}."
                )
        for parameter in ("images", "together"):
            if len(getattr(self, parameter)) != n:
                raise InvalidDataError(f"`{parameter}` should have length {n}. Found {len(getattr(self, parameter))}.")
        for parameter in ("skeleton", "swap_pairs"):
            if not all(0 <= place < k for pair in getattr(self, parameter) for place in pair):
                raise InvalidDataError(
                    f"`{parameter}` should have pairs of keypoints from 0 to {k - 1}. Found {getattr(self, parameter)}."
                )

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the coordinates, in the order x y x y ..."""
        return tuple(f"{name}_{axis}" for name in self.names for axis in "xy")

    def select(self, chosen: Sequence[int]) -> Keypoints:
        """Return some of the keypoints, in the order of `chosen`.

        Examples
        --------
        >>> points = np.array([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]])
        >>> names, box = ("nose", "back", "tail"), np.full((1, 4), np.nan)
        >>> three = Keypoints(("a",), ("a",), names, points, box, skeleton=((0, 1), (1, 2)))
        >>> two = three.select([1, 2])
        >>> two.names, two.skeleton, two.places, two.values.tolist()
        (('back', 'tail'), ((0, 1),), (1, 2), [[3.0, 4.0, 5.0, 6.0]])
        """
        assert self.places is not None
        new = {place: number for number, place in enumerate(chosen)}

        def pairs(old: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
            return tuple((new[one], new[other]) for one, other in old if one in new and other in new)

        return replace(
            self,
            names=tuple(self.names[place] for place in chosen),
            points=self.points[:, list(chosen)],
            skeleton=pairs(self.skeleton),
            swap_pairs=pairs(self.swap_pairs),
            places=tuple(self.places[place] for place in chosen),
        )

    @property
    def values(self) -> Values:
        """The points as rows x y x y ..., shape (n, 2 k)."""
        return self.points.reshape(len(self), -1)


def placed(points: Values) -> NDArray[np.bool_]:
    """Return which points (..., 2) have a place: both coordinates are numbers."""
    return np.asarray(~np.isnan(points).any(axis=-1))


def instance_ids(images: Sequence[str], keys: Sequence[object]) -> tuple[str, ...]:
    """Return a name for each instance: the image, followed by the key of the instance if the image has several.

    Pass all instances of the file, also those without labels: the name of an instance then stays the same when the
    labels of another instance are removed.

    Examples
    --------
    >>> instance_ids(["a.jpg", "b.jpg", "b.jpg"], [7, 12, 13])
    ('a.jpg', 'b.jpg#12', 'b.jpg#13')
    """
    count = Counter(images)
    return tuple(image if count[image] == 1 else f"{image}#{key}" for image, key in zip(images, keys, strict=True))


def left_right_pairs(names: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Return the pairs (left keypoint, right keypoint) by their names.

    Two keypoints are a pair if their names differ only in one word, which is left or right, or l or r. Words end at a
    separator or at a capital letter. Without such a word, a first letter l or r is enough.

    Examples
    --------
    >>> left_right_pairs(["nose", "left_eye", "right_eye", "LEar", "REar", "paw_L", "paw_R", "lhip", "rhip"])
    ((1, 2), (3, 4), (5, 6), (7, 8))
    >>> left_right_pairs(["nose", "left_eye", "tail"])
    ()
    """
    places = {name: place for place, name in enumerate(names)}
    partners = [_partners(name, places) for name in names]
    pairs = []
    for place, found in enumerate(partners):
        if len(found) == 1 and partners[found[0]] == [place]:
            left, right = (place, found[0]) if _is_left(names[place], names[found[0]]) else (found[0], place)
            pairs.append((left, right))
    return tuple(dict.fromkeys(pairs))


def _partners(name: str, places: dict[str, int]) -> list[int]:
    """Return the places of the names that differ from `name` in the side only."""
    words = _WORDS.findall(name)
    others = [
        "".join([*words[:place], _in_case(_OTHER_SIDE[word.lower()], word), *words[place + 1 :]])
        for place, word in enumerate(words)
        if word.lower() in _OTHER_SIDE
    ]
    found = [places[other] for other in others if other in places]
    if not found and len(name) > 3 and name[0].lower() in "lr":
        for sides in (("left", "right"), ("l", "r")):
            for one, other in (sides, sides[::-1]):
                joined = _in_case(other, name[: len(one)]) + name[len(one) :]
                if name.lower().startswith(one) and joined in places and not found:
                    found = [places[joined]]
    return found


def _in_case(word: str, like: str) -> str:
    return word.upper() if like.isupper() else word.capitalize() if like[0].isupper() else word


def _is_left(one: str, other: str) -> bool:
    """Return whether the first of two names is the left one: at the first letter that differs, it has an l."""
    return next((a.lower() == "l" for a, b in zip(one, other, strict=False) if a != b), True)
