"""A run that is stopped, however it is, ends with the same bytes as one that is not."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import re
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import nn

from deepgum.cli import main
from deepgum.data.mirror import Mirror
from deepgum.data.regression import RegressionData
from deepgum.errors import CheckpointError, NonFiniteLossError, OutputFolderError
from deepgum.experiments.observer import Observer
from deepgum.experiments.paper.compare import compare
from deepgum.experiments.paper.options import CompareOptions
from deepgum.experiments.runs.config_file import read_config
from deepgum.experiments.runs.run import run
from deepgum.experiments.runs.run_folder import RunFolder
from deepgum.mixture import GaussianUniformMixture
from deepgum.models import DeepExpectation
from deepgum.storage.disk import is_partial
from deepgum.storage.lock import LOCK, alone_in
from deepgum.training import (
    Alternate,
    DeepGUMOptions,
    Event,
    Resumed,
    SGDOptions,
    TrainingResult,
    fit_deepgum,
    fit_loss,
)
from deepgum.training.history import EpochRecord
from deepgum.training.state.checkpoint import Checkpoint

pytestmark = [
    pytest.mark.filterwarnings("ignore::deepgum.errors.IdentifiabilityWarning"),
    pytest.mark.usefixtures("gaussian_file"),
]

Fit = Callable[..., TrainingResult]


class Killed(BaseException):
    """Ends a training at once, and nothing in it catches it."""


def images(n: int, seed: int) -> RegressionData:
    """Two landmarks, two bright pixels of an image; a third of the labels is somewhere else."""
    generator = torch.Generator().manual_seed(seed)
    places = torch.randint(0, 6, (n, 4), generator=generator)
    pixels = torch.zeros(n, 1, 6, 6, dtype=torch.uint8)
    for x, y in ((0, 1), (2, 3)):
        pixels[torch.arange(n), 0, places[:, y], places[:, x]] = 255
    targets = (places + 0.5) / 6 + 0.01 * torch.randn(n, 4, generator=generator)
    wrong = (torch.rand(n, 2, generator=generator) < 0.3).repeat_interleave(2, dim=1)
    targets = torch.where(wrong, torch.rand(n, 4, generator=generator), targets)
    targets[torch.rand(n, 4, generator=generator) < 0.05] = torch.nan
    return RegressionData.from_arrays(pixels, targets, mirror=Mirror.landmarks([(0, 1)], 2))


def ages(n: int, seed: int) -> RegressionData:
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(n, 3, generator=generator)
    return RegressionData.from_arrays(x, (20 + 8 * x.sum(dim=1, keepdim=True)).round())


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(36, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(0.3), nn.Linear(12, 4)
    )


def expectation() -> nn.Module:
    torch.manual_seed(0)
    return DeepExpectation(nn.Sequential(nn.Dropout(0.2), nn.Linear(3, 40)), 10, 49)


def outcome(result: TrainingResult) -> dict[str, Any]:
    """Return all that a training gives, but for wall times."""
    mixture = None if result.mixture is None else result.mixture.state_dict()
    records = [asdict(record) | {"seconds": 0.0} for record in (*result.history.epochs, *result.history.rounds)]
    tensors = {"residuals": result.residuals, "responsibilities": result.responsibilities, "flags": result.flags}
    bits = {name: None if t is None else t.contiguous().numpy().tobytes() for name, t in tensors.items()}
    weights = {name: tensor.numpy().tobytes() for name, tensor in result.model.state_dict().items()}
    return {"weights": weights, "mixture": repr(mixture), "records": repr(records), **bits}


def stop_at(number: int, error: type[BaseException] = Killed) -> Callable[[Event], None]:
    """Return a listener that ends a training when it hears of this epoch, the first being 1; that one is lost."""
    count = itertools.count(1)

    def stop(event: Event) -> None:
        if isinstance(event, EpochRecord) and next(count) == number:
            raise error

    return stop


def in_sittings(fit: Callable[..., TrainingResult], path: Path) -> TrainingResult:
    """Train one epoch, then three, and then all the others."""
    for number in (2, 4):
        # What another training drew before it must not matter.
        torch.manual_seed(number)
        with pytest.raises(Killed):
            fit(checkpoint=path, on_event=stop_at(number))
    heard: list[Event] = []
    result = fit(checkpoint=path, on_event=heard.append)
    assert isinstance(heard[0], Resumed)
    assert heard[0].epochs == 4
    return result


SGD = SGDOptions(learning_rate=0.01, batch_size=16, epochs_max=5, patience=4)
ROUNDS = Alternate(rounds_max=3)
OPTIONS: dict[str, Any] = {
    "groups": "landmark",
    "schedule": ROUNDS,
    "mixture": GaussianUniformMixture(max_iter=5),
}


def of_loss(loss: str, **changes: Any) -> Fit:
    sgd = SGDOptions(**{**asdict(SGD), **changes})
    if loss == "cross-entropy":
        return lambda **keywords: fit_loss(expectation(), ages(50, 0), ages(20, 1), loss=loss, sgd=sgd, **keywords)
    return lambda **keywords: fit_loss(network(), images(50, 0), images(20, 1), loss=loss, sgd=sgd, **keywords)


def of_deepgum(**changes: Any) -> Fit:
    options = DeepGUMOptions(**{**OPTIONS, **changes})
    return lambda **keywords: fit_deepgum(
        network(), images(60, 0), images(40, 1), options=options, sgd=SGD, seed=3, **keywords
    )


def of_dexgum(**keywords: Any) -> TrainingResult:
    options = DeepGUMOptions(
        first_loss="cross-entropy",
        weighted_loss="cross-entropy",
        schedule=Alternate(rounds_max=2),
        mixture=GaussianUniformMixture(max_iter=5),
    )
    return fit_deepgum(expectation(), ages(60, 0), ages(40, 1), options=options, sgd=SGD, **keywords)


TRAININGS: dict[str, Fit] = {
    **{loss: of_loss(loss) for loss in ("l2", "l1", "cauchy", "huber", "biweight", "cross-entropy")},
    **{
        f"{optimizer} {schedule}": of_loss("l1", optimizer=optimizer, schedule=schedule, weight_decay=0.01)
        for optimizer in ("adam", "adamw", "sgd")
        for schedule in ("constant", "cosine", "one-cycle")
    },
    "bf16": of_loss("l2", precision="bf16"),
    "alternate": of_deepgum(),
    "alternate fresh": of_deepgum(schedule=replace(ROUNDS, restart="fresh")),
    "alternate warm-up": of_deepgum(
        warmup_epochs=3, returned_round="last", schedule=replace(ROUNDS, round_rule="weighted")
    ),
    "alternate start counts": of_deepgum(
        schedule=replace(ROUNDS, start_counts=True, epoch_rule="trimmed", em_start="responsibilities")
    ),
    "alternate lenient": of_deepgum(schedule=replace(ROUNDS, widening=2.0, degrees_of_freedom=4.0)),
    "alternate authors": of_deepgum(
        first_loss="l2", weighted_loss="l2", responsibility_power=2.0,
        schedule=Alternate(
            restart="fresh", em_start="responsibilities", epoch_rule="unweighted", round_rule="unweighted", rounds_max=3
        ),
        mixture=GaussianUniformMixture(
            covariance_type="spherical", uniform=0.0, inlier_prior=0.95, tol=0.0, max_iter=5
        ),
    ),
    "dexgum": of_dexgum,
    "interleaved": of_deepgum(schedule="interleaved", warmup_epochs=2),
    "interleaved last": of_deepgum(schedule="interleaved", warmup_epochs=2, returned_round="last"),
}  # fmt: skip


@pytest.mark.parametrize("name", TRAININGS)
def test_a_training_in_sittings_is_the_training_in_one(name: str, tmp_path: Path) -> None:
    fit, path = TRAININGS[name], tmp_path / "checkpoint.safetensors"
    torch.manual_seed(77)
    expected = outcome(fit())
    assert outcome(in_sittings(fit, path)) == expected
    # It is kept until its owner removes it, and until then costs no epoch.
    heard: list[Event] = []
    assert outcome(fit(checkpoint=path, on_event=heard.append)) == expected
    assert not any(isinstance(event, EpochRecord) for event in heard)


def test_a_checkpoint_changes_nothing(tmp_path: Path) -> None:
    fit = TRAININGS["alternate"]
    assert outcome(fit(checkpoint=tmp_path / "c")) == outcome(fit())


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (of_loss("l2"), r"loss = .*trains = 'mixture' there and 'loss' here"),
        (
            of_deepgum(schedule=replace(ROUNDS, restart="fresh")),
            "options.schedule.restart = 'continue' there and 'fresh' here",
        ),
        (of_deepgum(groups="sample"), "options.groups = 'landmark' there and 'sample' here"),
        (
            lambda **k: fit_deepgum(
                network(), images(60, 5), images(40, 1), options=DeepGUMOptions(**OPTIONS), sgd=SGD, seed=3, **k
            ),
            r"train.inputs = .*; train.targets = [^;]* here\.",
        ),
    ],
)  # fmt: skip
def test_the_checkpoint_of_another_training_is_refused_before_any_epoch(tmp_path: Path, other: Fit, what: str) -> None:
    path = tmp_path / "c"
    with pytest.raises(Killed):
        of_deepgum()(checkpoint=path, on_event=stop_at(3))
    before, heard = path.read_bytes(), []
    with pytest.raises(CheckpointError, match=what):
        other(checkpoint=path, on_event=heard.append)
    assert not heard
    assert path.read_bytes() == before


def test_a_loss_that_is_not_finite_leaves_the_last_whole_epoch(tmp_path: Path) -> None:
    class Breaks(nn.Linear):
        calls = 0

        def forward(self, input: torch.Tensor) -> torch.Tensor:
            Breaks.calls += self.training
            return super().forward(input) + (torch.nan if self.training and Breaks.calls == 9 else 0.0)

    def fit() -> TrainingResult:
        torch.manual_seed(0)
        sgd = SGDOptions(batch_size=16, epochs_max=4)
        return fit_loss(Breaks(3, 1), ages(64, 0), ages(16, 1), loss="l2", sgd=sgd, checkpoint=tmp_path / "c")

    with pytest.raises(NonFiniteLossError):
        fit()
    assert [epoch.epoch for epoch in fit().history.epochs] == [1, 2, 3, 4]


@pytest.mark.parametrize("name", ["deepgum", "loss"])
def test_a_second_training_with_one_checkpoint_is_refused_and_the_first_is_not_disturbed(
    name: str, tmp_path: Path
) -> None:
    path, refused = tmp_path / "c.safetensors", []
    writing = tmp_path / ".c.safetensors.17-0123abcd.partial"  # a temporary file of the first
    fit = of_deepgum() if name == "deepgum" else of_loss("l2")

    def second(event: Event) -> None:
        if isinstance(event, EpochRecord) and event.epoch == 2 and not refused:
            writing.touch()
            with pytest.raises(CheckpointError, match=rf"Another process \({os.getpid()}\) uses it. Wait") as error:
                fit(checkpoint=path)
            refused.append(error)
            assert writing.exists()
            writing.unlink()

    result = fit(checkpoint=path, on_event=second)
    assert refused
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert outcome(fit(checkpoint=path)) == outcome(result)


@pytest.mark.skipif(os.name == "nt", reason="kill -9")
def test_the_lock_of_a_training_that_was_killed_is_in_nobody_s_way(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    dying = "with lock_checkpoint(pathlib.Path(sys.argv[1])): os.kill(os.getpid(), signal.SIGKILL)"
    code = f"import os, pathlib, signal, sys; from deepgum.training.state.journal import lock_checkpoint\n{dying}"
    killed = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [entry.name for entry in tmp_path.iterdir()] == [f".{path.name}.lock"]
    of_loss("l2")(checkpoint=path)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


# ---- `deepgum fit`, killed by the system

CONFIG = """
[data]
name = "table"
folder = "TABLE"

[data.options]
features = ["a", "b"]
targets = ["y", "z"]

[model]
name = "mlp"

[method]
name = "deepgum"
groups = "coordinate"
options = { warmup_epochs = 2 }
schedule = { SCHEDULE }
mixture = { max_iter = 5 }

[corruption]
noise = "uniform"
rate = 0.3

[training]
batch_size = 16
epochs_max = EPOCHS
patience = 5
"""

CHILD = '''
"""`deepgum fit` that stops and waits at one moment, so that it can be killed right there."""
import pathlib, signal, time
import deepgum.report.runs.run as report
import deepgum.training.state.checkpoint as checkpoint
from contextlib import contextmanager
from deepgum.cli import main
from deepgum.experiments.runs.run_folder import RunFolder
from deepgum.training.history import EpochRecord, History
from deepgum.training.state.journal import Journal

seen = 0

def at(moment):
    global seen
    seen += moment == MOMENT
    if moment == MOMENT and seen == COUNT:
        pathlib.Path(FLAG).touch()
        time.sleep(100)

class Half:
    def __init__(self, path):
        self.path = path
    def write_bytes(self, content):
        with open(self.path, "wb", buffering=0) as file:
            file.write(content[: len(content) // 2])
            at("half a checkpoint")
            file.write(content[len(content) // 2 :])
            at("a checkpoint that is not in its place")

real_write, real_add, real_save = checkpoint.write_atomically, History.add, Journal.save
real_claim, real_finish = RunFolder.claim, RunFolder.finish

@contextmanager
def write_atomically(*arguments):
    with real_write(*arguments) as temporary:
        yield Half(temporary)

def add(self, event):
    real_add(self, event)
    at("an epoch" if isinstance(event, EpochRecord) else "a round")

def save(self):
    real_save(self)
    at("a checkpoint")

def claim(self):
    real_claim(self)
    at("a claim")

def finish(self, metrics):
    at("all files but the last")
    real_finish(self, metrics)
    at("the end")

# A background job ignores Ctrl-C, and a process that it starts inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)
report.draw_run = lambda folder: []
checkpoint.write_atomically, History.add, Journal.save = write_atomically, add, save
RunFolder.claim, RunFolder.finish = claim, finish
main([str(part) for part in ARGUMENTS], standalone_mode=False)
'''

MOMENTS = (
    ("an epoch", 1),  # before there is any checkpoint
    ("half a checkpoint", 1),
    ("half a checkpoint", 2),
    ("a checkpoint that is not in its place", 2),
    ("a checkpoint", 1),
    ("an epoch", 2),
    ("a claim", 1),
    ("a round", 1),
    ("all files but the last", 1),
    ("the end", 1),
)
FEWER = (("half a checkpoint", 2), ("an epoch", 3), ("a round", 2), ("all files but the last", 1))


class Child:
    """`deepgum fit` in a process of its own, a copy of one that has imported everything."""

    def __init__(self, folder: Path, arguments: list[Any], moment: str = "", count: int = 0) -> None:
        self.flag = folder / "flag"
        self.flag.unlink(missing_ok=True)
        (folder / "child.py").write_text(CHILD)
        context = multiprocessing.get_context("forkserver")
        names = {"MOMENT": moment, "COUNT": count, "FLAG": str(self.flag)}
        self.process = context.Process(
            target=runpy.run_path,
            args=(str(folder / "child.py"),),
            kwargs={"init_globals": {**names, "ARGUMENTS": [*map(str, arguments), "--threads", "1"]}},
        )
        self.process.start()

    def wait_for_flag(self) -> None:
        deadline = time.monotonic() + 120
        while not self.flag.exists():
            assert self.process.is_alive(), "It ended before the moment came."
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def end(self, number: int) -> int | None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)
        self.process.join(120)
        return self.process.exitcode


def final(folder: Path) -> dict[str, Any]:
    """Return the bytes of a run's files, without wall times and the environment."""
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != LOCK}
    del files["environment.json"]
    lines = [json.loads(line) for line in files.pop("history.jsonl").splitlines()]
    metrics = json.loads(files.pop("metrics.json"))
    return files | {"history": [line | {"seconds": 0} for line in lines], "metrics": metrics | {"seconds": 0}}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPGUM_CACHE", str(tmp_path / "cache"))


def configured(folder: Path, schedule: str) -> Path:
    path, table = folder / "run.toml", folder / "table.csv"
    a, b = torch.rand(2, 80, generator=torch.Generator().manual_seed(0)).tolist()
    rows = [f"{p},{q},{p + 2 * q},{3 * p - q}\n" for p, q in zip(a, b, strict=True)]
    table.write_text("a,b,y,z\n" + "".join(rows))
    rounds = ", rounds_max = 2" if schedule == "alternate" else ""
    text = CONFIG.replace("SCHEDULE", f'name = "{schedule}"{rounds}').replace("TABLE", table.as_posix())
    path.write_text(text.replace("EPOCHS", "4" if schedule == "alternate" else "7"))
    return path


@pytest.mark.skipif(os.name == "nt", reason="kill -9")
@pytest.mark.parametrize(("schedule", "moments"), [("alternate", MOMENTS), ("interleaved", FEWER)])
def test_a_run_that_is_killed_again_and_again_ends_with_the_same_bytes(
    tmp_path: Path, schedule: str, moments: tuple[tuple[str, int], ...]
) -> None:
    config, out = configured(tmp_path, schedule), tmp_path / "run"
    whole = Child(tmp_path, ["fit", config, "--out", tmp_path / "whole"])
    whole.process.join(120)
    assert whole.process.exitcode == 0
    for moment, count in moments:
        child = Child(tmp_path, ["fit", config, "--out", out], moment, count)
        child.wait_for_flag()
        assert child.end(signal.SIGKILL) == -signal.SIGKILL
        if "half" in moment or "place" in moment:
            assert any(is_partial(path.name) for path in out.iterdir())
        assert RunFolder(out).metrics_file.is_file() == (moment == "the end")
    last = Child(tmp_path, ["fit", config, "--out", out])
    last.process.join(120)
    assert last.process.exitcode == 0
    assert final(out) == final(tmp_path / "whole")


@pytest.mark.skipif(os.name == "nt", reason="kill -9")
def test_a_folder_is_trained_in_by_one_process_at_a_time(tmp_path: Path) -> None:
    config, out = configured(tmp_path, "alternate"), tmp_path / "run"
    child = Child(tmp_path, ["fit", config, "--out", out], "a checkpoint", 1)
    child.wait_for_flag()
    second = CliRunner().invoke(main, ["fit", str(config), "--out", str(out)])
    assert second.exit_code == 2
    assert f"Another process ({child.process.pid}) writes there" in second.stderr
    child.end(signal.SIGKILL)
    # The system takes the lock back; and Ctrl-C ends as it should.
    child = Child(tmp_path, ["fit", config, "--out", out], "a checkpoint", 1)
    child.wait_for_flag()
    assert child.end(signal.SIGINT) in (130, -signal.SIGINT)
    assert not (out / LOCK).exists()


# ---- what the command says


def deepgum(*arguments: Any) -> Any:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_pictures: None) -> tuple[Path, Path]:
    """Return the configuration and the folder of a run that was stopped by Ctrl-C in its third epoch."""
    config, out = configured(tmp_path, "alternate"), tmp_path / "run"
    with monkeypatch.context() as patched:
        stop = stop_at(3, KeyboardInterrupt)
        patched.setattr("deepgum.report.terminal.progress.Reporter.trained", lambda _, event: stop(event))
        result = deepgum("fit", config, "--out", out)
    assert result.exit_code == 130
    assert "Stopped. This run is not finished. Run the same command again to continue" in result.stderr
    assert "Traceback" not in result.output
    return config, out


def test_the_same_command_goes_on_and_says_so(stopped: tuple[Path, Path]) -> None:
    config, out = stopped
    files = ["checkpoint.safetensors", "config.toml", "content.parquet", "environment.json"]
    assert sorted(path.name for path in out.iterdir()) == files
    done = deepgum("fit", config, "--out", out)
    assert done.exit_code == 0
    assert "resuming after epoch 2." in done.output
    assert not (out / "checkpoint.safetensors").exists()


def test_another_run_is_refused_what_differs_is_said_and_the_command_that_is_named_goes_on(
    stopped: tuple[Path, Path],
) -> None:
    config, out = stopped
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    other = deepgum("fit", config, "--out", out, "--set", "training.learning_rate=0.5")
    assert other.exit_code == 2
    assert "training.learning_rate = 0.001 there and 0.5 here" in other.stderr
    assert "patience" not in other.stderr
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    named = re.search(r"To resume that run: deepgum (fit \S+ --out \S+)\. ", other.stderr)
    assert named is not None
    done = deepgum(*named[1].split())
    assert done.exit_code == 0
    assert "resuming after epoch 2" in done.output


def test_a_checkpoint_that_is_refused_leaves_the_configuration_that_it_is_of(stopped: tuple[Path, Path]) -> None:
    config, out = stopped
    path, recorded = out / "checkpoint.safetensors", out / "config.toml"
    recorded.write_text("# as an earlier version wrote it\n" + recorded.read_text())
    before, kept = recorded.read_bytes(), path.read_bytes()
    path.write_bytes(kept[:1000])
    assert deepgum("fit", config, "--out", out).exit_code == 2
    assert recorded.read_bytes() == before
    path.write_bytes(kept)
    assert deepgum("fit", config, "--out", out).exit_code == 0
    assert b"earlier" not in recorded.read_bytes()


def test_a_damaged_checkpoint_is_one_message(stopped: tuple[Path, Path]) -> None:
    config, out = stopped
    path = out / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    result = deepgum("fit", config, "--out", out)
    assert result.exit_code == 2
    assert f"'{path}' should be a checkpoint of this library" in result.stderr
    assert "Delete the file to begin the training" in result.stderr
    path.unlink()
    assert deepgum("fit", config, "--out", out).exit_code == 0


def test_another_environment_is_warned_of_and_the_beginning_kept(
    stopped: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, out = stopped
    environment = out / "environment.json"
    before = json.loads(environment.read_text()) | {"started": "2001-01-01T00:00:00Z", "threads": 999}
    environment.write_text(json.dumps(before))
    with pytest.warns(match="threads = 999 there and [0-9]+ here"):
        run(read_config(config), out)
    after = json.loads(environment.read_text())
    assert after["started"] == before["started"]
    assert after["threads"] != 999


# ---- a comparison


class Stops(Observer):
    def __init__(self, number: int) -> None:
        self.stop, self.resumed = stop_at(number, KeyboardInterrupt), list[Resumed]()

    def trained(self, event: Event) -> None:
        if isinstance(event, Resumed):
            self.resumed.append(event)
        self.stop(event)


def test_a_comparison_goes_on_inside_a_run(tmp_path: Path) -> None:
    options = CompareOptions(
        dataset="digits", rates=(0.4,), methods=("l2", "cauchy"), train_size=48, validation_size=24, image_size=16,
        sgd=SGDOptions(epochs_max=3),
    )  # fmt: skip
    whole = compare(options, tmp_path / "whole")
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        compare(options, out, Stops(5))  # in the second epoch of the second run
    (kept,) = (out / "checkpoints").iterdir()
    assert "cauchy" in kept.name
    with pytest.raises(OutputFolderError, match="one process at a time"), alone_in(out):
        compare(options, out)
    observer = Stops(100)
    records = compare(options, out, observer)
    assert observer.resumed == [Resumed(0, 1, 1)]
    assert not (out / "checkpoints").exists()
    strip = [asdict(record) | {"seconds": 0} for record in whole]
    assert [asdict(record) | {"seconds": 0} for record in records] == strip
    for record in whole:
        assert record.posteriors is not None
        assert (out / record.posteriors).read_bytes() == (tmp_path / "whole" / record.posteriors).read_bytes()


def test_a_checkpoint_that_is_done_with_can_be_removed_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "c"
    of_loss("l2")(checkpoint=path)
    Checkpoint(path, {}).remove()
    assert not list(tmp_path.iterdir())
