"""Learners of an audit: estimators and networks, with and without the flags of earlier rounds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, RegressorMixin
from torch import nn

from deepgum.audit.out_of_fold import learners
from deepgum.audit.out_of_fold.features import Features
from deepgum.audit.out_of_fold.learners import EstimatorLearner, NetworkLearner, validation_share
from deepgum.audit.out_of_fold.teaching import Teaching
from deepgum.data.regression import RegressionData
from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.models import MLP
from deepgum.training import METHODS, SGDOptions

N = 80


class Plain(RegressorMixin, BaseEstimator):
    """An estimator without weights; the class keeps the data that its clones are fitted to."""

    seen: list[dict] = []  # noqa: RUF012  a clone is another object

    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X, y):
        type(self).seen.append({"X": X, "y": y, "seed": self.random_state, "weights": None})
        self.shape_ = y.shape[1:]
        return self

    def predict(self, X):
        return np.broadcast_to(X[:, :1], (len(X), *self.shape_)) if self.shape_ else X[:, 0]


class Weighted(Plain):
    seen: list[dict] = []  # noqa: RUF012

    def fit(self, X, y, sample_weight=None):
        super().fit(X, y)
        type(self).seen[-1]["weights"] = sample_weight
        return self


class Refuses(Plain):
    def fit(self, X, y):
        raise ValueError("this and that is wrong with the labels")


class Keyed(BaseEstimator):
    """An estimator without a seed."""

    def fit(self, X, y):
        return self

    def predict(self, X):
        return np.zeros(len(X))


@pytest.fixture(autouse=True)
def forget_fits():
    Plain.seen, Weighted.seen = [], []


def features():
    return Features(np.stack([np.arange(N, dtype=np.float64), np.ones(N)], axis=1))


def teaching_with(*wrong, groups=1):
    """Return the teaching in which only the labels at the given (row, group) are flagged."""
    weights = np.full((N, groups), 0.9)
    for row, group in wrong:
        weights[row, group] = 0.1
    return Teaching(np.where(weights > 0.5, 1.0, 0.0), weights)


TRAIN = np.arange(0, N, 2)


def test_an_estimator_is_fitted_to_the_training_rows_and_predicts_all_rows():
    targets = 7 + np.arange(N, dtype=np.float64)[:, None]
    predicted = EstimatorLearner(Plain(), features(), targets).predict(TRAIN, None, 3)
    np.testing.assert_array_equal(predicted, features().X[:, :1])
    (seen,) = Plain.seen
    np.testing.assert_array_equal(seen["X"], features().take(TRAIN))
    np.testing.assert_array_equal(seen["y"], targets[TRAIN, 0])  # as scikit-learn has one target


def test_rows_with_a_missing_label_are_predicted_but_not_used_for_fitting():
    targets = np.ones((N, 2))
    targets[4, 1] = targets[8, 0] = np.nan
    predicted = EstimatorLearner(Plain(), features(), targets).predict(TRAIN, None, 0)
    assert predicted.shape == (N, 2)
    np.testing.assert_array_equal(Plain.seen[0]["X"][:, 0], np.setdiff1d(TRAIN, [4, 8]))


def test_an_estimator_that_takes_weights_gets_the_probability_of_right_rows():
    learner = EstimatorLearner(Weighted(), features(), np.ones((N, 2)))
    learner.predict(TRAIN, None, 0)
    learner.predict(TRAIN, teaching_with((6, 0), (10, 1), groups=2), 0)
    before, after = Weighted.seen
    np.testing.assert_array_equal(before["weights"], 1)
    # A row is right if all of it is.
    np.testing.assert_array_equal(after["weights"], np.where(np.isin(TRAIN, [6, 10]), 0.1, 0.9))
    np.testing.assert_array_equal(after["X"][:, 0], TRAIN)


def test_an_estimator_without_weights_is_fitted_without_flagged_rows():
    EstimatorLearner(Plain(), features(), np.ones((N, 2))).predict(TRAIN, teaching_with((6, 0), (10, 1), groups=2), 0)
    np.testing.assert_array_equal(Plain.seen[0]["X"][:, 0], np.setdiff1d(TRAIN, [6, 10]))


def test_each_clone_gets_its_seed_and_the_estimator_is_not_changed():
    estimator = Plain(random_state=12345)
    learner = EstimatorLearner(estimator, features(), np.ones((N, 1)))
    for seed in (3, 4, 2**31 + 5):
        learner.predict(TRAIN, None, seed)
    assert [each["seed"] for each in Plain.seen] == [3, 4, 5]
    assert estimator.random_state == 12345
    assert not hasattr(estimator, "shape_")
    assert EstimatorLearner(Keyed(), features(), np.ones((N, 1))).predict(TRAIN, None, 0).shape == (N, 1)


def test_the_error_of_an_estimator_is_part_of_the_message():
    with pytest.raises(
        InvalidParameterError, match=r"`regressor`.*Its error: ValueError: this and that is wrong"
    ) as caught:
        EstimatorLearner(Refuses(), features(), np.ones((N, 1))).predict(TRAIN, None, 0)
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_fold_with_hardly_any_right_row_is_fitted_to_all_rows():
    everything = [(row, 0) for row in TRAIN[1:]]
    EstimatorLearner(Plain(), features(), np.ones((N, 1))).predict(TRAIN, teaching_with(*everything), 0)
    np.testing.assert_array_equal(Plain.seen[0]["X"][:, 0], TRAIN)


def test_an_estimator_without_labels_is_refused():
    with pytest.raises(InvalidDataError, match=r"at least 2 rows with labels to fit. Found 0"):
        EstimatorLearner(Plain(), features(), np.full((N, 1), np.nan)).predict(TRAIN, None, 0)
    assert Plain.seen == []


def network(data, *, groups=((0,), (1,)), keep_together=None, build=None):
    def small(train, seed):
        torch.manual_seed(seed)
        return MLP(2, data.targets.shape[1], width=4, depth=1)

    options = METHODS["deepgum"].with_changes(groups, {})
    return NetworkLearner(data, build or small, options, SGDOptions(schedule="one-cycle", epochs_max=1), keep_together)


def table(d=2):
    rng = np.random.default_rng(0)
    return RegressionData.from_arrays(
        rng.normal(size=(N, 2)).astype(np.float32), rng.normal(size=(N, d)), ids=[f"row {row}" for row in range(N)]
    )


@pytest.fixture
def fitted(monkeypatch):
    """Record the training and validation parts of networks."""
    calls, original = [], learners.fit_deepgum

    def keep(model, train, validation, **options):
        calls.append((model, train, validation, options))
        return original(model, train, validation, **options)

    monkeypatch.setattr(learners, "fit_deepgum", keep)
    return calls


def rows_of(data):
    return {int(name.removeprefix("row ")) for name in data.ids}


def test_a_network_is_trained_and_validated_on_the_training_rows_and_predicts_all_rows(fitted):
    data = table()
    predicted = network(data).predict(TRAIN, None, 4)
    ((model, train, validation, options),) = fitted
    assert rows_of(train) | rows_of(validation) == set(TRAIN.tolist())
    assert not rows_of(train) & rows_of(validation)
    # Of few rows more than a tenth: a mixture of single coordinates is fitted to eleven.
    assert len(validation) == 11
    assert options["seed"] == 4
    assert predicted.dtype == np.float64
    with torch.no_grad():
        np.testing.assert_allclose(predicted, model.eval()(torch.as_tensor(data.inputs)).numpy(), rtol=1e-5)


@pytest.mark.parametrize("rows", [6, 10, 29, 30, 31, 99, 100, 101, 1000])
@pytest.mark.parametrize("widest", [1, 2, 10])
def test_a_tenth_of_the_rows_is_for_validation_and_more_of_few_rows(rows, widest):
    share = validation_share(rows, widest)
    assert 0.1 <= share <= 1 / 3
    assert share == 0.1 or share == 1 / 3 or round(share * rows) == 10 + widest
    assert (share == 0.1) == (rows >= 10 * (10 + widest))


def test_flagged_labels_and_no_others_are_removed(fitted):
    data = table()
    network(data).predict(TRAIN, teaching_with((6, 0), (10, 1), (12, 0), (12, 1), (7, 0), groups=2), 0)
    _, train, validation, _ = fitted[0]
    labels = {name: row for part in (train, validation) for name, row in zip(part.ids, part.targets, strict=True)}
    # A row without any label that is left is of no use.
    assert set(labels) == {f"row {row}" for row in TRAIN} - {"row 12"}
    expected = data.targets.clone()
    expected[6, 0] = expected[10, 1] = torch.nan
    for name, found in labels.items():
        torch.testing.assert_close(found, expected[int(name.removeprefix("row "))], equal_nan=True)
    assert data.targets.isfinite().all()


@pytest.mark.filterwarnings("ignore::deepgum.errors.IdentifiabilityWarning")
def test_a_flagged_group_loses_all_its_labels(fitted):
    data = table(4)
    network(data, groups=((0, 3), (1, 2))).predict(TRAIN, teaching_with((6, 1), groups=2), 0)
    _, train, validation, _ = fitted[0]
    for part in (train, validation):
        for name, found in zip(part.ids, part.targets, strict=True):
            missing = [1, 2] if name == "row 6" else []
            assert torch.isnan(found).nonzero().flatten().tolist() == missing


@pytest.mark.filterwarnings("ignore::deepgum.errors.IdentifiabilityWarning")
def test_missing_labels_are_accepted(fitted):
    data = table()
    targets = data.targets.clone()
    targets[::4] = torch.nan
    predicted = network(data.with_targets(targets)).predict(TRAIN, None, 0)
    assert np.isfinite(predicted).all()
    assert rows_of(fitted[0][1]) | rows_of(fitted[0][2]) == {row for row in TRAIN.tolist() if row % 4}


@pytest.mark.parametrize("seed", range(4))
def test_the_validation_part_keeps_groups_together(fitted, seed):
    names = tuple(f"person {row // 4}" for row in range(N))
    network(table(), keep_together=names).predict(TRAIN, None, seed)
    _, train, validation, _ = fitted[0]
    sides = [{row // 4 for row in rows_of(part)} for part in (train, validation)]
    assert sides[0]
    assert sides[1]
    assert not sides[0] & sides[1]


def test_a_network_is_built_for_its_training_samples(fitted):
    built = []

    def build(train, seed):
        built.append((train, seed))
        return nn.Linear(2, 2)

    network(table(), build=build).predict(TRAIN, None, 9)
    assert [(train, seed) for train, seed in built] == [(fitted[0][1], 9)]


def test_the_same_seed_gives_the_same_network():
    data = table()
    one, same, other = (network(data).predict(TRAIN, None, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_if_nearly_all_labels_of_a_group_are_flagged_its_flags_are_ignored(fitted):
    """One target may be unpredictable beside a predictable one."""
    data = table()
    everything = [(row, 0) for row in range(N) if row != 8] + [(6, 1)]
    network(data).predict(TRAIN, teaching_with(*everything, groups=2), 0)
    _, train, validation, _ = fitted[0]
    for part in (train, validation):
        for name, found in zip(part.ids, part.targets, strict=True):
            assert found.isfinite().tolist() == [True, name != "row 6"]


def test_flags_of_a_target_with_few_labels_count():
    """The share of unflagged labels is relative to the labels, not to the samples."""
    targets = torch.full((400, 1), torch.nan)
    targets[:30] = 1.0
    right = np.where(np.arange(400) < 4, 0.1, 0.9)[:, None]
    kept = learners._without_flagged(targets, right, "sample", np.arange(400))
    assert kept.isfinite().flatten().nonzero().flatten().tolist() == list(range(4, 30))


def test_a_fold_without_labels_is_refused():
    data = table()
    targets = data.targets.clone()
    targets[TRAIN] = torch.nan
    with pytest.raises(InvalidDataError, match="Found none"):
        network(data.with_targets(targets)).predict(TRAIN, None, 0)
