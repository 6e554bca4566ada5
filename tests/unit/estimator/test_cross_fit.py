"""The schedule "cross-fit": labels are judged by networks that are not trained on them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from deepgum.data import RegressionData
from deepgum.errors import InvalidParameterError
from deepgum.estimator import DeepGUMRegressor
from deepgum.estimator.cross_fit import fit_cross_fit
from deepgum.estimator.recipe import build_network
from deepgum.estimator.stack import NetworkStack
from deepgum.losses import L1
from deepgum.training import History, Interleaved, SGDOptions


def table(n: int = 300, wrong: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows, labels, and which labels are wrong."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    y = 50 + 10 * X @ [3.0, -2.0, 1.0] + rng.normal(size=n)
    is_wrong = rng.random(n) < wrong
    y[is_wrong] = rng.uniform(-200, 300, size=is_wrong.sum())
    return X, y, is_wrong


def quick(**changes: Any) -> DeepGUMRegressor:
    return DeepGUMRegressor(**({"max_epochs": 12, "learning_rate": 0.02, "random_state": 0} | changes))


@pytest.mark.parametrize("seed", range(2))
def test_labels_without_errors_have_hardly_any_flags_and_no_weights(seed: int) -> None:
    X, y, _ = table(seed=seed)
    model = quick().fit(X, y)
    # One of 300 labels may be flagged, where the prediction of an extreme row is bad.
    assert (model.inlier_probability_ < 0.5).sum() <= 1
    # Half of the epochs use the first loss.
    assert [record.phase for record in model.history_.epochs] == 6 * ["cauchy"] + 6 * ["l1"]
    assert model.n_iter_ == 12


def test_wrong_labels_are_flagged_and_weighted_during_the_training() -> None:
    X, y, wrong = table(wrong=0.25)
    model = quick().fit(X, y)
    flags = model.inlier_probability_[:, 0] < 0.5
    far = wrong & (np.abs(y - 50 - 10 * X @ [3.0, -2.0, 1.0]) > 60)
    assert flags[far].mean() > 0.9
    assert flags[~wrong].mean() < 0.02
    assert model.history_.epochs[-1].phase == "weighted l1"
    # New labels are judged by the same mixture.
    more_X, more_y, _ = table(seed=1)
    assert (model.inlier_probability(more_X, more_y) > 0.5).mean() > 0.98
    assert (model.inlier_probability(more_X, more_y + 150) < 0.5).all()


@pytest.mark.usefixtures("gaussian_scores")
def test_a_label_has_no_influence_on_the_network_that_judges_it() -> None:
    X, y, _ = table(n=100)
    train = RegressionData.from_arrays(X.astype(np.float32), y)
    network = build_network(None, "cpu", train, 0)
    found = []
    for offset in (-1e4, 1e4):
        targets = train.targets.clone()
        targets[7] += offset
        fitted = fit_cross_fit(
            network, train.with_targets(targets), None, losses=(L1(), L1()), groups="sample",
            sgd=SGDOptions(epochs_max=1, batch_size=16, learning_rate=0.02), seed=0, history=History(),
        )  # fmt: skip
        found.append(fitted)
    np.testing.assert_array_equal(found[0].predictions[7], found[1].predictions[7])
    others = np.arange(100) != 7
    assert (found[0].predictions[others] != found[1].predictions[others]).any()
    weights = [each.network.state_dict()["backbone.layers.0.weight"] for each in found]
    assert not torch.equal(*weights)


def test_noise_that_is_not_gaussian_is_not_taken_for_wrong_labels() -> None:
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(600, 2))
    for noise in (rng.exponential(size=600), 3 * X[:, 0] * rng.normal(size=600)):
        model = quick().fit(X, 10 * X[:, 0] + noise)
        assert (model.inlier_probability_ < 0.5).mean() < 0.05


def test_a_label_that_is_mostly_zero_is_learned() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2))
    y = np.where(X[:, 0] > 0.4, 5000 * X[:, 0], 0.0)
    assert np.mean(y == 0) > 0.6
    model = quick().fit(X, y)
    assert np.abs(model.predict(X) - y).mean() < 0.2 * np.abs(y).mean()


@pytest.mark.usefixtures("gaussian_scores")
def test_given_rows_choose_the_epoch() -> None:
    X, y, _ = table()
    held_out = {"X_val": X[200:], "y_val": y[200:]}
    near = quick(max_epochs=4).fit(X[:200], y[:200], **held_out)
    far = quick(max_epochs=4).fit(X[:200], y[:200], **(held_out | {"y_val": y[200:] + 1000}))
    scores = [[record.validation_score for record in model.history_.epochs] for model in (far, near)]
    assert min(scores[0]) > 900 > max(scores[1])


@pytest.mark.usefixtures("gaussian_scores")
@pytest.mark.parametrize("changes", [{"module": "mlp"}, {"options": {"least_weight": 0.1}}, {"rows": 40}])
def test_cross_fit_is_refused_where_it_cannot_be_used(changes: dict[str, Any]) -> None:
    X, y, _ = table(changes.pop("rows", 100))
    with pytest.raises(InvalidParameterError, match="`schedule` should be 'interleaved'"):
        quick(max_epochs=2, schedule="cross-fit", **changes).fit(X, y)
    assert quick(max_epochs=2, **changes).fit(X, y).posterior_ is None


@pytest.mark.usefixtures("gaussian_scores")
def test_the_schedule_can_be_chosen() -> None:
    X, y, _ = table(100)
    assert quick(max_epochs=3).fit(X, y).posterior_ is not None
    for schedule in ("interleaved", Interleaved()):
        assert quick(max_epochs=3, schedule=schedule).fit(X, y).posterior_ is None


@pytest.mark.usefixtures("gaussian_scores")
def test_groups_and_missing_labels() -> None:
    X, y, _ = table()
    both = np.stack([y, -y], axis=1)
    rng = np.random.default_rng(0)
    both[:60, 1] = rng.uniform(-300, 300, size=60)
    both[100:120, 0], both[120:125] = np.nan, np.nan
    model = quick(groups="coordinate").fit(X, both)
    right = model.inlier_probability_
    assert right.shape == (300, 2)
    assert (right[:60, 1] < 0.5).mean() > 0.7
    assert (right[:60, 0] < 0.5).mean() < 0.05
    priors = [model.posterior_.mixture.base.prior(group) for group in range(2)]
    np.testing.assert_allclose(right[120:125], np.tile(priors, (5, 1)))
    np.testing.assert_allclose(right[100:120, 0], priors[0])


def test_ten_times_the_label_is_named_corrected_and_taught() -> None:
    X, y, _ = table(400)
    y = y + 100
    wrong = np.random.default_rng(1).random(400) < 0.3
    given = np.where(wrong, 10 * y, y)
    model = quick().fit(X, given)
    flags = model.inlier_probability_[:, 0] < 0.5
    assert flags[wrong].mean() > 0.95
    assert flags[~wrong].mean() < 0.02
    assert (model.reasons_[wrong, 0] == "Divided by 10").mean() > 0.95
    assert model.suggestions_.shape == y.shape
    named = model.reasons_[:, 0] != ""
    np.testing.assert_allclose(model.suggestions_[named & wrong], y[named & wrong], rtol=1e-5)
    assert np.isnan(model.suggestions_[~named]).all()
    # Corrected labels are as good as right ones.
    errors = [np.abs(each.predict(X) - y).mean() for each in (model, quick().fit(X, y))]
    assert errors[0] < 1.3 * errors[1]


def test_rows_without_weight_are_judged_like_new_rows() -> None:
    X, y, _ = table(400)
    given = y + 100
    given[:40] *= 10
    weights = np.ones(400)
    weights[:5] = 0
    model = quick().fit(X, given, sample_weight=weights)
    # Rows without weight are judged like new rows; the others by networks that are not trained on them.
    again = model.inlier_probability(X, given)
    np.testing.assert_array_equal(model.inlier_probability_[:5], again[:5])
    assert (model.inlier_probability_[5:] != again[5:]).any()
    assert (model.reasons_[:40, 0] == "Divided by 10").mean() > 0.9
    assert (model.reasons_[40:, 0] == "").all()


@pytest.mark.usefixtures("gaussian_scores")
def test_other_schedules_name_no_kinds() -> None:
    X, y, _ = table(100)
    model = quick(max_epochs=3, schedule="interleaved").fit(X, np.stack([y, y], axis=1))
    assert (model.reasons_ == "").all()
    assert model.reasons_.shape == (100, 1)
    assert np.isnan(model.suggestions_).all()
    assert model.suggestions_.shape == (100, 2)


@pytest.mark.usefixtures("gaussian_scores")
def test_dropout_is_the_part_of_the_variance_that_is_not_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    X, y, _ = table(wrong=0.1)
    noise = 50 + 30 * rng.normal(size=300)
    found: list[float] = []
    forward = NetworkStack.forward

    def record(stack: NetworkStack, inputs: torch.Tensor) -> torch.Tensor:
        found.append(stack.dropout)
        return forward(stack, inputs)

    monkeypatch.setattr(NetworkStack, "forward", record)
    quick().fit(X, y)
    assert found[0] == 0.1
    assert found[-1] < 0.002  # 1 / 37 of the spread of right labels is noise
    found.clear()
    quick().fit(X, noise)
    assert found[-1] > 0.08
    assert max(found) == 0.1


@pytest.mark.usefixtures("gaussian_scores")
def test_losses_in_other_units_give_the_same_steps() -> None:
    X, y, _ = table(100)

    class Scaled(L1):
        def value(self, u: torch.Tensor) -> torch.Tensor:
            return 1024 * super().value(u)

        def gradient(self, u: torch.Tensor) -> torch.Tensor:
            return 1024 * super().gradient(u)

    found = [quick(max_epochs=4, first_loss=loss).fit(X, y).predict(X) for loss in (L1(), Scaled())]
    np.testing.assert_array_equal(*found)
