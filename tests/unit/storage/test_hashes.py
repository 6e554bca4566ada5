"""A kept hash is used again only for a file that cannot have changed."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from deepgum.storage import hashes
from deepgum.storage.hashes import KeptHashes, Stamp, file_sha256, forget_hashes

NAMES = ("a", "b", "c")


@pytest.fixture
def kept(tmp_path: Path) -> KeptHashes:
    for name in NAMES:
        (tmp_path / name).write_text(name)
    return KeptHashes(tmp_path / "cache", tmp_path)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that fills with the names of the files that are read."""
    names: list[str] = []

    def counting(path: Path) -> str:
        names.append(path.name)
        return file_sha256(path)

    monkeypatch.setattr(hashes, "file_sha256", counting)
    return names


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the clock say that all files were written an hour ago."""
    now = time.time_ns
    monkeypatch.setattr(hashes.time, "time_ns", lambda: now() + 3600 * 10**9)


def truth(kept: KeptHashes) -> list[str]:
    return [hashlib.sha256((kept.folder / name).read_bytes()).hexdigest() for name in NAMES]


@pytest.mark.usefixtures("settled")
def test_a_second_look_reads_nothing_and_gives_the_same(kept: KeptHashes, read: list[str]) -> None:
    assert kept.of(NAMES) == truth(kept)
    assert read == list(NAMES)
    assert kept.of(NAMES[::-1]) == truth(kept)[::-1]
    assert read == list(NAMES)


@pytest.mark.fault(4)
@pytest.mark.usefixtures("settled")
def test_another_content_with_the_same_size_and_time_is_read(kept: KeptHashes, read: list[str]) -> None:
    before = kept.of(NAMES)
    file = kept.folder / "b"
    times = file.stat()
    file.write_text("B")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert kept.of(NAMES) == truth(kept) != before
    assert read == [*NAMES, "b"]


@pytest.mark.usefixtures("settled")
def test_a_file_that_replaces_another_is_read(kept: KeptHashes) -> None:
    before = kept.of(NAMES)
    times = (kept.folder / "b").stat()
    (kept.folder / "new").write_text("B")
    os.utime(kept.folder / "new", ns=(times.st_atime_ns, times.st_mtime_ns))
    os.replace(kept.folder / "new", kept.folder / "b")
    assert kept.of(NAMES) == truth(kept) != before


def test_a_file_that_was_just_written_is_read_again(kept: KeptHashes, read: list[str]) -> None:
    kept.of(NAMES)  # a change within the resolution of the clock would not be seen
    kept.of(NAMES)
    assert read == 2 * list(NAMES)


@pytest.mark.usefixtures("settled")
def test_a_platform_without_sound_times_reads_every_file(
    kept: KeptHashes, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stamp, "of", classmethod(lambda cls, path: None))
    assert kept.of(NAMES) == kept.of(NAMES) == truth(kept)
    assert read == 2 * list(NAMES)


@pytest.mark.usefixtures("settled")
def test_forgotten_hashes_are_computed_again(kept: KeptHashes, read: list[str]) -> None:
    kept.of(NAMES)
    forget_hashes(kept.cache)
    assert kept.of(NAMES) == truth(kept)
    assert read == 2 * list(NAMES)


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("damage", [lambda content: content[:-30], lambda content: b"", lambda content: b"\1" * 99])
def test_a_damaged_list_of_hashes_is_not_used(kept: KeptHashes, damage: object, read: list[str]) -> None:
    kept.of(NAMES)
    (file,) = kept.cache.iterdir()
    file.write_bytes(damage(file.read_bytes()))  # type: ignore[operator]
    assert kept.of(NAMES) == truth(kept)
    assert read == 2 * list(NAMES)


@pytest.mark.usefixtures("settled")
def test_a_flipped_bit_in_the_list_of_hashes_is_seen(kept: KeptHashes) -> None:
    kept.of(NAMES)
    (file,) = kept.cache.iterdir()
    whole = file.read_bytes()
    for place in range(0, len(whole), 7):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        assert kept.of(NAMES) == truth(kept)


def test_a_file_that_cannot_be_read_has_no_hash(kept: KeptHashes) -> None:
    (kept.folder / "b").unlink()
    (kept.folder / "b").mkdir()
    assert kept.of([*NAMES, "missing"])[1::2] == [None, None]


@pytest.mark.usefixtures("settled")
def test_a_cache_that_cannot_be_written_to_is_no_obstacle(kept: KeptHashes, tmp_path: Path) -> None:
    assert KeptHashes(tmp_path / "a", tmp_path).of(NAMES) == truth(kept)  # "a" is a file
