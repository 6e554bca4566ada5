"""Missing values of other libraries: each entry point takes them as missing, as it takes NaN."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from deepgum import DeepGUMRegressor, GaussianUniformMixture, RegressionData, audit_labels, score_labels
from deepgum.missing import with_nan

N = 120


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 2))
    predicted = 20 + 5 * X[:, 0]
    missing = np.arange(N) % 7 == 0
    return X, predicted, predicted + rng.normal(0, 0.5, N), missing


def forms(given, missing):
    filled = np.where(missing, -9999.0, given)
    objects = np.where(missing, None, given)
    yield np.ma.masked_array(filled, mask=missing)
    yield np.ma.masked_array(filled.astype(np.float32), mask=missing)
    yield pd.Series(objects).astype("Float64")
    yield np.array([pd.NA if gone else value for gone, value in zip(missing, given, strict=True)], dtype=object)
    yield [pd.NaT if gone else value for gone, value in zip(missing, given.tolist(), strict=True)]
    yield pd.Series([pd.NA if gone else value for gone, value in zip(missing, given, strict=True)], dtype=object)


@pytest.mark.case(5)
def test_scores_and_audits_are_as_with_nan(data):
    X, predicted, given, missing = data
    cells = np.where(missing, np.nan, given)
    expected = score_labels(predicted, cells).labels.responsibilities
    assert np.isnan(expected[missing]).all()
    for form in forms(given, missing):
        found = score_labels(predicted, form).labels.responsibilities
        np.testing.assert_allclose(found, expected, atol=1e-3)
    audited = audit_labels(X, np.ma.masked_array(given, mask=missing), LinearRegression(), most_rounds=1)
    assert np.isnan(audited.labels.given[missing]).all()
    frame = pd.DataFrame({"y": pd.array(np.where(missing, None, given), dtype="Float64")})
    np.testing.assert_allclose(score_labels(predicted, frame).labels.responsibilities, expected)


@pytest.mark.case(5)
def test_the_mixture_is_fitted_as_with_nan(data):
    _, predicted, given, missing = data
    residuals = (given - predicted)[:, None]
    cells = np.where(missing[:, None], np.nan, residuals)
    masked = np.ma.masked_array(np.where(missing[:, None], -9999.0, residuals), mask=missing[:, None])
    expected = GaussianUniformMixture().fit(cells)
    found = GaussianUniformMixture().fit(masked)
    np.testing.assert_array_equal(found.covariances_[0], expected.covariances_[0])
    np.testing.assert_array_equal(found.responsibilities(masked), expected.responsibilities(cells))
    streamed = GaussianUniformMixture().fit_batches([masked[:60], masked[60:]])
    np.testing.assert_allclose(streamed.covariances_[0], expected.covariances_[0], rtol=1e-6)


@pytest.mark.case(5)
def test_the_regressor_and_the_data_take_masked_labels_as_missing(data):
    X, _, given, missing = data
    for form in forms(given, missing):
        targets = RegressionData.from_arrays(X, form).targets[:, 0].numpy()
        np.testing.assert_array_equal(np.isnan(targets), missing)
    masked = np.ma.masked_array(np.where(missing, -9999.0, given), mask=missing)
    fits = [
        DeepGUMRegressor(random_state=0, max_epochs=2, schedule="interleaved").fit(X, labels)
        for labels in (masked, np.where(missing, np.nan, given))
    ]
    np.testing.assert_array_equal(*(fit.predict(X) for fit in fits))


@pytest.mark.case(5)
def test_other_values_are_unchanged():
    array, texts = np.arange(3), ["a", None]
    assert with_nan(array) is array
    assert with_nan(texts) is texts
    assert with_nan(np.ma.masked_array([1, 2])).tolist() == [1.0, 2.0]
    assert np.isnan(with_nan([[1.0, pd.NA]])[0][1])


@pytest.mark.case(5)
def test_the_user_can_name_marks(data):
    _, predicted, given, missing = data
    expected = score_labels(predicted, np.where(missing, np.nan, given)).labels.responsibilities
    for value, missing_option in ((-1.0, -1), (0.0, [0, 999]), (-1.7e308, -1.7e308)):
        labels = np.where(missing, value, given)
        found = score_labels(predicted, labels, missing=missing_option).labels.responsibilities
        np.testing.assert_array_equal(found, expected)
    words = np.where(missing, "?", given.astype(object))
    np.testing.assert_array_equal(score_labels(predicted, words, missing="?").labels.responsibilities, expected)
    pairs = np.stack([given, given], axis=1)
    pairs[missing] = 0.0
    names = ["a_x", "a_y"]
    both = score_labels(np.stack([predicted] * 2, axis=1), pairs, target_names=names, missing=[(0, 0)])
    assert np.isnan(both.labels.responsibilities[missing]).all()
