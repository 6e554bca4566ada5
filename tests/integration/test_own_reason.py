"""A reason of one's own, as docs/reasons.md has it: by Python and by both commands, from a folder one works in."""

from __future__ import annotations

import csv
import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import deepgum
from deepgum.audit.folder import AuditFolder
from deepgum.cli import main
from deepgum.report.page import write_report

PAGE = (
    (Path(__file__).parents[2] / "docs" / "reasons.md")
    .read_text(encoding="utf-8")
    .partition("## A reason of your own")[2]
)
MODULE, USE = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
(TOML,) = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)
WORDS = "99 stands for a missing value"
PLACEHOLDERS = 8


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with `my_reasons.py` and `ages.csv`, whose first eight ages are 99."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_reasons.py").write_text(MODULE, encoding="utf-8")
    rng = np.random.default_rng(0)
    features = rng.normal(size=(120, 2)).round(3)
    predicted = features.sum(axis=1)
    age = (predicted + rng.normal(0, 0.1, 120)).round(3)
    age[:PLACEHOLDERS] = 99
    lines = [f"{h},{w},{a},{p:.3f}" for (h, w), a, p in zip(features, age, predicted, strict=True)]
    (tmp_path / "ages.csv").write_text("\n".join(["height,weight,age,pred_age", *lines]) + "\n", encoding="utf-8")
    yield tmp_path
    sys.modules.pop("my_reasons", None)


def run(command: str, *more: str) -> str:
    """Run a command of the page, and return its output."""
    result = CliRunner().invoke(main, [*command.split()[1:], *more], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def commands() -> list[str]:
    return re.findall(r"^    (deepgum .*)$", PAGE, flags=re.MULTILINE)


def test_by_deepgum_score(folder):
    (command,) = (each for each in commands() if each.startswith("deepgum score"))
    output = run(command, "--out", "scores.csv")
    assert "placeholder" in output
    with open("scores.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["error_kind"] for row in rows[:PLACEHOLDERS]} == {"placeholder"}
    assert not any(row["error_kind"] == "placeholder" for row in rows[PLACEHOLDERS:])
    assert {row["suggested"] for row in rows[:PLACEHOLDERS]} == {""}
    assert "stands for a missing value" in rows[0]["why"]


def test_by_deepgum_audit_and_in_its_report(folder):
    (command,) = (each for each in commands() if each.startswith("deepgum audit"))
    output = run(command, "--folds", "2", "--rounds", "1", "--epochs", "2", "--inliers", "gaussian")
    assert "placeholder" in output
    audit = AuditFolder(folder / "runs" / "ages", trust=True)
    assert tomllib.loads((audit.path / "audit.toml").read_text())["audit"]["reasons"] == ["my_reasons:Placeholder"]
    assert tomllib.loads(TOML)["audit"]["reasons"] == ["my_reasons:Placeholder"]
    labels, summary = audit.labels(), audit.summary()
    assert {labels.kinds[row, 0] for row in range(PLACEHOLDERS)} == {"placeholder"}
    (count,) = (each for each in summary.reasons if each.name == "placeholder")
    assert (count.words, count.flags) == (WORDS, PLACEHOLDERS)
    assert WORDS in audit.report_file.read_text(encoding="utf-8")
    # The report imports nothing: the words are in the summary.
    (folder / "my_reasons.py").unlink()
    sys.modules.pop("my_reasons")
    audit.report_file.unlink()
    write_report(audit)
    assert f'{{"key":"placeholder","words":"{WORDS}"}}' in audit.report_file.read_text(encoding="utf-8")
    assert "my_reasons" not in sys.modules


def test_by_python(folder, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    table = np.loadtxt("ages.csv", delimiter=",", skiprows=1)
    namespace = {"X": table[:, :2], "ages": table[:, 2], "predicted": table[:, 3]}
    exec(compile(USE, "docs/reasons.md", "exec"), namespace)
    for result in (namespace["scored"], namespace["audit"]):
        assert isinstance(result, deepgum.Scored)
        assert {result.labels.kinds[row, 0] for row in range(PLACEHOLDERS)} == {"placeholder"}
        assert [each.words for each in result.summary.reasons if each.name == "placeholder"] == [WORDS]
