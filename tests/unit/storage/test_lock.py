"""A folder is written to by one process at a time, and a lock leaves nothing behind."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

import deepgum.storage.lock as module
from deepgum.errors import DeepGUMWarning, OutputFolderError
from deepgum.storage.lock import LOCK, alone_in, locked


def test_the_second_is_refused_and_told_who_is_first(tmp_path: Path) -> None:
    with (
        alone_in(tmp_path),
        pytest.raises(
            OutputFolderError, match=rf"one process at a time. Another process \({os.getpid()}\) writes there"
        ),
        alone_in(tmp_path),
    ):
        raise AssertionError("Both were let in.")
    with alone_in(tmp_path):
        assert (tmp_path / LOCK).is_file()
    assert not list(tmp_path.iterdir())


def test_on_a_full_disk_only_the_number_of_the_process_is_missing(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
        with (
            locked(tmp_path / LOCK, ValueError),
            pytest.raises(ValueError, match=r"^$"),
            locked(tmp_path / LOCK, ValueError),
        ):
            raise AssertionError("Both hold the lock.")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [None, KeyboardInterrupt, ValueError])
def test_a_folder_that_was_made_stays_only_if_something_is_in_it(
    tmp_path: Path, error: type[BaseException] | None
) -> None:
    def work(folder: Path, name: str | None) -> None:
        with alone_in(folder):
            if name is not None:
                (folder / name).write_text("work")
            if error is not None:
                raise error

    for name in (None, "result"):
        try:
            work(tmp_path / "new" / "run", name)
        except (KeyboardInterrupt, ValueError):
            assert error is not None
        assert (tmp_path / "new").exists() == (name is not None)
    assert [path.name for path in (tmp_path / "new" / "run").iterdir()] == ["result"]


def test_a_folder_that_was_there_stays(tmp_path: Path) -> None:
    with alone_in(tmp_path):
        pass
    assert tmp_path.is_dir()


def test_a_lock_that_the_one_before_removed_meanwhile_is_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = module.try_lock, []

    def removed_in_between(handle: int) -> bool:
        calls.append(handle)
        if len(calls) == 1:
            (tmp_path / LOCK).unlink()
        return real(handle)

    monkeypatch.setattr(module, "try_lock", removed_in_between)
    with alone_in(tmp_path):
        assert len(calls) == 2
        with pytest.raises(OutputFolderError), alone_in(tmp_path):
            pass


def test_where_files_cannot_be_locked_that_is_said_and_the_work_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(code: int) -> None:
        def try_lock(_: int) -> bool:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(module, "try_lock", try_lock)

    refuse(errno.ENOSYS)
    with pytest.warns(DeepGUMWarning, match="should be on a file system that can lock files"), alone_in(tmp_path):
        (tmp_path / "work").touch()
    assert [entry.name for entry in tmp_path.iterdir()] == ["work"]
    refuse(errno.EIO)
    with pytest.raises(OSError, match="Input/output"), alone_in(tmp_path):
        raise AssertionError("It was let in.")


@pytest.mark.fault(6)
def test_the_lock_of_a_folder_that_was_made_anew_is_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    with locked(folder / LOCK, ValueError):
        folder.rename(tmp_path / "old")
        folder.mkdir()
        new = locked(folder / LOCK, ValueError)
        new.__enter__()
    # The end of the first lock has left the second one.
    with pytest.raises(ValueError, match=str(os.getpid())), locked(folder / LOCK, ValueError):
        raise AssertionError("Both were let in.")
    new.__exit__(None, None, None)
    assert not list(folder.iterdir())


def test_a_lock_that_is_a_link_is_refused_and_its_target_kept(tmp_path: Path) -> None:
    """A folder of somebody else may hold links instead of locks. A lock is made empty, so a target would be lost."""
    target, lock = tmp_path / "letter", tmp_path / LOCK
    target.write_text("dear")
    lock.symlink_to(target)
    with pytest.raises(OSError, match="is a link"), locked(lock, ValueError):
        raise AssertionError("It was let in.")
    assert target.read_text() == "dear"
    target.unlink()
    with pytest.raises(OSError, match="is a link"), locked(lock, ValueError):
        raise AssertionError("It was let in.")
    assert not target.exists()


def test_a_lock_is_waited_for(tmp_path: Path) -> None:
    first = locked(tmp_path / LOCK, ValueError)
    first.__enter__()
    release = threading.Timer(0.05, first.__exit__, (None, None, None))
    release.start()
    with locked(tmp_path / LOCK, ValueError, wait=20):
        release.join()
