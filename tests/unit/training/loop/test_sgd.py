"""One run of SGD: its objective, its early stop, the returned weights and the checks."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from deepgum.data.batches import ordered_batches, shuffled_batches
from deepgum.data.mirror import Mirror
from deepgum.data.regression import RegressionData
from deepgum.errors import InvalidParameterError, NonFiniteLossError, UnknownNameError
from deepgum.losses import L1, L2, Huber
from deepgum.training.baselines import fit_loss
from deepgum.training.history import History
from deepgum.training.job import Training
from deepgum.training.loop.criterion import mean_loss, median_absolute_error, trimmed_loss
from deepgum.training.loop.objective import Objective
from deepgum.training.loop.sgd import build_optimizer, build_schedule, run_sgd
from deepgum.training.sgd_options import SGDOptions
from deepgum.training.state.journal import Journal
from deepgum.training.state.weights import Weights


def line(n=64, seed=0):
    x = torch.linspace(-1, 1, n)[:, None]
    noise = 0.01 * torch.randn(n, 1, generator=torch.Generator().manual_seed(seed))
    return RegressionData.from_arrays(x, 2 * x + 1 + noise)


def train(scores, *, patience=2, epochs_max=20, schedule="constant", **keywords):
    """Run SGD on a line, with validation scores from a list instead of from the data."""
    torch.manual_seed(0)
    model, history, weights = nn.Linear(1, 1), History(), []

    def criterion(_):
        weights.append(model.weight.item())
        return scores[len(weights) - 1]

    options = SGDOptions(patience=patience, epochs_max=epochs_max, learning_rate=0.01, schedule=schedule)
    run = run_sgd(
        Training(model, line(), line(), L2(), options, seed=0),
        lambda _: Objective(L2()),
        criterion,
        torch.Generator().manual_seed(0),
        Journal(history),
        **keywords,
    )
    return run, model.weight.item(), weights, history


def minimise_l2(model, options, generator=None, **keywords):
    """Run SGD on a line with the squared error, and return its history."""
    history, data = History(), line()
    run_sgd(
        Training(model, data, data, L2(), options, seed=0),
        lambda _: Objective(L2()),
        mean_loss(L2()),
        generator or torch.Generator().manual_seed(0),
        Journal(history),
        **keywords,
    )
    return history


def test_the_weighted_squared_error_is_equation_7():
    generator = torch.Generator().manual_seed(0)
    data = RegressionData.from_arrays(torch.randn(9, 3, generator=generator), torch.randn(9, 4, generator=generator))
    weights = torch.rand(9, 4, generator=generator, dtype=torch.float64)
    model = nn.Linear(3, 4)
    (batch,) = ordered_batches(data, 9)
    value = Objective(L2(), weights)(batch, model(batch.inputs)).item()
    delta = data.targets.double().numpy() - model(data.inputs).detach().double().numpy()
    assert value == pytest.approx(np.sum(weights.numpy() * delta**2) / delta.size, rel=1e-5)


def test_weights_and_scale_follow_shuffled_and_mirrored_samples():
    # The middle of the image does not change under mirroring. With this prediction, the sum over the batches equals
    # the sum over the data, in any order and with any mirroring.
    generator = torch.Generator().manual_seed(0)
    images = torch.zeros(20, 1, 4, 4, dtype=torch.uint8)
    data = RegressionData.from_arrays(
        images, torch.rand(20, 4, generator=generator), mirror=Mirror.landmarks([(0, 1)], 2)
    )
    weights, scale = torch.rand(20, 4, generator=generator), torch.tensor([0.3, 0.1, 0.7, 0.9])
    objective = Objective(Huber(), weights, scale)
    middle = torch.full((1, 4), 0.5)
    middle[:, 1::2] = 0.0

    def total(batches):
        return sum(objective(b, middle.expand(len(b.index), 4)).item() * len(b.index) for b in batches)

    plain = total(ordered_batches(data, 20))
    mirrored = total(shuffled_batches(data, 5, torch.Generator().manual_seed(3), mirror=True))
    assert mirrored == pytest.approx(plain, rel=1e-5)


def test_a_run_stops_after_the_patience_and_keeps_the_best_weights():
    run, kept, weights, history = train([5.0, 3.0, 4.0, 3.0, 1.0, 0.0])
    # Epoch 2 is best; an equal score (epoch 4) is no improvement.
    assert (run.best_epoch, run.best_score, run.epochs) == (2, 3.0, 4)
    assert kept == weights[1] != weights[3]
    assert [record.best for record in history.epochs] == [True, True, False, False]


def test_the_start_can_be_the_best():
    run, kept, weights, _ = train([1.0, 3.0, 2.0], start_counts=True)
    assert (run.best_epoch, run.epochs) == (0, 2)
    assert kept == weights[0]


def test_patience_waits_for_the_warm_up():
    run, *_ = train([1.0, 2, 3, 4, 5, 6, 7, 8], epochs_min=4)
    assert run.epochs == 6


@pytest.mark.parametrize(
    ("schedule", "patience", "epochs"),
    [("constant", None, 6), ("constant", 2, 3), ("cosine", None, 20), ("one-cycle", None, 20), ("one-cycle", 2, 3)],
)
def test_a_decreasing_rate_stops_early_only_where_it_is_asked_to(schedule, patience, epochs):
    run, *_ = train([float(k) for k in range(20)], patience=patience, schedule=schedule)
    assert (run.best_epoch, run.epochs) == (1, epochs)


def test_the_default_patience_follows_a_change_of_the_epochs():
    falling = SGDOptions(schedule="cosine", epochs_max=10)
    assert replace(falling, epochs_max=30).stops_after == 30
    assert replace(falling, schedule="constant").stops_after == 5


def test_a_run_stops_after_the_maximum_number_of_epochs():
    run, *_ = train([float(-k) for k in range(10)], epochs_max=3)
    assert (run.epochs, run.best_epoch) == (3, 3)


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one-cycle"])
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_every_optimiser_and_schedule_learns_a_line(optimizer, schedule):
    torch.manual_seed(0)
    model = nn.Linear(1, 1)
    options = SGDOptions(optimizer=optimizer, schedule=schedule, learning_rate=0.05, batch_size=8, epochs_max=30)
    minimise_l2(model, options)
    assert model.weight.item() == pytest.approx(2, abs=0.1)
    assert model.bias.item() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_a_loss_that_is_not_finite_stops_before_the_weights_are_spoiled(value):
    # NaN marks a missing label, but a prediction of NaN must be an error.
    class Breaks(nn.Linear):
        def forward(self, x):
            # Fails for one sample, from the second epoch on.
            self.calls = getattr(self, "calls", 0) + self.training
            output = super().forward(x)
            return torch.where((x == 1.0) & (self.calls > 1), value, output)

    model = Breaks(1, 1)
    with pytest.raises(NonFiniteLossError, match="learning_rate"):
        minimise_l2(model, SGDOptions(), torch.Generator())
    assert model.weight.isfinite().all()


def test_dropout_uses_the_seed_of_the_run_and_does_not_change_the_global_generator():
    def weight(draws):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(1, 8), nn.Dropout(0.5), nn.Linear(8, 1))
        torch.rand(draws)
        before = torch.get_rng_state()
        minimise_l2(model, SGDOptions(epochs_max=2))
        assert torch.equal(before, torch.get_rng_state())
        return model[0].weight

    assert torch.equal(weight(draws=0), weight(draws=5))


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle"])
def test_a_schedule_has_the_length_of_its_run(schedule):
    options = SGDOptions(schedule=schedule, epochs_max=1, learning_rate=0.1, batch_size=8)
    optimizer = build_optimizer(nn.Linear(1, 1), options)
    steps = build_schedule(optimizer, options, 20)
    rates = []
    for _ in range(20):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        steps.step()
    assert max(rates) == pytest.approx(0.1, rel=0.05)
    assert rates[-1] < 0.02
    # The length includes a warm-up that is longer than `epochs_max`.
    history = minimise_l2(nn.Linear(1, 1), options, epochs_max=3, epochs_min=3)
    assert len(history.epochs) == 3


class HalfFrozen(nn.Module):
    """A trained head on a frozen trunk with modules that behave differently in training mode."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(1, 8), nn.BatchNorm1d(8), nn.Dropout(0.5)).requires_grad_(False)
        self.head = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))
        self.modes = set()

    def forward(self, x):
        if self.training:
            self.modes.add((self.trunk.training, self.trunk[2].training, self.head[1].training))
        return self.head(self.trunk(x))


def test_frozen_modules_do_not_change():
    torch.manual_seed(0)
    model = HalfFrozen()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    # Weight decay would change every parameter of the optimiser, even without a gradient.
    options = SGDOptions(epochs_max=2, weight_decay=0.1, optimizer="sgd", learning_rate=0.01)
    given = {id(p) for group in build_optimizer(model, options).param_groups for p in group["params"]}
    assert given == {id(p) for p in model.head.parameters()}
    minimise_l2(model, options, torch.Generator())
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]) == name.startswith("trunk"), name
    assert model.modes == {(False, False, True)}


def test_the_best_weights_are_restored_with_their_running_statistics():
    def build():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(1, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))

    states, model, data = [], build(), line()

    def criterion(_):
        states.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return [3.0, 1.0, 2.0, 4.0][len(states) - 1]

    training = Training(model, data, data, L2(), SGDOptions(epochs_max=4, learning_rate=0.1), seed=0)
    run_sgd(training, lambda _: Objective(L2()), criterion, torch.Generator().manual_seed(0), Journal(History()))
    assert not torch.equal(states[3]["1.running_mean"], states[1]["1.running_mean"])
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, states[1][name]), name


def test_a_copy_of_the_weights_can_be_updated_and_has_no_frozen_parameters():
    model = HalfFrozen()
    kept = Weights(model)
    assert sum(tensor.numel() for tensor in kept.copies.values()) < sum(t.numel() for t in model.state_dict().values())
    with torch.no_grad():
        model.head[0].weight.fill_(3.0)
    memory = kept.copies["head.0.weight"].data_ptr()
    kept.update(model)
    with torch.no_grad():
        model.head[0].weight.fill_(5.0)
        model.head[1].running_mean.fill_(9.0)
    kept.restore(model)
    assert (model.head[0].weight == 3).all()
    assert (model.head[1].running_mean == 0).all()
    assert kept.copies["head.0.weight"].data_ptr() == memory


def test_a_network_without_trained_parameters_is_refused():
    with pytest.raises(InvalidParameterError, match="parameters to train"):
        fit_loss(nn.Linear(1, 1).requires_grad_(False), line(), line(), loss="l2")


def test_a_trimmed_score_omits_the_largest_samples_of_each_group():
    generator = torch.Generator().manual_seed(0)
    residuals = torch.randn(40, 4, generator=generator)
    residuals[3:7, 2:] *= 1e3  # a tenth of the second group
    residuals[11, 0] = residuals[12, 1] = residuals[20, 2] = residuals[20, 3] = float("nan")
    score = trimmed_loss(L2(), torch.tensor([0.0, 0.1]), ((0, 1), (2, 3)))
    values = residuals.double().numpy()
    rest = np.concatenate([values[:, :2].ravel(), np.delete(values[:, 2:], range(3, 7), axis=0).ravel()])
    assert score(residuals) == pytest.approx(np.nanmean(rest**2), rel=1e-5)
    # A sample in which everything is large is left out in its one group only.
    residuals[30, :2] *= 1e3
    assert score(residuals) > 1e3


def test_a_trimmed_score_is_the_mean_for_share_0_and_0_for_share_1():
    residuals = torch.randn(9, 2, generator=torch.Generator().manual_seed(0))
    loss, groups = L1(), ((0,), (1,))
    assert trimmed_loss(loss, torch.zeros(2), groups)(residuals) == pytest.approx(mean_loss(loss)(residuals))
    assert trimmed_loss(loss, torch.ones(2), groups)(residuals) == 0


def test_a_partly_observed_group_is_ranked_by_its_observed_mean():
    residuals = torch.tensor([[3.5, float("nan")], [2.0, 2.0], [1.0, 1.0], [0.0, 0.0]])
    # By sums, the second sample would be the largest.
    assert trimmed_loss(L1(), torch.tensor([0.25]), ((0, 1),))(residuals) == 1.0


def test_the_median_absolute_error_ignores_missing_labels():
    assert median_absolute_error(torch.tensor([[1.0, -2.0], [float("nan"), 9.0]])) == 2.0


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"learning_rate": 0}, "learning_rate"),
        ({"patience": 0}, "patience"),
        ({"batch_size": 1}, "batch_size"),
        ({"epochs_max": 2.5}, "epochs_max"),
    ],
)
def test_invalid_numbers_are_refused(options, name):
    with pytest.raises(InvalidParameterError, match=f"`{name}`"):
        SGDOptions(**options)


def test_unknown_names_are_refused():
    with pytest.raises(UnknownNameError, match="Did you mean 'one-cycle'"):
        SGDOptions(schedule="onecycle")
