"""Rows that were written stay written, whatever ended the writing."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from deepgum.data import row_file
from deepgum.data.row_file import RowFile
from deepgum.errors import DiskFullError

N, WIDTH = 20, 25_000


@pytest.fixture
def rows(tmp_path: Path) -> RowFile:
    return RowFile(tmp_path / "rows.bin", "key", (N, WIDTH), torch.float32)


def block(first: int, last: int) -> Tensor:
    """Return rows that tell their number."""
    return torch.arange(first, last, dtype=torch.float32)[:, None].expand(-1, WIDTH)


def blocks(start: int, stop: int = N, size: int = 2) -> Iterator[Tensor]:
    for first in range(start, stop, size):
        yield block(first, min(first + size, stop))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_what_is_written_is_read_in_every_number_format(tmp_path: Path, dtype: torch.dtype) -> None:
    rows = RowFile(tmp_path / "rows.bin", "key", (N, 2, 3), dtype)
    values = torch.randn(N, 2, 3, generator=torch.Generator().manual_seed(0)).to(dtype)
    with rows.making():
        rows.append(values.split(7))
    assert rows.done() == N
    assert torch.equal(rows.read(), values)
    assert rows.path.stat().st_size == N * rows.row_bytes == values.nbytes


def test_the_file_cannot_be_changed_through_what_is_read(rows: RowFile) -> None:
    rows.append(blocks(0))
    rows.read().zero_()
    assert torch.equal(rows.read(), block(0, N))


@pytest.mark.parametrize("ending", [KeyboardInterrupt, RuntimeError])
def test_an_interruption_keeps_every_row_before_it(rows: RowFile, ending: type[BaseException]) -> None:
    def broken() -> Iterator[Tensor]:
        yield from blocks(0, 6)
        raise ending

    with pytest.raises(ending):
        rows.append(broken())
    assert rows.done() == 6
    assert torch.equal(rows.read(), block(0, 6))
    rows.append(blocks(6))
    assert torch.equal(rows.read(), block(0, N))


def test_rows_behind_the_note_are_written_again(rows: RowFile) -> None:
    # So it looks after a power cut: bytes that nobody vouches for.
    rows.append(blocks(0, 6))
    with open(rows.path, "ab") as file:
        file.write(b"\xff" * (rows.row_bytes + 7))
    assert rows.done() == 6
    rows.append(blocks(6))
    assert torch.equal(rows.read(), block(0, N))


def test_a_file_that_was_cut_short_counts_its_whole_blocks(rows: RowFile) -> None:
    rows.append(blocks(0, 6))
    rows.append(blocks(6))
    with open(rows.path, "r+b") as file:
        file.truncate(7 * rows.row_bytes + 1)
    assert rows.done() == 6
    rows.append(blocks(6))
    assert torch.equal(rows.read(), block(0, N))
    assert rows.is_complete()


def flip(rows: RowFile, row: int) -> None:
    with open(rows.path, "r+b") as file:
        file.seek(row * rows.row_bytes + 5)
        byte = file.read(1)[0]
        file.seek(row * rows.row_bytes + 5)
        file.write(bytes([byte ^ 64]))


@pytest.mark.fault(4)
@pytest.mark.parametrize(("row", "left"), [(2, 0), (6, 6), (N - 1, 6)])
def test_a_flipped_bit_is_seen_and_its_rows_are_written_again(rows: RowFile, row: int, left: int) -> None:
    rows.append(blocks(0, 6))
    rows.append(blocks(6))
    assert rows.is_complete()
    flip(rows, row)
    assert not rows.is_complete()
    rows.drop_damaged()
    assert rows.done() == left
    rows.append(blocks(left))
    assert torch.equal(rows.read(), block(0, N))
    assert rows.is_complete()


def test_a_flipped_bit_in_unfinished_rows_is_seen(rows: RowFile) -> None:
    rows.append(blocks(0, 6))
    rows.append(blocks(6, 9))
    assert not rows.is_complete()
    flip(rows, 7)
    rows.drop_damaged()
    assert rows.done() == 6


def test_intact_rows_stay(rows: RowFile) -> None:
    rows.append(blocks(0, 6))
    rows.drop_damaged()
    assert rows.done() == 6
    rows.append(blocks(6))
    rows.drop_damaged()
    assert rows.is_complete()


@pytest.mark.parametrize("note", [b"", b"[]", b"{}", b"null", b"\xff", b'{"rows": 3}'])
def test_a_damaged_note_counts_nothing(rows: RowFile, note: bytes) -> None:
    rows.append(blocks(0))
    rows.path.with_suffix(".json").write_bytes(note)
    assert rows.done() == 0


def test_rows_of_another_key_shape_or_format_are_not_read(rows: RowFile) -> None:
    rows.append(blocks(0))
    for other in (
        RowFile(rows.path, "other", rows.shape, rows.dtype),
        RowFile(rows.path, rows.key, (2 * N, WIDTH // 2), rows.dtype),
        RowFile(rows.path, rows.key, rows.shape, torch.int32),
    ):
        assert other.done() == 0


def test_who_has_rows_open_keeps_them_when_they_are_made_anew(rows: RowFile) -> None:
    rows.append(blocks(0))
    held = rows.read()
    rows.discard()
    rows.append(block(first, first + 1) + 100 for first in range(N))
    assert torch.equal(held, block(0, N))
    assert torch.equal(rows.read(), block(0, N) + 100)


def test_a_file_without_a_valid_note_is_not_written_over_either(rows: RowFile) -> None:
    rows.append(blocks(0))
    held = rows.read()
    rows.path.with_suffix(".json").unlink()
    rows.append(block(first, first + 1) + 100 for first in range(N))
    assert torch.equal(held, block(0, N))


def test_the_note_is_kept_up_to_date_meanwhile(rows: RowFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_file, "_SECONDS_BETWEEN_NOTES", -1.0)
    seen = []

    def watched() -> Iterator[Tensor]:
        for piece in blocks(0):
            seen.append(rows.done())
            yield piece

    rows.append(watched())
    assert seen == list(range(0, N, 2))


def test_a_disk_that_is_too_small_is_refused_with_both_sizes(rows: RowFile, monkeypatch: pytest.MonkeyPatch) -> None:
    free = 10 * rows.row_bytes
    monkeypatch.setattr("shutil.disk_usage", lambda folder: _Usage(free))
    with pytest.raises(
        DiskFullError, match=rf"should have {N * rows.row_bytes + 65536} bytes free for it\. Found {free} "
    ):
        rows.check_space("it")
    free = 21 * rows.row_bytes
    rows.append(blocks(0, 12))
    free = 9 * rows.row_bytes
    rows.check_space("it")  # what is done needs no more room


class _Usage:
    def __init__(self, free: int) -> None:
        self.free = free


@pytest.fixture
def small_disk() -> Iterator[int]:
    """Let the system refuse files beyond a size, and return it; as a full disk does, in the middle of a write."""
    resource = pytest.importorskip("resource", reason="the system has no limit on the size of files")
    limit = 10 * 4 * WIDTH + 1234
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_up_keeps_what_was_written(rows: RowFile, small_disk: int) -> None:
    with pytest.raises(
        DiskFullError, match=r"filled up \(.*\)\. 9 of 20 rows are kept, and the next call continues"
    ) as info:
        rows.append(blocks(0, size=3))
    assert f"need {11 * rows.row_bytes} more bytes" in str(info.value)
    assert rows.done() == 9
    assert torch.equal(rows.read(), block(0, 9))
    assert rows.path.stat().st_size == 9 * rows.row_bytes


def test_it_goes_on_when_the_disk_has_room_again(rows: RowFile) -> None:
    rows.append(blocks(0, 9))
    rows.append(blocks(9))
    assert torch.equal(rows.read(), block(0, N))


def test_a_disk_without_room_for_the_note_gives_up_a_row_for_it(
    rows: RowFile, monkeypatch: pytest.MonkeyPatch, small_disk: int
) -> None:
    kept, full = row_file.RowFile._write_note, [True]

    def keep(self: RowFile, handle: int, count: int) -> None:
        if full.pop():
            full.append(False)
            raise DiskFullError("no room for a note")
        full.append(False)
        kept(self, handle, count)

    monkeypatch.setattr(RowFile, "_write_note", keep)
    with pytest.raises(DiskFullError, match=r"8 of 20 rows are kept"):
        rows.append(blocks(0, size=3))
    assert torch.equal(rows.read(), block(0, 8))
    assert rows.path.stat().st_size == 8 * rows.row_bytes


def test_a_second_maker_waits_for_the_first(rows: RowFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_file, "_SECONDS_BETWEEN_TRIES", 0.01)
    waiting, found = threading.Event(), []

    def second() -> None:
        with rows.making(waiting=waiting.set):
            found.append(rows.done())

    thread = threading.Thread(target=second)
    with rows.making():
        thread.start()
        assert waiting.wait(10)
        rows.append(blocks(0))
    thread.join(10)
    assert found == [N]


def test_the_note_says_what_the_file_is(rows: RowFile) -> None:
    rows.append(blocks(0))
    note = json.loads(rows.path.with_suffix(".json").read_text())
    made = hashlib.sha256(rows.path.read_bytes()).hexdigest()
    expected = {
        "made_by": "deepgum",
        "key": "key",
        "shape": [N, WIDTH],
        "dtype": "torch.float32",
        "blocks": [[N, made]],
        "sha256": made,
    }
    assert note == expected
