from __future__ import annotations

import pytest

from deepgum.errors import InvalidDataError, InvalidParameterError, UnknownNameError
from deepgum.mixture import partition
from deepgum.mixture.partition import size_classes


@pytest.mark.parametrize(
    ("groups", "d", "expected"),
    [
        ("sample", 3, ((0, 1, 2),)),
        ("landmark", 4, ((0, 1), (2, 3))),
        ("coordinate", 2, ((0,), (1,))),
        ([[2, 0], [1]], 3, ((2, 0), (1,))),
        ((range(2), (2,)), 3, ((0, 1), (2,))),
    ],
)
def test_groups_are_in_the_given_order(groups, d, expected):
    assert partition(groups, d) == expected


def test_unknown_name_shows_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'landmark'"):
        partition("landmarks", 4)


def test_landmarks_need_pairs():
    with pytest.raises(InvalidDataError, match="even number"):
        partition("landmark", 5)


@pytest.mark.parametrize(
    ("groups", "fault"),
    [
        ([[0, 1]], "in no group: 2"),
        ([[0, 1], [1, 2]], "in more than one: 1"),
        ([[0, 1, 2, 3]], "outside the range: 3"),
        ([[0, -1], [1, 2]], "outside the range: -1"),
        ([[0, 1, 2], []], "non-empty"),
        ([[0, 1], [2.0]], "indices"),
        ([[True, 0], [2]], "indices"),
        ([0, 1, 2], "list"),
        (3, "list"),
    ],
)
def test_index_lists_that_are_no_partition_are_refused_with_the_fault(groups, fault):
    with pytest.raises(InvalidParameterError, match=fault) as caught:
        partition(groups, 3)
    assert caught.value.parameter == "groups"


def test_each_size_class_has_one_size_and_each_group_is_in_one():
    groups = ((0,), (1, 2), (3,), (4, 5, 6))
    classes = size_classes(groups)
    assert sorted(g for c in classes for g in c.groups) == [0, 1, 2, 3]
    for c in classes:
        assert c.columns == tuple(groups[g] for g in c.groups)
        assert {len(column) for column in c.columns} == {c.size}
