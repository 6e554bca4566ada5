"""Runs, comparisons and audits write to a folder that is new, empty or their own, and touch no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deepgum.audit.folder import AuditFolder
from deepgum.errors import OutputFolderError
from deepgum.experiments.audits.config import AuditConfig
from deepgum.experiments.audits.run import _is_done
from deepgum.experiments.output import entries
from deepgum.experiments.paper.folder import OutputFolder
from deepgum.experiments.paper.options import CompareOptions
from deepgum.experiments.runs.claim import is_done
from deepgum.experiments.runs.config import RunConfig
from deepgum.experiments.runs.config_file import write_config
from deepgum.experiments.runs.run_folder import RunFolder

Check = Callable[[Path, int], Any]


def check_run(path: Path, seed: int) -> bool:
    return done(path, run_of(seed))


def run_of(seed: int, model: str = "facenet") -> RunConfig:
    return RunConfig.from_mapping({"data": {"name": "digits"}, "model": {"name": model}, "seed": seed})


def write_run(path: Path, seed: int, model: str = "facenet") -> None:
    path.mkdir()
    write_config(run_of(seed, model), path / "config.toml")
    (path / "checkpoint.safetensors").write_bytes(b"half a training")


def check_comparison(path: Path, seed: int) -> None:
    OutputFolder(path).check(CompareOptions("digits", train_size=100 + seed).shared)


def write_comparison(path: Path, seed: int, model: str = "facenet") -> None:
    OutputFolder(path).claim(CompareOptions("digits", train_size=100 + seed, model=model).shared)


def audit_of(seed: int, model: str = "facenet") -> AuditConfig:
    return AuditConfig.from_mapping({"data": {"name": "digits"}, "model": {"name": model}, "seed": seed})


def check_audit(path: Path, seed: int) -> bool:
    return done(path, audit_of(seed))


def write_audit(path: Path, seed: int, model: str = "facenet") -> None:
    path.mkdir()
    audit_of(seed, model).write(path / "audit.toml")


KINDS = {
    "run": (check_run, write_run, "config.toml"),
    "comparison": (check_comparison, write_comparison, "config.json"),
    "audit": (check_audit, write_audit, "audit.toml"),
}


@pytest.fixture(params=sorted(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def done(path: Path, config: RunConfig | AuditConfig) -> bool:
    if isinstance(config, RunConfig):
        return is_done(RunFolder(path), config)
    return _is_done(AuditFolder(path), config)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.is_dir() else {}


def refused(kind: str, path: Path) -> str:
    before = content(path)
    with pytest.raises(OutputFolderError) as caught:
        KINDS[kind][0](path, 0)
    assert content(path) == before
    assert "Give another output folder. Nothing was written." in str(caught.value)
    assert f"'{path}'" in str(caught.value)
    return str(caught.value)


def test_a_folder_that_is_new_or_empty_or_its_own_may_be_written_to(kind: str, tmp_path: Path) -> None:
    check, write, _ = KINDS[kind]
    assert not check(tmp_path / "new", 0)
    assert not (tmp_path / "new").exists()
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".lock").touch()
    (tmp_path / "empty" / ".DS_Store").touch()
    assert not check(tmp_path / "empty", 0)
    write(tmp_path / "own", 0)
    assert not check(tmp_path / "own", 0)


def test_a_file_and_a_folder_of_other_things_are_refused(kind: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    assert "should be a folder. Found a file." in refused(kind, tmp_path / "file")
    (tmp_path / "folder").mkdir()
    for name in "abcdefg":
        (tmp_path / "folder" / name).write_text("mine")
    assert f"new, empty, or of this {kind}. It holds a, b, c, d, e and 2 more." in refused(kind, tmp_path / "folder")


def test_the_folder_of_another_is_refused_with_the_settings_that_differ(kind: str, tmp_path: Path) -> None:
    KINDS[kind][1](tmp_path / "another", 1)
    message = refused(kind, tmp_path / "another")
    assert f"It holds another {kind}" in message
    assert ("train_size = 101 there and 100 here" if kind == "comparison" else "seed = 1 there and 0 here") in message


@pytest.mark.parametrize("text", ["[project]\nname = 'another program'\n", "{", "[]", '"text"'])
def test_a_configuration_of_something_else_is_refused(kind: str, tmp_path: Path, text: str) -> None:
    (tmp_path / KINDS[kind][2]).write_text(text)
    assert "It holds another configuration:" in refused(kind, tmp_path)


@pytest.mark.parametrize("name", ["run", "audit"])
def test_the_code_of_another_is_never_imported(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("The configuration of the folder was built.")

    _, write, _ = KINDS[name]
    write(tmp_path / "theirs", 0, "their_code:net")
    own = {"run": run_of(0), "audit": audit_of(0)}[name]
    monkeypatch.setattr(RunConfig, "from_mapping", fail)
    with pytest.raises(OutputFolderError, match=rf"another {name}, which uses other code: their_code:net\."):
        done(tmp_path / "theirs", own)


@pytest.mark.parametrize("name", ["run", "audit"])
def test_code_that_the_user_names_too_is_no_obstacle(name: str, tmp_path: Path) -> None:
    KINDS[name][1](tmp_path / "mine", 0, "my_code:net")
    assert not done(tmp_path / "mine", {"run": run_of, "audit": audit_of}[name](0, "my_code:net"))


def test_hidden_files_do_not_count(tmp_path: Path) -> None:
    for name in (".lock", ".a.json.17.partial", "b", "a"):
        (tmp_path / name).touch()
    assert entries(tmp_path) == ["a", "b"]
    assert entries(tmp_path / "none") == []
