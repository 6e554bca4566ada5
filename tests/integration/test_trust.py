"""Code outside the package: a user's own is found in the working folder; that of a folder needs `--trust`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
from click.testing import CliRunner

from deepgum.audit.corrections.patch_file import read_patch
from deepgum.audit.folder import AuditFolder
from deepgum.cli import main
from deepgum.errors import UntrustedCodeError
from deepgum.experiments.audits.config import AuditConfig
from deepgum.experiments.audits.gain import gain_of
from deepgum.experiments.audits.run import run_audit
from deepgum.experiments.paper.records import RunRecord
from deepgum.experiments.runs.evaluate import evaluate_run
from deepgum.experiments.runs.predict import predict_inputs
from deepgum.export import export_run
from deepgum.report.page import write_report

NETWORK = """
from pathlib import Path
from torch import nn

(Path(__file__).parent / "imported").touch()

def make(num_classes):
    return nn.Linear(2, num_classes)
"""
CONFIG: dict[str, Any] = {
    "data": {"name": "table", "folder": "table.csv", "options": {"features": ["a", "b"], "targets": ["y"]}},
    "model": {"name": "mynet:make"},
    "training": {"epochs_max": 1},
}
HEAD = {"format": "deepgum-patch", "version": 1, "dataset": "mysets:Faces", "options": {}, "targets": ["y"]}


def deepgum(*arguments: Any) -> Any:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with a network, a table and the run that the command made of them."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "mynet.py").write_text(NETWORK)
    rows = np.random.default_rng(0).normal(size=(60, 2))
    lines = [f"{a:.4f},{b:.4f},{a - b:.4f}" for a, b in rows.tolist()]
    (folder / "table.csv").write_text("a,b,y\n" + "\n".join(lines) + "\n")
    (folder / "run.toml").write_text(tomli_w.dumps(CONFIG))
    # -P: the working folder is not on the path, as for the command `deepgum` itself.
    command = [sys.executable, "-P", "-m", "deepgum", "fit", "run.toml", "--out", "run"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (folder / "imported").is_file()
    return folder


@pytest.fixture
def work(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(folder)
    (folder / "imported").unlink(missing_ok=True)
    yield folder
    sys.modules.pop("mynet", None)


@pytest.mark.fault(8)
@pytest.mark.parametrize(
    "command",
    [
        ["predict", "run", "table.csv", "--out", "predictions.csv"],
        ["evaluate", "run"],
        ["export", "run", "--to", "weights.safetensors"],
    ],
    ids=lambda command: command[0],
)
def test_the_network_of_a_run_folder_is_imported_only_with_trust(work: Path, command: list[str]) -> None:
    refused = deepgum(*command)
    assert refused.exit_code == 2
    assert "names code that is not part of deepgum: mynet:make (model.name)" in refused.stderr
    assert "--trust" in refused.stderr
    assert not (work / "imported").exists()
    trusted = deepgum(*command, "--trust")
    assert trusted.exit_code == 0, trusted.output
    assert (work / "imported").is_file()


def test_the_same_holds_in_python(work: Path) -> None:
    calls = (
        lambda **trust: predict_inputs(Path("run"), [Path("table.csv")], **trust),
        lambda **trust: evaluate_run(Path("run"), **trust),
        lambda **trust: export_run(Path("run"), [Path("again.safetensors")], **trust),
    )
    for call in calls:
        with pytest.raises(UntrustedCodeError):
            call()
        assert not (work / "imported").exists()
    for call in calls:
        call(trust=True)


def test_the_user_s_own_configuration_needs_no_trust(work: Path) -> None:
    again = deepgum("fit", "run.toml", "--out", "run")
    assert again.exit_code == 0, again.output
    assert not (work / "imported").exists()  # it is done
    other = deepgum("fit", "run.toml", "--out", "other", "--set", "seed=1")
    assert other.exit_code == 0, other.output
    assert (work / "imported").is_file()


@pytest.fixture
def theirs(audited: AuditFolder, tmp_path: Path) -> Path:
    """An audit folder from elsewhere: its network, its data set and a reason are code."""
    shutil.copytree(audited.path, tmp_path / "theirs")
    values = {"data": {"name": "mysets:Faces"}, "model": {"name": "mynet:make"}, "audit": {"reasons": ["mine:Blurred"]}}
    (tmp_path / "theirs" / "audit.toml").write_text(tomli_w.dumps(values))
    return tmp_path / "theirs"


def test_an_audit_folder_is_reported_and_reviewed_only_with_trust(theirs: Path, tmp_path: Path) -> None:
    for command in (["report", theirs], ["review", theirs, "--export", f"patch={tmp_path / 'p.jsonl'}"]):
        refused = deepgum(*command)
        assert refused.exit_code == 2
        # Neither command builds the network, so its code is not asked for.
        assert "not part of deepgum: mysets:Faces (data.name), mine:Blurred (audit.reasons[0]). " in refused.stderr
        trusted = deepgum(*command, "--trust")
        assert trusted.exit_code == 0, trusted.output
    with pytest.raises(UntrustedCodeError):
        write_report(AuditFolder(theirs))
    write_report(AuditFolder(theirs, trust=True))


def test_a_summary_names_code_too(theirs: Path) -> None:
    (theirs / "audit.toml").unlink()
    values = json.loads((theirs / "summary.json").read_text())
    values["data"]["name"] = "mysets:Faces"
    (theirs / "summary.json").write_text(json.dumps(values))
    for read in (AuditFolder.summary, AuditFolder.labels):
        with pytest.raises(UntrustedCodeError, match=r"mysets:Faces \(summary\.data\.name\)"):
            read(AuditFolder(theirs))
        read(AuditFolder(theirs, trust=True))


def test_a_patch_is_applied_only_with_trust_in_its_data_set(work: Path, tmp_path: Path) -> None:
    patch = tmp_path / "theirs.patch.jsonl"
    patch.write_text(json.dumps({**HEAD, "groups": {"y": [0]}}) + "\n")
    refused = deepgum("apply", patch, work / "table.csv", "--out", tmp_path / "new.csv")
    assert refused.exit_code == 2
    assert f"'{patch}' names code that is not part of deepgum: mysets:Faces (dataset)" in refused.stderr
    trusted = deepgum("apply", patch, work / "table.csv", "--out", tmp_path / "new.csv", "--trust")
    assert "not part of deepgum" not in trusted.stderr
    with pytest.raises(UntrustedCodeError):
        read_patch(patch)
    assert read_patch(patch, trust=True).dataset == "mysets:Faces"


def test_a_gain_trains_only_with_trust_in_the_audit_and_the_patch(theirs: Path, tmp_path: Path) -> None:
    patch = tmp_path / "ours.patch.jsonl"
    patch.write_text(json.dumps({**HEAD, "dataset": "table", "groups": {"y": [0]}}) + "\n")
    refused = deepgum("gain", theirs, patch)
    assert refused.exit_code == 2
    for named in ("mysets:Faces (data.name)", "mynet:make (model.name)", "mine:Blurred (audit.reasons[0])"):
        assert named in refused.stderr
    with pytest.raises(UntrustedCodeError):
        gain_of(AuditFolder(theirs), read_patch(patch))


@pytest.fixture
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file that exists as soon as the module `canary` of the working folder is imported."""
    (tmp_path / "canary.py").write_text("from pathlib import Path\n(Path(__file__).parent / 'imported').touch()\n")
    monkeypatch.chdir(tmp_path)
    yield tmp_path / "imported"
    sys.modules.pop("canary", None)


NAMES = (
    "data.name",
    "model.name",
    "method.name",
    "method.options.first_loss",
    "method.options.weighted_loss",
    "training.optimizer",
    "unknown.key",
    "seed",
)


@pytest.mark.fault(8)
@pytest.mark.parametrize("key", NAMES)
def test_no_key_of_a_foreign_run_imports_code(folder: Path, canary: Path, key: str) -> None:
    theirs = canary.parent / "theirs"
    shutil.copytree(folder / "run", theirs)
    values = tomllib.loads((theirs / "config.toml").read_text())
    *sections, last = key.split(".")
    section = values
    for name in sections:
        section = section.setdefault(name, {})
    section[last] = "canary:make"
    if key != "model.name":
        values["model"]["name"] = "mlp"
    (theirs / "config.toml").write_text(tomli_w.dumps(values))
    for command in (
        ["predict", theirs, folder / "table.csv", "--out", "o.csv"],
        ["evaluate", theirs],
        ["export", theirs, "--to", "weights.safetensors"],
        ["fit", folder / "run.toml", "--out", theirs],
    ):
        refused = deepgum(*command)
        assert refused.exit_code == 2, refused.output
        assert "canary:make" in refused.stderr
        assert not canary.exists()


@pytest.mark.fault(8)
@pytest.mark.parametrize("key", ["data.name", "model.name", "audit.inliers", "audit.reasons"])
def test_no_key_of_a_foreign_audit_imports_code(audited: AuditFolder, canary: Path, key: str) -> None:
    section, name = key.split(".")
    values: dict[str, Any] = {"data": {"name": "table"}, "model": {}, "audit": {}}
    values[section][name] = ["canary:make"] if name == "reasons" else "canary:make"
    audited.config_file.write_text(tomli_w.dumps(values))
    patch = canary.parent / "ours.patch.jsonl"
    patch.write_text(json.dumps({**HEAD, "dataset": "table", "groups": {"y": [0]}}) + "\n")
    (canary.parent / "own.toml").write_text(tomli_w.dumps({"data": {"name": "digits"}}))
    commands = [["gain", audited.path, patch], ["audit", "own.toml", "--out", audited.path]]
    if section != "model":  # these commands build no network
        commands += [["report", audited.path], ["review", audited.path, "--no-browser"]]
    for command in commands:
        refused = deepgum(*command)
        assert refused.exit_code == 2, refused.output
        assert "canary:make" in refused.stderr
        assert not canary.exists()


@pytest.mark.fault(8)
def test_a_finished_audit_of_somebody_else_imports_no_more_than_the_own_configuration(
    audited: AuditFolder, canary: Path
) -> None:
    """The settings in the folder are those of the user, but its summary names other code."""
    values = json.loads(audited.summary_file.read_text())
    values["data"]["name"] = "canary:make"
    audited.summary_file.write_text(json.dumps(values))
    config = AuditConfig.from_mapping({"data": {"name": "digits"}})
    config.write(audited.config_file)
    done = run_audit(config, audited.path)
    with pytest.raises(UntrustedCodeError, match="canary:make"):
        done.summary()
    assert not canary.exists()


@pytest.mark.fault(8)
def test_the_records_of_a_foreign_comparison_are_drawn_without_its_code(canary: Path) -> None:
    records = [
        RunRecord("canary:make", "ngo", rate, 0, 0.1, 0.1, 0.1, None, None, None, 9, 1.0, 30, 48) for rate in (0.0, 0.4)
    ]
    Path("results.jsonl").write_text("".join(record.to_json() + "\n" for record in records))
    drawn = deepgum("plot", "results.jsonl", "--out", "figure.png")
    assert drawn.exit_code == 0, drawn.output
    assert not canary.exists()


@pytest.mark.fault(8)
def test_a_file_of_the_working_folder_takes_the_place_of_no_package(canary: Path) -> None:
    for name in ("click", "numpy", "torch", "deepgum_data"):
        shutil.copy("canary.py", f"{name}.py")
    command = [sys.executable, "-m", "deepgum", "--version"]
    done = subprocess.run(command, cwd=canary.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not canary.exists()
