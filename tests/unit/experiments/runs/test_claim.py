"""A finished run is done for the configuration whose key it was given, and for no other. Nothing is trained here."""

from __future__ import annotations

import math
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from deepgum.errors import InvalidDataError, InvalidParameterError, OutputFolderError
from deepgum.experiments.runs.claim import is_done
from deepgum.experiments.runs.config import RunConfig
from deepgum.experiments.runs.config_file import read_config, write_config
from deepgum.experiments.runs.run_folder import Metrics, RunFolder

EARLY = {
    "groups": "landmark",
    "options": {
        "first_loss": "cauchy", "weighted_loss": "l1", "responsibility_power": 1.0, "restart": "continue",
        "start_counts": False, "epoch_rule": "log-likelihood", "round_rule": "log-likelihood",
        "returned_round": "best", "rounds_max": 10, "covariance_type": "full", "uniform": "moments",
        "inlier_prior": "estimate", "em_tol": 1e-6, "em_max_iter": 200, "em_start": "robust", "em_rows": 1.0,
    },
}  # fmt: skip
"""The method `deepgum` as an early run recorded it: without options that it had no choice of."""
CHOICES = {
    "schedule": {"name": "alternate", "widening": 1.0, "degrees_of_freedom": math.inf},
    "mixture": {"separation": 0.0},
}
"""What it did instead, in today's options."""


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


def finish(config: RunConfig, path: Path, *, method: dict[str, Any] | None = None, key: str | None = None) -> RunFolder:
    """Write the files that mark a finished run; `method` is that section as its version recorded it."""
    folder = RunFolder(path)
    folder.claim()
    write_config(config, folder.config)
    if method is not None:
        values = tomllib.loads(folder.config.read_text())
        values["method"] = {"name": config.method.name, **method}
        folder.config.write_text(tomli_w.dumps(values))
    scores: dict[str, Any] = dict.fromkeys(Metrics.__dataclass_fields__)
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
    was = digits(method=CHOICES)
    folder = finish(was, tmp_path / "run", method=EARLY)
    assert is_done(folder, was)
    # As a configuration of the user's, its file has options that have moved.
    with pytest.raises(InvalidParameterError, match=r"options\.restart"):
        read_config(folder.config)
    message = refused(folder, digits())
    assert "method.schedule.name = 'alternate' there and 'interleaved' here" in message
    assert "method.schedule.widening = 1.0 there and 2.0 here" in message
    assert "first_loss" not in message
    assert "seed = 0 there and 3 here" in refused(folder, digits(seed=3))


def test_a_method_without_a_mixture_is_done(tmp_path: Path) -> None:
    config = digits(method={"name": "l2"})
    assert is_done(finish(config, tmp_path, method={"groups": "landmark", "options": {}}), config)


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
    now, was = of_table(table, weights), of_table(table, weights, method=CHOICES)
    folder, old = finish(now, tmp_path / "run"), finish(was, tmp_path / "old", method=EARLY | {"groups": "sample"})
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
