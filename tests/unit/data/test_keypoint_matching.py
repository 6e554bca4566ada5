"""Labelled and predicted instances are paired one to one, in any order; an instance without a partner stays alone."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from deepgum.data.keypoint_matching import PredictedInstances, instance_boxes, match
from deepgum.data.keypoints import Keypoints
from deepgum.errors import InvalidDataError

Values = NDArray[np.float64]
NONE = np.full(4, np.nan)


def labelled(points: Values, images: list[str] | None = None, boxes: Values | None = None) -> Keypoints:
    n, k = points.shape[:2]
    return Keypoints(
        ids=tuple(map(str, range(n))),
        images=tuple(images or ["a"] * n),
        names=tuple(map(str, range(k))),
        points=points,
        boxes=np.tile(NONE, (n, 1)) if boxes is None else boxes,
    )


def predicted(points: Values, images: list[str] | None = None, scores: Values | None = None) -> PredictedInstances:
    m = len(points)
    return PredictedInstances(tuple(images or ["a"] * m), points, np.ones(m) if scores is None else scores)


def crowd(seed: int, n: int, k: int = 6) -> Values:
    """Return n instances of a side of 20 to 40 pixels, at places that overlap a little."""
    rng = np.random.default_rng(seed)
    corners = 25.0 * np.stack(np.unravel_index(rng.permutation(16)[:n], (4, 4)), axis=1)
    return corners[:, None] + rng.uniform(20, 40, (n, 1, 1)) * rng.random((n, k, 2))


@pytest.mark.parametrize("seed", range(5))
def test_instances_are_paired_in_any_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = crowd(seed, 6)
    order = rng.permutation(6)
    found = match(labelled(points), predicted((points + rng.normal(0, 1, points.shape))[order]))
    assert np.abs(found - points).max() < 5


@pytest.mark.parametrize("seed", range(5))
def test_the_sum_of_similarities_is_the_largest_of_all_pairings(seed: int) -> None:
    """By brute force, for instances of one keypoint, where boxes of points have no area and do not count."""
    rng = np.random.default_rng(seed)
    points, guesses = rng.uniform(0, 30, (4, 1, 2)), rng.uniform(0, 30, (4, 1, 2))
    boxes = np.column_stack([points[:, 0] - 50, np.full((4, 2), 100.0)])
    squared = ((points - guesses[:, 0]) ** 2).sum(axis=2)
    similarity = np.exp(-squared / (2 * 0.2**2 * 100.0**2))
    best = max(itertools.permutations(range(4)), key=lambda order: similarity[range(4), order].sum())
    np.testing.assert_array_equal(match(labelled(points, boxes=boxes), predicted(guesses)), guesses[list(best)])


def test_an_instance_without_a_prediction_has_none() -> None:
    points = crowd(1, 4)
    found = match(labelled(points), predicted(points[[2, 0]] + 0.5))
    np.testing.assert_array_equal(np.isnan(found).all(axis=(1, 2)), [False, True, False, True])
    far = match(labelled(points[:2]), predicted(points[:2] + 1000.0))
    assert np.isnan(far).all()


def test_wrong_labels_in_a_right_box_still_find_their_prediction() -> None:
    """Half of the keypoints are moved far away; or all of them, but the box of the file is right."""
    points = crowd(2, 3)
    boxes = instance_boxes(np.tile(NONE, (3, 1)), points)
    wrong = points.copy()
    wrong[1, :3] += 300.0
    np.testing.assert_array_equal(match(labelled(wrong), predicted(points)), points)
    wrong[1] += 300.0
    assert np.isnan(match(labelled(wrong), predicted(points))[1]).all()
    np.testing.assert_array_equal(match(labelled(wrong, boxes=boxes), predicted(points)), points)


def test_the_only_prediction_of_an_image_belongs_to_its_only_instance_unless_the_box_contradicts() -> None:
    points = crowd(3, 1)
    np.testing.assert_array_equal(match(labelled(points), predicted(points + 500.0)), points + 500.0)
    boxes = instance_boxes(np.tile(NONE, (1, 1)), points)
    assert np.isnan(match(labelled(points, boxes=boxes), predicted(points + 500.0))).all()


def test_instances_of_other_images_are_not_paired() -> None:
    points = crowd(4, 3)
    found = match(labelled(points, ["a", "b", "b"]), predicted(points[[1, 0]], ["a", "c"]))
    assert np.isnan(found[1:]).all()
    with pytest.raises(InvalidDataError, match=r"for the images of the labels\. Found predictions for c"):
        match(labelled(points), predicted(points, ["c"] * 3))
    with pytest.raises(InvalidDataError, match=r"should have 6 keypoints\. Found 2"):
        match(labelled(points), predicted(points[:, :2]))


def test_only_the_instances_with_the_highest_scores_count() -> None:
    """A detector with many guesses of a low score must not agree with every label."""
    points = crowd(5, 1)
    boxes = instance_boxes(np.tile(NONE, (1, 1)), points)
    guesses = np.concatenate([points + 4.0, points + np.linspace(100, 500, 30)[:, None, None], points])
    scores = np.linspace(1.0, 0.0, 32)
    np.testing.assert_array_equal(
        match(labelled(points, boxes=boxes), predicted(guesses, scores=scores))[0], guesses[0]
    )


def test_missing_keypoints_do_not_hinder() -> None:
    points = crowd(6, 3)
    guesses, seen = points + 0.5, points.copy()
    guesses[0, :4], seen[1, 2:] = np.nan, np.nan
    found = match(labelled(seen), predicted(guesses[::-1]))
    np.testing.assert_array_equal(found, guesses)


def test_boxes_are_those_of_the_file_or_hold_the_points() -> None:
    points = crowd(7, 3)
    points[1] = np.nan
    boxes = np.array([[1.0, 2.0, 3.0, 4.0], NONE, [1.0, 2.0, 0.0, 4.0]])
    found = instance_boxes(boxes, points)
    np.testing.assert_array_equal(found[0], boxes[0])
    assert np.isnan(found[1]).all()
    np.testing.assert_array_equal(found[2, :2], points[2].min(axis=0))
    np.testing.assert_allclose(found[2, :2] + found[2, 2:], points[2].max(axis=0))
