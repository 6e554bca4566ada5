"""The density of docs/theory.md, pasted to a working folder: in Python, `deepgum score` and `deepgum audit`."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from scipy.integrate import quad

from deepgum import score_labels
from deepgum.audit.folder import AuditFolder
from deepgum.cli import main
from deepgum.report.page import write_report
from deepgum.report.page.mixture import DistanceMixture

PAGE = Path(__file__).parents[2] / "docs" / "theory.md"
MODULE, USE = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
PATH = "my_densities:Laplace"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with the file `my_densities.py` and a table; the module is forgotten afterwards."""
    (tmp_path / "my_densities.py").write_text(MODULE, encoding="utf-8")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 2))
    y = x @ [1.0, -2.0] + rng.laplace(0, 0.1, size=120)
    y[:12] += rng.choice([-1, 1], size=12) * rng.uniform(8, 30, size=12)
    predicted = x @ [1.0, -2.0]
    rows = (f"{a:.4f},{b:.4f},{label:.4f},{p:.4f}" for (a, b), label, p in zip(x, y, predicted, strict=True))
    (tmp_path / "table.csv").write_text("a,b,y,pred_y\n" + "\n".join(rows) + "\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "my_densities", raising=False)
    yield tmp_path
    sys.modules.pop("my_densities", None)


@pytest.fixture
def laplace(folder):
    names: dict[str, object] = {}
    exec(compile(MODULE, "my_densities.py", "exec"), names)
    return names["Laplace"]()


def deepgum(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(each) for each in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


@pytest.mark.parametrize("k", [1, 3])
def test_its_parts_agree_with_each_other(laplace, k: int) -> None:
    def shell(m: float) -> float:
        sphere = 2 * np.pi ** (k / 2) / float(torch.lgamma(torch.tensor(k / 2)).exp()) * m ** (k - 1)
        return sphere * float(laplace.log_density(torch.tensor([m**2], dtype=torch.float64), k).exp())

    assert quad(shell, 0, 2)[0] == pytest.approx(laplace.cdf(np.array([4.0]), k)[0], rel=1e-6)
    assert quad(lambda m: m**2 * shell(m), 0, 60)[0] / k == pytest.approx(laplace.variance(k), rel=1e-6)
    squared = torch.tensor([0.3, 2.0, 50.0], dtype=torch.float64, requires_grad=True)
    laplace.log_density(squared, k).sum().backward()
    torch.testing.assert_close(laplace.em_weight(squared.detach(), k), -2 * squared.grad)


def test_the_page_runs_as_pasted(folder, monkeypatch) -> None:
    monkeypatch.syspath_prepend(folder)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(USE, "theory.md", "exec"), {})
    assert printed.getvalue().startswith("Laplace At least ")


def test_object_class_and_path_give_the_same(folder, laplace) -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(20, 60, size=300)
    ages = truth + rng.laplace(0, 2, size=300)
    ages[:30] = rng.uniform(20, 60, size=30)
    found = [score_labels(truth, ages, inliers=each) for each in (laplace, type(laplace), PATH)]
    for other in found[1:]:
        np.testing.assert_array_equal(other.labels.responsibilities, found[0].labels.responsibilities)
        assert other.summary.share == found[0].summary.share
    gaussian = score_labels(truth, ages, inliers="gaussian")
    assert not np.allclose(gaussian.labels.responsibilities, found[0].labels.responsibilities)


def test_the_scale_is_that_of_the_samples(laplace) -> None:
    rng = np.random.default_rng(0)
    residuals = rng.laplace(0, 3.0, size=4000)
    summary = score_labels(np.zeros(4000), residuals, inliers=laplace).summary
    assert summary.groups[0].covariance[0][0] == pytest.approx(2 * 3.0**2, rel=0.1)


def test_the_command_score_takes_its_path(folder) -> None:
    deepgum("score", "table.csv", "--inliers", PATH, "--out", "scores.csv")
    scores, table = (pd.read_csv(folder / name) for name in ("scores.csv", "table.csv"))
    expected = score_labels(table["pred_y"], table["y"], inliers=PATH).labels.responsibilities[:, 0]
    np.testing.assert_allclose(scores["responsibility"], expected)
    assert (scores["responsibility"] < 0.5).tolist() == [True] * 12 + [False] * 108


def test_the_command_audit_takes_its_path_and_the_report_needs_no_code(folder, monkeypatch) -> None:
    small = ("--folds", 2, "--rounds", 1, "--epochs", 2)
    deepgum("audit", "table.csv", "--features", "a,b", "--targets", "y", "--inliers", PATH, "--out", "run", *small)
    assert 'inliers = "my_densities:Laplace"' in (folder / "run" / "audit.toml").read_text()
    (group,) = json.loads((folder / "run" / "summary.json").read_text())["groups"]
    assert group["degrees_of_freedom"] is None
    assert "expected right labels (Laplace)" in (folder / "run" / "report.html").read_text(encoding="utf-8")
    # Without the module: the summary has the numbers.
    (folder / "my_densities.py").unlink()
    monkeypatch.delitem(sys.modules, "my_densities")
    audited = AuditFolder(folder / "run", trust=True)
    write_report(audited)
    assert "my_densities" not in sys.modules
    (summary,) = audited.summary().groups
    distances = np.array([0.1, 0.7, 2.0, 5.0])
    expected = summary.prior * -np.expm1(-distances * np.sqrt(2.0))
    np.testing.assert_allclose(DistanceMixture.of(summary).right(distances), expected, atol=0.003)


def test_a_density_without_a_part_is_refused_before_any_work(folder) -> None:
    (folder / "my_densities.py").write_text(MODULE.replace("def cdf", "def other"), encoding="utf-8")
    for command in (
        ("score", "table.csv", "--out", "scores.csv"),
        ("audit", "table.csv", "--features", "a,b", "--targets", "y", "--out", "run"),
    ):
        message = " ".join(deepgum(*command, "--inliers", PATH, code=2).split())
        assert "Laplace lacks `cdf`" in message
    assert sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("__")) == [
        "my_densities.py",
        "table.csv",
    ]
