"""Probabilities of labels from out-of-fold residuals: scales that depend on the prediction, and common values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deepgum.estimator.posterior import LabelPosterior
from deepgum.estimator.prediction_scale import PredictionScale
from deepgum.posteriors.kinds.comparison import Comparison
from deepgum.posteriors.kinds.kind_mixture import KindMixture
from deepgum.posteriors.label_mixture import LabelMixture


def flags(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    return LabelPosterior.fit(labels, predictions, "coordinate").judge(labels, predictions).right < 0.5


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
    right = posterior.judge(labels, predictions).right
    np.testing.assert_allclose(right[100:120, 1], posterior.mixture.base.prior(1))
    assert np.isfinite(right).all()


def lost_points(n: int = 600, origin: float = 0.0, seed: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return right labels, labels of which the first 60 are ten times the right ones, and predictions."""
    rng = np.random.default_rng(seed)
    predictions = origin + rng.uniform(20, 60, size=(n, 1))
    truth = predictions + rng.normal(size=(n, 1))
    given = truth.copy()
    given[:60] *= 10
    return truth, given, predictions


@pytest.mark.parametrize("origin", [0.0, 1000.0])
def test_labels_that_are_wrong_in_a_known_way_are_named_and_corrected(origin: float) -> None:
    truth, given, predictions = lost_points(origin=origin)
    # Labels and predictions are given minus the origin; ten times a label is ten times the whole label.
    shift = np.array([origin])
    posterior = LabelPosterior.fit(given - shift, predictions - shift, "sample", origin=shift)
    judged = posterior.judge(given - shift, predictions - shift)
    assert [each.kind.name for each in posterior.mixture.admitted] == ["x0.1"]
    np.testing.assert_array_equal(judged.right[:, 0] < 0.5, np.arange(600) < 60)
    assert set(judged.reasons[:60, 0]) == {"Divided by 10"}
    assert set(judged.reasons[60:, 0]) == {""}
    np.testing.assert_allclose(judged.suggestions[:60] + origin, truth[:60])
    assert np.isnan(judged.suggestions[60:]).all()
    np.testing.assert_allclose(judged.expected[:60] + origin, truth[:60], rtol=1e-3)
    np.testing.assert_allclose(judged.expected[60:] + origin, given[60:], rtol=1e-3)
    assert judged.usable.min() > 0.9


def test_without_a_known_kind_the_posterior_is_that_of_the_label_mixture() -> None:
    rng = np.random.default_rng(6)
    predictions = rng.uniform(20, 60, size=(600, 1))
    labels = predictions + rng.normal(size=(600, 1))
    labels[:100] = rng.uniform(0, 400, size=(100, 1))
    posterior = LabelPosterior.fit(labels, predictions, "sample")
    judged = posterior.judge(labels, predictions)
    assert not posterior.mixture.admitted
    scaled = (labels - predictions) / posterior.scale(predictions)
    np.testing.assert_array_equal(judged.right, LabelMixture.fit(scaled, intervals=False).responsibilities(scaled))
    np.testing.assert_array_equal(judged.usable, judged.right)
    np.testing.assert_array_equal(judged.expected, labels)
    assert (judged.trust == 1).all()
    assert set(judged.reasons.ravel()) == {""}


def test_the_verdict_on_other_rows_replaces_rows() -> None:
    _, given, predictions = lost_points()
    posterior = LabelPosterior.fit(given, predictions, "sample")
    all_rows, some = posterior.judge(given, predictions), np.arange(600) < 50
    others = posterior.judge(given[some], predictions[some] + 1)
    joined = all_rows.with_rows(some, others)
    np.testing.assert_array_equal(joined.right, np.concatenate([others.right, all_rows.right[50:]]))
    np.testing.assert_array_equal(joined.reasons, np.concatenate([others.reasons, all_rows.reasons[50:]]))


def test_the_opposite_sign_is_no_kind_because_networks_would_learn_it() -> None:
    rng = np.random.default_rng(7)
    predictions = rng.uniform(-5, 5, size=(600, 1))
    labels = predictions + 0.3 * rng.normal(size=(600, 1))
    labels[:60] *= -1
    posterior = LabelPosterior.fit(labels, predictions, "sample")
    assert not posterior.mixture.admitted
    assert (posterior.judge(labels, predictions).reasons == "").all()


@pytest.mark.parametrize(("noise", "is_trusted"), [(0.3, True), (3.0, False)])
def test_predictions_that_explain_little_do_not_prove_unresolved_kinds(
    noise: float, is_trusted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(8)
    predictions = rng.normal(size=(300, 1))
    labels = predictions + noise * rng.normal(size=(300, 1))
    found, fit = [], KindMixture.fit

    def record(comparison: Comparison, **options: Any) -> KindMixture:
        found.append(options["is_trusted"])
        return fit(comparison, **options)

    monkeypatch.setattr(KindMixture, "fit", record)
    LabelPosterior.fit(labels, predictions, "sample")
    assert found == [is_trusted]
