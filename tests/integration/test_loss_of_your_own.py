"""A loss in a module of the working folder, end to end: in Python, by `deepgum compare` and by `deepgum fit`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import nn

from deepgum.cli import main
from deepgum.data.regression import RegressionData
from deepgum.errors import InvalidParameterError
from deepgum.experiments.paper.records import read_records
from deepgum.report.paper.figure2 import draw_figure2
from deepgum.report.paper.figure5 import draw_figure5
from deepgum.training import DeepGUMOptions, ResponsibilityTracker, SGDOptions, fit_deepgum, fit_loss, train_method

pytestmark = pytest.mark.usefixtures("gaussian_file")

SGD = SGDOptions(learning_rate=0.05, epochs_max=6, batch_size=32)
MODULE = '''
"""Losses of a user."""

from dataclasses import dataclass

import torch

from deepgum.losses import Loss


@dataclass(frozen=True)
class Welsch(Loss):
    c: float = 2.0
    name = "welsch"
    label = "Welsch ($c$)"
    colour = "#123456"
    needs_scale = True

    def value(self, u):
        return self.c**2 * (1 - torch.exp(-((u / self.c) ** 2)))

    def cut(self):
        return 2 * self.c


class LogCosh(Loss):
    name = "log-cosh"

    def value(self, u):
        return torch.log(torch.cosh(u))


class Nameless(Loss):
    def value(self, u):
        return u.abs()


class Valueless(Loss):
    name = "valueless"


narrow = Welsch(c=0.5)
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write the module under a name of its own: Python imports a module once in a process."""
    name = f"losses_{re.sub(r'[^a-z0-9]', '_', tmp_path.name)}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPGUM_CACHE", str(tmp_path / "cache"))
    return name


def line(n: int = 240, seed: int = 0) -> tuple[RegressionData, torch.Tensor]:
    """Two coordinates that are linear in three features; a fifth of the samples have labels far off."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 3, generator=generator)
    y = x @ torch.tensor([[1.0, 0.5], [-2.0, 1.0], [0.0, 3.0]]) + 0.05 * torch.randn(n, 2, generator=generator)
    wrong = torch.zeros(n, dtype=torch.bool)
    wrong[::5] = True
    y[wrong] += 6
    return RegressionData.from_arrays(x, y), wrong


def network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Linear(3, 2)


def deepgum(*arguments: object) -> Any:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_in_python_an_object_its_class_and_its_path_are_one_loss(module: str) -> None:
    import importlib
    import sys

    (train, wrong), (validation, _) = line(), line(100, 1)
    result = fit_loss(network(), train, validation, loss=f"{module}:Welsch", sgd=SGD)
    welsch = importlib.import_module(module).Welsch
    assert str(Path.cwd()) not in sys.path
    for loss in (welsch, welsch()):
        again = fit_loss(network(), train, validation, loss=loss, sgd=SGD)
        assert torch.equal(again.residuals, result.residuals)
    # It has a scale, so its training begins with L2, and a cut, so it flags.
    assert [record.phase for record in result.history.epochs] == ["l2"] * 3 + ["welsch"] * 3
    assert result.flags is not None
    assert (result.flags[:, 0] & ~wrong).sum() <= 5
    narrow = fit_loss(network(), train, validation, loss=f"{module}:narrow", sgd=SGD)
    assert not torch.equal(narrow.residuals, result.residuals)
    by_method = train_method(f"{module}:Welsch", train, validation, model="mlp", sgd=SGD)
    assert by_method.mixture is None
    assert by_method.history.epochs[-1].phase == "welsch"


def test_the_mixture_can_weight_it(module: str) -> None:
    (train, wrong), (validation, _) = line(), line(100, 1)
    options = DeepGUMOptions(weighted_loss=f"{module}:LogCosh", warmup_epochs=4)
    sgd = SGDOptions(learning_rate=0.05, epochs_max=20, batch_size=32)
    result = fit_deepgum(network(), train, validation, options=options, sgd=sgd)
    assert result.history.epochs[-1].phase == "weighted log-cosh"
    assert result.flags is not None
    assert (result.flags[:, 0] == wrong).float().mean() > 0.95
    tracker = ResponsibilityTracker(4, options=DeepGUMOptions(first_loss=f"{module}:LogCosh"))
    found = tracker.loss(torch.zeros(4, 1), torch.arange(4.0)[:, None], torch.arange(4))
    assert found.item() == pytest.approx(torch.arange(4.0).cosh().log().mean().item(), rel=1e-6)
    for refused in (f"{module}:Welsch", "huber"):
        with pytest.raises(InvalidParameterError, match="weighted_loss"):
            fit_deepgum(network(), train, validation, options=DeepGUMOptions(weighted_loss=refused))


def test_by_the_command_compare_with_its_colour_in_the_figures(module: str) -> None:
    methods = f"l2,{module}:Welsch,{module}:LogCosh"
    arguments = (
        "compare", "--dataset", "digits", "--train-size", 60, "--rate", "0.3", "--methods", methods, "--threads", 1,
        "--epochs-max", 4, "--image-size", 16, "--out", "runs",
    )  # fmt: skip
    result = deepgum(*arguments)
    assert result.exit_code == 0, result.output
    assert re.search(r"^\s*Welsch \(c\) ", result.output, flags=re.MULTILINE)
    assert "log-cosh" in result.output
    lines = [json.loads(text) for text in Path("runs/results.jsonl").read_text().splitlines()]
    assert [(record["method"], record.get("colour")) for record in lines] == [
        ("l2", None),
        (f"{module}:Welsch", "#123456"),
        (f"{module}:LogCosh", None),
    ]
    assert not [path.name for path in Path("runs/posteriors").iterdir() if ":" in path.name]
    figure = draw_figure5(read_records([Path("runs")]))
    colours = {line.get_label(): line.get_color() for line in figure.axes[0].lines}
    assert colours["Welsch ($c$)"] == "#123456"
    # Without a colour of its own it gets one that no other method has.
    assert len({*colours.values()}) == len(colours) == 3
    # The runs are recorded under the path: called again, nothing is trained.
    before = Path("runs/results.jsonl").read_bytes()
    assert deepgum(*arguments).exit_code == 0
    assert Path("runs/results.jsonl").read_bytes() == before


def test_the_figures_are_drawn_without_importing_it(module: str) -> None:
    record = {
        "method": "nowhere:Welsch", "noise": "ngo", "rate": 0.2, "seed": 0, "failure_rate": 0.1, "nme": 0.1, "mae": 0.1,
        "precision": None, "recall": None, "average_precision": None, "epochs": 1, "seconds": 1.0, "train_size": 9,
        "image_size": 9, "label": "Welsch", "colour": "#abcdef",
    }  # fmt: skip
    Path("results.jsonl").write_text(json.dumps(record) + "\n")
    result = deepgum("plot", "results.jsonl", "--out", "figure")
    assert result.exit_code == 0, result.output
    (drawn,) = Path().glob("figure*.svg")
    assert "#abcdef" in drawn.read_text()


def test_by_the_command_fit(module: str) -> None:
    Path("run.toml").write_text(
        f'[data]\nname = "digits"\nimage_size = 16\ntrain_size = 60\n[method]\nname = "{module}:Welsch"\n'
        "[training]\nepochs_max = 4\n"
    )
    result = deepgum("fit", "run.toml", "--out", "run", "--threads", 1)
    assert result.exit_code == 0, result.output
    metrics = json.loads(Path("run/metrics.json").read_text())
    assert (metrics["method"], metrics["label"]) == (f"{module}:Welsch", "Welsch (c)")
    assert "Welsch (c) on digits" in result.output
    history = [json.loads(text) for text in Path("run/history.jsonl").read_text().splitlines()]
    assert [record["phase"] for record in history] == ["l2"] * 3 + ["welsch"]
    assert f'name = "{module}:Welsch"' in Path("run/config.toml").read_text()


def test_in_figure_2(module: str) -> None:
    figure = draw_figure2(losses=["l2", f"{module}:Welsch"], settings=[])
    drawn = figure.axes[0].lines[1]
    assert (drawn.get_label(), drawn.get_color()) == ("Welsch ($c$)", "#123456")
    delta, slope = torch.as_tensor(drawn.get_xdata()), torch.as_tensor(drawn.get_ydata())
    torch.testing.assert_close(slope, 2 * delta * torch.exp(-((delta / 2) ** 2)))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Nameless", "a complete Loss.*Nameless lacks `name`"),
        ("Valueless", "a complete Loss.*Valueless lacks `value`"),
        ("dataclass", "is not a subclass of `deepgum.losses.base.Loss`"),
        ("Missing", "AttributeError: .*'Missing'"),
    ],
)
def test_without_a_part_of_the_contract_it_is_refused_before_any_work(module: str, name: str, message: str) -> None:
    (train, _), (validation, _) = line(), line(100, 1)
    path, heard = f"{module}:{name}", []
    for fit in (
        lambda: fit_loss(network(), train, validation, loss=path, on_event=heard.append),
        lambda: train_method(path, train, validation, model="mlp", on_event=heard.append),
        lambda: fit_deepgum(
            network(), train, validation, options=DeepGUMOptions(first_loss=path), on_event=heard.append
        ),
    ):
        with pytest.raises(InvalidParameterError, match=message):
            fit()
    assert not heard
    result = deepgum("compare", "--dataset", "digits", "--methods", path, "--out", "runs")
    assert result.exit_code == 2
    assert re.search(message, result.output.replace("\n", " "))
    Path("run.toml").write_text(f'[data]\nname = "digits"\n[method]\nname = "{path}"\n')
    result = deepgum("fit", "run.toml", "--out", "run")
    assert result.exit_code == 2
    assert re.search(message, result.output.replace("\n", " "))
    assert not Path("runs").exists()
    assert not Path("run").exists()
