"""Files of version 0.1.0 work with this version, or are refused with the version and the next step.

The files are written here by hand, in the form of version 0.1.0; their keys were computed by it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
from click.testing import CliRunner
from safetensors import safe_open

import deepgum.experiments.paper.compare as compare_module
import deepgum.experiments.runs.run as run_module
from deepgum._version import __version__
from deepgum.audit.corrections.patch_file import read_patch
from deepgum.audit.folder import AuditFolder
from deepgum.audit.summary import AuditSummary
from deepgum.cli import main
from deepgum.errors import CheckpointError, InvalidDataError, OutputFolderError
from deepgum.experiments.audits.config import AuditConfig
from deepgum.experiments.audits.config import read_recorded as read_audit
from deepgum.experiments.audits.run import _is_done
from deepgum.experiments.observer import Observer
from deepgum.experiments.paper.options import CompareOptions
from deepgum.experiments.runs.claim import is_done
from deepgum.experiments.runs.config import RunConfig
from deepgum.experiments.runs.config_file import read_recorded
from deepgum.experiments.runs.run import run
from deepgum.experiments.runs.run_folder import RunFolder
from deepgum.training.history import EpochRecord
from deepgum.training.state.packing import digest, tensor_parts

pytestmark = pytest.mark.filterwarnings("ignore::deepgum.errors.IdentifiabilityWarning")

CONFIG = """\
seed = 1

[data]
name = "table"
folder = "t.csv"
image_size = 64
colour = true
fold = 0
skip_missing = false
skip_unreadable = false
pixels = false

[data.options]
targets = [
    "y",
]
image = ""
features = [
    "a",
]
part = ""
group = "who"
id = "name"
landmarks = false
mirror = ""
swap_pairs = []
root = ""

[model]
name = "mlp"
sha256 = ""
frozen = ""
fc_width = 4096
cache = true
cache_dtype = "float32"

[method]
name = "deepgum-alternate"
groups = "sample"

[method.options]
schedule = "alternate"
first_loss = "cauchy"
weighted_loss = "l1"
widening = 1.0
degrees_of_freedom = inf
least_weight = 0.0
responsibility_power = 1.0
restart = "continue"
start_counts = false
epoch_rule = "log-likelihood"
round_rule = "log-likelihood"
returned_round = "best"
rounds_max = 10
covariance_type = "full"
uniform = "moments"
inlier_prior = "estimate"
separation = 0.0
em_tol = 1e-06
em_max_iter = 200
em_start = "robust"
em_rows = 1.0

[corruption]
noise = "uniform"
rate = 0.0
missing = 0.0

[training]
optimizer = "adam"
learning_rate = 0.001
schedule = "constant"
weight_decay = 0.0
batch_size = 64
epochs_max = 100
patience = 5
mirror = true
device = "cpu"
precision = "float32"
"""
KEY = "edd1a08e7e0435ab"
AUDIT = '\n[audit]\npart = ""\nfolds = 3\nrounds = 3\ninliers = "auto"\nunit = ""\n\n[audit.periods]\n'
KEYS = {  # of runs on the same table, by method
    "deepgum": "06d7f759c1f8e880",
    "deepgum-alternate": KEY,
    "deepgum-paper": "31790efd93bbe30a",
    "deepgum-authors": "470277c667dd4345",
    "l2": "4c866a6230245497",
    "huber": "b6dd3a6dcc326341",
    "biweight": "11a088e2bc040933",
    "dex": "d0b5873f0b4580ef",
    "dexgum": "40d7a86a2525eaf2",
}
COMPARED = {  # of a comparison on 100 digits
    "l2": "9ae68c4b0cc5c824",
    "huber": "b727e3736f805239",
    "deepgum": "585c1c68ce210ba5",
    "deepgum-alternate": "0421104b530fcf9b",
    "deepgum-paper": "b5bc9efbbc00924a",
    "deepgum-authors": "550e3916882e412e",
}
METRICS: dict[str, Any] = {
    "dataset": "table", "method": "deepgum-alternate", "noise": "uniform", "rate": 0.0, "seed": 1, "fold": None,
    "unit": "", "factor": 1.0, "mae": 0.5, "rmse": 0.5, "each": {"y": 0.5}, "failure_rate": None, "nme": None,
    "precision": None, "recall": None, "average_precision": None, "recall_moved": None, "flagged": 0.0, "epochs": 9,
    "rounds": 2, "seconds": 1.5, "train_size": 21, "validation_size": 3, "test_size": 6, "version": "0.1.0", "key": KEY,
}  # fmt: skip
SHARED: dict[str, Any] = {
    "batch_size": 64, "dataset": "digits", "epochs_max": 100, "groups": None, "image_size": 32, "learning_rate": 0.001,
    "mirror": True, "model": "facenet", "optimizer": "adam", "patience": 5, "precision": "float32",
    "schedule": "constant", "skip_missing": False, "train_size": 100, "validation_size": None, "weight_decay": 0.0,
}  # fmt: skip


@pytest.fixture(autouse=True)
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    rows = "".join(f"s{i},{i % 7},{i % 7 + 1},p{i // 3}\n" for i in range(30))
    (tmp_path / "t.csv").write_text("name,a,y,who\n" + rows)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "t.csv"


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("It was trained.")

    for module in (run_module, compare_module):
        monkeypatch.setattr(module, "train_method", refuse)


def folder_of(path: Path, text: str = CONFIG) -> RunFolder:
    path.mkdir()
    (path / "config.toml").write_text(text)
    return RunFolder(path)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def changed(config: RunConfig, **sections: Mapping[str, Any]) -> RunConfig:
    values = config.to_mapping()
    return RunConfig.from_mapping(values | {name: values[name] | section for name, section in sections.items()})


# ---- runs


def test_a_finished_run_is_done(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "run")
    folder.metrics_file.write_text(json.dumps(METRICS, indent=2) + "\n")
    config, before = read_recorded(folder.config), content(folder.path)
    assert config.digest == KEY
    assert is_done(folder, config)
    assert folder.metrics() == run_module.Metrics(**METRICS)
    other = changed(config, training={"patience": 7})
    with pytest.raises(
        OutputFolderError, match=r"patience = 5 there and 7 here. Version 0\.1\.0 wrote it, and this is"
    ):
        is_done(folder, other)
    assert content(folder.path) == before


@pytest.mark.parametrize("method", KEYS)
def test_the_keys_of_runs_stay(tmp_path: Path, method: str) -> None:
    values = read_recorded(folder_of(tmp_path / "run").config).to_mapping()
    assert RunConfig.from_mapping({**values, "method": {"name": method}}).digest == KEYS[method]


def test_the_network_of_a_finished_run_is_used(tmp_path: Path, table: Path) -> None:
    trained = run(
        changed(read_recorded(folder_of(tmp_path / "run").config), training={"epochs_max": 1}), tmp_path / "new"
    )
    (trained.config).write_text(CONFIG)  # the same network, as version 0.1.0 describes it
    for command in (
        ["predict", trained.path, table, "--out", tmp_path / "p.csv"],
        ["evaluate", trained.path],
        ["export", trained.path, "--to", tmp_path / "w.safetensors", "--to", tmp_path / "p.parquet"],
    ):
        done = CliRunner().invoke(main, [str(part) for part in command])
        assert done.exit_code == 0, done.output
    assert len((tmp_path / "p.csv").read_text().splitlines()) == 31


class Interrupt(Observer):
    """Stops a training after its second epoch, as Ctrl-C does."""

    def trained(self, event: Any) -> None:
        if isinstance(event, EpochRecord) and event.epoch == 2:
            raise KeyboardInterrupt


def test_a_run_that_is_not_finished_is_refused_with_the_version_and_kept(tmp_path: Path) -> None:
    config = read_recorded(folder_of(tmp_path / "old").config)
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        run(config, folder.path, Interrupt())
    folder.config.write_text(CONFIG)
    with safe_open(folder.checkpoint, "pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    metadata["version"] = "2"  # the format of version 0.1.0
    del metadata["sha256"]
    texts = [f"{name} {len(text)}\n{text}".encode() for name, text in sorted(metadata.items())]
    metadata["sha256"] = digest([*texts, *tensor_parts(sorted(tensors.items()))])
    folder.checkpoint.write_bytes(safetensors.torch.save(tensors, metadata))
    before = folder.checkpoint.read_bytes()
    with pytest.raises(
        CheckpointError, match=r"Version 0\.1\.0 wrote this file\. Finish the training with that version, delete"
    ):
        run(config, folder.path)
    assert folder.checkpoint.read_bytes() == before
    assert folder.config.read_text() == CONFIG
    assert not folder.metrics_file.exists()


@pytest.mark.usefixtures("no_training")
def test_a_run_that_is_not_finished_is_not_given_to_another(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "run")
    folder.checkpoint.write_bytes(b"half")
    before = content(folder.path)
    with pytest.raises(
        OutputFolderError, match=r"run that is not finished: seed = 1 there and 2 here. Version 0\.1\.0"
    ):
        run(RunConfig.from_mapping({**read_recorded(folder.config).to_mapping(), "seed": 2}), folder.path)
    assert content(folder.path) == before


@pytest.mark.parametrize("version", ["0.1.0", "9.9"])
def test_a_configuration_that_cannot_be_read_is_refused_with_the_version(tmp_path: Path, version: str) -> None:
    line = "" if version == "0.1.0" else f"# Written by deepgum {version}\n"
    folder = folder_of(tmp_path / "run", line + CONFIG.replace("patience", "impatience"))
    folder.metrics_file.write_text(json.dumps(METRICS))
    with pytest.raises(InvalidDataError) as caught:
        read_recorded(folder.config)
    assert f"It was written by {version}" in str(caught.value)
    assert "training.impatience" in str(caught.value)
    assert "Use that version of deepgum for this folder, or make a new folder with this version." in str(caught.value)
    shown = CliRunner().invoke(main, ["predict", str(folder.path), "t.csv", "--out", "p.csv"])
    assert shown.exit_code == 2
    assert f"It was written by {version}" in shown.stderr


def test_a_configuration_of_this_version_says_so(tmp_path: Path) -> None:
    config = read_recorded(folder_of(tmp_path / "old").config)
    folder = run(changed(config, training={"epochs_max": 1}), tmp_path / "run")
    assert folder.config.read_text().startswith(f"# Written by deepgum {__version__}\n")
    assert json.loads(folder.environment.read_text())["packages"]["deepgum"] == __version__


# ---- comparisons


@pytest.mark.usefixtures("no_training")
def test_a_comparison_is_not_made_twice(tmp_path: Path) -> None:
    (tmp_path / "cmp").mkdir()
    (tmp_path / "cmp" / "config.json").write_text(json.dumps(SHARED, indent=2, sort_keys=True) + "\n")
    score = dict.fromkeys(("failure_rate", "nme", "mae", "precision", "recall", "average_precision"), 0.5)
    cell = {"noise": "l-ugo", "rate": 0.4, "seed": 0, "epochs": 2, "seconds": 1.0, "train_size": 100, "image_size": 32}
    lines = [{"method": method, "key": key, "version": "0.1.0", **cell, **score} for method, key in COMPARED.items()]
    (tmp_path / "cmp" / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    before = content(tmp_path / "cmp")
    options = CompareOptions("digits", methods=tuple(COMPARED), train_size=100)
    records = compare_module.compare(options, tmp_path / "cmp", train=compare_module.train_method)
    assert [(record.method, record.key) for record in records] == list(COMPARED.items())
    assert content(tmp_path / "cmp") == before
    drawn = CliRunner().invoke(main, ["plot", str(tmp_path / "cmp"), "--out", str(tmp_path / "figure")])
    assert drawn.exit_code == 0, drawn.output


# ---- audits and patches


def test_an_audit_is_known_by_its_settings(tmp_path: Path) -> None:
    folder = AuditFolder(tmp_path / "audit")
    folder.path.mkdir()
    folder.config_file.write_text(CONFIG + AUDIT)
    config = read_audit(folder.config_file)
    assert (config.audit.folds, config.run.digest) == (3, KEY)
    assert not _is_done(folder, config)  # it goes on
    folder.summary_file.write_text("{}")
    assert _is_done(folder, config)


@pytest.mark.parametrize(("folds", "key"), [(5, "79e2e5b7113eb768"), (4, "904b97976576f50a")])
def test_an_audit_keeps_its_digest(folds: int, key: str) -> None:
    """The digests are those that version 0.1.0 computed."""
    values: dict[str, Any] = {"data": {"name": "digits"}, "audit": {"folds": folds}}
    assert AuditConfig.from_mapping(values).digest == key
    with_reasons = {**values, "audit": {"folds": folds, "reasons": ["json:JSONEncoder"]}}
    assert AuditConfig.from_mapping(with_reasons).digest != key


def test_a_summary_is_read_with_todays_options(audited: AuditFolder) -> None:
    values = json.loads(audited.summary_file.read_text())
    options = read_recorded(folder_of(audited.path.with_name("run")).config).data.options
    values["data"]["options"] = {"targets": ["y"], "image": "", "features": ["a"], "part": "", "group": "who"}
    values["data"]["options"] |= {"id": "name", "landmarks": False, "mirror": "", "swap_pairs": [], "root": ""}
    audited.summary_file.write_text(json.dumps(values))
    summary = AuditSummary.read(audited.summary_file)
    assert summary.data.options == options
    assert asdict(summary)["samples"] == values["samples"]


def test_a_patch_is_applied(tmp_path: Path, table: Path) -> None:
    head = {"format": "deepgum-patch", "version": 1, "dataset": "table", "source": "t.csv"}
    head |= {
        "options": {"targets": ["y"], "id": "name", "group": "who"},
        "targets": ["y"],
        "groups": {"y": [0]},
        "unit": "",
    }
    change = {
        "id": "s4",
        "group": "y",
        "old": [5.0],
        "new": [7.5],
        "decision": "fix",
        "reason": "",
        "who": "me",
        "at": "",
    }
    (tmp_path / "p.jsonl").write_text(json.dumps(head) + "\n" + json.dumps(change) + "\n")
    assert read_patch(tmp_path / "p.jsonl").options["id"] == "name"
    before = hashlib.sha256(table.read_bytes()).hexdigest()
    done = CliRunner().invoke(main, ["apply", "p.jsonl", "t.csv", "--out", "new.csv"])
    assert done.exit_code == 0, done.output
    assert np.loadtxt(tmp_path / "new.csv", delimiter=",", skiprows=1, usecols=2)[4] == 7.5
    assert hashlib.sha256(table.read_bytes()).hexdigest() == before
