from dataclasses import replace

import numpy as np
import pytest

from deepgum.audit.corrections.decisions import ACTIONS, Decision
from deepgum.audit.corrections.patch_of import decided_values, patch_of, placed
from deepgum.errors import InvalidDataError, InvalidParameterError, UnknownNameError


def test_only_a_fix_has_new_labels():
    for action in ACTIONS:
        if action != "fix":
            assert Decision("a", "g", action).new is None
            with pytest.raises(InvalidParameterError, match="`new`"):
                Decision("a", "g", action, (1.0,))
    assert Decision("a", "g", "fix", np.array([1, 2.5], np.float32)).new == (1.0, 2.5)


@pytest.mark.parametrize("new", [None, (), (1.0, float("nan")), (float("inf"),), "ab", 3.0, ("x",)])
def test_a_fix_needs_finite_numbers(new):
    with pytest.raises(InvalidParameterError, match="finite numbers"):
        Decision("a", "g", "fix", new)


def test_an_action_is_one_of_four():
    with pytest.raises(UnknownNameError, match="Did you mean 'keep'"):
        Decision("a", "g", "keeep")


def test_the_last_decision_about_a_label_counts_and_a_skipped_one_is_open_again(audited):
    labels = audited.labels()
    first, second = labels.ids[3], labels.ids[1]
    found = placed(
        labels,
        [
            Decision(first, "b", "drop"),
            Decision(first, "a", "keep"),
            Decision(second, "a", "drop"),
            Decision(first, "b", "fix", (1.0, 2.0)),
            Decision(second, "a", "skip"),
        ],
    )
    # In the order of the data set, whatever the order of the review.
    assert [(place, decision.action) for place, decision in found.items()] == [((3, 0), "keep"), ((3, 1), "fix")]


def test_decided_labels_are_fixed_kept_or_missing(audited):
    labels = audited.labels()
    decisions = [
        Decision(labels.ids[0], "a", "fix", (7.0, 8.0)),
        Decision(labels.ids[1], "b", "drop"),
        Decision(labels.ids[2], "a", "keep"),
    ]
    expected = labels.given.copy()
    expected[0, :2] = 7, 8
    expected[1, 2:] = np.nan
    np.testing.assert_array_equal(decided_values(labels, placed(labels, decisions)), expected)


@pytest.mark.parametrize(
    ("decision", "message"),
    [
        (Decision("nobody", "a", "keep"), "'nobody', 'a'. It has 40 samples and the groups 'a', 'b'"),
        (Decision("images/000.png", "c", "keep"), "'images/000.png', 'c'"),
        (Decision("images/000.png", "a", "fix", (1.0,)), "'a' has 2 labels. Found 1"),
    ],
)
def test_a_decision_about_nothing_is_named(audited, decision, message):
    with pytest.raises(InvalidDataError, match=message):
        placed(audited.labels(), [decision])


def test_a_patch_says_what_was_looked_at_and_why(audited):
    labels = audited.labels()
    patch = patch_of(
        audited,
        [
            Decision(labels.ids[4], "a", "drop", who="ann", at="2024-05-01T10:00:00"),
            Decision(labels.ids[0], "a", "fix", (7.0, 8.0), reason="clicked"),
        ],
    )
    assert [change.id for change in patch.changes] == [labels.ids[0], labels.ids[4]]
    fixed, dropped = patch.changes
    assert (fixed.old, fixed.new, fixed.reason) == (tuple(labels.given[0, :2]), (7.0, 8.0), "clicked")
    assert dropped.reason == labels.why[4, 0]
    assert (dropped.who, dropped.at) == ("ann", "2024-05-01T10:00:00")
    assert (patch.dataset, patch.source, patch.unit) == ("table", "faces.csv", "px")
    # What leads to the labels, and no path of the machine that it was made on.
    assert patch.options == {"targets": ["a_x", "a_y", "b_x", "b_y"], "image": "file"}


def test_old_labels_are_what_a_float32_says(audited):
    labels = audited.labels()
    given = labels.given.copy()
    given[0, :2] = np.float32(31.4), np.nan
    audited.write(audited.summary(), replace(labels, given=given), audited.pictures())
    (change,) = patch_of(audited, [Decision(labels.ids[0], "a", "keep")]).changes
    assert change.old[0] == 31.4
    assert np.isnan(change.old[1])
