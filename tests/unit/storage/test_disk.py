"""A file is there whole or not at all, and a disk that cannot hold it is a typed error with the numbers."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest

from deepgum.errors import DeepGUMError, DiskFullError
from deepgum.storage.disk import check_space, folder_atomically, replacing


def test_the_space_that_is_there_is_what_counts(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    check_space(tmp_path, free // 2, "half of it")
    with pytest.raises(DiskFullError, match=rf"{4 * free} bytes free for a lot.*Found [0-9]+ "):
        check_space(tmp_path, 4 * free, "a lot")


def test_the_error_is_the_library_s_and_the_system_s() -> None:
    assert issubclass(DiskFullError, DeepGUMError)
    assert issubclass(DiskFullError, OSError)


def test_a_file_appears_when_all_is_written(tmp_path: Path) -> None:
    target = tmp_path / "file"
    with replacing(target, 3, "three bytes") as file:
        file.write(b"abc")
        assert not target.exists()
    assert target.read_bytes() == b"abc"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_disk_that_fills_up_leaves_what_was_there(tmp_path: Path, code: int) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")

    def fill() -> None:
        with replacing(target, 1234, "some crops") as file:
            file.write(b"half of the n")
            raise OSError(code, "as the system says it")

    with pytest.raises(DiskFullError, match=r"1234 bytes for some crops.* [0-9]+ bytes are free") as caught:
        fill()
    assert isinstance(caught.value.__cause__, OSError)
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_bytes() == b"old"


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "a broken disk"), PermissionError(errno.EACCES, "no"), ValueError()]
)
def test_other_errors_pass_as_they_are_and_leave_what_was_there(tmp_path: Path, error: Exception) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    with pytest.raises(type(error)) as caught, replacing(target, 3, "three bytes"):
        raise error
    assert caught.value is error
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_bytes() == b"old"


def test_a_folder_that_a_link_leads_to_is_filled_where_it_is(tmp_path):
    (tmp_path / "disk" / "real").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "real")
    with folder_atomically(tmp_path / "link") as folder:
        assert folder.parent == tmp_path / "disk"
        (folder / "a").write_text("a")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "disk" / "real" / "a").read_text() == "a"
