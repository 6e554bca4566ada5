"""A finished run is done for the configuration whose key it was given, and for no other. Nothing is trained here."""

from __future__ import annotations

import tomllib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from deepgum.errors import InvalidDataError, InvalidParameterError, OutputFolderError
from deepgum.experiments.runs.claim import is_done
from deepgum.experiments.runs.config import RunConfig
from deepgum.experiments.runs.config_file import read_config, read_recorded, write_config
from deepgum.experiments.runs.metrics import Metrics
from deepgum.experiments.runs.run_folder import RunFolder
from deepgum.training.flat_options import UNRECORDED, key_options

WAS = {"schedule": {"name": "alternate"}, "mixture": {"separation": 0.0}}
"""The method `deepgum` before there was a choice of schedules."""


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    (tmp_path / "weights.pth").write_bytes(b"weights")
    return tmp_path / "weights.pth"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "ages.csv").write_text("one,age\n1,30\n")
    return tmp_path / "ages.csv"


def digits(**sections: Any) -> RunConfig:
    return RunConfig.from_mapping({"data": {"name": "digits"}, **sections})


def of_table(path: Path, weights: Path | None = None, **sections: Any) -> RunConfig:
    data = {"name": "table", "folder": path, "options": {"targets": ["age"], "features": ["one"]}}
    model = {"name": "mlp"} if weights is None else {"name": "mlp", "weights": weights}
    return RunConfig.from_mapping({"data": data, "model": model, **sections})


def finish(config: RunConfig, path: Path, *, version: str = "", key: str | None = None) -> RunFolder:
    """Write the configuration and the scores of a finished run, as an earlier version wrote them.

    Version "0.1.0" recorded options in one flat list, and an "early" one did not record those of `UNRECORDED`.
    """
    folder = RunFolder(path)
    folder.claim()
    write_config(config, folder.config)
    values = tomllib.loads(folder.config.read_text())
    chosen = config.method.chosen()
    if version and chosen is not None:
        recorded = key_options(chosen) if version == "early" else {**UNRECORDED, **key_options(chosen)}
        options = {name: value for name, value in recorded.items() if name != "groups" and value is not None}
        values["method"] = {"name": config.method.name, "groups": config.method.groups, "options": options}
    folder.config.write_text(tomli_w.dumps(values))
    of_type: dict[str, Any] = {"str": "", "int": 0, "float": 0.0, "dict[str, float | None]": {}}
    scores = {field.name: of_type.get(str(field.type)) for field in fields(Metrics)}
    folder.finish(Metrics(**{**scores, "version": "0.1.0", "key": config.digest if key is None else key}))
    return folder


def refused(folder: RunFolder, config: RunConfig) -> str:
    before = {path.name: path.read_bytes() for path in folder.path.iterdir()}
    with pytest.raises(OutputFolderError) as caught:
        is_done(folder, config)
    assert {path.name: path.read_bytes() for path in folder.path.iterdir()} == before
    assert "Give another output folder. Nothing was written." in str(caught.value)
    return str(caught.value)


def test_an_early_run_is_done_with_its_own_choices_and_not_with_todays_defaults(tmp_path: Path) -> None:
    was = digits(method=WAS)
    folder = finish(was, tmp_path / "run", version="early")
    assert is_done(folder, was)
    message = refused(folder, digits())
    assert "method.schedule.name = 'alternate' there and 'interleaved' here" in message
    assert "method.schedule.widening = 1.0 there and 2.0 here" in message
    assert "least_weight" not in message
    assert "seed = 0 there and 3 here" in refused(folder, digits(seed=3))


@pytest.mark.parametrize("version", ["early", "0.1.0"])
@pytest.mark.parametrize("method", ["l2", "deepgum", "deepgum-paper", "deepgum-alternate", "deepgum-authors", "dexgum"])
def test_a_method_whose_options_are_the_same_is_done(tmp_path: Path, method: str, version: str) -> None:
    config = digits(method={"name": method})
    folder = finish(config, tmp_path, version=version)
    assert read_recorded(folder.config) == config
    assert is_done(folder, config)
    if config.method.schedule:
        # The configuration of a user is not translated: it is refused with the lines to write.
        with pytest.raises(InvalidParameterError, match=r"should be in the table `schedule`"):
            read_config(folder.config)


def test_another_key_for_the_same_settings_is_refused_with_both_and_the_version(tmp_path: Path) -> None:
    message = refused(finish(digits(), tmp_path, key="0123456789abcdef"), digits())
    assert f"'0123456789abcdef' there and '{digits().digest}' here: version 0.1.0" in message


def test_changed_weights_are_named(tmp_path: Path, weights: Path) -> None:
    config = digits(model={"weights": weights})
    folder = finish(config, tmp_path / "run")
    assert is_done(folder, config)
    weights.write_bytes(b"other weights")
    assert f"'{weights}' has changed since" in refused(folder, config)


def test_weights_and_tables_may_have_moved(tmp_path: Path, weights: Path, table: Path) -> None:
    folder = finish(of_table(table, weights), tmp_path / "run")
    moved = of_table(table.rename(tmp_path / "moved.csv"), weights.rename(tmp_path / "moved.pth"))
    assert is_done(folder, moved)
    (tmp_path / "moved.csv").write_text("one,age\n1,31\n")
    refused(folder, moved)


def test_a_run_whose_weights_or_table_are_gone_is_known_by_its_settings(
    tmp_path: Path, weights: Path, table: Path
) -> None:
    now, was = of_table(table, weights), of_table(table, weights, method=WAS)
    folder, old = finish(now, tmp_path / "run"), finish(was, tmp_path / "old", version="early")
    for path in (weights, table):
        path.unlink()
        assert is_done(folder, now)
        assert is_done(old, was)
        assert "method.schedule.name" in refused(old, now)
        assert "seed = 0 there and 1 here" in refused(folder, replace(now, seed=1))


def test_a_table_that_does_not_exist_is_not_taken_for_the_one_that_does(tmp_path: Path, table: Path) -> None:
    folder = finish(of_table(table), tmp_path / "run")
    assert "data.folder" in refused(folder, of_table(tmp_path / "agse.csv"))


def test_a_folder_whose_scores_lack_a_key_is_not_finished(tmp_path: Path) -> None:
    folder = finish(digits(), tmp_path)
    folder.metrics_file.write_text("{}")
    with pytest.raises(InvalidDataError, match="should be the folder of a finished run"):
        is_done(folder, digits())
