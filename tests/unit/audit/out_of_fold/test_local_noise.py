from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from deepgum.audit.out_of_fold.features import standardised
from deepgum.audit.out_of_fold.local_noise import LocalNoise, jackknife


def case(n: int = 1500, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features (n, 2), the noise of each sample (1 to 4, by the first feature), and residuals."""
    rng = np.random.default_rng(seed)
    features = rng.uniform(size=(n, 2))
    noise = 1 + 3 * features[:, :1]
    return features, noise, noise * rng.normal(size=(n, 1))


def scale_of(features, residuals, right=None, predictions=None, unknown=None) -> np.ndarray:
    zeros = np.zeros_like(residuals)
    predictions = features[:, :1] if predictions is None else predictions
    return LocalNoise(standardised(features)).scale(
        residuals, zeros + 1 if right is None else right, predictions, zeros if unknown is None else unknown
    )


def test_noise_that_differs_between_samples_is_recovered() -> None:
    features, noise, residuals = case()
    ratio = scale_of(features, residuals) / noise
    assert np.abs(np.log(ratio)).mean() < 0.15
    # Divided residuals have a deviation close to 1, and below it where noise is small: the noise of all samples counts
    # as ten of about forty neighbours.
    for part in (features[:, 0] < 0.2, features[:, 0] > 0.8):
        assert (residuals / scale_of(features, residuals))[part].std() == pytest.approx(0.9, abs=0.2)


@pytest.mark.parametrize("seed", range(2))
def test_the_mean_noise_hardly_counts_where_noise_differs_by_orders_of_magnitude(seed: int) -> None:
    rng = np.random.default_rng(seed)
    features = rng.uniform(size=(1500, 2))
    noise = np.where(features[:, :1] < 0.5, 0.01, 1.0)
    found = scale_of(features, noise * rng.normal(size=noise.shape))
    quiet = features[:, 0] < 0.4
    # With the usual weight the scale would be at least 10 / 40 of the mean noise, 0.35.
    assert np.median(found[quiet]) < 0.1
    assert np.median(found[features[:, 0] > 0.6]) == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_the_mean_noise_counts_as_usual_where_noise_differs_little(share: float) -> None:
    features, _, residuals = case()
    wrong = np.random.default_rng(1).random(residuals.shape) < share
    residuals = np.where(wrong, 20.0, residuals)
    right = (~wrong).astype(float)
    found = scale_of(features, residuals, right)
    mean = (right * residuals**2).sum() / right.sum()
    # No scale is below that of forty labels without noise, ten of which stand for the mean.
    assert found.min() ** 2 > 10 / 60 * mean


def test_the_scale_is_that_of_a_plain_loop_over_neighbours() -> None:
    features, _, residuals = case(120)
    rng = np.random.default_rng(1)
    right, predictions, unknown = rng.random((120, 1)), rng.normal(size=(120, 1)), rng.random((120, 1))
    residuals[5] = np.nan
    found = scale_of(features, residuals, right, predictions, unknown)
    seen = np.arange(120) != 5
    overall = (right * residuals**2)[seen].sum() / right[seen].sum()
    standard = (features - features.mean(axis=0)) / features.std(axis=0)
    for row in range(120):
        product = 1.0
        for points, count in ((standard, 30), (predictions, 50)):
            distance = np.linalg.norm(points - points[row], axis=1)
            distance[row] = np.inf  # a sample is not its own neighbour
            near = [i for i in np.argsort(distance)[:count] if i != 5]
            product *= ((right * residuals**2)[near].sum() + 10 * overall) / (right[near].sum() + 10)
        assert found[row, 0] == pytest.approx(np.sqrt(np.sqrt(product) + unknown[row, 0]))


def test_wrong_and_missing_labels_have_no_influence() -> None:
    features, noise, residuals = case()
    wrong = np.random.default_rng(2).random(residuals.shape) < 0.2
    with_wrong = np.where(wrong, 100.0, residuals)
    by_weight = scale_of(features, with_wrong, (~wrong).astype(float))
    by_absence = scale_of(features, np.where(wrong, np.nan, residuals))
    np.testing.assert_allclose(by_weight, by_absence, rtol=1e-12)
    assert np.isfinite(by_absence).all()
    assert np.abs(np.log(by_absence / noise)).mean() < 0.15


def test_neither_units_of_features_nor_constant_columns_matter() -> None:
    features, _, residuals = case(400)
    expected = scale_of(features, residuals, predictions=residuals * 0.1)
    units = scale_of(features * [1e6, 1e-6] + [5.0, -3.0], residuals, predictions=residuals * 0.1)
    np.testing.assert_allclose(units, expected)
    padded = np.concatenate([features, np.full((400, 2), 0.1)], axis=1)
    np.testing.assert_allclose(scale_of(padded, residuals, predictions=residuals * 0.1), expected)


def test_the_scale_has_the_unit_of_the_residuals() -> None:
    features, _, residuals = case(400)
    unknown = np.random.default_rng(0).random(residuals.shape)
    one = scale_of(features, residuals, unknown=unknown)
    np.testing.assert_allclose(scale_of(features, 1e-3 * residuals, unknown=1e-6 * unknown), 1e-3 * one)


def test_each_target_has_its_own_noise_plus_the_variance_of_predictions() -> None:
    features, _, residuals = case(400)
    both = np.concatenate([residuals, 5 * residuals[::-1]], axis=1)
    predictions = np.tile(features[:, :1], (1, 2))
    found = scale_of(features, both, predictions=predictions)
    for column in range(2):
        alone = scale_of(features, both[:, [column]], predictions=predictions[:, [column]])
        np.testing.assert_allclose(found[:, [column]], alone)
    more = scale_of(features, both, predictions=predictions, unknown=np.full(both.shape, 9.0))
    np.testing.assert_allclose(more**2, found**2 + 9.0)


def test_residuals_of_zero_and_missing_residuals_have_the_scale_1() -> None:
    features, _, residuals = case(60)
    assert (scale_of(features, np.zeros_like(residuals)) == 1).all()
    assert (scale_of(features, np.full_like(residuals, np.nan)) == 1).all()
    assert np.isfinite(scale_of(features[:4], residuals[:4])).all()


def test_the_jackknife_of_a_mean_is_its_variance_in_closed_form() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, size=40)
    without = [np.array([[np.delete(values, i).mean()]]) for i in range(40)]
    assert jackknife(without, 40)[0, 0] == pytest.approx(values.var(ddof=1) / 40)
    # With folds of four it is the variance of the mean of the ten means.
    folds = values.reshape(10, 4)
    without = [np.array([[np.delete(folds, i, axis=0).mean()]]) for i in range(10)]
    assert jackknife(without, 10)[0, 0] == pytest.approx(folds.mean(axis=1).var(ddof=1) / 10)


def test_the_jackknife_is_larger_far_from_the_training_samples() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 1))
    y = 2 * x + rng.normal(size=(200, 1))
    at, fold = np.array([[0.0], [4.0]]), np.arange(200) % 10
    without = [LinearRegression().fit(x[fold != f], y[fold != f]).predict(at) for f in range(10)]
    found = jackknife(without, 10)
    assert found.shape == (2, 1)
    # The variance of a fitted line grows with the squared distance from the mean: 1 + 16 times here.
    assert found[1, 0] > 4 * found[0, 0]
    assert jackknife([at, at, at], 3).tolist() == [[0.0], [0.0]]


def test_neighbours_are_the_nearest_of_other_runs() -> None:
    rng = np.random.default_rng(3)
    features = rng.normal(size=(200, 2))
    runs = np.sort(rng.integers(0, 6, size=200))
    features[:, 0] += runs  # rows of a run are neighbours
    found = LocalNoise(standardised(features), runs)._around
    standard = (features - features.mean(axis=0)) / features.std(axis=0)
    for row in range(200):
        distance = np.linalg.norm(standard - standard[row], axis=1)
        distance[runs == runs[row]] = np.inf
        assert set(found[row]) == set(np.argsort(distance)[: found.shape[1]])
    assert found.shape[1] == 30


def test_a_run_of_wrong_labels_is_not_taken_for_noise() -> None:
    features, _, _ = case(600)
    features = features[np.argsort(features[:, 0])]
    runs = np.repeat(np.arange(20), 30)
    rng = np.random.default_rng(4)
    residuals = rng.normal(size=(600, 1))
    residuals[runs == 5] *= 10
    ones, zeros, predictions = np.ones((600, 1)), np.zeros((600, 1)), rng.normal(size=(600, 1))
    alone, others = (
        LocalNoise(standardised(features), known).scale(residuals, ones, predictions, zeros)[runs == 5].mean()
        for known in (None, runs)
    )
    assert others < 0.7 * alone


def test_a_single_run_has_the_mean_noise() -> None:
    features, _, residuals = case(50)
    scale = LocalNoise(standardised(features), np.zeros(50, dtype=np.intp)).scale(
        residuals, np.ones((50, 1)), features[:, :1], np.zeros((50, 1))
    )
    np.testing.assert_allclose(scale, np.sqrt(np.mean(residuals**2)))
