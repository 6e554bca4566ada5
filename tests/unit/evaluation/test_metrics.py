from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from deepgum.errors import InvalidDataError, InvalidParameterError, UnknownNameError
from deepgum.evaluation import (
    Score,
    coordinate_errors,
    failure_rate,
    image_errors,
    landmark_errors,
    mae,
    nme,
    rmse,
)

NAN = float("nan")

# Three faces of two landmarks, at distances 5 and 10; 0 and (missing); 13 and 1.
PREDICTIONS = torch.zeros(3, 4)
TARGETS = torch.tensor([[3.0, 4.0, 6.0, 8.0], [0.0, 0.0, 2.0, NAN], [5.0, -12.0, 0.0, 1.0]])


def test_landmark_errors_are_distances():
    np.testing.assert_array_equal(landmark_errors(PREDICTIONS, TARGETS), [[5, 10], [0, NAN], [13, 1]])


def test_a_missing_coordinate_does_not_remove_the_other_coordinate():
    assert coordinate_errors(PREDICTIONS, TARGETS)[1].tolist()[:3] == [0, 0, 2]


def test_mae():
    assert mae(PREDICTIONS, TARGETS) == Score(overall=29 / 5, each=(6.0, 5.5))
    assert mae(PREDICTIONS, TARGETS, unit="coordinate").each == pytest.approx((8 / 3, 16 / 3, 8 / 3, 4.5))


def test_rmse():
    score = rmse(PREDICTIONS, TARGETS)
    assert score.overall == pytest.approx(math.sqrt((25 + 100 + 0 + 169 + 1) / 5))
    assert score.each == pytest.approx((math.sqrt(194 / 3), math.sqrt(101 / 2)))


def test_nme_divides_each_face_by_its_own_width():
    score = nme(PREDICTIONS, TARGETS, normaliser=torch.tensor([10.0, 1.0, 100.0]))
    assert score.overall == pytest.approx((0.5 + 1 + 0 + 0.13 + 0.01) / 5)
    assert score.each == pytest.approx((0.21, 0.505))


def test_failure_is_strictly_above_the_threshold():
    # The first landmark of the first face, 5 of 100, is exactly at the threshold.
    assert failure_rate(PREDICTIONS, TARGETS, normaliser=100.0) == Score(overall=2 / 5, each=(1 / 3, 1 / 2))
    assert failure_rate(PREDICTIONS, TARGETS, normaliser=100.0, threshold=0.049).each == (2 / 3, 1 / 2)
    assert failure_rate(PREDICTIONS, TARGETS, normaliser=100.0, threshold=0).overall == 4 / 5


def test_image_errors_average_the_observed_landmarks():
    assert image_errors(PREDICTIONS, TARGETS).tolist() == [7.5, 0.0, 7.0]


def test_no_labels_score_nan():
    predictions, nothing = torch.zeros(2, 4), torch.full((2, 4), NAN)
    for score in (mae(predictions, nothing), rmse(predictions, nothing)):
        assert math.isnan(score.overall)
        assert all(math.isnan(value) for value in score.each)
    assert math.isnan(failure_rate(predictions, nothing, normaliser=1.0).overall)
    assert np.isnan(image_errors(predictions, nothing)).all()


def test_a_landmark_without_labels_does_not_change_the_others():
    targets = TARGETS.clone()
    targets[:, 2:] = NAN
    score = mae(PREDICTIONS, targets)
    assert score.overall == score.each[0] == 6.0
    assert math.isnan(score.each[1])


def test_arrays_lists_and_tensors_with_gradients_are_accepted():
    expected = mae(PREDICTIONS, TARGETS)
    assert mae(PREDICTIONS.requires_grad_(), TARGETS) == expected
    assert mae(PREDICTIONS.detach().numpy(), TARGETS.tolist()) == expected
    assert mae(PREDICTIONS.detach().bfloat16(), TARGETS) == expected


def test_rotating_the_image_changes_no_landmark_error():
    generator = torch.Generator().manual_seed(0)
    predictions, targets = torch.randn(2, 30, 5, 2, generator=generator, dtype=torch.float64)
    angle = torch.tensor(0.7, dtype=torch.float64)
    turn = torch.stack([torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])])
    turned = [(points @ turn).reshape(30, 10) for points in (predictions, targets)]
    np.testing.assert_allclose(
        landmark_errors(*turned), landmark_errors(predictions.reshape(30, 10), targets.reshape(30, 10)), rtol=1e-10
    )


def test_a_diverged_network_is_refused():
    with pytest.raises(InvalidDataError, match="`predictions` should be finite"):
        mae([[NAN, 0.0]], [[0.0, 0.0]])


@pytest.mark.parametrize(
    ("predictions", "targets", "message"),
    [
        (np.zeros((3, 2)), np.zeros((2, 2)), r"`predictions`.*\(2, 2\).*\(3, 2\)"),
        (np.zeros(4), np.zeros(4), r"`targets` should have shape \(n, d\)"),
        (np.zeros((2, 3)), np.zeros((2, 3)), "two coordinates per landmark"),
        (np.zeros((1, 2)), np.array([[math.inf, 0.0]]), "`targets` should be finite"),
    ],
)
def test_refused(predictions: np.ndarray, targets: np.ndarray, message: str):
    with pytest.raises(InvalidDataError, match=message):
        mae(predictions, targets)


@pytest.mark.parametrize("normaliser", [0.0, [1.0, 2.0], [1.0, NAN, 1.0], [1.0, -1.0, 1.0], [[1.0], [1.0], [1.0]]])
def test_normaliser_refused(normaliser: object):
    with pytest.raises(InvalidDataError, match="normaliser"):
        nme(PREDICTIONS, TARGETS, normaliser)


def test_options_refused():
    with pytest.raises(UnknownNameError, match="Did you mean 'landmark'"):
        mae(PREDICTIONS, TARGETS, unit="landmarks")
    with pytest.raises(InvalidParameterError, match="threshold"):
        failure_rate(PREDICTIONS, TARGETS, 1.0, threshold=-0.1)
