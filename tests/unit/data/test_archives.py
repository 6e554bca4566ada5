"""NumPy archives: no pickles, and no archive that fills the memory."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from deepgum.data import archives
from deepgum.data.archives import read_archive
from deepgum.errors import InvalidDataError


def test_arrays_are_read_as_they_were_written(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", one=np.arange(6.0).reshape(2, 3), two=np.zeros(0), other=np.ones(9))
    read = read_archive(tmp_path / "a.npz", ["one", "two"], "an archive")
    assert list(read) == ["one", "two"]
    np.testing.assert_array_equal(read["one"], np.arange(6.0).reshape(2, 3))


@pytest.mark.fault(8)
def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return open, (str(tmp_path / "exploded"), "w")  # type: ignore[return-value]

    np.savez(tmp_path / "a.npz", one=np.array([Bomb()], dtype=object), allow_pickle=True)
    (tmp_path / "b.npz").write_bytes(pickle.dumps(Bomb()))
    for name in ("a.npz", "b.npz"):
        with pytest.raises(InvalidDataError, match=f"'.*{name}' should be an archive"):
            read_archive(tmp_path / name, ["one"], "an archive")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.fault(8)
def test_an_archive_that_would_fill_the_memory_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "a.npz", one=np.zeros(10**6, np.uint8))
    assert len(read_archive(tmp_path / "a.npz", ["one"], "an archive")["one"]) == 10**6
    monkeypatch.setattr(archives, "ALWAYS", 10**5)
    with pytest.raises(InvalidDataError, match="more than 100 times the size of the file"):
        read_archive(tmp_path / "a.npz", ["one"], "an archive")
    np.savez(tmp_path / "b.npz", one=np.zeros(10**6, np.uint8))  # as large as its file
    assert len(read_archive(tmp_path / "b.npz", ["one"], "an archive")["one"]) == 10**6


def _header(shape: tuple[int, ...]) -> bytes:
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return content.getvalue()


@pytest.mark.fault(8)
@pytest.mark.parametrize(
    "content",
    [_header((10**15,)), _header((2**62, 2**62)), b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535, b"", b"\x93NUMPY"],
    ids=["memory", "overflow", "header", "empty", "cut"],
)
def test_a_hostile_array_is_refused(tmp_path: Path, content: bytes) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("one.npy", content)
    with pytest.raises(InvalidDataError, match=r"'.*a\.npz' should be an archive"):
        read_archive(tmp_path / "a.npz", ["one"], "an archive")


def test_a_missing_array_is_named_with_the_others(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", first=np.zeros(1))
    with pytest.raises(InvalidDataError, match="no array one, and has first"):
        read_archive(tmp_path / "a.npz", ["one"], "an archive")
