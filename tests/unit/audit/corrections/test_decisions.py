import numpy as np
import pytest

from deepgum.audit.corrections.decisions import ACTIONS, Decision, corrected_labels, decisions_by_place
from deepgum.audit.corrections.patch import Change
from deepgum.checks import LARGEST
from deepgum.data.columns import read_columns
from deepgum.errors import InvalidDataError, InvalidParameterError, UnknownNameError


def test_only_a_fix_has_new_labels():
    for action in ACTIONS:
        if action != "fix":
            assert Decision("a", "g", action).new is None
            with pytest.raises(InvalidParameterError, match="`new`"):
                Decision("a", "g", action, (1.0,))
    assert Decision("a", "g", "fix", np.array([1, 2.5], np.float32)).new == (1.0, 2.5)


@pytest.mark.parametrize("new", [None, (), (1.0, float("nan")), (float("inf"),), "ab", 3.0, ("x",), (10**400,)])
def test_a_fix_needs_finite_numbers(new):
    with pytest.raises(InvalidParameterError, match="finite numbers"):
        Decision("a", "g", "fix", new)


@pytest.mark.fault(21)
@pytest.mark.parametrize("value", [1e300, -1e300, 3.5e38])
def test_every_way_to_a_correction_refuses_what_the_readers_refuse(value, tmp_path):
    (tmp_path / "a.csv").write_text(f"age\n{value}\n")
    with pytest.raises(InvalidDataError, match="a cell should be a number"):
        read_columns(tmp_path / "a.csv", ["age"]).numbers("age", missing=True)
    with pytest.raises(InvalidParameterError, match=r"finite numbers up to 3\.4e\+38"):
        Decision("a", "age", "fix", (value,))
    with pytest.raises(InvalidParameterError, match=r"finite numbers up to 3\.4e\+38"):
        Change("a", "age", (1.0,), (value,), "fix")


def test_the_largest_label_can_be_read_and_corrected(tmp_path):
    (tmp_path / "a.csv").write_text(f"age\n{LARGEST}\n")
    assert read_columns(tmp_path / "a.csv", ["age"]).numbers("age", missing=True) == [LARGEST]
    assert Decision("a", "age", "fix", (LARGEST,)).new == Change("a", "age", (1.0,), (LARGEST,), "fix").new


def test_an_action_is_one_of_four():
    with pytest.raises(UnknownNameError, match="Did you mean 'keep'"):
        Decision("a", "g", "keeep")


def test_the_last_decision_counts_and_skip_reopens_a_label(audited):
    labels = audited.labels()
    first, second = labels.ids[3], labels.ids[1]
    found = decisions_by_place(
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


def test_corrected_labels_are_fixed_kept_or_missing(audited):
    labels = audited.labels()
    decisions = [
        Decision(labels.ids[0], "a", "fix", (7.0, 8.0)),
        Decision(labels.ids[1], "b", "drop"),
        Decision(labels.ids[2], "a", "keep"),
    ]
    expected = labels.given.copy()
    expected[0, :2] = 7, 8
    expected[1, 2:] = np.nan
    np.testing.assert_array_equal(corrected_labels(labels, decisions_by_place(labels, decisions)), expected)


@pytest.mark.parametrize(
    ("decision", "message"),
    [
        (Decision("nobody", "a", "keep"), "'nobody', 'a'. The audit has 40 samples and the groups 'a', 'b'"),
        (Decision("images/000.png", "c", "keep"), "'images/000.png', 'c'"),
        (Decision("images/000.png", "a", "fix", (1.0,)), "'a' has 2 labels. Found 1"),
    ],
)
def test_a_decision_about_an_unknown_label_is_refused(audited, decision, message):
    with pytest.raises(InvalidDataError, match=message):
        decisions_by_place(audited.labels(), [decision])
