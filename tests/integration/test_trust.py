"""Code outside the package: a user's own is found in the working folder; that of a folder needs `--trust`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
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
from deepgum.experiments.audits.gain import gain_of
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
