"""Audits of tables by scikit-learn regressors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.datasets import make_friedman1
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import Ridge
from sklearn.svm import SVR

from deepgum.audit import audit_labels
from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.posteriors.label_mixture import LabelMixture

N = 200


def linear(n=N, d=1, seed=0):
    """Return features, labels (n, d) and a mask of the wrong ones: every tenth of the first target."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    y = X @ rng.normal(size=(3, d)) + 0.1 * rng.normal(size=(n, d))
    wrong = np.zeros((n, d), dtype=bool)
    wrong[::10, 0] = True
    y[::10, 0] += rng.choice([-1, 1], n // 10) * rng.uniform(8, 20, n // 10)
    return X, y, wrong


class Fitted(BaseEstimator):
    """The class keeps the rows that its clones are fitted to, by their last feature."""

    rows: list[set] = []  # noqa: RUF012  a clone is another object

    def fit(self, X, y):
        type(self).rows.append(set(X[:, -1].tolist()))
        self.ridge_ = Ridge().fit(X, y)
        return self

    def predict(self, X):
        return self.ridge_.predict(X)


@pytest.fixture(autouse=True)
def nothing_fitted(monkeypatch):
    """Clear the record of fits, and leave out the intervals of shares, which take most of the time."""
    fit = LabelMixture.fit
    monkeypatch.setattr(LabelMixture, "fit", lambda *given, **options: fit(*given, **options | {"intervals": False}))
    Fitted.rows = []


def test_wrong_labels_of_a_nonlinear_function_are_found_in_few_fits():
    X, y = make_friedman1(600, noise=0.5, random_state=0)
    rng = np.random.default_rng(0)
    wrong = rng.random(600) < 0.15
    truth = y.copy()
    y[wrong] = rng.uniform(y.min(), y.max(), wrong.sum())
    found = audit_labels(X, y, SVR(C=30))
    flags, far = found.labels.flags[:, 0], np.abs(y - truth) > 6
    assert flags[wrong & far].mean() > 0.8
    assert flags[~wrong].mean() < 0.03
    assert found.summary.fits == 3 * len(found.summary.history) <= 12
    assert found.summary.backbone == "SVR"
    # What it should be is nearer to the truth than what it is.
    caught = flags & far
    assert np.median(np.abs(found.labels.suggested[caught, 0] - truth[caught])) < 3


def test_frames_keep_the_names_of_their_columns_and_rows():
    X, y, wrong = linear(d=2)
    rows = [f"flat {row}" for row in range(N)]
    found = audit_labels(
        pd.DataFrame(X, index=rows), pd.DataFrame(y, columns=["rent", "area"], index=rows), Ridge(), inliers="gaussian"
    )
    assert found.labels.ids == tuple(rows)
    assert found.labels.target_names == found.labels.group_names == ("rent", "area")
    np.testing.assert_array_equal(found.labels.flags, wrong)
    assert {name for name, _ in ((found.labels.ids[row], group) for row, group in found.labels.kinds)} == set(
        rows[::10]
    )


def test_names_are_ids_or_else_the_index_or_else_numbers():
    X, y, _ = linear()
    assert audit_labels(X, y, Ridge(), inliers="gaussian").labels.ids == tuple(map(str, range(N)))
    series = pd.Series(y[:, 0], name="rent", index=range(1000, 1000 + N))
    found = audit_labels(X, series, Ridge(), inliers="gaussian")
    assert found.labels.ids[0] == "1000"
    assert found.labels.target_names == ("rent",)
    assert audit_labels(X, series, Ridge(), ids=range(5, 5 + N), inliers="gaussian").labels.ids[0] == "5"


def test_missing_labels_get_no_scores_and_other_wrong_labels_are_found():
    X, y, wrong = linear(d=2)
    missing = np.random.default_rng(1).random(y.shape) < 0.1
    y[missing] = np.nan
    labels = audit_labels(X, y, Ridge(), inliers="gaussian").labels
    np.testing.assert_array_equal(np.isnan(labels.responsibilities), missing)
    np.testing.assert_array_equal(labels.flags, wrong & ~missing)
    np.testing.assert_array_equal(np.isnan(labels.given), missing)
    assert np.isfinite(labels.predicted).all()


def test_targets_of_one_group_are_judged_as_one_unit():
    X, y, wrong = linear(d=2)
    found = audit_labels(X, y, Ridge(), groups="sample", inliers="gaussian")
    assert found.labels.flags.shape == (N, 1)
    np.testing.assert_array_equal(found.labels.flags[:, 0], wrong.any(axis=1))


@pytest.mark.parametrize("d", [1, 2])
def test_the_default_regressor_handles_one_target_and_several(d):
    X, y, wrong = linear(d=d)
    found = audit_labels(X, y, inliers="gaussian", n_folds=2, most_rounds=2)
    assert found.summary.backbone == "HistGradientBoostingRegressor"
    assert found.labels.flags[wrong].mean() > 0.8
    assert found.labels.flags[~wrong].mean() < 0.1


def test_the_same_seed_gives_the_same_scores():
    X, y, _ = linear()
    one, same, other = (
        audit_labels(X, y, ExtraTreesRegressor(5), random_state=seed, most_rounds=1, inliers="gaussian").labels
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.responsibilities, same.responsibilities)
    assert not np.array_equal(one.predicted, other.predicted)


@pytest.mark.parametrize("named", [False, True])
def test_identical_rows_and_rows_of_one_value_stay_in_one_fold(named):
    X, y, _ = linear()
    X[:, 2] = np.arange(N)
    X[20:40] = X[:20]  # a copy of each of the first twenty
    # With names, row 40 is of the same person as row 0, and so it goes with row 20 as well.
    names = [f"person {row % 40 if row in (0, 40) else row}" for row in range(N)]
    audit_labels(X, y, Fitted(), keep_together=names if named else None, most_rounds=1, inliers="gaussian")
    copied = set(X[:20, 2].tolist())
    # Each value is held out once, in all its copies, and trained on twice.
    assert sum(len(copied & trained) for trained in Fitted.rows) == 2 * len(copied)
    if named:
        person = {float(X[0, 2]), 40.0}
        assert sorted(len(person & trained) for trained in Fitted.rows) == [0, 2, 2]


def test_every_round_is_reported():
    X, y, _ = linear()
    heard = []
    found = audit_labels(X, y, Ridge(), on_round=heard.append, inliers="gaussian")
    assert tuple(heard) == found.summary.history
    assert found.summary.folds == 3


def bad(**changes):
    X, y, _ = linear()
    return {"X": X, "y": y, "regressor": Fitted()} | changes


TEXT = pd.DataFrame({"a": ["one", *["2"] * (N - 1)]})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"X": linear()[0][:-1]}, "`X` should have one row per label, 200. Found 199"),
        ({"y": TEXT}, "`y` should hold numbers.*'one' in row 0 in column 'a'"),
        ({"X": np.eye(3), "y": [1.0, 2.0, 3.0]}, "at least 10 samples.*Found 3"),
        ({"y": np.full(N, 4.0)}, r"constant targets: y0 \(always 4\)"),
        ({"y": np.full(N, np.nan)}, "There should be labels. Found no label"),
        ({"y": np.where(np.arange(N) == 7, np.inf, np.arange(N))}, "labels should be finite.*7"),
        ({"ids": ["a", "b"] * (N // 2)}, "unique. Found more than once: a, b"),
        ({"ids": range(N - 1)}, "`ids` should have length 200"),
        ({"keep_together": ["a"] * 3}, "`keep_together` should have length 200.*Found 3"),
    ],
)
def test_unusable_data_are_refused_before_any_fit(changes, message):
    with pytest.raises(InvalidDataError, match=message):
        audit_labels(**bad(**changes))
    assert Fitted.rows == []


@pytest.mark.parametrize(
    ("changes", "parameter"),
    [
        ({"n_folds": 4, "most_rounds": 4}, "most_rounds"),
        ({"inliers": "normal"}, "inliers"),
        ({"periods": {"yaw": 360}}, "periods"),
        ({"random_state": -1}, "random_state"),
        ({"together": ["a"] * N}, "together` should be left out.*`keep_together"),
    ],
)
def test_invalid_parameters_are_refused_before_any_fit(changes, parameter):
    with pytest.raises(InvalidParameterError, match=f"`{parameter}`"):
        audit_labels(**bad(**changes))
    assert Fitted.rows == []


def test_angles_across_the_end_of_their_period_are_learned_without_a_jump():
    rng = np.random.default_rng(0)
    X, wrong = rng.normal(size=(300, 3)), np.arange(300) < 20
    yaw = 180 + X @ [10.0, 5.0, 3.0] + rng.normal(size=300)
    yaw[wrong] = rng.uniform(0, 360, 20)
    yaw = (yaw + 180) % 360 - 180
    found = audit_labels(X, yaw, Ridge(), periods=[360.0])
    assert found.labels.flags[wrong].mean() > 0.8
    assert found.labels.flags[~wrong].mean() < 0.01
    np.testing.assert_array_equal(found.labels.given[:, 0], yaw)


def test_identical_rows_of_coarse_features_are_no_conflicts(monkeypatch):
    X, y, _ = linear()
    assert audit_labels(np.vstack([X, X[:3]]), np.vstack([y, y[:3] + 1]), Ridge()).summary.conflicts == (
        ("0", str(N)), ("1", str(N + 1)), ("2", str(N + 2))
    )  # fmt: skip
    coarse = np.round(X)
    assert audit_labels(coarse, y, Ridge()).summary.conflicts == ()


def test_labels_of_other_rows_are_refused_and_a_repeated_index_is_not_used():
    X, y, _ = linear()
    features, labels = pd.DataFrame(X), pd.Series(y[:, 0])
    with pytest.raises(InvalidDataError, match="same rows in the same order"):
        audit_labels(features, labels[::-1], Ridge())
    twice = features.index // 2
    found = audit_labels(features.set_index(twice), labels.set_axis(twice), Ridge())
    assert found.labels.ids[:3] == ("0", "1", "2")
