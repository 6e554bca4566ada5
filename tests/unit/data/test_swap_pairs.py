"""Pairs of left and right landmarks by name and by scheme."""

from __future__ import annotations

import pytest

from deepgum.data.sets.table import TableFile
from deepgum.data.swap_pairs import SCHEMES, swap_pairs_of
from deepgum.errors import InvalidParameterError, UnknownNameError

COCO = "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow left_wrist "
COCO += "right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle"
NAMES = [f"{name}_{axis}" for name in COCO.split() for axis in "xy"]
NUMBERS = [f"{axis}{place}" for place in range(68) for axis in "xy"]


def test_the_names_of_coco_show_the_scheme_of_coco() -> None:
    assert swap_pairs_of("auto", NAMES) == swap_pairs_of("coco-17", NAMES) == SCHEMES["coco-17"][1]


def test_the_scheme_of_faces_mirrors_a_symmetric_face() -> None:
    """In a face that is symmetric about x = 0, drawn by the scheme, mirrored landmarks are those of the partners."""
    jaw = [(place - 8, 10 - abs(place - 8)) for place in range(17)]
    brows = [(place - 21.5, -5) for place in range(17, 27)]
    nose = [(0, place - 30) for place in range(27, 31)] + [(place - 33, 2) for place in range(31, 36)]
    right = [(-4, 0), (-3.5, 1), (-2.5, 1), (-2, 0), (-2.5, -1), (-3.5, -1)]  # from the outer corner, over the top
    left = [(2, 0), (2.5, 1), (3.5, 1), (4, 0), (3.5, -1), (2.5, -1)]  # from the inner corner
    outer = [(place - 51, 4) for place in range(48, 55)] + [(2, 7), (1, 8), (0, 8), (-1, 8), (-2, 7)]
    inner = [(place - 62, 5) for place in range(60, 65)] + [(1, 6), (0, 6), (-1, 6)]
    face = [*jaw, *brows, *nose, *right, *left, *outer, *inner]
    assert len(face) == 68
    partner = {place: place for place in range(68)}
    for one, other in swap_pairs_of("300w-68", NUMBERS):
        partner |= {one: other, other: one}
    for place, (x, y) in enumerate(face):
        assert face[partner[place]] == (-x, y)


def test_what_does_not_fit_is_refused_with_what_to_do() -> None:
    with pytest.raises(InvalidParameterError, match="is it 300w-68"):
        swap_pairs_of("auto", NUMBERS)
    with pytest.raises(InvalidParameterError, match=r"300w-68 has 68 landmarks.*are 17 landmarks"):
        swap_pairs_of("300w-68", NAMES)
    with pytest.raises(UnknownNameError, match="Did you mean 'coco-17'"):
        swap_pairs_of("coco17", NAMES)
    with pytest.raises(InvalidParameterError, match=r"options.swap_pairs"):
        TableFile().check_options({"targets": ["x", "y"], "swap_pairs": "automatic"})
    assert TableFile().check_options({"targets": ["x", "y"], "swap_pairs": "auto"})["swap_pairs"] == "auto"
    with pytest.raises(InvalidParameterError, match="a list"):
        TableFile().check_options({"targets": ["x", "y"], "swap_pairs": 7})
