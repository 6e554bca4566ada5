"""Dex and DexGUM: a softmax over whole ages, its expected value, its cross-entropy, and the mixture on top."""

import numpy as np
import pytest
import torch
from torch import nn

from deepgum.data.batches import ordered_batches, shuffled_batches
from deepgum.data.mirror import Mirror
from deepgum.data.regression import RegressionData
from deepgum.errors import InvalidDataError, InvalidParameterError, NonFiniteLossError
from deepgum.losses import L1, Huber
from deepgum.losses.cross_entropy import CROSS_ENTROPY
from deepgum.models import DeepExpectation, Regressor, build_model
from deepgum.residuals import compute_residuals, predict
from deepgum.training import (
    METHODS,
    Alternate,
    DeepGUMOptions,
    SGDOptions,
    check_method,
    fit_deepgum,
    fit_loss,
    train_method,
)
from deepgum.training.loop.objective import CrossEntropy, residual_loss

SGD = SGDOptions(learning_rate=5e-3, batch_size=64, epochs_max=10, patience=4)


def ages(n, seed, rate=0.3):
    """Return ages that four features predict to within a year; a share of the ages is replaced by uniform ages."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 4, generator=generator)
    clean = 45 + 12 * torch.tanh(x[:, 0]) + 6 * x[:, 1].clamp(-2, 2) + torch.randn(n, generator=generator)
    wrong = torch.rand(n, generator=generator) < rate
    labels = torch.where(wrong, 16 + 60 * torch.rand(n, generator=generator), clean).round()
    return RegressionData.from_arrays(x, labels), wrong, clean


def softmax_mean(logits, first):
    """Return the expected value, in float64."""
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials @ np.arange(first, first + logits.shape[1]) / exponentials.sum(axis=1)


def test_logits_in_training_mode_and_their_expected_value_in_evaluation_mode():
    torch.manual_seed(0)
    model = DeepExpectation(nn.Linear(3, 61), first=16, last=76)
    x = 5 * torch.randn(7, 3)
    logits = model.train()(x)
    assert torch.equal(logits, model.backbone(x))
    value = model.eval()(x)
    assert value.shape == (7, 1)
    expected = softmax_mean(logits.detach().double().numpy(), 16)
    np.testing.assert_allclose(value[:, 0].detach().numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("shift", [-300.0, 300.0])
def test_large_logits_neither_overflow_nor_change_the_value(shift):
    logits = torch.tensor([[0.0, 1.0, -2.0]])
    model = DeepExpectation(nn.Identity(), first=5, last=7).eval()
    torch.testing.assert_close(model(logits + shift), model(logits))
    assert model(torch.tensor([[0.0, 1e4, 0.0]])).item() == 6


def test_in_mixed_precision_the_value_is_not_rounded_to_bfloat16():
    model = DeepExpectation(nn.Identity(), first=0, last=99).eval()
    logits = torch.full((1, 100), -1e9)
    logits[0, [71, 72, 78]] = 0.0
    with torch.autocast("cpu", torch.bfloat16):
        assert model(logits).item() == pytest.approx(221 / 3, abs=1e-3)


def test_the_classes_are_the_rounded_labels_moved_into_the_range():
    model = DeepExpectation(nn.Identity(), first=-2, last=3)
    targets = torch.tensor([[-9.0], [-2.4], [-1.2], [0.0], [2.6], [99.0]])
    assert model.classes(targets).tolist() == [0, 0, 1, 2, 5, 5]
    assert 0 <= model.classes(torch.tensor([[float("nan")]])).item() <= 5


def test_one_output_for_each_whole_number_that_the_labels_span():
    data = RegressionData.from_arrays(torch.zeros(4, 3), [[20.4], [float("nan")], [22.7], [21.0]])
    model = build_model("mlp", data, seed=0, head="expectation")
    assert isinstance(model, DeepExpectation)
    assert model.values.tolist() == [20, 21, 22, 23]
    assert model(torch.zeros(2, 3)).shape == (2, 4)
    assert isinstance(build_model("mlp", data, seed=0), Regressor)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (torch.zeros(5, 2), r"one coordinate, \(n, 1\). Found \(5, 2\)"),
        (torch.full((5, 1), float("nan")), "at least one label"),
        (torch.tensor([[1.0], [2e6]]), r"2 to 1000 whole numbers.*from 1 to 2e\+06"),
        (torch.tensor([[0.1], [0.3]]), "another unit"),
    ],
)
def test_labels_that_are_not_ages_are_refused(targets, message):
    data = RegressionData.from_arrays(torch.zeros(len(targets), 3), targets)
    with pytest.raises(InvalidDataError, match=message):
        build_model("mlp", data, seed=0, head="expectation")
    if targets.isfinite().any():
        for name in ("dex", "dexgum"):
            with pytest.raises(InvalidDataError, match=message):
                check_method(name, data, data)


def test_a_backbone_with_another_number_of_outputs_is_refused():
    with pytest.raises(InvalidDataError, match=r"logits \(2, 4\). Found \(2, 3\)"):
        DeepExpectation(nn.Linear(3, 3), first=0, last=3)(torch.zeros(2, 3))
    with pytest.raises(InvalidParameterError, match="`last`"):
        DeepExpectation(nn.Identity(), first=4, last=4)


def test_the_cross_entropy_is_a_weighted_mean_over_the_observed_labels():
    generator = torch.Generator().manual_seed(0)
    targets = torch.tensor([[20.0], [float("nan")], [22.4], [31.0], [21.0]])
    data = RegressionData.from_arrays(torch.zeros(5, 1), targets)
    logits = torch.randn(5, 4, generator=generator)
    weights = torch.rand(5, 1, generator=generator, dtype=torch.float64)
    (batch,) = ordered_batches(data, 5)
    model = DeepExpectation(nn.Identity(), 20, 23)
    probabilities = np.exp(logits.double().numpy())
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    terms = {row: -np.log(probabilities[row, k]) for row, k in {0: 0, 2: 2, 3: 3, 4: 1}.items()}
    for given in (None, weights):
        w = np.ones(5) if given is None else given[:, 0].numpy()
        expected = sum(w[row] * term for row, term in terms.items()) / 4
        assert CrossEntropy(model, given)(batch, logits).item() == pytest.approx(expected, rel=1e-5)


def test_the_gradient_is_the_weight_times_softmax_minus_label_and_0_for_missing_labels():
    data = RegressionData.from_arrays(torch.zeros(3, 1), [[1.0], [float("nan")], [0.0]])
    logits = torch.tensor([[0.0, 1.0], [3.0, -1.0], [2.0, 0.0]], requires_grad=True)
    (batch,) = ordered_batches(data, 3)
    weights = torch.tensor([[1.0], [1.0], [0.0]])
    CrossEntropy(DeepExpectation(nn.Identity(), 0, 1), weights)(batch, logits).backward()
    expected = (logits.detach()[0].softmax(0) - torch.tensor([0.0, 1.0])) / 2
    torch.testing.assert_close(logits.grad, torch.stack([expected, torch.zeros(2), torch.zeros(2)]))


def test_weights_follow_their_samples_through_shuffling_and_mirroring():
    generator = torch.Generator().manual_seed(0)
    # Mirroring changes the sign of a yaw angle, and so its class.
    data = RegressionData.from_arrays(
        torch.zeros(20, 1, 4, 4, dtype=torch.uint8),
        torch.randint(-3, 4, (20, 1), generator=generator).float(),
        mirror=Mirror((0,), (-1.0,), (0.0,)),
    )
    weights = torch.rand(20, 1, generator=generator)
    model = DeepExpectation(nn.Identity(), -3, 3)
    symmetric = torch.tensor([[3.0, 1.0, 0.5, 0.0, 0.5, 1.0, 3.0]])
    objective = CrossEntropy(model, weights)

    def total(batches):
        return sum(objective(b, symmetric.expand(len(b.index), 7)).item() * len(b.index) for b in batches)

    plain = total(ordered_batches(data, 20))
    assert total(shuffled_batches(data, 5, torch.Generator().manual_seed(3))) == pytest.approx(plain, rel=1e-5)


def test_logits_that_are_not_finite_stop_the_training():
    data = RegressionData.from_arrays(torch.zeros(2, 1), [[0.0], [float("nan")]])
    (batch,) = ordered_batches(data, 2)
    with pytest.raises(NonFiniteLossError, match=r"cross-entropy.*positions 1"):
        CrossEntropy(DeepExpectation(nn.Identity(), 0, 1))(batch, torch.tensor([[0.0, 0.0], [0.0, float("nan")]]))


@pytest.fixture(scope="module")
def fitted():
    train, wrong, _ = ages(1200, 0)
    validation, *_ = ages(300, 1)
    dex = train_method("dex", train, validation, model="mlp", sgd=SGD)
    options = {"schedule": {"rounds_max": 1}}
    dexgum = train_method("dexgum", train, validation, options=options, model="mlp", sgd=SGD)
    return {"dex": dex, "dexgum": dexgum}, wrong


def test_dexgum_finds_the_wrong_ages_and_beats_dex(fitted):
    results, wrong = fitted
    test, _, clean = ages(1000, 2, rate=0)
    errors = {name: (predict(r.model, test)[:, 0] - clean).abs().mean().item() for name, r in results.items()}
    flags = results["dexgum"].flags[:, 0]
    # One tenth of the uniform ages is within three years of the true age.
    assert (flags & wrong).sum() / wrong.sum() > 0.8
    assert (flags & wrong).sum() / flags.sum() > 0.9
    assert errors["dexgum"] < 0.7 * errors["dex"]
    assert results["dex"].flags is None
    assert results["dex"].mixture is None


def test_residuals_are_in_years_and_the_phases_have_names(fitted):
    results, _ = fitted
    train, *_ = ages(1200, 0)
    for name, phases in (("dex", {CROSS_ENTROPY}), ("dexgum", {CROSS_ENTROPY, f"weighted {CROSS_ENTROPY}"})):
        result = results[name]
        assert not result.model.training
        torch.testing.assert_close(result.residuals, train.targets - result.model(train.inputs).detach())
        assert {record.phase for record in result.history.epochs} == phases
    torch.testing.assert_close(
        results["dexgum"].responsibilities, results["dexgum"].mixture.responsibilities(results["dexgum"].residuals)
    )


def test_dex_is_stopped_by_the_mean_absolute_error_of_the_expected_value(fitted):
    results, _ = fitted
    validation, *_ = ages(300, 1)
    best = min(record.validation_score for record in results["dex"].history.epochs)
    mae = compute_residuals(results["dex"].model, validation).abs().mean().item()
    assert best == pytest.approx(mae, rel=1e-5)


@pytest.mark.parametrize("rule", ["weighted", "unweighted", "trimmed"])
def test_the_other_rules_use_the_error_in_years(rule):
    train, *_ = ages(200, 0)
    validation, *_ = ages(100, 1)
    schedule = {"epoch_rule": rule, "round_rule": rule, "rounds_max": 1}
    options = {"schedule": schedule, "returned_round": "last"}
    result = train_method(
        "dexgum", train, validation, options=options, model="mlp", sgd=SGDOptions(epochs_max=12, learning_rate=3e-3)
    )
    # Without responsibilities, each score is the mean error in years.
    first = [record for record in result.history.epochs if record.round == 0]
    assert all(5 < record.validation_score < 30 for record in first)
    error = compute_residuals(result.model, validation).abs().mean().item()
    last = result.history.rounds[-1].round_score
    assert last == pytest.approx(error, rel=1e-5) if rule == "unweighted" else 0 < last < error


def test_losses_that_do_not_suit_the_network_are_refused_before_any_training():
    train, *_ = ages(100, 0)
    heard = []
    regressor, dex = build_model("mlp", train, 0), build_model("mlp", train, 0, head="expectation")
    mixed = {"first_loss": CROSS_ENTROPY, "weighted_loss": CROSS_ENTROPY}
    for model, options in ((dex, DeepGUMOptions()), (regressor, DeepGUMOptions.preset("alternate", **mixed))):
        with pytest.raises(InvalidParameterError, match=r"`loss`.*needs a `DeepExpectation`"):
            fit_deepgum(model, train, train, options=options, on_event=heard.append)
    for model, loss in ((dex, "l2"), (dex, L1()), (regressor, CROSS_ENTROPY)):
        with pytest.raises(InvalidParameterError, match=r"`loss`.*needs a `DeepExpectation`"):
            fit_loss(model, train, train, loss=loss, on_event=heard.append)
    for first, weighted in ((CROSS_ENTROPY, "l1"), ("l2", CROSS_ENTROPY)):
        with pytest.raises(InvalidParameterError, match=r"`weighted_loss`.*both losses need"):
            DeepGUMOptions(first_loss=first, weighted_loss=weighted)
    assert heard == []


def test_the_score_of_the_cross_entropy_is_the_absolute_error():
    assert residual_loss(CROSS_ENTROPY) == L1()
    assert residual_loss(Huber()) == Huber()


def test_the_methods_name_their_head():
    assert {name for name, method in METHODS.items() if method.head == "expectation"} == {"dex", "dexgum"}
    assert METHODS["dexgum"].options.schedule == Alternate()
