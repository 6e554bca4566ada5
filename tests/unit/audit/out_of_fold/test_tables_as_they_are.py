"""Features of an audit in the form that the regressor takes: categories, gaps, frames, sparse matrices, texts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from deepgum.audit import audit_labels
from deepgum.audit.out_of_fold.features import Features, standardised
from deepgum.audit.out_of_fold.table_regressor import TableRegressor
from deepgum.data.feature_columns import columns_of, feature_column
from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.posteriors.label_mixture import LabelMixture

N = 240
RNG = np.random.default_rng(3)
AREA, TOWN = RNG.normal(size=N), RNG.choice(["bern", "kiel", "lyon"], N)
WRONG = np.arange(N) % 12 == 0
Y = 2 * AREA + 5 * (TOWN == "kiel") - 5 * (TOWN == "lyon") + 0.1 * RNG.normal(size=N) + np.where(WRONG, 20.0, 0.0)
FRAME = pd.DataFrame({"area": AREA, "town": TOWN})
DUMMIES = np.stack([AREA, TOWN == "kiel", TOWN == "lyon"], axis=1)
BY_NAME = make_column_transformer((OneHotEncoder(), ["town"]), (StandardScaler(), ["area"]))


@pytest.fixture(autouse=True)
def without_intervals(monkeypatch):
    fit = LabelMixture.fit
    monkeypatch.setattr(LabelMixture, "fit", lambda *given, **options: fit(*given, **options | {"intervals": False}))


def audit(X, regressor=None, **options):
    return audit_labels(X, Y, regressor, inliers="gaussian", most_rounds=2, **options)


@pytest.mark.case(14)
@pytest.mark.parametrize(
    ("X", "regressor"),
    [
        (FRAME, make_pipeline(BY_NAME, Ridge())),
        (FRAME.set_index(RNG.permutation(N) + 1000), make_pipeline(BY_NAME, Ridge())),
        (pl.from_pandas(FRAME), make_pipeline(BY_NAME, Ridge())),
        (FRAME.to_dict("records"), make_pipeline(DictVectorizer(), Ridge())),
        (scipy.sparse.coo_matrix(DUMMIES), Ridge()),
        (DUMMIES.reshape(N, 3, 1)[:, :, 0].tolist(), Ridge()),
        (pd.Series([f"{town} {'x' * round(4 * area + 20)}" for area, town in zip(AREA, TOWN, strict=True)]),
         make_pipeline(TfidfVectorizer(), Ridge(0.1))),
    ],
    ids=["frame", "index", "polars", "records", "sparse", "list", "texts"],
)  # fmt: skip
def test_the_regressor_gets_the_features_as_they_are(X, regressor):
    assert audit(X, regressor).labels.flags[WRONG, 0].mean() > 0.9


@pytest.mark.case(14)
@pytest.mark.parametrize(
    "X",
    [
        FRAME,
        FRAME.astype({"town": "category"}),
        pl.from_pandas(FRAME),
        pa.Table.from_pandas(FRAME),
        list(zip(AREA.tolist(), TOWN.tolist(), strict=True)),
        FRAME.to_numpy(),
        FRAME.assign(day=pd.date_range("2020-01-01", periods=N), id=[f"flat {row}" for row in range(N)]),
        scipy.sparse.csr_array(DUMMIES),
    ],
    ids=["frame", "category", "polars", "arrow", "list", "objects", "dates", "sparse"],
)
def test_the_default_regressor_takes_categories_dates_and_texts(X):
    flags = audit(X).labels.flags[:, 0]
    assert flags[WRONG].all()
    assert flags[~WRONG].mean() < 0.05


@pytest.mark.case(14)
def test_gaps_go_to_the_regressor():
    gaps = FRAME.mask(RNG.random((N, 2)) < 0.1)
    numbers = gaps[["area"]].assign(kiel=(gaps.town == "kiel") + 0.0, lyon=(gaps.town == "lyon") + 0.0)
    for X, regressor in (
        (gaps, None),
        (numbers, HistGradientBoostingRegressor()),
        (numbers, make_pipeline(SimpleImputer(), Ridge())),
        (numbers.astype("Float64"), None),
        (np.ma.masked_invalid(numbers.to_numpy()), None),
    ):
        assert audit(X, regressor).labels.flags[WRONG, 0].mean() > 0.8


def test_a_column_of_gaps_alone_says_nothing():
    assert audit(pd.DataFrame(DUMMIES).assign(empty=np.nan)).labels.flags[WRONG, 0].all()
    once = np.where(np.arange(N) == 0, 1.0, np.nan)[:, None]  # no number in the rows of a training
    with_gaps = TableRegressor(random_state=0).fit(np.hstack([DUMMIES, once])[1:], Y[1:])
    without = TableRegressor(random_state=0).fit(DUMMIES[1:], Y[1:])
    assert (with_gaps.predict(np.hstack([DUMMIES, once])) == without.predict(DUMMIES)).all()


class Broken(RegressorMixin, BaseEstimator):
    """A regressor that fails in one way or another."""

    def __init__(self, way=""):
        self.way = way

    def fit(self, X, y):
        if self.way == "fit":
            raise KeyError("no such town")
        return self

    def predict(self, X):
        return np.full(len(X) - (self.way == "rows"), np.nan if self.way == "nan" else 0.0)


@pytest.mark.parametrize(
    ("regressor", "message"),
    [
        (Broken("fit"), r"fitted to 160 rows. Its error: KeyError: 'no such town'"),
        (Broken("nan"), "NaN or infinity for 240 of 240 rows"),
        (Broken("rows"), r"1 numbers per row.*shape \(239,\)"),
        (Ridge, r"not the class: add `\(\)`"),
        (str.upper, "`fit`, `predict` and `get_params`"),
    ],
)
def test_the_failure_of_a_regressor_is_named(regressor, message):
    with pytest.raises(InvalidParameterError, match=message):
        audit(FRAME, regressor)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (
            FRAME.assign(rooms=[["a"]] * N),
            r"'rooms' of the features should hold numbers, texts or dates. Found \['a'\]",
        ),
        (FRAME.assign(rooms=["wide", *map(str, AREA[1:])]), "'rooms'.*nearly only numbers, but also 'wide'"),
        (None, "`X` should be a frame.*NoneType"),
        ({"area": AREA}, "`X` should be a frame.*dict"),
        (FRAME[:-1], "`X` should have one row per label, 240. Found 239"),
    ],
)
def test_features_that_the_default_regressor_cannot_take_are_named(X, message):
    with pytest.raises(InvalidDataError, match=message):
        audit(X)


def test_rows_of_one_category_are_no_copies():
    """If the town is the only feature, all rows of a town are equal, and still belong into different folds."""
    labels = 10.0 * (TOWN == "kiel") + 0.1 * RNG.normal(size=N)
    labels[::40] += 5
    found = audit_labels(FRAME[["town"]], labels, most_rounds=2)
    np.testing.assert_array_equal(np.flatnonzero(found.labels.flags[:, 0]), np.arange(0, N, 40))
    assert found.summary.conflicts == ()


def test_equal_rows_are_found_in_every_form():
    frame = pd.concat([FRAME[:6], FRAME[:2]]).assign(gap=[np.nan, 1, 2, 3, 4, 5, np.nan, 1])
    expected = ((0, 6), (1, 7))
    for X in (frame, pl.from_pandas(frame.reset_index(drop=True)), frame.to_dict("split")["data"]):
        assert Features(X).copies == expected
    stored_zero = scipy.sparse.csr_matrix(([0.0, 2.0, 2.0], ([0, 0, 1], [0, 1, 1])), shape=(2, 2))
    assert Features(stored_zero).copies == ((0, 1),)
    assert Features([{"a": 1}, {"a": 1}]).copies == ()


def test_points_of_numbers_are_standardised_and_categories_are_equally_far():
    points = Features(FRAME).points
    np.testing.assert_array_equal(points[:, 0], standardised(AREA[:, None])[:, 0])
    towns = np.array([points[town == TOWN][0, 1:] for town in ("bern", "kiel", "lyon")])
    np.testing.assert_array_equal(((towns[:, None] - towns) ** 2).sum(axis=2), 2 * (1 - np.eye(3)))
    np.testing.assert_allclose(Features(scipy.sparse.csr_matrix(DUMMIES)).points, Features(DUMMIES).points)
    assert Features([{"a": 1}, {"a": 1}]).points is None


def test_kinds_of_columns():
    frame = pd.DataFrame(
        {
            "text": ["1", " 2.5", ""],
            "size": ["36", "38", "XL"],
            "day": pd.to_datetime(["1970-01-02", None, "1970-01-01"]),
            "zone": pd.to_datetime(["1970-01-02"] * 3).tz_localize("UTC"),
            "iso": ["1970-01-02", "", "1970-01-02T12:00"],
            "code": pd.Categorical([7, 3, None]),
            "yes": pd.array([True, None, False], dtype="boolean"),
        }
    )
    found = {column.name: column for column in columns_of(frame)}
    np.testing.assert_array_equal(found["text"].values, [1, 2.5, np.nan])
    assert found["size"].categories == ("36", "38", "XL")
    np.testing.assert_array_equal(found["day"].values, [1, np.nan, 0])
    np.testing.assert_array_equal(found["zone"].values, [1] * 3)
    np.testing.assert_array_equal(found["iso"].values, [1, np.nan, 1.5])
    assert found["code"].categories == ("3", "7")
    np.testing.assert_array_equal(found["code"].values, [1, 0, np.nan])
    np.testing.assert_array_equal(found["yes"].values, [1, np.nan, 0])


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1.5", "NA", "?", "2"], "numbers"),
        (["2024-01-31", "n/a", "2024-02-01"], "numbers"),
        (["36", "38", "XL"], "categories"),
        (["none", "wood", "gas"], "categories"),
        ([*map(str, range(30)), *["unknown"] * 10], "refused"),
        (["NA", None], "numbers"),
    ],
)
def test_strings_are_numbers_dates_or_categories(cells, kind):
    column = feature_column("x", cells)
    assert {"numbers": column.categories is None, "categories": bool(column.categories) and not column.odd}.get(
        kind, column.odd == "unknown"
    )
