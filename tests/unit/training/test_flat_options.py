"""The flat options of version 0.1.0: their translation is complete, and the keys of runs do not change."""

from __future__ import annotations

import math

import pytest

from deepgum.training import METHODS, PRESETS, Alternate, DeepGUMOptions, Interleaved
from deepgum.training.flat_options import UNRECORDED, find_section, key_options, nest_options, translated

# The fields of `DeepGUMOptions` and their defaults, as version 0.1.0 had them.
VERSION_0_1_0 = {
    "groups": "sample",
    "schedule": "interleaved",
    "first_loss": "cauchy",
    "weighted_loss": "l1",
    "widening": 2.0,
    "degrees_of_freedom": 4.0,
    "least_weight": 0.0,
    "responsibility_power": 1.0,
    "cauchy_scale": None,
    "warmup_epochs": None,
    "restart": "continue",
    "start_counts": False,
    "epoch_rule": "log-likelihood",
    "round_rule": "log-likelihood",
    "returned_round": "best",
    "rounds_max": 10,
    "covariance_type": "full",
    "uniform": "moments",
    "inlier_prior": "estimate",
    "separation": 2.5,
    "em_tol": 1e-6,
    "em_max_iter": 200,
    "em_start": "robust",
    "em_rows": 1.0,
}
ALTERNATE = VERSION_0_1_0 | {
    "schedule": "alternate",
    "widening": 1.0,
    "degrees_of_freedom": math.inf,
    "separation": 0.0,
}
PAPER = ALTERNATE | {
    "first_loss": "l2",
    "weighted_loss": "l2",
    "epoch_rule": "weighted",
    "round_rule": "weighted",
}
AUTHORS = ALTERNATE | {
    "first_loss": "l2",
    "weighted_loss": "l2",
    "responsibility_power": 2.0,
    "restart": "fresh",
    "epoch_rule": "unweighted",
    "round_rule": "unweighted",
    "covariance_type": "spherical",
    "uniform": 0.0,
    "inlier_prior": 0.95,
    "em_tol": 0.0,
    "em_max_iter": 6,
    "em_start": "responsibilities",
    "rounds_max": 5,
}
PRESETS_0_1_0 = {"default": VERSION_0_1_0, "alternate": ALTERNATE, "paper": PAPER, "authors-code": AUTHORS}


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_equal_those_of_version_0_1_0(preset: str):
    assert DeepGUMOptions().with_changes(**nest_options(PRESETS_0_1_0[preset])) == PRESETS[preset]


@pytest.mark.parametrize("preset", PRESETS)
def test_the_options_of_a_key_equal_those_of_version_0_1_0(preset: str):
    before = {
        name: value
        for name, value in PRESETS_0_1_0[preset].items()
        if name not in UNRECORDED or value != UNRECORDED[name]
    }
    assert key_options(PRESETS[preset]) == before


def test_every_option_has_a_place_and_only_one():
    new = DeepGUMOptions(schedule=Alternate()).to_mapping()
    places = {option: find_section(option) or ("", option) for option in VERSION_0_1_0 if option != "schedule"}
    assert len(set(places.values())) == len(places)
    for section, name in places.values():
        assert name in (new[section] if section else new)


def test_the_interleaved_schedule_drops_options_of_algorithm_1():
    flat = VERSION_0_1_0 | {"restart": "fresh", "rounds_max": 3, "widening": 3.0}
    assert DeepGUMOptions().with_changes(**nest_options(flat)).schedule == Interleaved(widening=3.0)
    flat |= {"schedule": "alternate"}
    expected = Alternate(widening=3.0, degrees_of_freedom=4.0, restart="fresh", rounds_max=3)
    assert DeepGUMOptions().with_changes(**nest_options(flat)).schedule == expected


def test_a_new_setting_changes_the_key():
    plain = DeepGUMOptions()
    changed = plain.with_changes(mixture={"reg_covar": 1e-3})
    assert key_options(changed) == {**key_options(plain), "reg_covar": 1e-3}


def test_a_section_of_a_run_folder_is_translated_once():
    options = {name: value for name, value in PAPER.items() if name != "groups" and value is not None}
    section = translated({"name": "deepgum-paper", "groups": "landmark", "options": options})
    assert section == translated(section)
    changes = {**section["options"], "schedule": section["schedule"], "mixture": section["mixture"]}
    assert METHODS["deepgum-paper"].options is not None
    assert METHODS["deepgum-paper"].options.with_changes(**changes) == PRESETS["paper"]
    # An option that an early run did not record had only one value.
    early = {name: value for name, value in options.items() if name not in UNRECORDED}
    assert translated({"name": "deepgum-paper", "groups": "landmark", "options": early}) == section
    for untouched in ({"name": "l2"}, {"name": "l2", "options": {}}, {"options": {"first_loss": "l1"}}, {"options": 3}):
        assert translated(untouched) == untouched
