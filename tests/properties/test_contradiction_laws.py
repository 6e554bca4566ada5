"""Copies with different labels: laws of their posteriors, for any labels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepgum.audit.duplicates import at_most_one_right, conflicts

seeds = st.integers(0, 2**31 - 1)
PARTITION = ((0, 1), (2,))
COPIES = [(0, 1, 2, 3), (5, 7), (8, 9, 10)]


def case(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Posteriors (12, 2), some beyond what a float can tell from 0 and 1, and few enough labels that copies agree."""
    rng = np.random.default_rng(seed)
    right = 1 / (1 + np.exp(-10 * rng.normal(size=(12, 2))))
    labels = rng.integers(2, size=(12, 3)).astype(float)
    missing = rng.random((12, 2)) < 0.2
    right[missing] = np.nan
    labels[np.repeat(missing, (2, 1), axis=1)] = np.nan
    return right, labels


def distinct(labels: np.ndarray, right: np.ndarray, rows: tuple[int, ...], place: int) -> dict[tuple, list[int]]:
    found: dict[tuple, list[int]] = {}
    for row in rows:
        if not np.isnan(right[row, place]):
            found.setdefault(tuple(labels[row, list(PARTITION[place])]), []).append(row)
    return found


@settings(max_examples=100, deadline=None)
@given(seed=seeds)
def test_at_most_one_of_several_labels_of_one_content_is_right(seed):
    right, labels = case(seed)
    found = at_most_one_right(right, labels, PARTITION, COPIES)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(right))
    for rows in COPIES:
        for place in range(2):
            by_label = distinct(labels, right, rows, place)
            for same in by_label.values():
                # Copies that agree share one posterior.
                assert len({found[row, place] for row in same}) == 1 or len(by_label) == 1
            if len(by_label) > 1:
                assert sum(found[same[0], place] for same in by_label.values()) <= 1 + 1e-12


@settings(max_examples=100, deadline=None)
@given(seed=seeds)
def test_a_posterior_is_that_of_independent_labels_given_that_no_two_are_right(seed):
    right, labels = case(seed)
    found = at_most_one_right(right, labels, PARTITION, COPIES)
    for rows in COPIES:
        for place in range(2):
            by_label = distinct(labels, right, rows, place)
            if len(by_label) < 2:
                continue
            best = [min(max(right[same, place].max(), 1e-12), 1 - 1e-12) for same in by_label.values()]
            # Every way in which at most one is right, each with the probability it has apart.
            ways = [np.prod([1 - p for p in best])]
            ways += [p * np.prod([1 - q for j, q in enumerate(best) if j != i]) for i, p in enumerate(best)]
            for same, way in zip(by_label.values(), ways[1:], strict=True):
                assert found[same[0], place] == pytest.approx(way / sum(ways), rel=1e-3, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(seed=seeds)
def test_posteriors_without_conflicts_are_not_changed(seed):
    right, labels = case(seed)
    before = right.copy()
    found = at_most_one_right(right, labels, PARTITION, COPIES)
    np.testing.assert_array_equal(right, before)
    alone = [4, 6, 11]
    np.testing.assert_array_equal(found[alone], right[alone])
    np.testing.assert_array_equal(at_most_one_right(right, labels, PARTITION, []), right)
    agreed = np.tile([3.0, np.nan, 5.0], (12, 1))  # a label that is there in part agrees with itself
    np.testing.assert_array_equal(at_most_one_right(right, agreed, PARTITION, COPIES), right)


@settings(max_examples=50, deadline=None)
@given(seed=seeds)
def test_the_order_of_samples_and_of_copies_does_not_matter(seed):
    right, labels = case(seed)
    found = at_most_one_right(right, labels, PARTITION, COPIES)
    turned = [rows[::-1] for rows in COPIES[::-1]]
    np.testing.assert_allclose(at_most_one_right(right, labels, PARTITION, turned), found, rtol=1e-12)
    order = np.random.default_rng(seed).permutation(12)
    places = np.argsort(order)
    moved = [tuple(int(places[row]) for row in rows) for rows in COPIES]
    np.testing.assert_allclose(
        at_most_one_right(right[order], labels[order], PARTITION, moved), found[order], rtol=1e-12
    )


def test_another_label_lowers_the_posterior_and_two_equally_good_labels_are_flagged():
    labels = np.array([[1.0], [2.0]])
    for p in (0.5, 0.9, 1 - 1e-9, 1.0):
        found = at_most_one_right(np.array([[p], [p]]), labels, ((0,),), [(0, 1)])[:, 0]
        assert found[0] == found[1] < 0.5
    # Against one that is certainly wrong nothing is lost.
    found = at_most_one_right(np.array([[0.9], [0.0]]), labels, ((0,),), [(0, 1)])[:, 0]
    np.testing.assert_allclose(found, [0.9, 0.0], atol=1e-9)


@pytest.mark.parametrize(
    ("labels", "periods"),
    [([[180.0], [-180.0]], (360.0,)), ([[30.0], [30.000001]], None), ([[5.0, 7.0], [5.0, np.nan]], None)],
)
def test_equal_labels_do_not_contradict_each_other(labels, periods):
    given = np.array(labels)
    right = np.array([[0.9], [0.8]])
    found = at_most_one_right(right, given, (tuple(range(given.shape[1])),), [(0, 1)], periods)
    np.testing.assert_array_equal(found, right)
    assert conflicts([(0, 1)], given, ["a", "b"], periods) == ()
