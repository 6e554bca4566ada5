"""X of the estimator as pipelines give it: sparse, with texts, gaps or dates."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from deepgum import DeepGUMRegressor
from deepgum.errors import InvalidDataError
from deepgum.estimator import readable

pytestmark = pytest.mark.usefixtures("gaussian_file")

N = 40
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {"area": RNG.normal(size=N), "town": RNG.choice(["bern", "kiel"], N), "zip": RNG.integers(30, size=N)}
)
Y = FRAME.area.to_numpy()


def small():
    return DeepGUMRegressor(random_state=0, max_epochs=1, schedule="interleaved")


@pytest.mark.case(15)
def test_sparse_features_give_what_dense_features_give():
    sparse = scipy.sparse.random(N, 5, 0.4, random_state=0)
    expected = small().fit(sparse.toarray(), Y).predict(sparse.toarray())
    for X in (sparse, sparse.tocsr(), scipy.sparse.csc_array(sparse), pd.DataFrame.sparse.from_spmatrix(sparse)):
        np.testing.assert_array_equal(small().fit(X, Y).predict(X), expected)


@pytest.mark.case(15)
def test_encoders_with_their_defaults_work_in_a_pipeline():
    encoder = make_column_transformer((OneHotEncoder(), ["town", "zip"]), remainder=StandardScaler())
    assert scipy.sparse.issparse(encoder.fit_transform(FRAME))
    assert make_pipeline(encoder, small()).fit(FRAME, Y).predict(FRAME).shape == (N,)


@pytest.mark.case(15)
def test_sparse_features_that_memory_cannot_hold_are_refused(monkeypatch):
    monkeypatch.setattr(readable, "MOST_CELLS", 100)
    with pytest.raises(InvalidDataError, match=r"sparse X of shape \(40, 5\).*TruncatedSVD"):
        small().fit(scipy.sparse.random(N, 5), Y)


@pytest.mark.case(15)
@pytest.mark.parametrize(
    ("X", "message"),
    [
        (FRAME, r"texts in column 'town'.*'bern', 'kiel'.*OneHotEncoder\(\), \['town'\]"),
        (FRAME.astype({"town": "category"}), "texts in column 'town'"),
        (FRAME.to_numpy(), r"texts in column 1;.*OneHotEncoder\(\), \[1\]"),
        (FRAME[["area"]].mask(FRAME.zip < 5), "NaN in column 'area'.*SimpleImputer"),
        (FRAME[["area"]].mask(FRAME.zip < 5).to_numpy(), "NaN in column 0"),
        (FRAME[["area"]].assign(day=pd.date_range("2020", periods=N)), "dates in 'day'"),
    ],
)
def test_columns_that_a_network_cannot_take_are_named(X, message):
    with pytest.raises(InvalidDataError, match=message):
        small().fit(X, Y)


@pytest.mark.case(15)
def test_the_same_columns_are_named_in_predictions():
    model = small().fit(FRAME[["area", "zip"]], Y)
    with pytest.raises(InvalidDataError, match="NaN in columns 'area', 'zip'"):
        model.predict(FRAME[["area", "zip"]].mask(FRAME.zip < 5))
    with pytest.raises(ValueError, match="feature names"):
        model.predict(FRAME[["zip", "area"]])
