"""`deepgum review` as a command: what it says, what it refuses, and what it writes without serving."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result

from deepgum.audit.corrections.decisions import Decision
from deepgum.audit.corrections.formats import ENDINGS, KINDS
from deepgum.audit.corrections.patch_file import read_patch
from deepgum.audit.folder import AuditFolder
from deepgum.cli import main
from deepgum.errors import MissingDependencyError
from deepgum.review.server import check_packages
from deepgum.review.store import DecisionStore


def review(*arguments: object) -> Result:
    result = CliRunner().invoke(main, ["review", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_help_names_every_kind_of_export() -> None:
    words = review("--help").output
    assert all(kind in words for kind in KINDS)


def test_an_export_needs_no_server_and_no_browser(audited: AuditFolder, tmp_path: Path) -> None:
    with DecisionStore.of(audited) as store:
        store.decide(Decision("images/004.png", "a", "fix", (1.5, 2.5), who="ada"))
        store.decide(Decision("images/000.png", "a", "skip"))
    files = {kind: tmp_path / f"{kind}{ENDINGS[kind][0]}" for kind in KINDS}
    result = review(audited.path, *[part for kind, file in files.items() for part in ("--export", f"{kind}={file}")])
    assert result.exit_code == 0
    assert all(file.is_file() and str(file) in result.output.replace("\n", "") for file in files.values())
    (change,) = read_patch(files["patch"]).changes
    for kind in KINDS:  # as many as are in the file
        assert f"{kind}, 1 decision, without the 1 skipped label." in " ".join(result.output.split())
    assert (change.id, change.new, change.decision, change.who) == ("images/004.png", (1.5, 2.5), "fix", "ada")


def test_an_export_before_a_review_does_not_change_the_folder(audited: AuditFolder, tmp_path: Path) -> None:
    before = sorted(audited.path.iterdir())
    assert review(audited.path, "--export", f"patch={tmp_path / 'patch.jsonl'}").exit_code == 0
    assert read_patch(tmp_path / "patch.jsonl").changes == ()
    assert sorted(audited.path.iterdir()) == before


@pytest.mark.fault(21)
def test_the_decisions_of_a_read_only_folder_can_be_exported(
    audited: AuditFolder, tmp_path: Path, read_only: Callable[[Path], None]
) -> None:
    with DecisionStore.of(audited) as store:
        store.decide(Decision("images/004.png", "a", "fix", (1.5, 2.5)))
    read_only(audited.path)
    assert review(audited.path, "--export", f"patch={tmp_path / 'patch.jsonl'}").exit_code == 0
    (change,) = read_patch(tmp_path / "patch.jsonl").changes
    assert change.new == (1.5, 2.5)


@pytest.mark.parametrize(
    ("value", "words"),
    [("patch", "KIND=FILE"), ("patch=", "KIND=FILE"), ("patches=x", "Did you mean 'patch'?"), ("=x", "one of 'patch'")],
)
def test_an_invalid_export_is_refused_before_any_write(
    audited: AuditFolder, tmp_path: Path, value: str, words: str
) -> None:
    result = review(audited.path, "--export", f"patch={tmp_path / 'first.jsonl'}", "--export", value)
    assert result.exit_code == 2
    assert words in result.output
    assert not (tmp_path / "first.jsonl").exists()


def test_a_folder_without_audit_is_refused_with_the_next_step(tmp_path: Path) -> None:
    for more in ([], ["--export", f"patch={tmp_path / 'x'}"]):
        result = review(tmp_path, "--no-browser", *more)
        assert result.exit_code == 2
        assert "deepgum audit DATA --out FOLDER" in result.output
    assert not list(tmp_path.iterdir())


def test_without_flags_nothing_is_served(audited: AuditFolder) -> None:
    labels = audited.labels()
    labels.responsibilities[:] = 0.9
    audited.write(audited.summary(), labels, audited.pictures())
    result = review(audited.path, "--no-browser")
    assert result.exit_code == 0
    assert "nothing to review" in result.output


def test_missing_packages_are_reported_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "deepgum\[review\]"'):
        check_packages()


def test_an_export_does_not_need_its_packages(audited: AuditFolder, tmp_path: Path) -> None:
    code = f"""
import sys
sys.modules["starlette"] = sys.modules["uvicorn"] = None
from deepgum.cli import main
main(["review", {str(audited.path)!r}, "--export", "patch={tmp_path / "patch.jsonl"}"])
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert read_patch(tmp_path / "patch.jsonl").changes == ()


def test_a_port_that_is_taken_is_refused(audited: AuditFolder) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        result = review(audited.path, "--no-browser", "--port", other.getsockname()[1])
    assert result.exit_code == 2
    assert "Parameter `--port` should be a free port of this machine" in result.output


def test_a_second_server_names_the_address_of_the_first(audited: AuditFolder, start_review: Callable[..., Any]) -> None:
    first = start_review(audited.path)
    words = f"at {first.url}. Open that address, or stop the other server first"
    assert words in review(audited.path, "--no-browser").output
    with urllib.request.urlopen(first.url) as page:
        assert page.status == 200
    words = first.stop()
    assert "Nothing decided; undecided 10." in words
    assert first.command.exit_code == 0
    second = start_review(audited.path)
    assert urlsplit(second.url).port == urlsplit(first.url).port
    assert second.url != first.url  # another token


@pytest.mark.fault(6)
def test_a_folder_that_was_made_anew_has_one_server_of_its_own(
    audited: AuditFolder, tmp_path: Path, start_review: Callable[..., Any], write_audit: Callable[[Path], AuditFolder]
) -> None:
    old = start_review(audited.path)
    shutil.rmtree(audited.path)
    write_audit(tmp_path)
    new = start_review(audited.path)
    assert urlsplit(new.url).port != urlsplit(old.url).port
    assert f"at {new.url}" in review(audited.path, "--no-browser").output
    words = old.stop()
    assert "moved, deleted or made again" in words
    assert f"at {new.url}" in review(audited.path, "--no-browser").output  # the lock is still held


def test_exports_need_different_files_outside_the_audit(audited: AuditFolder, tmp_path: Path) -> None:
    one, other = (f"patch={tmp_path / name}.jsonl" for name in "ab")
    assert review(audited.path, "--export", one, "--export", other).exit_code == 0
    assert all((tmp_path / f"{name}.jsonl").is_file() for name in "ab")
    same = tmp_path / "c.json"
    result = review(audited.path, "--export", f"coco={same}", "--export", f"fiftyone={same}")
    assert result.exit_code == 2
    assert not same.exists()
    own = ("summary.json", "calibration.json", "gain.json", ".review.json", "decisions.jsonl", "decisions.sqlite")
    for name in own:
        path = audited.path / name
        before = path.read_bytes() if path.exists() else None
        assert review(audited.path, "--export", f"coco={path}").exit_code == 2
        assert (path.read_bytes() if path.exists() else None) == before
    (tmp_path / "labels.xml").write_text("<annotations/>")
    result = review(audited.path, "--export", f"label-studio={tmp_path / 'labels.json'}")
    assert result.exit_code == 2
    assert (tmp_path / "labels.xml").read_text() == "<annotations/>"


def test_an_invalid_name_of_the_reviewer_is_refused_at_the_start(audited: AuditFolder) -> None:
    result = review(audited.path, "--no-browser", "--who", "x" * 300)
    assert result.exit_code == 2
    assert "`--who`" in result.output
