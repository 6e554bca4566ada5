"""Probabilities of labels from out-of-fold residuals: scales that depend on the prediction, and common values."""

from __future__ import annotations

import numpy as np
import pytest

from deepgum.estimator.posterior import LabelPosterior
from deepgum.estimator.prediction_scale import PredictionScale


def flags(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    posterior = LabelPosterior.fit(labels, predictions, "coordinate")
    return posterior.responsibilities(labels - predictions, predictions) < 0.5


def test_the_scale_has_the_unit_of_the_residuals_and_ignores_wrong_and_missing_labels() -> None:
    rng = np.random.default_rng(0)
    predictions, residuals = rng.uniform(size=(500, 2)), rng.normal(size=(500, 2))
    right = np.ones((500, 2))
    scale = PredictionScale.of(residuals, predictions, right)(predictions)
    np.testing.assert_allclose(PredictionScale.of(7 * residuals, predictions, right)(predictions), 7 * scale)
    spoiled = residuals.copy()
    right[:50, 0], spoiled[:50, 0] = 0.0, 1e9
    missing = np.where(right == 0, np.nan, residuals)
    known = [PredictionScale.of(each, predictions, right)(predictions) for each in (spoiled, missing)]
    assert known[0].max() < 10
    np.testing.assert_allclose(known[0].mean(axis=0), known[1].mean(axis=0), rtol=0.05)


def test_equal_residuals_give_their_size_as_scale() -> None:
    predictions = np.linspace(0, 1, 200)[:, None]
    scale = PredictionScale.of(np.full((200, 1), -3.0), predictions, np.ones((200, 1)))
    np.testing.assert_allclose(scale(np.array([[-5.0], [0.3], [9.0]])), 3.0)
    np.testing.assert_allclose(PredictionScale.of(np.zeros((200, 1)), predictions, np.ones((200, 1)))(predictions), 1.0)


@pytest.mark.parametrize("noise", ["normal", "laplace", "exponential", "growing"])
def test_right_labels_have_hardly_any_flags(noise: str) -> None:
    rng = np.random.default_rng(1)
    predictions = rng.uniform(1, 20, size=(1500, 1))
    errors = {"growing": lambda: predictions * rng.normal(size=(1500, 1))}
    residuals = errors[noise]() if noise in errors else getattr(rng, noise)(size=(1500, 1))
    assert flags(predictions + residuals, predictions).mean() < 0.025


def test_wrong_labels_are_flagged_where_the_noise_is_small() -> None:
    rng = np.random.default_rng(2)
    predictions = rng.uniform(1, 20, size=(1500, 1))
    labels = predictions + 0.02 * predictions**2 * rng.normal(size=(1500, 1))
    labels[:300] = rng.uniform(-30, 60, size=(300, 1))
    found = flags(labels, predictions)[:, 0]
    is_far = (np.abs(labels - predictions) > 10)[:300, 0] & (predictions < 8)[:300, 0]
    assert found[:300][is_far].mean() > 0.95
    assert found[300:].mean() < 0.01


def test_a_common_value_does_not_make_the_other_labels_wrong() -> None:
    rng = np.random.default_rng(3)
    is_zero = rng.random((800, 1)) < 0.6
    # The network predicts nearly 0 for all rows, so the residuals of zeros are a narrow peak.
    labels = np.where(is_zero, 0.0, rng.gamma(2.0, 1000.0, size=(800, 1)))
    predictions = np.abs(rng.normal(size=(800, 1)))
    assert flags(labels, predictions).mean() < 0.02


def test_a_missing_label_has_the_prior_as_probability() -> None:
    rng = np.random.default_rng(4)
    predictions = rng.normal(size=(300, 2))
    labels = predictions + 0.1 * rng.normal(size=(300, 2))
    labels[:60, 0], labels[100:120, 1] = 30.0 * rng.normal(size=60), np.nan
    posterior = LabelPosterior.fit(labels, predictions, "coordinate")
    right = posterior.responsibilities(labels - predictions, predictions)
    np.testing.assert_allclose(right[100:120, 1], posterior.mixture.prior(1))
    assert np.isfinite(right).all()
