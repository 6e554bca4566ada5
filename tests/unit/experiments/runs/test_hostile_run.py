"""A run folder with values of a wrong type is refused by every command, and nothing is written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
from click.testing import CliRunner

from deepgum.cli import main
from deepgum.errors import InvalidDataError
from deepgum.experiments.paper.records import RunRecord

CONFIG = {
    "data": {"name": "table", "folder": "table.csv", "options": {"features": ["a", "b"], "targets": ["y"]}},
    "model": {"name": "mlp"},
    "training": {"epochs_max": 1},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table and a finished run."""
    folder = tmp_path_factory.mktemp("made")
    rows = np.random.default_rng(0).normal(size=(60, 2))
    lines = [f"{a:.4f},{b:.4f},{a - b:.4f}" for a, b in rows.tolist()]
    (folder / "table.csv").write_text("a,b,y\n" + "\n".join(lines) + "\n")
    (folder / "run.toml").write_text(tomli_w.dumps(CONFIG))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        done = CliRunner().invoke(main, ["fit", "run.toml", "--out", "run"])
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the run, in the working folder."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return Path("run")


def refusal(*command: str) -> str:
    result = CliRunner().invoke(main, list(command))
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 2, result.output
    assert not Path("new.csv").exists()
    return str(result.stderr)


@pytest.mark.fault(17)
@pytest.mark.parametrize(
    ("file", "key", "value"),
    [
        ("metrics.json", "mae", "small"),
        ("metrics.json", "each", [1.0]),
        ("metrics.json", "each", {"y": []}),
        ("metrics.json", "seed", 1.5),
        ("metrics.json", "version", None),
        ("metrics.json", "unknown", 3),
        ("network.json", "inputs", "2"),
        ("network.json", "inputs", []),
        ("network.json", "inputs", [0]),
        ("network.json", "inputs", [2**70]),
        ("network.json", "inputs", [3, 2**20, 2**20]),
        ("network.json", "targets", [3]),
        ("network.json", "targets", []),
        ("network.json", "head", "softmax"),
        ("network.json", "head", ["regression"]),
        ("network.json", "outputs", 10**12),
        ("network.json", "outputs", -1),
    ],
)
def test_a_record_with_a_wrong_value_is_refused(run: Path, file: str, key: str, value: Any) -> None:
    values = json.loads((run / file).read_text())
    values[key] = value
    (run / file).write_text(json.dumps(values))
    for command in (
        ["predict", "run", "table.csv", "--out", "new.csv"],
        ["evaluate", "run"],
        ["export", "run", "--to", "new.safetensors"],
    ):
        message = refusal(*command)
        assert "'run" in message
        assert "should " in message
    assert not Path("new.safetensors").exists()


@pytest.mark.fault(17)
@pytest.mark.parametrize("file", ["metrics.json", "network.json", "config.toml"])
@pytest.mark.parametrize(
    "content", [b"", b"[]", b"\xff", b"[" * 50_000, b"a = " + b"9" * 5000, b"a" + b".a" * 3000 + b" = 1"]
)
def test_a_file_of_another_content_is_refused(run: Path, file: str, content: bytes) -> None:
    (run / file).write_bytes(content)
    assert "run" in refusal("predict", "run", "table.csv", "--out", "new.csv")


@pytest.mark.fault(17)
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("mae", "small"),
        ("rate", [0.1]),
        ("seed", 0.5),
        ("method", None),
        ("posteriors", 3),
        ("missing", 10**400),
    ],
)
def test_a_result_with_a_wrong_type_is_named(key: str, value: Any) -> None:
    record = RunRecord("l2", "ngo", 0.2, 0, 0.12, 0.03, 0.02, None, None, None, 9, 1.5, 3000, 48)
    values = json.loads(record.to_json())
    values[key] = value
    with pytest.raises(InvalidDataError, match=f"the record of a run. Parameter `{key}` should be"):
        RunRecord.from_json(json.dumps(values))


@pytest.mark.fault(17)
@pytest.mark.parametrize(
    "line", ["[" * 100_000, "null", '{"mae": ' + "9" * 5000 + "}", '{"a": ' + "[" * 60 + "]" * 60 + "}"]
)
def test_a_hostile_line_of_results_is_refused(line: str) -> None:
    with pytest.raises(InvalidDataError, match="The line should be a JSON object"):
        RunRecord.from_json(line)
