"""An array on disk that is written row by row, by one process at a time. Finished rows survive an interruption.

A second file beside the array, the note, contains the number of rows that are safely on disk, and their hashes. The
note is written after the rows. The rows that the note counts are therefore complete, even if the process ends early (an
interrupt, a full disk, a power cut). Rows whose bytes have changed since then are written again.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from deepgum.errors import DiskFullError
from deepgum.storage.disk import FULL, check_space, write_atomically
from deepgum.storage.hashes import KeptHashes
from deepgum.storage.lock import try_lock

__all__ = ["RowFile"]

_Blocks = list[tuple[int, str]]
"""Number of the first row after each block of rows, and the SHA-256 of the block."""

# Minimum seconds between two flushes to disk: flushing after every block is slow. At most this much work is lost.
_SECONDS_BETWEEN_NOTES = 5.0
_SECONDS_BETWEEN_TRIES = 0.2
# Bytes reserved for the note, which must still fit when the rows have filled the disk.
_NOTE_BYTES = 1 << 16
_CHUNK_BYTES = 1 << 24


@dataclass(frozen=True)
class RowFile:
    """An array of n rows in a file without a header.

    Parameters
    ----------
    path : Path
        Path of the array, in an existing folder. The note (.json) and the lock (.lock) are in the same folder.
    key : str
        Hash of everything that determines the rows. An array that was written with another key is not read.
    shape : tuple of int
        Shape of the array, (n, ...).
    dtype : torch.dtype
        Type of the elements of the array.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> rows = RowFile(Path(folder.name) / "squares.bin", "squares", (4, 1), torch.float32)
    >>> with rows.making():
    ...     rows.append(torch.tensor([[float(k * k)]]) for k in range(rows.done(), 4))
    >>> rows.done(), rows.read().flatten().tolist()
    (4, [0.0, 1.0, 4.0, 9.0])
    >>> folder.cleanup()
    """

    path: Path
    key: str
    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def row_bytes(self) -> int:
        """Size of a row in bytes."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    def done(self) -> int:
        """Return the number of rows that are safely on disk. These are the first rows of the array."""
        blocks = self._blocks_on_disk()
        return blocks[-1][0] if blocks else 0

    def is_complete(self) -> bool:
        """Return whether all rows are on disk, with the bytes that were written.

        The file is read for this only if it may have changed; see `deepgum.storage.hashes.KeptHashes`.
        """
        made = self._read_note()[1]
        return made is not None and KeptHashes(self.path.parent, self.path.parent).of([self.path.name]) == [made]

    def drop_damaged(self) -> None:
        """Remove the first row whose bytes have changed, and all rows after it. The caller must hold the lock."""
        blocks, made = self._read_note()
        try:
            intact, whole = self._check(blocks)
        except OSError:
            intact, whole = [], ""
        if len(intact) < len(blocks) or made not in (None, whole):
            self._write_note(intact, None)

    def read(self) -> Tensor:
        """Return the finished rows as a memory-mapped tensor.

        Writing to the tensor changes only the tensor in memory, never the file.
        """
        rows = self.done()
        held = np.memmap(self.path, np.uint8, mode="c", shape=(rows * self.row_bytes,))
        return torch.from_numpy(held).view(self.dtype).view(rows, *self.shape[1:])

    @contextmanager
    def making(self, waiting: Callable[[], object] = lambda: None) -> Iterator[None]:
        """Hold the lock of the array inside a `with` block. If another process or thread holds the lock, wait.

        While this call waits, it calls `waiting()` repeatedly. The operating system releases the lock when the process
        ends, also after a crash.
        """
        with open(self.path.with_suffix(".lock"), "ab") as file:
            while not try_lock(file.fileno()):
                waiting()
                time.sleep(_SECONDS_BETWEEN_TRIES)
            yield

    def discard(self) -> None:
        """Remove the array. A process that has already opened the array can still read it."""
        self._note_path.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    def check_space(self, what: str) -> None:
        """Check that the disk can hold the rows that are still missing. `what` names these rows, for the message.

        Raises
        ------
        DiskFullError
            If the disk is too small. The message gives the number of needed bytes and the number of free bytes.
        """
        check_space(self.path.parent, (self.shape[0] - self.done()) * self.row_bytes + _NOTE_BYTES, what)

    def append(self, blocks: Iterable[Tensor]) -> None:
        """Write blocks of rows (b, ...) after the finished rows. The caller must hold the lock.

        If this call ends early, the written rows remain, and the next call continues after them.

        Raises
        ------
        DiskFullError
            If the disk fills up.
        """
        rows = self.done()
        if rows == 0:
            self.discard()  # never overwritten in place: another process may have it open
        with open(self.path, "ab+", buffering=0) as file:
            file.truncate(rows * self.row_bytes)
            if self._read_note()[0] != (kept := self._blocks_on_disk()):
                self._write_note(kept, None)
            noted = time.monotonic()
            try:
                try:
                    for block in blocks:
                        _write(file.fileno(), block.contiguous().reshape(-1).view(torch.uint8).numpy().data)
                        rows += len(block)
                        if time.monotonic() - noted > _SECONDS_BETWEEN_NOTES:
                            self._note_rows(file, rows)
                            noted = time.monotonic()
                finally:
                    self._note_rows(file, rows)
            except OSError as error:
                if error.errno not in FULL and not isinstance(error, DiskFullError):
                    raise
                noted_all = self.done() == rows
                if not noted_all:  # there was no space for the note
                    rows = max(0, rows - -(-_NOTE_BYTES // self.row_bytes))
                file.truncate(rows * self.row_bytes)
                if not noted_all:
                    self._note_rows(file, rows)
                raise self._disk_full(rows, error) from error

    def _disk_full(self, rows: int, error: OSError) -> DiskFullError:
        folder, total = self.path.parent, self.shape[0]
        return DiskFullError(
            f"The disk of '{folder}' filled up ({error}). {rows} of {total} rows are kept, and the next call continues "
            f"after them. The other rows need {(total - rows) * self.row_bytes} more bytes, and "
            f"{shutil.disk_usage(folder).free} bytes are free. Free some space, or give a folder on another disk."
        )

    @property
    def _note_path(self) -> Path:
        return self.path.with_suffix(".json")

    def _about(self) -> dict[str, Any]:
        return {"made_by": "deepgum", "key": self.key, "shape": list(self.shape), "dtype": str(self.dtype)}

    def _read_note(self) -> tuple[_Blocks, str | None]:
        """Return the pair (blocks, hash of the complete file or None). There is no block if the note is not valid."""
        try:
            note = json.loads(self._note_path.read_text(encoding="utf-8"))
            blocks = [(int(rows), str(digits)) for rows, digits in note.pop("blocks")]
            made = note.pop("sha256", None)
            return (blocks, made) if note == self._about() else ([], None)
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            return [], None

    def _blocks_on_disk(self) -> _Blocks:
        """Return the blocks that the note counts, without the blocks that were cut off the file."""
        try:
            whole = min(self.path.stat().st_size // self.row_bytes, self.shape[0])
        except OSError:
            return []
        return [block for block in self._read_note()[0] if block[0] <= whole]

    def _note_rows(self, file: BinaryIO, rows: int) -> None:
        """Write the note: the first `rows` rows are safely on disk."""
        os.fsync(file.fileno())
        blocks = [block for block in self._read_note()[0] if block[0] <= rows]
        begin = blocks[-1][0] if blocks else 0
        if rows > begin:
            blocks.append((rows, _digest(file, begin * self.row_bytes, rows * self.row_bytes).hexdigest()))
        whole = None
        if rows == self.shape[0]:
            blocks, whole = self._check(blocks)
        self._write_note(blocks, whole)

    def _check(self, blocks: _Blocks) -> tuple[_Blocks, str]:
        """Return the pair (blocks before the first damaged block, hash of all blocks that were read)."""
        intact: _Blocks = []
        begin, whole = 0, hashlib.sha256()
        if blocks:
            with open(self.path, "rb", buffering=0) as file:
                for rows, digits in blocks:
                    if _digest(file, begin, rows * self.row_bytes, whole).hexdigest() != digits:
                        break
                    intact.append((rows, digits))
                    begin = rows * self.row_bytes
        return intact, whole.hexdigest()

    def _write_note(self, blocks: _Blocks, whole: str | None) -> None:
        made = {} if whole is None else {"sha256": whole}
        text = json.dumps(self._about() | {"blocks": blocks} | made, indent=1).encode()
        with write_atomically(self._note_path, len(text), "a note") as temporary:
            temporary.write_bytes(text)


def _digest(file: BinaryIO, begin: int, end: int, *also: Any) -> Any:
    """Return the SHA-256 state of the bytes from `begin` to `end`. The states in `also` receive the same bytes."""
    state = hashlib.sha256()
    file.seek(begin)
    while begin < end:
        chunk = file.read(min(_CHUNK_BYTES, end - begin))
        if not chunk:
            break
        begin += len(chunk)
        for each in (state, *also):
            each.update(chunk)
    return state


def _write(handle: int, rest: memoryview) -> None:
    while rest:
        rest = rest[os.write(handle, rest) :]
