"""The scikit-learn estimator: the checks of scikit-learn, and agreement with `fit_deepgum`."""

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import sys
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn.exceptions
import torch
from sklearn.base import clone
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import get_scorer, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

import deepgum
from deepgum.errors import InvalidDataError, InvalidParameterError, NotFittedError
from deepgum.estimator import DeepGUMRegressor, neg_median_absolute_error
from deepgum.estimator.recipe import build_options
from deepgum.residuals import predict
from deepgum.training import Alternate, EpochRecord, Interleaved, RoundRecord

pytestmark = pytest.mark.usefixtures("gaussian_file")
# The posterior is that of eq. 1 with a given prior: it is computed ten times faster than a verdict.
QUICK: dict[str, Any] = {
    "max_epochs": 4,
    "learning_rate": 0.02,
    "options": {"mixture": {"max_iter": 10, "tol": 0.01, "inlier_prior": 0.8}},
}
VERDICT = {"mixture": {"max_iter": 10, "tol": 0.01}}
NAN = float("nan")

NOT_OF_SGD = {
    # It holds in expectation, and exactly with one batch per epoch: tests/unit/training/test_sample_weight.py.
    "check_sample_weight_equivalence_on_dense_data": "SGD meets a row of weight 3 once an epoch, not three times",
    "check_sample_weight_equivalence_on_sparse_data": "the same",
}


# With options, the schedule is "interleaved"; without options, it is "cross-fit" for tables of at least 60 rows.
@parametrize_with_checks(
    [DeepGUMRegressor(**QUICK), DeepGUMRegressor(max_epochs=2)], expected_failed_checks=lambda _: NOT_OF_SGD
)
def test_the_checks_of_scikit_learn_pass(estimator: Any, check: Any) -> None:
    check(estimator)


def table(n: int = 120, d: int = 1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and labels that are linear in the rows; every fifth label is wrong."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    y = 50 + 10 * X @ rng.normal(size=(4, d)) + rng.normal(size=(n, d))
    y[::5] = rng.uniform(-200, 300, size=y[::5].shape)
    return X, y[:, 0] if d == 1 else y


def quick(**changes: Any) -> DeepGUMRegressor:
    return DeepGUMRegressor(**(QUICK | {"random_state": 0} | changes))


def small(data: deepgum.RegressionData, n_outputs: int) -> nn.Module:
    return nn.Linear(data.inputs.shape[1], n_outputs)


def linear(d: int = 1) -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(4, d)


def test_wrong_labels_are_found_and_not_learned() -> None:
    rng = np.random.default_rng(0)
    X, slope = rng.normal(size=(500, 4)).astype(np.float32), np.array([3.0, -2.0, 1.0, 0.0])
    truth = 100 + 10 * X @ slope
    y, wrong = truth + rng.normal(size=500), rng.random(500) < 0.3
    y[wrong] = rng.uniform(-400, 600, size=wrong.sum())
    model = DeepGUMRegressor(random_state=0).fit(X[:400], y[:400])
    # For comparison, a training with the squared error and an early stop.
    train, validation, test = (
        deepgum.RegressionData.from_arrays(X[rows], y[rows])
        for rows in (slice(0, 360), slice(360, 400), slice(400, 500))
    )
    l2 = deepgum.build_model("mlp", train, seed=0)
    deepgum.fit_loss(l2, train, validation, loss="l2", sgd=deepgum.SGDOptions(batch_size=25, epochs_max=50))
    errors = [
        np.abs(predicted - truth[400:]).mean()
        for predicted in (model.predict(X[400:]), predict(l2, test)[:, 0].numpy())
    ]
    assert errors[0] < 0.3 * errors[1]
    assert model.score(X[400:], truth[400:]) > 0.95
    flagged, far = model.inlier_probability_[:, 0] < 0.5, np.abs(y - truth)[:400] > 30
    assert flagged[far].mean() > 0.95
    assert flagged[~wrong[:400]].mean() < 0.05


@pytest.mark.parametrize(
    ("module", "schedule"),
    [(linear(2), "interleaved"), (linear(2), "alternate"), ("mlp", "interleaved"), (small, "interleaved")],
)
def test_the_result_is_that_of_fit_deepgum_with_the_same_seed(module: Any, schedule: str) -> None:
    X, y = table(d=2)
    kinds = {"interleaved": Interleaved(widening=1.5), "alternate": Alternate(widening=1.5, rounds_max=1)}
    preset = "alternate" if schedule == "alternate" else "default"
    changes = {"least_weight": 0.05, "mixture": {"max_iter": 20}}
    options = deepgum.DeepGUMOptions.preset(
        preset, warmup_epochs=2, groups="coordinate", schedule=kinds[schedule], **changes
    )
    sgd = deepgum.SGDOptions(learning_rate=0.02, schedule="cosine", batch_size=16, epochs_max=5, weight_decay=0.1)
    train = deepgum.RegressionData.from_arrays(X[:90].astype(np.float32), y[:90])
    validation = deepgum.RegressionData.from_arrays(X[90:].astype(np.float32), y[90:])
    network = copy.deepcopy(module) if isinstance(module, nn.Module) else deepgum.build_model(module, train, 7)
    result = deepgum.fit_deepgum(network, train, validation, options=options, sgd=sgd, seed=7)
    model = DeepGUMRegressor(
        module,
        schedule=kinds[schedule],
        groups="coordinate",
        warmup_epochs=2,
        max_epochs=5,
        learning_rate=0.02,
        lr_schedule="cosine",
        batch_size=16,
        weight_decay=0.1,
        options=changes,
        random_state=7,
    ).fit(X[:90], y[:90], X_val=X[90:], y_val=y[90:])
    np.testing.assert_allclose(model.predict(X[90:]), predict(network, validation).numpy(), rtol=1e-6)
    np.testing.assert_allclose(model.inlier_probability_, result.responsibilities.numpy(), atol=1e-6)
    assert isinstance(model.mixture_.inlier_prior_, np.ndarray)
    np.testing.assert_allclose(model.mixture_.inlier_prior_, result.mixture.inlier_prior_.numpy())
    assert model.n_iter_ == result.epochs == len(model.history_.epochs)


FAR = 1.7e9  # seconds from 1970 to 2023


@pytest.mark.parametrize("module", [None, small, "mlp"])
@pytest.mark.parametrize("d", [1, 2])
def test_labels_far_from_zero_are_learned_like_labels_near_zero(module: Any, d: int) -> None:
    X, y = table(d=d)
    y = np.round(1024 * y) / 1024  # so that float64 represents y and y + FAR exactly
    weights = np.where(np.arange(120) < 5, 0.0, 1.0)
    models = [quick(module=module, options=VERDICT).fit(X, labels, sample_weight=weights) for labels in (y, y + FAR)]
    near, far = (model.predict(X) for model in models)
    np.testing.assert_allclose(far - FAR, near, rtol=1e-4, atol=1e-2)
    np.testing.assert_allclose(models[1].inlier_probability_, models[0].inlier_probability_, atol=1e-3)
    np.testing.assert_array_equal(models[1].inlier_probability(X, y + FAR), models[1].inlier_probability_)
    assert models[1].score(X, y + FAR) == pytest.approx(models[0].score(X, y), abs=1e-4)
    assert (models[0].label_offset_ == 0).all()
    np.testing.assert_array_equal(models[1].label_offset_, np.median((y + FAR)[5:], axis=0))
    held_out = quick(module=module).fit(X, y + FAR, X_val=X[:40], y_val=y[:40] + FAR)
    np.testing.assert_allclose(held_out.predict(X).mean(), FAR, rtol=1e-6)


def test_features_far_from_zero_do_not_change_the_default_network() -> None:
    X, y = table()
    X = np.round(2**20 * X) / 2**20
    shift = np.array([FAR, 0.0, -FAR, 0.0])
    near, far = (quick().fit(features, y) for features in (X, X + shift))
    np.testing.assert_allclose(far.predict(X + shift), near.predict(X), rtol=1e-3)
    assert (far.feature_offset_ != 0).tolist() == [True, False, True, False]
    assert not near.feature_offset_.any()


def test_a_torch_module_predicts_in_the_unit_of_y_with_a_warning() -> None:
    X, y = table()
    with pytest.warns(
        deepgum.errors.DeepGUMWarning, match=r"`targets` should differ by more than .*Subtract a constant"
    ):
        model = quick(module=linear()).fit(X, y + FAR)
    assert model.label_offset_ == 0


def test_rows_without_weight_or_label_do_not_change_the_offsets() -> None:
    X, y = table()
    there = np.arange(120) % 3 == 0
    one = quick().fit(X[there], y[there] + FAR)
    hidden = quick().fit(np.where(there[:, None], X, 1e12), np.where(there, y + FAR, NAN))
    np.testing.assert_array_equal(hidden.predict(X), one.predict(X))


def test_defaults_are_those_of_fit_deepgum() -> None:
    defaults = {name: p.default for name, p in inspect.signature(DeepGUMRegressor).parameters.items()}
    options, sgd = deepgum.DeepGUMOptions(), deepgum.SGDOptions()
    for name in ("groups", "weighted_loss"):
        assert defaults[name] == getattr(options, name)
    assert defaults["covariance_type"] == options.mixture.covariance_type
    for name in ("optimizer", "weight_decay", "patience", "device", "precision"):
        assert defaults[name] == getattr(sgd, name)
    assert build_options(DeepGUMRegressor(schedule="alternate")) == deepgum.DeepGUMOptions.preset("alternate")
    shares = {50: 15, 10: 3, 1: 1}
    for epochs, warmup in shares.items():
        assert build_options(DeepGUMRegressor(max_epochs=epochs)) == deepgum.DeepGUMOptions(warmup_epochs=warmup)


def test_the_given_module_does_not_change() -> None:
    module = linear()
    before = copy.deepcopy(module.state_dict())
    X, y = table()
    model = quick(module=module).fit(X, y)
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert model.module_ is not module
    assert not torch.equal(model.module_.weight, module.weight)


def test_predictions_have_the_shape_of_y() -> None:
    X, y = table(d=3)
    for labels, groups in ((y[:, 0], 1), (y[:, :1], 1), (y, 1)):
        model = quick().fit(X, labels)
        assert model.predict(X[:7]).shape == (7, *labels.shape[1:])
        assert model.predict(X).dtype == np.float64
        assert model.inlier_probability_.shape == (120, groups)
    assert quick(groups=[[0, 2], [1]]).fit(X, y).inlier_probability_.shape == (120, 2)


def test_a_module_can_take_images() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(40, 1, 6, 6), dtype=np.uint8)
    y = images.mean(axis=(1, 2, 3)) / 255
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(32, 1))
    model = quick(module=module).fit(images, y)
    # Bytes become brightness from 0 to 1; floats do not change.
    np.testing.assert_allclose(model.predict(images), model.predict(images.astype(np.float64) / 255), rtol=1e-5)
    with pytest.raises(ValueError, match="dim 4"):
        quick().fit(images, y)


def test_a_sequence_of_vectors_is_not_an_image() -> None:
    X = np.random.default_rng(0).integers(0, 9, size=(30, 5, 3), dtype=np.uint8)
    model = quick(module=nn.Sequential(nn.Flatten(), nn.Linear(15, 1))).fit(X, X.sum(axis=(1, 2)))
    assert model.predict(X).shape == (30,)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_are_arrays_with_names(library: str) -> None:
    frames = pytest.importorskip(library)
    X, y = table(d=2)
    names = ["a", "b", "c", "d"]
    frame, labels = frames.DataFrame(dict(zip(names, X.T, strict=True))), frames.DataFrame({"u": y[:, 0], "v": y[:, 1]})
    model = quick().fit(frame, labels)
    assert model.feature_names_in_.tolist() == names
    np.testing.assert_array_equal(model.predict(frame), quick().fit(X, y).predict(X))
    assert quick().fit(frame, labels["u"]).predict(frame).shape == (120,)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["b", "a", "c", "d"]])


def test_missing_labels_have_no_influence_and_the_prior_as_probability() -> None:
    X, y = table(d=2)
    y[7:12] = NAN
    y[20:40, 1] = NAN
    model = quick(groups="coordinate", options=VERDICT).fit(X, y)
    there = ~np.isnan(y).all(axis=1)
    without = quick(groups="coordinate", options=VERDICT).fit(X[there], y[there])
    np.testing.assert_array_equal(model.predict(X), without.predict(X))
    np.testing.assert_array_equal(model.inlier_probability_[there], without.inlier_probability_)
    assert model._verdict is not None
    priors = [model._verdict.prior(group) for group in (0, 1)]
    np.testing.assert_allclose(model.inlier_probability_[7:12], np.tile(priors, (5, 1)))
    np.testing.assert_allclose(model.inlier_probability_[20:40, 1], priors[1])
    assert len(np.unique(model.inlier_probability_[20:40, 0])) > 10


def test_a_row_of_weight_0_has_no_influence() -> None:
    X, y = table()
    rng = np.random.default_rng(1)
    weights = rng.choice([0.0, 1.0, 2.0], size=120)
    there = weights > 0
    X[~there], spoiled = 1e6, np.where(there, y, 1e9)
    model = quick().fit(X, spoiled, sample_weight=weights)
    without = quick().fit(X[there], y[there], sample_weight=weights[there])
    np.testing.assert_array_equal(model.predict(X[there]), without.predict(X[there]))
    assert (model.inlier_probability_[~there] < 1e-3).all()
    hidden = quick().fit(X, np.where(there, y, NAN), sample_weight=weights)
    np.testing.assert_array_equal(model.predict(X), hidden.predict(X))


def test_only_the_ratios_of_weights_matter() -> None:
    X, y = table()
    weights = np.random.default_rng(1).uniform(0.5, 2, size=120)
    one, other = (quick().fit(X, y, sample_weight=w).predict(X) for w in (weights, 1024 * weights))
    np.testing.assert_array_equal(one, other)
    same, none = (quick().fit(X, y, sample_weight=w).predict(X) for w in (np.full(120, 3.0), None))
    np.testing.assert_allclose(same, none, rtol=1e-4)
    assert not np.allclose(one, none, rtol=1e-4)


@pytest.mark.parametrize("random_state", [3, np.random.RandomState(3)])
def test_the_seed_determines_the_result(random_state: Any) -> None:
    X, y = table()
    states = [copy.deepcopy(random_state) for _ in range(2)]
    one, two = (quick(random_state=state).fit(X, y).predict(X) for state in states)
    np.testing.assert_array_equal(one, two)
    assert not np.allclose(one, quick(random_state=4).fit(X, y).predict(X))


def test_inlier_probabilities_are_in_the_order_of_all_rows() -> None:
    X, y = table()
    model = quick(max_epochs=30).fit(X, y)
    assert model.inlier_probability_.shape == (120, 1)
    np.testing.assert_array_equal(model.inlier_probability(X, y), model.inlier_probability_)
    flagged = model.inlier_probability_[:, 0] < 0.5
    assert flagged[::5].mean() > 0.7
    order = np.random.default_rng(0).permutation(120)
    np.testing.assert_allclose(
        model.inlier_probability(X[order], y[order]), model.inlier_probability_[order], rtol=1e-9
    )


def test_the_score_is_r2_over_the_observed_labels() -> None:
    X, y = table(d=2)
    model = quick().fit(X, y)
    weights = np.random.default_rng(0).uniform(size=120)
    for given in (None, weights):
        assert model.score(X, y, given) == pytest.approx(r2_score(y, model.predict(X), sample_weight=given), rel=1e-12)
    y[:30, 1] = NAN
    predicted = model.predict(X)
    expected = [r2_score(y[:, 0], predicted[:, 0]), r2_score(y[30:, 1], predicted[30:, 1])]
    assert model.score(X, y) == pytest.approx(np.mean(expected), rel=1e-12)


def test_a_column_with_too_few_labels_is_not_in_the_score() -> None:
    X, y = table(d=2)
    model = quick().fit(X, y)
    alone = r2_score(y[:, 0], model.predict(X)[:, 0])
    for left in (0, 1):
        few = y.copy()
        few[left:, 1] = NAN
        assert model.score(X, few) == pytest.approx(alone, rel=1e-12)
        with pytest.warns(UndefinedMetricWarning, match="R\\^2 is not defined: no column of `y` has two labels"):
            assert np.isnan(model.score(X, np.where(np.arange(120)[:, None] < left, y, NAN)))
    weights = np.where(np.arange(120) < 40, 0.0, 1.0)
    few = np.where(np.arange(120)[:, None] < 40, y, [1.0, NAN] * y)
    assert model.score(X, few, weights) == pytest.approx(r2_score(y[40:, 0], model.predict(X)[40:, 0]), rel=1e-12)


def test_the_score_needs_one_weight_per_row() -> None:
    X, y = table()
    model = quick().fit(X, y)
    for wrong in (np.ones(119), np.ones(121), np.ones((120, 1))):
        for use in (model.score, clone(model).fit):
            with pytest.raises(InvalidDataError, match=r"`sample_weight` should have shape \(120,\).* Found shape"):
                use(X, y, wrong)


@pytest.mark.parametrize("d", [1, 2])
def test_the_scorer_equals_that_of_scikit_learn_on_the_observed_labels(d: int) -> None:
    X, y = table(d=d)
    model = quick().fit(X, y)
    reference = get_scorer("neg_median_absolute_error")
    assert neg_median_absolute_error(model, X, y) == pytest.approx(reference(model, X, y), rel=1e-12)
    missing = y.copy()
    missing[:30] = NAN
    assert neg_median_absolute_error(model, X, missing) == pytest.approx(reference(model, X[30:], y[30:]))
    with pytest.warns(UndefinedMetricWarning, match="no column of `y` has a label"):
        assert np.isnan(neg_median_absolute_error(model, X, np.full_like(y, NAN)))
    if d == 2:
        missing[:, 0] = NAN
        expected = -np.median(np.abs(y - model.predict(X))[30:, 1])
        assert neg_median_absolute_error(model, X, missing) == pytest.approx(expected)
        with pytest.raises(InvalidDataError, match=r"`y` should have shape \(120, 2\)"):
            neg_median_absolute_error(model, X, y[:, 0])


def test_a_search_works_with_missing_labels() -> None:
    X, y = table()
    y[::9] = NAN
    settings = {"learning_rate": [0.02, 1e-9]}
    search = GridSearchCV(quick(), settings, cv=2, scoring=neg_median_absolute_error).fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert search.best_params_ == {"learning_rate": 0.02}


def test_the_estimator_can_be_copied_and_pickled() -> None:
    X, y = table()
    y[3] = NAN
    model = quick(module=small, on_event=print).fit(X, y)
    predicted = model.predict(X)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.predict(X), predicted)
        np.testing.assert_array_equal(other.inlier_probability(X, y), model.inlier_probability_)
    fresh = clone(model)
    assert not hasattr(fresh, "module_")
    np.testing.assert_array_equal(fresh.fit(X, y).predict(X), predicted)


def test_pipelines_cross_validation_and_searches_work_in_several_processes(tmp_path: Any) -> None:
    X, y = table()
    pipeline = make_pipeline(StandardScaler(), quick())
    assert cross_val_predict(pipeline, X, y, cv=2).shape == (120,)
    pipeline.fit(X, y, deepgumregressor__sample_weight=np.ones(120))
    np.testing.assert_array_equal(
        pipeline[-1].inlier_probability_, pipeline[-1].inlier_probability(pipeline[:-1].transform(X), y)
    )
    y[::9] = NAN
    search = GridSearchCV(quick(module=linear()), {"learning_rate": [0.02, 0.5], "groups": ["sample"]}, cv=2, n_jobs=2)
    search.fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    joblib.dump(search.best_estimator_, tmp_path / "model.joblib")
    loaded = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    np.testing.assert_array_equal(loaded.predict(X), search.predict(X))


def test_the_listener_gets_events_and_is_not_stored() -> None:
    events: list[Any] = []
    X, y = table()
    model = quick(on_event=events.append).fit(X, y)
    assert [e for e in events if isinstance(e, EpochRecord)] == model.history_.epochs
    assert [e for e in events if isinstance(e, RoundRecord)] == model.history_.rounds
    assert model.history_.listener is None


@pytest.mark.parametrize("n", [2, 3, 4, 7, 12])
def test_a_table_too_small_for_a_held_out_part_is_trained_on_completely(n: int) -> None:
    X, y = table()
    model = quick().fit(X[:n], y[:n])
    assert np.isfinite(model.predict(X)).all()


def test_the_held_out_part_has_the_given_size() -> None:
    X, y = table()
    sizes = []

    def count(data: deepgum.RegressionData, n_outputs: int) -> nn.Module:
        sizes.append(len(data))
        return small(data, n_outputs)

    for fraction in (0.1, 0.25, 0):
        quick(module=count, validation_fraction=fraction).fit(X, y)
    quick(module=count).fit(X, y, X_val=X[:20], y_val=y[:20])
    assert sizes == [108, 90, 120, 120]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_epochs": 0}, "`max_epochs` should be a whole number"),
        ({"max_epochs": 0, "warmup_epochs": 1}, "`max_epochs` should be a whole number"),
        ({"warmup_epochs": 9}, "`warmup_epochs` should be at most"),
        ({"batch_size": 1}, "`batch_size` should be"),
        ({"lr_schedule": "linear"}, "`lr_schedule` should be one of 'constant'"),
        ({"schedule": "alternating"}, "`schedule` should be one of .* Did you mean 'alternate'"),
        ({"first_loss": "huber"}, "`first_loss` should be one of"),
        ({"validation_fraction": 1.0}, r"`validation_fraction` should be a number in \[0, 1\)"),
        ({"random_state": -1}, "`random_state` should be a whole number of at least 0"),
        ({"options": {"leastweight": 0.0}}, "`options` should be one of .* Did you mean 'least_weight'"),
        ({"options": {"groups": "sample"}}, "`options` should be one of"),
        ({"options": {"covariance_type": "diag"}}, "`options` should be one of"),
        ({"options": {"mixture": {"covariance_type": "diag"}}}, "without the parameter `covariance_type`"),
        ({"options": {"widening": 1.0}}, r"Write `schedule=Interleaved\(widening=1.0\)`"),
        ({"options": {"restart": "fresh"}}, r"Write `schedule=Alternate\(restart='fresh'\)`"),
        ({"options": {"em_max_iter": 3}}, r"Write `mixture=\{'max_iter': 3\}`"),
        ({"options": "widening"}, "`options` should be a mapping"),
        ({"groups": [[0], [1]]}, "`groups` should be index lists"),
        ({"module": nn.Linear}, "`module` should be a torch module.* Give an instance"),
        ({"module": 3}, "`module` should be a torch module"),
        ({"module": lambda data, n_outputs: 3}, "`module` should be .* It returns a int"),
        ({"module": "resnet"}, "`module` should be one of"),
        ({"module": nn.Flatten()}, "`module` should be a network with parameters to train"),
        ({"device": "abacus"}, "`device` should be"),
    ],
)
def test_parameters_are_refused_by_name_before_any_training(changes: dict[str, Any], message: str) -> None:
    events: list[Any] = []
    model = quick(**changes, on_event=events.append)
    with pytest.raises(InvalidParameterError, match=message):
        model.fit(*table())
    assert not events


@pytest.mark.parametrize(
    ("changes", "spoil", "message"),
    [
        ({"module": linear(2)}, {}, r"should return values of shape \(1, 1\).* Found \(1, 2\)"),
        ({"module": nn.Linear(9, 1)}, {}, "cannot take inputs of shape"),
        ({}, {"y": np.full(120, NAN)}, "should have a label in a row of weight above 0"),
        ({}, {"y": [1.0] + 119 * [NAN], "sample_weight": [0.0] + 119 * [1.0]}, "label in a row of weight above 0"),
        ({}, {"sample_weight": np.full(120, -1.0)}, "`sample_weight` should be finite in float32 and at least 0"),
        ({}, {"y": np.full(120, 1e300)}, "120 infinite"),
        ({}, {"X_val": np.zeros((5, 4)), "y_val": np.full(5, NAN)}, "`validation` should have at least one label"),
        ({}, {"X_val": np.zeros((5, 4)), "y_val": np.zeros((5, 2))}, "`validation.targets`"),
        ({}, {"X_val": np.zeros((5, 4))}, "`y_val` should be given"),
        ({}, {"y_val": np.zeros(5)}, "`X_val` should be given"),
    ],
)
def test_data_are_refused_before_any_training(changes: dict[str, Any], spoil: dict[str, Any], message: str) -> None:
    events: list[Any] = []
    X, y = table()
    with pytest.raises((InvalidDataError, InvalidParameterError), match=message):
        quick(**changes, on_event=events.append).fit(**({"X": X, "y": y} | spoil))
    assert not events


def test_y_must_keep_its_columns() -> None:
    X, y = table(d=2)
    model = quick().fit(X, y)
    for method in (model.inlier_probability, model.score):
        with pytest.raises(InvalidDataError, match=r"`y` should have 2 columns, as in `fit`\. Found 3"):
            method(X, np.zeros((120, 3)))


def test_an_unfitted_estimator_raises_the_errors_of_both_libraries() -> None:
    X, y = table()
    for ask in (lambda m: m.predict(X), lambda m: m.inlier_probability(X, y), lambda m: m.score(X, y)):
        for kind in (NotFittedError, sklearn.exceptions.NotFittedError):
            with pytest.raises(kind, match="not fitted yet"):
                ask(quick())


def test_importing_the_library_does_not_import_scikit_learn() -> None:
    assert deepgum.DeepGUMRegressor is DeepGUMRegressor
    code = "import sys, deepgum; deepgum.DeepGUMOptions; sys.exit('sklearn' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
