from __future__ import annotations

import numpy as np
import pytest
import torch

from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.evaluation import DetectionScores, detection_scores

NAN = float("nan")


def test_an_example_worked_by_hand():
    truth = torch.tensor([[True, False], [True, False], [True, False]])
    flags = torch.tensor([[True, True], [True, False], [False, False]])
    moved = torch.tensor([[0.30, 0.0], [0.05, 0.0], [0.20, 0.0]], dtype=torch.float64)
    scores = torch.tensor([[0.9, 0.8], [0.7, 0.1], [0.2, 0.3]])
    result = detection_scores(scores, flags, truth, moved)
    assert result.precision == pytest.approx(2 / 3)
    assert result.recall == pytest.approx(2 / 3)
    # 0.05 is not more than the threshold, so the outliers that count are the first and the third.
    assert result.recall_moved == pytest.approx(1 / 2)
    # In falling order of the score: true, false, true, false, true, false.
    assert result.average_precision == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)


def test_perfect():
    truth = np.array([[True], [False]])
    assert detection_scores(truth.astype(float), truth, truth, truth.astype(float)) == DetectionScores(1, 1, 1, 1)


def test_no_true_outliers():
    truth = np.zeros((3, 1), dtype=bool)
    result = detection_scores(np.ones((3, 1)), ~truth, truth, np.zeros((3, 1)))
    assert result == DetectionScores(precision=0.0, recall=None, average_precision=None, recall_moved=None)


def test_nothing_flagged():
    truth = np.array([[True], [False]])
    result = detection_scores([[0.1], [0.2]], np.zeros((2, 1), dtype=bool), truth, [[0.01], [0.0]])
    assert result == DetectionScores(precision=None, recall=0.0, average_precision=0.5, recall_moved=None)


def test_a_method_without_flags_or_scores():
    truth = np.array([[True], [False]])
    assert detection_scores(None, None, truth, [[1.0], [0.0]]) == DetectionScores()
    assert detection_scores([[1.0], [0.0]], None, truth) == DetectionScores(average_precision=1.0)
    assert detection_scores(None, truth, truth) == DetectionScores(precision=1.0, recall=1.0)


def test_missing_labels_are_ignored():
    generator = np.random.default_rng(0)
    truth, flags = generator.random((2, 50, 3)) < 0.4
    scores, moved = generator.random((2, 50, 3))
    expected = detection_scores(scores[:40], flags[:40], truth[:40], moved[:40])
    scores[40:] = NAN
    assert detection_scores(scores, flags, truth, moved) == expected


def test_average_precision_depends_only_on_the_order_of_the_scores():
    generator = np.random.default_rng(1)
    truth = generator.random((200, 2)) < 0.3
    scores = generator.random((200, 2))
    before, after = detection_scores(scores, None, truth), detection_scores(np.exp(9 * scores), None, truth)
    assert before.average_precision == after.average_precision


def test_random_scores_are_as_precise_as_the_share_of_outliers():
    generator = np.random.default_rng(2)
    truth = generator.random((100_000, 1)) < 0.3
    result = detection_scores(generator.random((100_000, 1)), generator.random((100_000, 1)) < 0.5, truth)
    assert result.average_precision == pytest.approx(0.3, abs=0.01)
    assert result.precision == pytest.approx(0.3, abs=0.01)
    assert result.recall == pytest.approx(0.5, abs=0.02)


def test_refused():
    truth = np.zeros((3, 2), dtype=bool)
    with pytest.raises(InvalidDataError, match=r"`flags`.*\(3, 2\).*\(3, 1\)"):
        detection_scores(None, truth[:, :1], truth)
    with pytest.raises(InvalidDataError, match="`flags` should be bool"):
        detection_scores(None, np.full((3, 2), 0.2), truth)
    with pytest.raises(InvalidDataError, match="`true_outlier` should be bool"):
        detection_scores(None, truth, torch.zeros(3, 2))
    with pytest.raises(InvalidDataError, match="`scores` should be finite"):
        detection_scores(np.full((3, 2), np.inf), None, truth)
    with pytest.raises(InvalidParameterError, match="threshold"):
        detection_scores(None, truth, truth, threshold=NAN)
