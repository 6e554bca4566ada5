"""The square of an instance follows its box, or the shape of all instances, and not a single wrong keypoint."""

from __future__ import annotations

import numpy as np
import pytest

from deepgum.data.common_shape import shape_boxes
from deepgum.data.instance_squares import instance_squares

NONE = [np.nan] * 4
FACE = np.array([[0.0, 0.0], [40.0, 0.0], [20.0, 22.0], [6.0, 44.0], [34.0, 44.0]])
SIZES = np.full((60, 2), 400.0)


def test_a_square_has_the_centre_of_the_box_and_holds_it() -> None:
    rng = np.random.default_rng(0)
    boxes = np.column_stack([rng.uniform(10, 50, (20, 2)), rng.uniform(5, 40, (20, 2))])
    squares = instance_squares(np.zeros((20, 3, 2)), boxes, np.full((20, 2), 100.0))
    for square, (left, top, width, height) in zip(squares, boxes.tolist(), strict=True):
        assert square is not None
        centre = square.left + square.side / 2, square.top + square.side / 2
        np.testing.assert_allclose(centre, (left + width / 2, top + height / 2))
        assert square.side > max(width, height)


@pytest.mark.parametrize(
    "box",
    [NONE, [10, 10, 0, 5], [10, 10, -4, 5], [500, 500, 20, 20], [0, 0, 2000, 30], [-300, 0, 20, 20]],
)
def test_without_a_box_that_fits_the_square_is_around_the_points_in_the_image(box: list[float]) -> None:
    points = np.array([[[20.0, 30.0], [40.0, 60.0], [np.nan, np.nan], [900.0, -5.0]]])
    (square,) = instance_squares(points, np.array([box], dtype=float), np.array([[100.0, 80.0]]))
    assert square is not None
    inside = square.fractions(points[0, :2])
    assert (inside > 0.1).all()
    assert (inside < 0.9).all()
    np.testing.assert_allclose(inside.mean(axis=0), [0.5, 0.5])


def test_one_point_gets_the_side_of_the_others_and_no_point_the_whole_image() -> None:
    points = np.array([[[20.0, 30.0], [40.0, 30.0]], [[5.0, 5.0], [np.nan] * 2], [[-5.0, 5.0], [np.nan] * 2]])
    both, single, none = instance_squares(points, np.array([NONE] * 3), np.array([[100.0, 80.0]] * 3))
    assert both is not None
    assert single is not None
    assert single.side == both.side
    assert none == (0.0, -10.0, 100.0)
    unreadable = instance_squares(points, np.array([NONE] * 3), np.full((3, 2), np.nan))
    assert unreadable == [None] * 3


def faces(turned: bool) -> np.ndarray:
    """Return 60 faces (n, 5, 2) of different sizes, places and expressions; also turned and mirrored ones."""
    rng = np.random.default_rng(1)
    shapes = FACE + rng.normal(0, 1, (60, 5, 2)) - FACE.mean(axis=0)
    if turned:
        angle = rng.uniform(0, 2 * np.pi, 60)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).transpose(2, 0, 1)
        shapes = (shapes * np.where(rng.random((60, 1, 1)) < 0.5, [-1, 1], [1, 1])) @ turn
    return shapes * rng.uniform(0.5, 2, (60, 1, 1)) + rng.uniform(150, 250, (60, 1, 2))


def middles_and_sides(points: np.ndarray, boxes: np.ndarray | None = None) -> np.ndarray:
    """Return the centre and the side (n, 3) of each square."""
    squares = instance_squares(points, np.full((60, 4), np.nan) if boxes is None else boxes, SIZES)
    return np.array([(each.left + each.side / 2, each.top + each.side / 2, each.side) for each in squares if each])


@pytest.mark.parametrize("turned", [False, True])
def test_one_wrong_keypoint_does_not_move_the_square(turned: bool) -> None:
    right = faces(turned)
    wrong = right.copy()
    rng = np.random.default_rng(2)
    rows = np.arange(0, 60, 3)
    wrong[rows, rng.integers(0, 5, len(rows))] = rng.uniform(5, 395, (len(rows), 2))
    before, after = middles_and_sides(right), middles_and_sides(wrong)
    change = np.abs(after - before) / before[:, 2:]
    assert np.median(change[rows]) < 0.03
    assert np.quantile(change[rows], 0.9) < 0.15
    # The box around the points changes much more.
    around = np.ptp(wrong[rows], axis=1).max(axis=1) / np.ptp(right[rows], axis=1).max(axis=1)
    assert np.median(around) > 1.3


@pytest.mark.parametrize("turned", [False, True])
def test_squares_follow_size_and_place_of_the_instances(turned: bool) -> None:
    points = faces(turned)
    before, after = middles_and_sides(points), middles_and_sides((points - 200) / 2 + 190)
    np.testing.assert_allclose(after[:, 2], before[:, 2] / 2, rtol=1e-3)
    np.testing.assert_allclose(after[:, :2], (before[:, :2] - 200) / 2 + 190, atol=0.1)
    inside = np.abs(points - before[:, None, :2]) < before[:, None, 2:] / 2
    assert inside.all()


def test_a_square_is_as_large_as_the_box_around_the_points_in_a_typical_instance() -> None:
    points = faces(False)
    longer = np.ptp(points, axis=1).max(axis=1)
    assert np.median(middles_and_sides(points)[:, 2] / longer) == pytest.approx(1.5, rel=0.05)


def test_missing_points_do_not_move_the_square() -> None:
    points = faces(False)
    before = middles_and_sides(points)
    points[::2, 3] = np.nan
    points[1::4, 0] = np.nan
    after = middles_and_sides(points)
    assert (np.abs(after - before) / before[:, 2:]).max() < 0.1


@pytest.mark.parametrize("margin", [0.0, 7.0])
def test_boxes_that_are_made_from_the_points_are_not_believed(margin: float) -> None:
    points = faces(False)
    points[::5, 0] += 90  # wrong points, which such a box shows
    low, high = points.min(axis=1) - margin, points.max(axis=1) + margin
    made = np.concatenate([low, high - low], axis=1)
    np.testing.assert_array_equal(middles_and_sides(points, made), middles_and_sides(points))
    detected = made + np.random.default_rng(3).uniform(-6, 6, made.shape)
    np.testing.assert_allclose(middles_and_sides(points, detected)[:, 2], 1.25 * detected[:, 2:].max(axis=1))


def test_too_few_instances_have_no_common_shape() -> None:
    assert np.isnan(shape_boxes(faces(False)[:9])).all()
    assert not np.isnan(shape_boxes(faces(False)[:10])).any()
    assert np.isnan(shape_boxes(faces(False)[:, :2])).all()


def test_an_instance_unlike_the_shape_has_no_box_of_it() -> None:
    points = faces(False)
    points[0] = [[10, 10], [390, 20], [15, 390], [380, 385], [200, 10]]
    boxes = shape_boxes(points)
    assert not np.isnan(boxes[1:]).any()
    if not np.isnan(boxes[0]).any():
        inside = np.abs(points[0] - boxes[0, :2] - boxes[0, 2:] / 2) <= 0.75 * boxes[0, 2:].max()
        assert inside.all(axis=1).sum() >= 3


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("seed", range(40))
def test_points_that_coincide_or_are_missing_give_no_box_or_a_finite_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 3, (15, 1 + seed % 6, 2)).astype(float)
    points[rng.random(points.shape[:2]) < (seed % 3) / 3] = np.nan
    if seed % 2:
        points[..., 1] = 0
    boxes = shape_boxes(points)
    assert not np.isinf(boxes).any()
    assert not (boxes[:, 2:] < 0).any()
