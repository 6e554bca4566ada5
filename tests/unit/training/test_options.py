"""The options of a training, of its schedule and of its mixture."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

import pytest

from deepgum.errors import InvalidParameterError, UnknownNameError
from deepgum.losses import L1, Cauchy, Huber
from deepgum.mixture import GaussianUniformMixture
from deepgum.training import PRESETS, Alternate, DeepGUMOptions, Interleaved
from deepgum.training.loop.label_loss import label_loss


def test_the_name_of_a_schedule_gives_its_defaults():
    assert DeepGUMOptions() == DeepGUMOptions(schedule="interleaved") == DeepGUMOptions(schedule=Interleaved())
    assert DeepGUMOptions(schedule="alternate").schedule == Alternate()
    with pytest.raises(UnknownNameError, match="Did you mean 'interleaved'"):
        DeepGUMOptions(schedule="interleavd")
    with pytest.raises(InvalidParameterError, match=r"`schedule` should be `Interleaved\(...\)`"):
        DeepGUMOptions(schedule={"widening": 1.0})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"restart": "fresh"}, r"`schedule=Alternate\(restart='fresh'\)`"),
        ({"schedule": "alternate", "rounds_max": 2}, r"`schedule=Alternate\(rounds_max=2\)`"),
        ({"widening": 1.0}, r"`schedule=Interleaved\(widening=1.0\)`"),
        ({"schedule": "alternate", "widening": 1.0}, r"`schedule=Alternate\(widening=1.0\)`"),
        ({"schedule": Alternate(), "widening": 1.0}, r"`schedule=Alternate\(widening=1.0\)`"),
        ({"em_tol": 0.0}, r"`mixture=GaussianUniformMixture\(tol=0.0\)`"),
        ({"covariance_type": "diag"}, r"`mixture=GaussianUniformMixture\(covariance_type='diag'\)`"),
    ],
)
def test_an_option_of_the_schedule_or_the_mixture_is_refused_with_its_place(given: dict[str, Any], place: str):
    with pytest.raises(InvalidParameterError, match=f"Write {place}"):
        DeepGUMOptions(**given)


def test_an_unknown_option_raises_the_error_of_python():
    with pytest.raises(TypeError, match="'restrat'"):
        DeepGUMOptions(restrat="fresh")  # type: ignore[call-arg]


@pytest.mark.parametrize("settings", [{"groups": "landmark"}, {"degrees_of_freedom": 4.0}, {"warm_start": True}])
def test_settings_of_the_mixture_that_the_training_sets_are_refused(settings: dict[str, Any]):
    (name,) = settings
    with pytest.raises(InvalidParameterError, match=rf"`mixture\.{name}` should be left out"):
        DeepGUMOptions(mixture=GaussianUniformMixture(**settings))
    with pytest.raises(InvalidParameterError, match=rf"`mixture\.{name}`"):
        DeepGUMOptions().with_changes(mixture=settings)


def test_the_mixture_is_a_copy_with_the_groups_of_the_options():
    mixture = GaussianUniformMixture(covariance_type="diag")
    options = DeepGUMOptions(groups="landmark", mixture=mixture)
    mixture.set_params(covariance_type="full")
    assert (
        options.new_mixture().get_params()
        == GaussianUniformMixture(groups="landmark", covariance_type="diag").get_params()
    )
    assert options.new_mixture(tol=0.5).tol == 0.5
    assert options.mixture.groups == "sample"
    with pytest.raises(InvalidParameterError, match="`mixture` should be a `GaussianUniformMixture"):
        DeepGUMOptions(mixture={"tol": 0.0})  # type: ignore[arg-type]


def test_equal_options_are_equal_and_can_be_copied():
    options = DeepGUMOptions(groups=[range(2), (2, 3)], mixture=GaussianUniformMixture(tol=0.0), first_loss=L1())
    same = DeepGUMOptions(groups=[[0, 1], [2, 3]], mixture=GaussianUniformMixture(tol=0.0), first_loss=L1())
    assert options == same == copy.deepcopy(options) == replace(options)
    for other in (
        replace(options, mixture=GaussianUniformMixture()),
        replace(options, schedule=Interleaved(widening=3.0)),
        replace(options, first_loss=Cauchy()),
        replace(options, groups="sample"),
    ):
        assert options != other


def test_changes_keep_what_they_do_not_name():
    paper = DeepGUMOptions.preset("paper", groups="landmark", schedule={"rounds_max": 3}, mixture={"tol": 0.0})
    assert paper.schedule == Alternate(epoch_rule="weighted", round_rule="weighted", rounds_max=3)
    assert (paper.mixture.tol, paper.mixture.separation, paper.groups) == (0.0, 0.0, "landmark")
    # Another name gives the defaults of that schedule; an object replaces the whole schedule.
    assert paper.with_changes(schedule={"name": "interleaved", "widening": 3.0}).schedule == Interleaved(widening=3.0)
    assert paper.with_changes(schedule={"name": "alternate", "rounds_max": 1}).schedule.epoch_rule == "weighted"
    assert paper.with_changes(mixture=GaussianUniformMixture()).mixture.separation == 2.5
    assert PRESETS["paper"].schedule.rounds_max == 10


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"restart": "fresh"}, r"`restart`.*Write `schedule=\{'restart': 'fresh'\}`"),
        ({"em_max_iter": 3}, r"`em_max_iter`.*Write `mixture=\{'max_iter': 3\}`"),
        ({"warmup": 3}, r"`options` should be one of .* Did you mean 'warmup_epochs'"),
        ({"schedule": {"restrat": "fresh"}}, r"`schedule\.restrat`.*Did you mean 'restart'"),
        ({"schedule": {"name": "alternat"}}, r"`schedule\.name`.*Did you mean 'alternate'"),
        ({"schedule": {"restart": "no"}}, r"`schedule\.restart`.*'continue', 'fresh'"),
        ({"schedule": {"name": "interleaved", "restart": "fresh"}}, r"left out with the schedule 'interleaved'"),
        ({"mixture": {"uniform": "boxes"}}, r"`mixture\.uniform`"),
    ],
)
def test_invalid_changes_are_refused_by_name(changes: dict[str, Any], message: str):
    with pytest.raises(InvalidParameterError, match=message):
        DeepGUMOptions.preset("paper", **changes)


def test_values_are_checked():
    for name, value in (
        ("least_weight", 1.0),
        ("responsibility_power", 0),
        ("cauchy_scale", -1.0),
        ("warmup_epochs", 0),
        ("returned_round", "first"),
        ("groups", "landmrk"),
    ):
        with pytest.raises(InvalidParameterError, match=f"`{name}`"):
            DeepGUMOptions(**{name: value})
    for kind in (Interleaved, Alternate):
        for name, value in (("widening", 0.5), ("degrees_of_freedom", 0.0), ("degrees_of_freedom", math.nan)):
            with pytest.raises(InvalidParameterError, match=f"`{name}`"):
                kind(**{name: value})
    with pytest.raises(UnknownNameError, match="Did you mean 'log-likelihood'"):
        Alternate(round_rule="loglikelihood")
    with pytest.raises(UnknownNameError, match="Did you mean 'paper'"):
        DeepGUMOptions.preset("papers")


def test_a_loss_of_scaled_residuals_is_refused():
    with pytest.raises(UnknownNameError, match="Did you mean 'cauchy'"):
        DeepGUMOptions(first_loss="cauchi")
    for loss in (Huber(), Huber):
        with pytest.raises(InvalidParameterError, match="`first_loss` should be a loss whose residuals are not scaled"):
            DeepGUMOptions(first_loss=loss)  # type: ignore[arg-type]
    with pytest.raises(InvalidParameterError, match="`weighted_loss` should be a loss whose residuals are not scaled"):
        DeepGUMOptions(weighted_loss="deepgum.losses:Huber").with_imported_losses()
    # A path is imported when the training begins.
    options = DeepGUMOptions(first_loss="no_such_module:Welsch")
    with pytest.raises(InvalidParameterError, match=r"`first_loss`.*ModuleNotFoundError"):
        options.with_imported_losses()
    with pytest.raises(InvalidParameterError, match="'alternate' with the cross-entropy"):
        DeepGUMOptions(first_loss="cross-entropy", weighted_loss="cross-entropy")


def test_only_the_name_cauchy_gives_a_scale_from_the_labels():
    options = DeepGUMOptions()
    assert label_loss("cauchy", options, 8.0) == Cauchy(2.0)
    assert label_loss("cauchy", options, None) == Cauchy(0.25)
    assert label_loss("cauchy", replace(options, cauchy_scale=0.3), 8.0) == Cauchy(0.3)
    assert label_loss(Cauchy(0.7), options, 8.0) == Cauchy(0.7)
    assert label_loss("l1", options, 8.0) == L1()
