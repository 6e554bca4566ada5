"""The configuration of an audit, from a path, a TOML file and options."""

from __future__ import annotations

import errno
import os
import tomllib
from pathlib import Path

import pytest

from deepgum.errors import DiskFullError, InvalidDataError, InvalidParameterError
from deepgum.experiments.audits.config import QUICK, TRAINING, AuditConfig, config_of, read_audit
from deepgum.experiments.output import held

DIGITS = {"data": {"name": "digits"}}


def digits(**sections):
    return AuditConfig.from_mapping(DIGITS | sections)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "flats.csv"
    path.write_text("rooms,area,rent\n" + "".join(f"{row % 4},{row},{2 * row}\n" for row in range(20)))
    return path


def test_a_table_of_features_is_known_by_being_a_file(table):
    config = config_of(table, {}, {"features": ("rooms", "area"), "targets": ("rent",)})
    data = config.run.data
    assert (data.name, data.folder, data.options["features"]) == ("table", table, ["rooms", "area"])
    assert data.options["targets"] == ["rent"]
    assert config.run.model.name == "mlp"
    assert config.run.groups == "coordinate"
    assert config.run.training == TRAINING


def test_landmarks_of_a_table_are_wrong_by_points_and_mirrored_where_pairs_are_told(table):
    columns = {"image": "file", "targets": ("x1", "y1", "x2", "y2"), "landmarks": True}
    config = config_of(table, {}, columns)
    assert config.run.groups == "landmark"
    assert config.run.model.name == "facenet"
    assert config.run.data.options["mirror"] == ""
    config = config_of(table, {"method.groups": "sample"}, columns | {"swap_pairs": ((0, 1),)})
    assert config.run.groups == "sample"
    assert config.run.data.options["mirror"] == "landmarks"
    assert config.run.data.options["swap_pairs"] == [[0, 1]]


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


@pytest.mark.parametrize(
    ("files", "name"),
    [(("yaw.csv",), "mcgill"), (("biwi_train.npz",), "head-pose"), (("CACD2000/53_A_B_0001.jpg",), "cacd")],
)
def test_a_data_set_is_known_by_its_files(tmp_path, files, name):
    touch(tmp_path, *files)
    config = config_of(tmp_path, {}, {})
    assert (config.run.data.name, config.run.data.folder) == (name, tmp_path)
    assert config.run.model.name == ("mlp" if name == "head-pose" else "facenet")


def test_a_folder_that_is_not_known_is_refused_with_what_to_say(tmp_path):
    with pytest.raises(InvalidParameterError, match=r"`data` should be a table.*--dataset: cacd, .*fld.*utkface"):
        config_of(tmp_path, {}, {})
    assert config_of(tmp_path, {"data.name": "utkface"}, {}).run.data.name == "utkface"


def test_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(InvalidParameterError, match="There is no such path"):
        config_of(tmp_path / "nothing.csv", {}, {})


def test_a_toml_file_is_read_and_changes_go_before_it(tmp_path, table):
    path = tmp_path / "audit.toml"
    path.write_text(
        f"seed = 3\n[data]\nname = 'table'\nfolder = '{table}'\n"
        "options = { features = ['area'], targets = ['rent'] }\n"
        "[training]\nepochs_max = 4\n[audit]\nfolds = 4\n"
    )
    config = config_of(path, {}, {})
    assert config == config_of(path, {}, {"targets": ("rent",)})
    assert (config.run.seed, config.audit.folds, config.audit.rounds) == (3, 4, 3)
    # What is not said of training is as an audit has it, and not as a run has.
    assert config.run.training.epochs_max == 4
    assert config.run.training.schedule == TRAINING.schedule != type(TRAINING)().schedule
    changed = config_of(path, {"seed": 5, "audit.folds": 3, "training.epochs_max": 2}, {"features": ("rooms",)})
    assert (changed.run.seed, changed.audit.folds, changed.run.training.epochs_max) == (5, 3, 2)
    assert changed.run.data.options["features"] == ["rooms"]
    assert changed.run.data.options["targets"] == ["rent"]


def settings(config):
    return config.audit.folds, config.audit.rounds, config.run.training.epochs_max


def test_a_first_look_has_fewer_networks_and_epochs_where_the_user_sets_none(table, tmp_path):
    columns = {"features": ("rooms", "area"), "targets": ("rent",)}
    quick = config_of(table, {"audit.quick": True}, columns)
    assert settings(quick) == (QUICK["audit"]["folds"], QUICK["audit"]["rounds"], QUICK["training"]["epochs_max"])
    assert settings(quick) < settings(config_of(table, {}, columns))
    own = {"audit.folds": 4, "audit.rounds": 2, "training.epochs_max": 7}
    assert settings(config_of(table, {"audit.quick": True, **own}, columns)) == (4, 2, 7)
    quick.write(tmp_path / "audit.toml")
    assert read_audit(tmp_path / "audit.toml") == quick


def test_toml_that_is_none_or_not_there_is_refused(tmp_path):
    path = tmp_path / "audit.toml"
    with pytest.raises(InvalidDataError, match=r"audit\.toml' should be a TOML file"):
        read_audit(path)
    path.write_text("[data\n")
    with pytest.raises(InvalidDataError, match=r"audit\.toml' should be a TOML file"):
        read_audit(path)


@pytest.mark.parametrize(
    ("sections", "parameter", "message"),
    [
        ({"audit": {"fold": 3}}, "audit.fold", "Did you mean 'folds'"),
        ({"audit": {"folds": "3"}}, "audit.folds", "a whole number"),
        ({"audit": {"folds": 1}}, "audit.folds", "at least 2"),
        ({"audit": {"rounds": 0}}, "audit.rounds", "at least 1"),
        ({"audit": {"folds": 5, "rounds": 4}}, "audit.rounds", "at most 3.*are 20 fits"),
        ({"audit": {"part": "tests"}}, "audit.part", "Did you mean 'test'"),
        ({"audit": {"inliers": "normal"}}, "audit.inliers", "'gaussian'"),
        ({"audit": {"periods": {"yaw": -360}}}, "audit.periods.yaw", "a finite number above 0"),
        ({"audit": {"periods": {"x0": 360}}}, "audit.periods", "Landmarks have no period"),
        ({"audit": {"reasons": "my:Reason"}}, "audit.reasons", "a list of texts"),
        ({"audit": {"reasons": [1]}}, "audit.reasons[0]", "a text in quotes"),
        ({"audit": {"reasons": ["unit"]}}, "audit.reasons", "paths 'package.module:name'"),
        ({"audit": 5}, "audit", "a table of keys and values"),
        ({"training": 5}, "training", "a table of keys and values"),
        ({"training": {"epochs": 5}}, "training.epochs", "epochs"),
        ({"data": {"name": "digits", "pixels": True}}, "data.pixels", "false in an audit"),
        ({"audits": {}}, "audits", "should be one of 'data'"),
    ],
)
def test_keys_and_values_that_are_wrong_are_named(sections, parameter, message):
    with pytest.raises(InvalidParameterError, match=message) as caught:
        digits(**sections)
    assert caught.value.parameter == parameter


@pytest.mark.parametrize(
    "changes",
    [
        {"audit": {"folds": 3}},
        {"audit": {"part": "all"}},
        {"audit": {"quick": True}},
        {"audit": {"inliers": "gaussian"}},
        {"audit": {"reasons": ["my_reasons:Placeholder"]}},
        {"training": {"epochs_max": 3}},
        {"corruption": {"rate": 0.1}},
        {"method": {"groups": "sample"}},
        {"seed": 1},
    ],
)
def test_another_audit_has_another_digest(changes):
    assert digits(**changes).digest != digits().digest


def test_the_digest_does_not_depend_on_the_place_of_files_and_the_device(table, tmp_path):
    columns = {"features": ("rooms", "area"), "targets": ("rent",)}
    config = config_of(table, {}, columns)
    moved = tmp_path / "elsewhere.csv"
    moved.write_bytes(table.read_bytes())
    assert config_of(moved, {}, columns).digest == config.digest
    assert config_of(table, {"training.device": "cuda", "data.cache_dir": "cache"}, columns).digest == config.digest
    assert digits(audit={"folds": 5, "rounds": 3}, training={"epochs_max": 25}).digest == digits().digest
    moved.write_text(moved.read_text().replace("38", "39"))
    assert config_of(moved, {}, columns).digest != config.digest


def test_an_audit_comes_back_from_its_file_with_every_default_spelled_out(table, tmp_path):
    columns = {"features": ("rooms", "area"), "targets": ("rent",)}
    changes = {
        "audit.periods": {"rent": 360},
        "audit.unit": "euros",
        "audit.reasons": ("my:Reason",),
        "corruption.rate": 0.2,
        "seed": 4,
    }
    config = config_of(table, changes, columns)
    path = tmp_path / "audit.toml"
    config.write(path)
    read = read_audit(path)
    assert read == config
    assert read.digest == config.digest
    written = tomllib.loads(path.read_text())
    assert written["audit"]["folds"] == 5
    assert written["training"]["schedule"] == "one-cycle"


def test_the_most_fits_are_folds_times_rounds():
    assert digits(audit={"folds": 7, "rounds": 2}).fits_most == 14


@pytest.mark.fault(13)
@pytest.mark.parametrize("place", ["open", "fsync"])
def test_a_full_disk_leaves_a_folder_that_can_be_used_again(table, tmp_path, monkeypatch, place):
    config = config_of(table, {}, {"features": ("rooms", "area"), "targets": ("rent",)})
    folder = tmp_path / "run"

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        if place == "open":
            patched.setattr(Path, "write_text", full)
        else:
            patched.setattr(os, "fsync", full)
        with pytest.raises(DiskFullError, match=r"audit\.toml"):
            config.write(folder / "audit.toml")
    assert list(folder.iterdir() if folder.exists() else ()) == []
    assert held(folder, "audit", folder / "audit.toml", read_audit) is None
