"""Atomic writing: a file appears whole or not at all, and a full disk is a typed error with the numbers."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

import deepgum.storage.disk as module
from deepgum.errors import DeepGUMError, DiskFullError, OutputExistsError
from deepgum.storage.disk import (
    check_space,
    folder_atomically,
    is_partial,
    remove_abandoned,
    remove_partial,
    write_atomically,
)


def test_a_library_that_expands_a_tilde_gets_no_path_that_begins_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with write_atomically(Path("~") / "note") as temporary:
        Path(os.path.expanduser(temporary)).write_text("hello")
    assert (tmp_path / "~" / "note").read_text() == "hello"


def test_the_space_that_is_there_is_what_counts(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    check_space(tmp_path, free // 2, "half of it")
    with pytest.raises(DiskFullError, match=rf"{4 * free} bytes free for a lot.*Found [0-9]+ "):
        check_space(tmp_path, 4 * free, "a lot")


@pytest.mark.parametrize(
    ("needed", "expected"),
    [(2 * 2**30, "2.0 GiB and 512.0 MiB"), (600 * 2**20, "600.0 MiB and 512.0 MiB"), (5 * 2**29, "2.5 GiB and")],
)
def test_sizes_have_the_unit_that_a_person_reads(
    needed: int, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2**29))
    with pytest.raises(DiskFullError, match=expected):
        check_space(tmp_path, needed, "a lot")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=512))
    with pytest.raises(DiskFullError, match=r"1\.0 KiB and 0\.5 KiB"):
        check_space(tmp_path, 1024, "a little")


def test_the_error_is_the_library_s_and_the_system_s() -> None:
    assert issubclass(DiskFullError, DeepGUMError)
    assert issubclass(DiskFullError, OSError)


def test_a_file_appears_when_all_is_written(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file"
    with write_atomically(target, 3, "three bytes") as temporary:
        temporary.write_bytes(b"abc")
        assert not target.exists()
        assert is_partial(temporary.parent.name)
    assert target.read_bytes() == b"abc"
    assert list(target.parent.iterdir()) == [target]


def test_a_file_that_cannot_fit_is_refused_before_the_block(tmp_path: Path) -> None:
    needed = 4 * shutil.disk_usage(tmp_path).free
    with (
        pytest.raises(DiskFullError, match=f"{needed} bytes free for features"),
        write_atomically(tmp_path / "file", needed, "features"),
    ):
        raise AssertionError("The block began.")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize(
    ("size", "expected"), [((1234, "some crops"), "1234 bytes for some crops"), ((), "room for 'file'")]
)
def test_a_full_disk_leaves_the_file_of_before(
    tmp_path: Path, code: int, size: tuple[int, str] | tuple[()], expected: str
) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")

    def fill() -> None:
        with write_atomically(target, *size) as temporary:
            temporary.write_bytes(b"half of the n")
            raise OSError(code, "as the system says it")

    with pytest.raises(DiskFullError, match=rf"{expected}.*, and [0-9]+ bytes are free") as caught:
        fill()
    assert isinstance(caught.value.__cause__, OSError)
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_bytes() == b"old"


def test_a_disk_that_is_too_full_for_the_folder_of_a_file_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "as the system says it")

    monkeypatch.setattr(Path, "mkdir", fill)
    with (
        pytest.raises(DiskFullError, match=r"room for 'file'.*, and [0-9]+ bytes are free"),
        write_atomically(tmp_path / "new" / "deep" / "file"),
    ):
        raise AssertionError("The block began.")


def test_a_full_disk_leaves_nothing_of_a_folder(tmp_path: Path) -> None:
    def fill() -> None:
        with folder_atomically(tmp_path / "folder") as temporary:
            (temporary / "half").write_bytes(b"half")
            raise OSError(errno.ENOSPC, "as the system says it")

    with pytest.raises(DiskFullError, match="room for 'folder'"):
        fill()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EIO, "a broken disk"),
        PermissionError(errno.EACCES, "no"),
        ValueError(),
        KeyboardInterrupt(),
        DiskFullError("Another file does not fit."),
    ],
)
def test_other_errors_pass_as_they_are_and_leave_the_file_of_before(tmp_path: Path, error: BaseException) -> None:
    target, message = tmp_path / "file", str(error)
    target.write_bytes(b"old")

    def fail() -> None:
        with write_atomically(target, 3, "three bytes") as temporary:
            temporary.write_bytes(b"ne")
            raise error

    with pytest.raises(type(error)) as caught:
        fail()
    assert caught.value is error
    assert message in str(error)
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_bytes() == b"old"


def test_an_error_of_the_system_names_the_file_and_not_the_temporary_one(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    (tmp_path / "file" / "inside").touch()
    with pytest.raises(OSError, match="file") as caught, write_atomically(tmp_path / "file") as temporary:
        temporary.touch()
    assert (caught.value.filename, caught.value.filename2) == (str(tmp_path / "file"), None)


def test_two_threads_that_write_the_same_file_do_not_mix(tmp_path: Path) -> None:
    def write(letter: str) -> None:
        for _ in range(20):
            with write_atomically(tmp_path / "file") as temporary, open(temporary, "w") as file:
                for _ in range(50):
                    file.write(letter)
                    file.flush()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, "abcd"))
    assert (tmp_path / "file").read_text() in {50 * letter for letter in "abcd"}
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from deepgum.storage.disk import write_atomically\n"
        "with write_atomically(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    for name in ("c.json", "d.json"):
        subprocess.run([sys.executable, "-c", code, str(tmp_path / name)], check=False)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert len(left) == 2
    assert all(map(is_partial, left))
    for name in (".c-0123abcd.tmp", ".c.json.17.partial", ".c.json", "c.json", "x.partial", ".c-backup.txt"):
        (tmp_path / name).touch()
    remove_partial(tmp_path / "c.json")
    others = {".c.json", "c.json", "x.partial", ".c-backup.txt"}
    assert {path.name for path in tmp_path.iterdir()} == {left[1], *others}
    remove_partial(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == others


def test_a_folder_that_a_link_leads_to_is_filled_where_it_is(tmp_path):
    (tmp_path / "disk" / "real").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "real")
    with folder_atomically(tmp_path / "link") as folder:
        assert folder.parent.parent == tmp_path / "disk"
        (folder / "a").write_text("a")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "disk" / "real" / "a").read_text() == "a"


# ---- a name that appears meanwhile


@pytest.fixture(params=["hard links", "no hard links"])
def links(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no hard links")

    if request.param == "no hard links":
        monkeypatch.setattr(os, "link", refuse)


@pytest.mark.fault(15)
@pytest.mark.usefixtures("links")
def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"

    def write() -> None:
        with write_atomically(target, replace=False) as temporary:
            temporary.write_text("ours")
            target.write_text("theirs")

    with pytest.raises(OutputExistsError, match=r"should be a new file.*Nothing was written"):
        write()
    assert target.read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.usefixtures("links")
def test_a_new_file_is_created_whole(tmp_path: Path) -> None:
    with write_atomically(tmp_path / "out.csv", replace=False) as temporary:
        temporary.write_text("ours")
    assert (tmp_path / "out.csv").read_text() == "ours"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.fault(15)
@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_appears_at_the_place_of_a_folder_is_kept(tmp_path: Path, kind: str) -> None:
    out = tmp_path / "out"

    def write() -> None:
        with folder_atomically(out) as temporary:
            (temporary / "ours").touch()
            if kind == "file":
                out.touch()
            elif kind == "link":
                out.symlink_to(tmp_path)
            else:
                out.mkdir()
                (out / "theirs").touch()

    with pytest.raises(OutputExistsError, match=r"should be a new or empty folder.*Nothing was written"):
        write()
    assert os.path.lexists(out)
    assert list(tmp_path.iterdir()) == [out]


# ---- after a crash


@pytest.mark.fault(7)
def test_the_entry_of_a_file_and_of_its_new_folders_reach_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    real, replace = os.fsync, os.replace

    def fsync(handle: int) -> None:
        done.append(os.readlink(f"/proc/self/fd/{handle}"))
        real(handle)

    def replaced(source: Path, target: Path) -> None:
        done.append("replaced")
        replace(source, target)

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("The names of open files are read from /proc.")
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replaced)
    with write_atomically(tmp_path / "a" / "b" / "file") as temporary:
        temporary.touch()
    folder = tmp_path.resolve()
    assert set(done[:2]) == {str(folder), str(folder / "a")}
    assert done[2:] == [str(temporary.resolve()), "replaced", str(folder / "a" / "b")]


def test_the_files_of_a_folder_reach_the_disk_before_it_is_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[int] = set()
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (synced.add(os.fstat(handle).st_ino), real(handle))[1])
    (tmp_path / "old").write_text("old")
    with folder_atomically(tmp_path / "new") as temporary:
        (temporary / "labels").mkdir()
        (temporary / "labels" / "list").write_text("text")
        os.chmod(temporary / "labels" / "list", 0o444)
        os.link(tmp_path / "old", temporary / "same")
    new = tmp_path / "new"
    assert {path.stat().st_ino for path in (new, new / "labels", new / "labels" / "list", tmp_path)} <= synced
    assert (tmp_path / "old").stat().st_ino not in synced


@pytest.mark.fault(14)
def test_only_what_no_living_process_holds_is_swept(tmp_path: Path) -> None:
    (tmp_path / ".dead.csv.17-0123abcd.partial").mkdir()
    (tmp_path / ".dead.csv.17-0123abcd.partial" / "dead.csv").write_text("half")
    (tmp_path / ".old.csv.17-0123abcd.partial").write_text("a file of an earlier version: it cannot be told")
    (tmp_path / "theirs").mkdir()
    (tmp_path / ".theirs.csv.17-0123abcd.partial").symlink_to(tmp_path / "theirs")
    others = {".old.csv.17-0123abcd.partial", ".theirs.csv.17-0123abcd.partial", "theirs"}
    code = (
        "import sys; from pathlib import Path; from deepgum.storage.disk import remove_abandoned\n"
        "remove_abandoned(Path(sys.argv[1]))"
    )
    with write_atomically(tmp_path / "living.csv") as temporary:
        temporary.write_text("half")
        subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
        assert temporary.read_text() == "half"
        assert {path.name for path in tmp_path.iterdir()} == {temporary.parent.name, *others}
    remove_abandoned(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"living.csv", *others}
    assert not list((tmp_path / "theirs").iterdir())


@pytest.mark.fault(14)
def test_the_folders_of_a_run_are_swept_too(tmp_path: Path) -> None:
    (tmp_path / "posteriors" / ".a.parquet.17-0123abcd.partial").mkdir(parents=True)
    (tmp_path / "posteriors" / "a.parquet").touch()
    remove_partial(tmp_path)
    assert [path.name for path in (tmp_path / "posteriors").iterdir()] == ["a.parquet"]


def test_a_folder_that_is_swept_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, swept = module.hold, []

    def hold(path: Path) -> object:
        if not swept:
            swept.append(path.parent)
            remove_abandoned(tmp_path)
        return real(path)

    monkeypatch.setattr(module, "hold", hold)
    with write_atomically(tmp_path / "file") as temporary:
        assert temporary.parent != swept[0]
        temporary.touch()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# ---- every file of the package

# A cache that only grows, and locks: they hold no results.
_APPENDED = {"data/row_file.py", "storage/lock.py"}
# The writers of corrected labels: `apply_patch` gives them a temporary path.
_GIVEN = {"data/edits/texts.py", "storage/disk.py"}


@pytest.mark.fault(13)
def test_every_file_is_written_at_a_temporary_path() -> None:
    source = Path(module.__file__).parents[1]
    writes = re.compile(r"(\w+)\.write_(?:text|bytes)\(|(?<![.\w])open\((\w+), \"[wax]")
    found = {
        (file.relative_to(source).as_posix(), match[1] or match[2])
        for file in source.rglob("*.py")
        for line in file.read_text(encoding="utf-8").splitlines()
        if not line.lstrip().startswith((">>>", "..."))
        for match in writes.finditer(line)
    }
    assert len(found) > 10
    assert {file for file, name in found if name != "temporary"} <= _APPENDED | _GIVEN
