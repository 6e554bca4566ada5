"""The options that reproduce the code that the paper's authors released."""

import math
import warnings

import pytest
import torch
from torch import nn

from deepgum.data.regression import RegressionData
from deepgum.errors import DeepGUMWarning, InvalidDataError, InvalidParameterError
from deepgum.mixture import GaussianUniformMixture
from deepgum.training import (
    METHODS,
    PRESETS,
    Alternate,
    DeepGUMOptions,
    SGDOptions,
    check_method,
    fit_deepgum,
    train_method,
)

SLOPES = torch.tensor([[0.02, -0.03, 0.01, 0.03], [0.0, 0.02, -0.02, 0.02]])
SGD = SGDOptions(learning_rate=0.01, batch_size=32, epochs_max=25, patience=4)
# The learning rate is too small to move a float32 weight.
SGD_NONE = SGDOptions(learning_rate=1e-30, epochs_max=1)
# The mixture does not move either, from the first round to the second.
STILL = {"schedule": {"em_start": "robust", "rounds_max": 1}, "returned_round": "last"}
DIVERGENCES = {
    "first_loss": "l2",
    "weighted_loss": "l2",
    "responsibility_power": 2.0,
    "schedule.restart": "fresh",
    "schedule.epoch_rule": "unweighted",
    "schedule.round_rule": "unweighted",
    "schedule.rounds_max": 5,
    "schedule.em_start": "responsibilities",
    "mixture.covariance_type": "spherical",
    "mixture.uniform": 0.0,
    "mixture.inlier_prior": 0.95,
    "mixture.tol": 0.0,
    "mixture.max_iter": 6,
}


def landmarks(n=500, rate=0.3, seed=0):
    """Return two landmarks in fractions of an image's side; a share of the landmarks is at a random place."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 2, generator=generator)
    clean = 0.5 + x @ SLOPES + 0.003 * torch.randn(n, 4, generator=generator)
    wrong = torch.rand(n, 2, generator=generator) < rate
    elsewhere = torch.rand(n, 4, generator=generator)
    return RegressionData.from_arrays(x, torch.where(wrong.repeat_interleave(2, dim=1), elsewhere, clean)), wrong


def linear(seed=0):
    torch.manual_seed(seed)
    return nn.Linear(2, 4)


def fit(train=None, sgd=SGD, preset="authors-code", **changes):
    train = landmarks()[0] if train is None else train
    changes["schedule"] = {"rounds_max": 2, **changes.get("schedule", {})}
    options = DeepGUMOptions.preset(preset, groups="landmark", **changes)
    return fit_deepgum(linear(), train, landmarks(200, seed=1)[0], options=options, sgd=sgd)


def flattened(preset):
    """Return the options of a preset as a flat mapping with names like "schedule.restart"."""
    values = PRESETS[preset].to_mapping()
    return {
        f"{section}.{name}" if section else name: value
        for section in ("", "schedule", "mixture")
        for name, value in (values.pop(section) if section else values).items()
        if not isinstance(value, dict)
    }


def test_the_preset_sets_one_option_for_each_difference_from_the_paper():
    preset, default = flattened("authors-code"), flattened("alternate")
    assert {name for name in preset if preset[name] != default[name]} == DIVERGENCES.keys()
    assert {name: preset[name] for name in DIVERGENCES} == DIVERGENCES
    assert METHODS["deepgum-authors"].options == PRESETS["authors-code"]


def test_the_preset_finds_wrong_landmarks_without_a_warning():
    train, wrong = landmarks()
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeepGUMWarning)
        result = fit(train)
    assert (result.flags & wrong).sum() / wrong.sum() > 0.8
    assert (result.flags & wrong).sum() / result.flags.sum() > 0.9
    for record in result.history.rounds:
        assert record.inlier_prior == (0.95, 0.95)
        assert record.em_iterations == 6
        assert record.log_uniform_density == (0.0, 0.0)
        (x, xy), (yx, y) = record.covariances[0]
        assert (xy, yx, x) == (0, 0, y)
        assert record.status == ("iteration_limit",) * 2


def test_one_variance_can_be_shared_by_all_landmarks():
    train, wrong = landmarks()
    result = fit(train, mixture={"covariance_type": "tied-spherical"})
    for record in result.history.rounds:
        assert record.covariances[0] == record.covariances[1]
    assert (result.flags & wrong).sum() / wrong.sum() > 0.8


def test_em_starts_with_responsibilities_of_1_and_continues_from_round_to_round():
    train, _ = landmarks()
    result = fit(train, sgd=SGD_NONE, schedule={"rounds_max": 1}, returned_round="last")
    # The network does not change, so two rounds of six steps are twelve steps.
    ones = torch.ones(500, 2)
    for steps, record in zip((6, 12), result.history.rounds, strict=True):
        mixture = GaussianUniformMixture(**result.mixture.get_params()).set_params(max_iter=steps)
        mixture.fit(result.residuals, responsibilities=ones)
        assert record.covariances[0][0][0] == pytest.approx(mixture.covariances_[0][0, 0].item(), rel=1e-12)
    one_step = fit(train, sgd=SGD_NONE, mixture={"max_iter": 1}, schedule={"rounds_max": 1})
    plain = one_step.residuals[:, :2].double().square().mean().item()
    assert one_step.history.rounds[0].covariances[0][0][0] == pytest.approx(plain, rel=1e-5)


def test_em_uses_the_first_rows_and_all_rows_get_responsibilities():
    train, wrong = landmarks()
    # Other values in the rows that EM does not use change the responsibilities but not the parameters.
    other = train.targets.clone()
    other[400:] += 50
    results = [
        fit(train.with_targets(targets), sgd=SGD_NONE, schedule={"em_rows": 0.8}) for targets in (train.targets, other)
    ]
    mixtures = [result.mixture for result in results]
    assert torch.equal(mixtures[0].covariances_[0], mixtures[1].covariances_[0])
    torch.testing.assert_close(results[0].responsibilities[:400], results[1].responsibilities[:400])
    assert results[1].flags[400:].all()
    assert results[1].responsibilities.shape == wrong.shape
    reference = GaussianUniformMixture(**mixtures[0].get_params())
    reference.fit(results[0].residuals[:400], responsibilities=torch.ones(400, 2))
    assert torch.equal(reference.covariances_[1], mixtures[0].covariances_[1])


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_the_weight_of_a_label_is_its_responsibility_to_the_power(power):
    train, _ = landmarks()
    result = fit(train, sgd=SGD_NONE, responsibility_power=power, **STILL)
    weights = result.responsibilities.repeat_interleave(2, dim=1) ** power
    # The network does not change, so the loss of the round is that of its first residuals, up to the batch sizes.
    expected = (weights * result.residuals.double().square()).sum() / result.residuals.numel()
    (record,) = (record for record in result.history.epochs if record.round == 1)
    assert record.train_loss == pytest.approx(expected.item(), rel=1e-4)
    assert record.phase == "weighted l2"


@pytest.mark.parametrize("rule", ["unweighted", "weighted", "trimmed"])
def test_the_three_validation_rules(rule):
    validation = landmarks(200, seed=1)[0]
    still = {**STILL["schedule"], "epoch_rule": rule, "round_rule": rule}
    result = fit(sgd=SGD_NONE, schedule=still, returned_round="last")
    with torch.inference_mode():
        residuals = validation.targets - result.model(validation.inputs)
    squares = residuals.double().square()
    if rule == "unweighted":
        expected = squares.mean()
    elif rule == "weighted":
        r = result.mixture.responsibilities(residuals)
        expected = (r.repeat_interleave(2, dim=1) ** 2 * squares).mean()
    else:
        kept = []
        for group in (0, 1):
            size = squares[:, 2 * group : 2 * group + 2].sum(dim=1)
            share = result.flags[:, group].double().mean().item()
            kept.append(size.sort().values[: 200 - round(share * 200)])
        expected = torch.cat(kept).sum() / (2 * sum(map(len, kept)))
    assert result.history.rounds[-1].round_score == pytest.approx(expected.item(), rel=1e-4)
    assert result.history.epochs[-1].validation_score == result.history.rounds[-1].round_score


@pytest.mark.parametrize("unit", [224.0, 1 / 64])
def test_in_another_unit_the_log_density_is_minus_the_log_of_the_range(unit):
    train, _ = landmarks(300)
    options = DeepGUMOptions.preset("authors-code", groups="landmark")
    plain, scaled = options.new_mixture(), options.with_changes(mixture={"uniform": -math.log(unit)}).new_mixture()
    residuals = (train.targets - 0.5).double()
    torch.testing.assert_close(
        scaled.fit(unit * residuals).responsibilities(unit * residuals),
        plain.fit(residuals).responsibilities(residuals),
    )


def test_a_density_in_the_wrong_unit_is_refused_with_a_possible_value():
    ages = RegressionData.from_arrays(torch.zeros(50, 2), torch.linspace(20, 70, 50))
    with pytest.raises(InvalidParameterError, match=r"`mixture.uniform`.*at most -3\.\d+.*range of width 1.*-log\(w\)"):
        check_method("deepgum-authors", ages, ages)
    check_method("deepgum-authors", ages, ages, options={"mixture": {"uniform": -math.log(100)}})
    check_method("deepgum-authors", ages, ages, options={"mixture": {"uniform": "range"}})
    constant = RegressionData.from_arrays(torch.zeros(50, 2), torch.full((50,), 7.0))
    check_method("deepgum-authors", constant, constant, options={"mixture": {"uniform": 3.0}})


def test_data_that_em_cannot_use_are_refused_before_any_training():
    train, _ = landmarks(20)
    heard = []

    def refused(error, message, data=train, **changes):
        options = DeepGUMOptions.preset("authors-code", **changes)
        with pytest.raises(error, match=message):
            fit_deepgum(linear(), data, train, options=options, on_event=heard.append)

    tied = {"mixture": {"covariance_type": "tied-spherical"}}
    refused(InvalidParameterError, "`covariance_type`.*'spherical'", groups=[[0, 1], [2], [3]], **tied)
    refused(InvalidDataError, r"`train`.*at least 2 samples for EM.*Found 1", schedule={"em_rows": 0.05})
    full = {"schedule": {"em_rows": 0.2}, "mixture": {"covariance_type": "full"}}
    refused(InvalidDataError, r"`train`.*at least 5 samples.*Found 4", **full)
    assert heard == []


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (DeepGUMOptions, {"responsibility_power": 0}),
        (DeepGUMOptions, {"responsibility_power": "2"}),
        (Alternate, {"em_start": "mad"}),
        (Alternate, {"em_rows": 0}),
        (Alternate, {"em_rows": 1.5}),
    ],
)
def test_options_are_checked_when_they_are_made(kind, changes):
    (name,) = changes
    with pytest.raises(InvalidParameterError, match=f"`{name}`"):
        kind(**changes)


def test_options_of_a_method_can_be_changed_by_name():
    train, _ = landmarks(200)
    settings = {"sgd": SGDOptions(epochs_max=1), "model": "mlp", "groups": "landmark"}
    changes = {"schedule": {"rounds_max": 1}, "mixture": {"inlier_prior": 0.9}}
    result = train_method("deepgum-paper", train, train, options=changes, **settings)
    assert {record.inlier_prior for record in result.history.rounds} == {(0.9, 0.9)}
    with pytest.raises(InvalidParameterError, match="Did you mean 'rounds_max'"):
        check_method("deepgum-paper", train, train, options={"schedule": {"round_max": 1}})
    with pytest.raises(InvalidParameterError, match=r"`options`.*without `groups`"):
        check_method("deepgum", train, train, options={"groups": "sample"})
    for call in (check_method, train_method):
        with pytest.raises(InvalidParameterError, match=r"`options`.*trains with one loss"):
            call("l2", train, train, options={"least_weight": 0.1})


def test_the_default_is_what_it_was():
    # New options must not change what recorded runs did.
    assert (DeepGUMOptions().responsibility_power, Alternate().em_rows, Alternate().em_start) == (1.0, 1.0, "robust")
