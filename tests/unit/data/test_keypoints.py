"""Keypoints: their checks, stable names of instances, and left and right by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deepgum.data.keypoints import Keypoints, instance_ids, left_right_pairs
from deepgum.errors import InvalidDataError


def keypoints(**changes: Any) -> Keypoints:
    values: dict[str, Any] = {
        "ids": ("a", "b"),
        "images": ("a.jpg", "b.jpg"),
        "names": ("nose", "tail"),
        "points": np.arange(8.0).reshape(2, 2, 2),
        "boxes": np.full((2, 4), np.nan),
    }
    return Keypoints(**{**values, **changes})


def test_targets_and_values_are_in_one_order() -> None:
    made = keypoints()
    for row in range(2):
        for column, name in enumerate(made.targets):
            keypoint, axis = name.rsplit("_", 1)
            assert made.values[row, column] == made.points[row, made.names.index(keypoint), "xy".index(axis)]
    assert made.together == made.images


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ids": ("a", "a")}, "one instance of each name.*a"),
        ({"names": ("nose", "nose")}, "one keypoint of each name.*nose"),
        ({"images": ("a.jpg",)}, "`images` should have length 2"),
        ({"together": ("a",)}, "`together` should have length 2"),
        ({"points": np.zeros((2, 1, 2))}, "`points`"),
        ({"points": np.full((2, 2, 2), np.inf)}, "`points`"),
        ({"boxes": np.zeros((2, 2))}, "`boxes`"),
        ({"sizes": np.zeros((1, 2))}, "`sizes`"),
        ({"skeleton": ((0, 2),)}, "`skeleton`"),
        ({"swap_pairs": ((-1, 1),)}, "`swap_pairs`"),
        ({"names": (), "points": np.zeros((2, 0, 2))}, "labelled instances"),
    ],
)
def test_contradictions_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidDataError, match=message):
        keypoints(**changes)


def test_names_of_instances_are_unique_and_short_where_possible() -> None:
    images, keys = ["a", "b", "a", "c", "a"], [1, 2, 3, 4, 5]
    names = instance_ids(images, keys)
    assert len(set(names)) == 5
    assert (names[1], names[3]) == ("b", "c")


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("left_eye", "right_eye"),
        ("eye_left", "eye_right"),
        ("Left Eye", "Right Eye"),
        ("LEFT-EYE", "RIGHT-EYE"),
        ("leftEye", "rightEye"),
        ("eyeLeft", "eyeRight"),
        ("lefteye", "righteye"),
        ("l_eye", "r_eye"),
        ("eye.L", "eye.R"),
        ("LEye", "REye"),
        ("lEye", "rEye"),
        ("lshoulder", "rshoulder"),
        ("mouth_left_corner2", "mouth_right_corner2"),
    ],
)
def test_left_and_right_are_known_by_name(left: str, right: str) -> None:
    """The left one comes first in the pair, whatever the order of the names."""
    assert left_right_pairs(["nose", left, "tail", right]) == ((1, 3),)
    assert left_right_pairs(["nose", right, "tail", left]) == ((3, 1),)


@pytest.mark.parametrize("names", [["left_eye", "nose"], ["1", "2"], ["leg", "tail"], ["l", "x"], ["", "left"]])
def test_keypoints_without_a_partner_are_in_no_pair(names: list[str]) -> None:
    assert left_right_pairs(names) == ()


def test_a_keypoint_is_in_one_pair() -> None:
    names = ["left_left", "right_left", "left_right", "right_right", "leftleft"]
    places = [place for pair in left_right_pairs(names) for place in pair]
    assert len(places) == len(set(places))
