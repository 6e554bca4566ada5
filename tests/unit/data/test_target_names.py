import numpy as np
import pytest

from deepgum.data.target_names import (
    are_landmarks,
    check_target_names,
    default_groups,
    group_names,
    landmark_name,
    landmark_names,
    landmark_order,
)
from deepgum.errors import InvalidDataError
from deepgum.mixture.partition import partition


@pytest.mark.parametrize(
    ("x", "y", "name"),
    [
        ("left_eye_x", "left_eye_y", "left_eye"),
        ("x1", "y1", "1"),
        ("x_nose", "y_nose", "nose"),
        ("p_x_1", "p_y_1", "p_1"),
        ("noseX", "noseY", "nose"),
        ("box.x", "box.y", "box"),
        ("x", "y", ""),
        ("yaw", "pitch", None),
        ("y1", "x1", None),
        ("x1", "y2", None),
        ("x1", "x1", None),
        ("ax", "bx", None),
        ("nosex", "noseY", None),
    ],
)
def test_the_name_of_a_landmark_is_the_common_part_of_its_two_columns(x, y, name):
    assert landmark_name(x, y) == name
    if name:
        assert landmark_names([x, y]) == (name,)


@pytest.mark.parametrize(
    ("x", "y", "name"),
    [
        ("eye_col", "eye_row", "eye"),  # whole words
        ("col.eye", "row.eye", "eye"),
        ("left_col_eye", "left_row_eye", "left_eye"),
        ("u1", "v1", "1"),  # one letter
        ("nose_y", "nose_x", "nose"),
        ("lat1", "lng1", "landmark 0"),  # the l is no word
        ("eastern", "northern", "landmark 0"),
        ("x", "y", "landmark 0"),
    ],
)
def test_any_two_columns_of_a_landmark_are_compared(x, y, name):
    assert landmark_names([x, y]) == (name,)


def test_landmarks_without_a_common_name_are_counted_from_0_over_all_landmarks():
    assert landmark_names(["nose_x", "nose_y", "x", "y", "east", "north"]) == ("nose", "landmark 1", "landmark 2")


def test_numbers_of_columns_are_no_names_of_landmarks():
    names = [str(column) for column in range(136)]
    counted = tuple(f"landmark {place}" for place in range(68))
    assert landmark_names(names) == group_names(names, "landmark") == counted
    assert group_names(names, [[2 * place, 2 * place + 1] for place in range(68)]) == counted
    assert landmark_names([f"p{name}" for name in names]) == counted
    assert landmark_names([f"{name}_px" for name in names]) == counted
    # A number may be a part of a name, or tell x from y.
    assert landmark_names(["eye 1", "eye 2", "nose 1", "nose 2"]) == ("eye", "nose")
    assert landmark_names(["x1", "y1", "x12", "y12"]) == ("1", "12")
    assert group_names(["0", "1", "2"], [[0], [1, 2]]) == ("0", "1+2")


def test_landmarks_keep_the_names_that_they_have():
    names = ["x1", "y1", "x2", "y2"]
    assert landmark_names(names, {(0, 1): "left eye", (2, 3, 4): "other"}) == ("left eye", "2")


def test_every_landmark_has_a_name_of_its_own():
    assert landmark_names(["x1", "y1", "x2", "y2"], {(0, 1): "2"}) == ("x1+y1", "x2+y2")
    columns = ["x", "y", "landmark 0_x", "landmark 0_y"]
    assert landmark_names(columns) == ("x+y", "landmark 0_x+landmark 0_y")


def test_columns_are_landmarks_by_their_names_or_by_their_groups():
    points, others = ["x1", "y1"], ["yaw", "pitch"]
    assert all(are_landmarks(points, groups) for groups in (None, "sample", "coordinate", ((0,), (1,))))
    assert are_landmarks(others, "landmark")
    assert not any(are_landmarks(others, groups) for groups in (None, "sample", "coordinate", ((0, 1),)))


def test_every_group_has_a_name_of_its_own():
    rng = np.random.default_rng(0)
    names = ["nose_x", "nose_y", "nose", "x_nose", "y_nose", "a", "b", "x", "y", "yaw"]
    for _ in range(200):
        order = rng.permutation(len(names))
        cuts = np.sort(rng.choice(np.arange(1, len(names)), rng.integers(0, 6), replace=False))
        groups = tuple(tuple(part.tolist()) for part in np.split(order, cuts))
        assert len(set(group_names(names, groups))) == len(groups)


def test_groups_of_one_target_of_all_and_of_others():
    names = ["age", "height", "weight"]
    assert group_names(names, partition("coordinate", 3)) == tuple(names)
    assert group_names(names, partition("sample", 3)) == ("sample",)
    assert group_names(names, ((0,), (2, 1))) == ("age", "weight+height")
    assert group_names(["age"], partition("sample", 1)) == ("age",)
    assert group_names(["eye_x", "eye_y"], "sample") == ("eye",)
    assert group_names(["yaw", "pitch"], "sample") == ("sample",)
    assert group_names(["yaw", "pitch"], "landmark") == ("landmark 0",)


def test_names_that_two_groups_would_share_are_spelled_out():
    names = ["nose_x", "nose_y", "x_nose", "y_nose"]
    assert group_names(names, partition("landmark", 4)) == ("nose_x+nose_y", "x_nose+y_nose")


def test_landmarks_are_put_in_order_by_their_names():
    assert landmark_order(["x1", "x2", "y1", "y2"]) == [0, 2, 1, 3]
    assert landmark_order(["y1", "x1"]) == [1, 0]
    assert landmark_order(["x1", "y1", "age"]) is None
    assert landmark_order(["x1", "x2"]) is None
    assert landmark_order(["xx", "xy", "yx"]) is None  # xx goes with either


def test_only_pairs_of_x_and_y_make_landmarks_by_default():
    assert default_groups(["x1", "y1", "x2", "y2"]) == "landmark"
    for names in (["x1", "x2", "y1", "y2"], ["yaw", "pitch"], ["x1", "y1", "age"], ["age"]):
        assert default_groups(names) == "coordinate"


def test_landmarks_whose_names_say_otherwise_are_refused():
    with pytest.raises(InvalidDataError, match=r"side by side: x1, y1, x2, y2\. Found x1, x2, y1, y2"):
        check_target_names(["x1", "x2", "y1", "y2"], "landmark")
    with pytest.raises(InvalidDataError, match="Found twice: a"):
        check_target_names(["a", "a"], None)
    check_target_names(["x1", "x2", "y1", "y2"], "coordinate")
    check_target_names(["a", "b"], "landmark")
