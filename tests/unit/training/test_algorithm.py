"""Algorithm 1 on a plane with some wrong labels, whose slopes are known."""

import itertools
import json
import math
from functools import partial

import pytest
import torch
from torch import nn

from deepgum.data.regression import RegressionData
from deepgum.errors import InvalidDataError, InvalidParameterError, UnknownNameError
from deepgum.losses import Cauchy
from deepgum.mixture import GaussianUniformMixture
from deepgum.training import (
    METHODS,
    PRESETS,
    Alternate,
    DeepGUMOptions,
    History,
    SGDOptions,
    fit_deepgum,
    fit_loss,
    train_method,
)
from deepgum.training.baselines import without_labels
from deepgum.training.history import EpochRecord, RoundRecord

SLOPES = torch.tensor([[1.0, -2.0, 0.5, 3.0], [0.0, 1.0, -1.0, 2.0]])
SGD = SGDOptions(learning_rate=0.03, batch_size=32, epochs_max=25, patience=4)


def plane(n=600, rate=0.3, seed=0):
    """Return two landmarks that depend linearly on two features; a share of the landmarks is shifted."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 2, generator=generator)
    clean = x @ SLOPES + 0.05 * torch.randn(n, 4, generator=generator)
    wrong = torch.rand(n, 2, generator=generator) < rate
    shift = 20 * torch.rand(n, 4, generator=generator) - 8  # not centred at zero, so that it biases a mean
    targets = torch.where(wrong.repeat_interleave(2, dim=1), clean + shift, clean)
    return RegressionData.from_arrays(x, targets), wrong, clean


def linear(seed=0):
    torch.manual_seed(seed)
    return nn.Linear(2, 4)


def plane_error(model):
    """Return the largest error of the estimated plane."""
    return max((model.weight.T - SLOPES).abs().max().item(), model.bias.abs().max().item())


@pytest.fixture(scope="module")
def fitted():
    train, wrong, _ = plane()
    validation, *_ = plane(200, seed=1)
    result = fit_deepgum(
        linear(), train, validation, options=DeepGUMOptions.preset("alternate", groups="landmark"), sgd=SGD
    )
    return result, wrong


def test_it_finds_the_plane_that_l2_misses(fitted):
    train, *_ = plane()
    validation, *_ = plane(200, seed=1)
    l2 = fit_loss(linear(), train, validation, loss="l2", sgd=SGD)
    assert plane_error(l2.model) > 0.3
    assert plane_error(fitted[0].model) < 0.1


def test_it_finds_the_wrong_landmarks(fitted):
    result, wrong = fitted
    assert result.responsibilities.shape == wrong.shape
    assert torch.equal(result.flags, result.responsibilities < 0.5)
    assert (result.flags & wrong).sum() / wrong.sum() > 0.97
    assert (result.flags & wrong).sum() / result.flags.sum() > 0.97
    torch.testing.assert_close(result.mixture.inlier_prior_, 1 - wrong.double().mean(dim=0), atol=0.05, rtol=0)


def test_residuals_and_responsibilities_belong_to_the_returned_weights(fitted):
    result, _ = fitted
    train, *_ = plane()
    torch.testing.assert_close(result.residuals, train.targets - result.model(train.inputs).detach())
    torch.testing.assert_close(result.responsibilities, result.mixture.responsibilities(result.residuals))


def test_the_history_has_all_epochs_and_rounds(fitted, tmp_path):
    history = fitted[0].history
    rounds = [record.round for record in history.rounds]
    assert rounds == list(range(len(rounds)))
    assert len(rounds) >= 2
    assert {record.round for record in history.epochs} == set(rounds)
    assert {record.phase for record in history.epochs} == {"cauchy", "weighted l1"}
    assert fitted[0].epochs == len(history.epochs)
    path = tmp_path / "history.jsonl"
    history.write_jsonl(path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["kind"] for line in lines].count("round") == len(rounds)
    assert all(len(line["covariances"]) == 2 for line in lines if line["kind"] == "round")


def test_algorithm_1_stops_after_the_first_round_without_a_better_score(fitted):
    scores = [record.round_score for record in fitted[0].history.rounds]
    assert all(later < earlier for earlier, later in itertools.pairwise(scores[:-1]))
    assert len(scores) == PRESETS["alternate"].schedule.rounds_max + 1 or scores[-1] >= scores[-2]


def test_the_seed_determines_the_result():
    train, *_ = plane(200)
    validation, *_ = plane(100, seed=1)
    options = DeepGUMOptions.preset("alternate", schedule={"rounds_max": 2})
    sgd = SGDOptions(learning_rate=0.03, epochs_max=4)
    first, second, other = (
        fit_deepgum(linear(), train, validation, options=options, sgd=sgd, seed=seed) for seed in (3, 3, 4)
    )
    assert torch.equal(first.model.weight, second.model.weight)
    assert torch.equal(first.responsibilities, second.responsibilities)
    assert [r.round_score for r in first.history.rounds] == [r.round_score for r in second.history.rounds]
    assert not torch.equal(first.model.weight, other.model.weight)


@pytest.mark.parametrize(
    ("epoch_rule", "round_rule"),
    [*itertools.product(["log-likelihood", "weighted", "unweighted"], repeat=2), ("trimmed", "trimmed")],
)
@pytest.mark.parametrize("restart", ["continue", "fresh"])
def test_every_rule_finds_the_plane_and_the_wrong_labels(round_rule, epoch_rule, restart):
    train, wrong, _ = plane(300)
    validation, *_ = plane(100, seed=1)
    schedule = Alternate(round_rule=round_rule, epoch_rule=epoch_rule, restart=restart, rounds_max=2)
    options = DeepGUMOptions.preset("alternate", groups="landmark", schedule=schedule)
    result = fit_deepgum(linear(), train, validation, options=options, sgd=SGD)
    assert plane_error(result.model) < 0.3
    assert (result.flags & wrong).sum() / wrong.sum() > 0.9


def test_only_a_fresh_round_starts_from_the_initial_weights():
    train, *_ = plane(300)
    validation, *_ = plane(100, seed=1)
    # Each round has one epoch, which is too short to return to the initial weights.
    sgd = SGDOptions(learning_rate=0.01, batch_size=16, epochs_max=1)
    moved = {}
    for restart in ("continue", "fresh"):
        schedule = Alternate(restart=restart, rounds_max=1)
        options = DeepGUMOptions.preset("alternate", schedule=schedule, returned_round="last")
        result = fit_deepgum(linear(), train, validation, options=options, sgd=sgd)
        moved[restart] = (result.model.weight - linear().weight).abs().max().item()
    # An epoch of Adam moves a weight by at most about the learning rate per step.
    reach = 0.01 * -(-300 // 16)
    assert moved["fresh"] < 1.1 * reach
    assert moved["continue"] > 1.3 * reach


def test_with_start_counts_a_round_never_ends_with_a_worse_score():
    train, *_ = plane(200)
    validation, *_ = plane(100, seed=1)
    # With such long steps, an epoch often makes the network worse.
    sgd = SGDOptions(learning_rate=1.0, epochs_max=2, patience=2)
    rises = {}
    for start_counts in (True, False):
        schedule = Alternate(start_counts=start_counts, epoch_rule="unweighted", round_rule="unweighted", rounds_max=1)
        options = DeepGUMOptions.preset("alternate", schedule=schedule)
        scores = [
            [
                r.round_score
                for r in fit_deepgum(linear(s), train, validation, options=options, sgd=sgd, seed=s).history.rounds
            ]
            for s in range(8)
        ]
        rises[start_counts] = sum(last > first for first, last in scores)
    assert rises[True] == 0
    assert rises[False] > 0


def test_best_and_last_round_differ_only_when_the_last_is_worse():
    train, *_ = plane(300)
    validation, *_ = plane(100, seed=1)
    results = {
        returned: fit_deepgum(
            linear(),
            train,
            validation,
            options=DeepGUMOptions.preset("alternate", returned_round=returned, schedule={"rounds_max": 6}),
            sgd=SGD,
        )
        for returned in ("best", "last")
    }
    scores = [record.round_score for record in results["best"].history.rounds]
    assert scores == [record.round_score for record in results["last"].history.rounds]
    same = torch.equal(results["best"].model.weight, results["last"].model.weight)
    assert same == (scores[-1] == min(scores))


def test_the_preset_paper_follows_the_paper():
    paper = DeepGUMOptions.preset("paper")
    assert (paper.first_loss, paper.weighted_loss) == ("l2", "l2")
    assert paper.schedule == Alternate(epoch_rule="weighted", round_rule="weighted", restart="continue")
    assert (paper.schedule.widening, paper.schedule.degrees_of_freedom) == (1, math.inf)
    mixture = paper.mixture
    assert (mixture.covariance_type, mixture.uniform, mixture.inlier_prior) == ("full", "moments", "estimate")
    assert paper.warmup_epochs is None


@pytest.mark.parametrize("factor", [2.0**-3, 2.0**14])
def test_labels_in_other_units_give_the_same_network(factor):
    class InUnits(nn.Module):
        """A network that predicts in the labels' units, like `Regressor`."""

        def __init__(self, unit):
            super().__init__()
            self.linear, self.unit = linear(), unit

        def forward(self, x):
            return self.unit * self.linear(x)

    train, *_ = plane(200)
    validation, *_ = plane(100, seed=1)
    sgd = SGDOptions(learning_rate=0.03, epochs_max=5)
    responsibilities = [
        fit_deepgum(
            InUnits(unit),
            train.with_targets(unit * train.targets),
            validation.with_targets(unit * validation.targets),
            options=DeepGUMOptions.preset("alternate", groups="landmark", schedule={"rounds_max": 2}),
            sgd=sgd,
        ).responsibilities
        for unit in (1.0, factor)
    ]
    # Only the epsilon of Adam depends on the unit.
    torch.testing.assert_close(*responsibilities, atol=5e-3, rtol=0)


def test_a_warm_up_has_the_length_of_the_option():
    train, *_ = plane(200)
    validation, *_ = plane(100, seed=1)
    options = DeepGUMOptions.preset("alternate", warmup_epochs=3, schedule={"rounds_max": 1})
    result = fit_deepgum(linear(), train, validation, options=options, sgd=SGD)
    assert [record.epoch for record in result.history.epochs if record.round == 0] == [1, 2, 3]


def test_missing_labels_are_left_out():
    train, *_ = plane(400)
    holes = torch.rand(400, 4, generator=torch.Generator().manual_seed(5)) < 0.2
    validation, *_ = plane(100, seed=1)
    sparse = train.with_targets(train.targets.masked_fill(holes, float("nan")))
    result = fit_deepgum(
        linear(), sparse, validation, options=DeepGUMOptions.preset("alternate", groups="landmark"), sgd=SGD
    )
    assert plane_error(result.model) < 0.2
    assert result.responsibilities.isfinite().all()


def test_listeners_get_every_record_in_order():
    train, *_ = plane(200)
    validation, *_ = plane(100, seed=1)
    heard = []
    result = fit_deepgum(
        linear(),
        train,
        validation,
        options=DeepGUMOptions.preset("alternate", schedule={"rounds_max": 1}),
        sgd=SGD,
        on_event=heard.append,
    )
    assert [event for event in heard if isinstance(event, EpochRecord)] == result.history.epochs
    assert [event for event in heard if isinstance(event, RoundRecord)] == result.history.rounds


def test_a_loss_object_has_its_own_parameters():
    train, *_ = plane(200)
    validation, *_ = plane(100, seed=1)
    sgd = SGDOptions(learning_rate=0.03, epochs_max=3)
    named, given, other = (
        fit_loss(linear(), train, validation, loss=loss, sgd=sgd).model.weight
        for loss in ("cauchy", Cauchy(), Cauchy(scale=2.0))
    )
    assert torch.equal(named, given)
    assert not torch.equal(named, other)


@pytest.mark.parametrize("loss", ["huber", "biweight"])
def test_scaled_losses_get_three_epochs_of_l2_first(loss):
    train, *_ = plane(300)
    validation, *_ = plane(100, seed=1)
    result = fit_loss(linear(), train, validation, loss=loss, groups="landmark", sgd=SGD)
    phases = [record.phase for record in result.history.epochs]
    assert phases[:3] == ["l2"] * 3
    assert set(phases[3:]) == {loss}
    assert result.flags.shape == (300, 2)


def test_wrong_labels_do_not_change_the_oracle():
    train, wrong, _ = plane(300)
    other = train.with_targets(torch.where(wrong.repeat_interleave(2, dim=1), train.targets * 100 + 7, train.targets))
    first, second = (
        fit_loss(linear(), without_labels(data, wrong), without_labels(data, wrong), loss="l2", sgd=SGD)
        for data in (train, other)
    )
    assert torch.equal(first.model.weight, second.model.weight)
    assert plane_error(first.model) < 0.1


def test_all_methods_start_from_the_same_initial_weights(monkeypatch):
    starts = []

    def build(name, data, seed, head):
        assert head == "regression"
        model = linear(seed)
        starts.append(model.weight.detach().clone())
        return model

    monkeypatch.setattr("deepgum.training.methods.build_model", build)
    train, wrong, _ = plane(200)
    validation, validation_wrong, _ = plane(100, seed=1)
    sgd = SGDOptions(learning_rate=0.03, epochs_max=4, patience=1)
    for name, method in METHODS.items():
        if method.head == "expectation":
            continue  # tests/unit/test_expectation.py
        result = train_method(
            name,
            train,
            validation,
            true_outlier=wrong,
            validation_outlier=validation_wrong,
            groups="landmark",
            # The labels of this plane are not fractions of an image's side.
            options={"mixture": {"uniform": -math.log(30)}} if name == "deepgum-authors" else None,
            sgd=sgd,
        )
        assert result.residuals.shape == (200, 4)
        assert result.residuals.isfinite().all(), "the oracle's residuals cover the wrong labels, too"
        assert (result.mixture is not None) == (method.options is not None)
    assert all(torch.equal(start, starts[0]) for start in starts)


def test_invalid_arguments_are_refused_before_any_training():
    train, *_ = plane(50)
    validation, *_ = plane(20)
    heard = []
    with pytest.raises(UnknownNameError, match="Did you mean 'deepgum'"):
        train_method("deepgumm", train, validation)
    with pytest.raises(InvalidParameterError, match="true_outlier"):
        train_method("oracle", train, validation, model="torch.nn:Identity")
    narrow = RegressionData.from_arrays(validation.inputs, validation.targets[:, :2])
    with pytest.raises(InvalidDataError, match=r"\(4,\).*\(2,\)"):
        fit_deepgum(linear(), train, narrow, on_event=heard.append)
    empty = validation.with_targets(torch.full_like(validation.targets, float("nan")))
    with pytest.raises(InvalidDataError, match="`validation` should have at least one label"):
        fit_deepgum(linear(), train, empty, on_event=heard.append)
    with pytest.raises(InvalidParameterError, match="groups"):
        fit_deepgum(
            linear(),
            train,
            validation,
            options=DeepGUMOptions.preset("alternate", groups=[[0, 1]]),
            on_event=heard.append,
        )
    with pytest.raises(UnknownNameError, match="Did you mean 'spherical'"):
        fit_deepgum(
            linear(),
            train,
            validation,
            options=DeepGUMOptions(mixture=GaussianUniformMixture(covariance_type="sperical")),
            on_event=heard.append,
        )
    with pytest.raises(InvalidParameterError, match="`device` should be"):
        fit_loss(linear(), train, validation, loss="l2", sgd=SGDOptions(device="cudda"), on_event=heard.append)
    for fit in (fit_deepgum, partial(fit_loss, loss="l2")):
        with pytest.raises(InvalidDataError, match=r"\(1, 4\).*Found \(1, 1\)"):
            fit(nn.Linear(2, 1), train, validation, on_event=heard.append)
    with pytest.raises(InvalidDataError, match="at least 5 samples"):
        fit_deepgum(linear(), train.subset(range(4)), validation, on_event=heard.append)
    assert heard == []


def test_an_empty_history_writes_an_empty_file(tmp_path):
    History().write_jsonl(tmp_path / "empty.jsonl")
    assert (tmp_path / "empty.jsonl").read_text() == ""
