"""An array on disk that is made row by row, by one process at a time, and outlives an interruption.

Beside the array stands a note, which says how many rows are safely on disk. It is written after them, so whatever ends
the process (an interrupt, a full disk, a power cut), the rows that the note counts are whole.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepgum.errors import DiskFullError
from deepgum.storage.disk import FULL, check_space, write_atomically
from deepgum.storage.lock import try_lock

__all__ = ["RowFile"]

# Waiting for the disk after every block would hold up a fast producer; this much work is lost at most.
_SECONDS_BETWEEN_NOTES = 5.0
_SECONDS_BETWEEN_TRIES = 0.2
# Room for the note, which must be written on a disk that the rows have filled.
_NOTE_BYTES = 1 << 16


@dataclass(frozen=True)
class RowFile:
    """An array of n rows in a file of its own, without a header.

    Parameters
    ----------
    path : Path
        Of the array, in a folder that is there. A note (.json) and a lock (.lock) stand beside it.
    key : str
        Hash of everything that makes the rows; an array of another key is not read.
    shape : tuple of int
        (n, ...).
    dtype : torch.dtype

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
        """Bytes of a row."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    def done(self) -> int:
        """Return how many rows are safely on disk, from the first on."""
        try:
            note = json.loads(self._note_path.read_text(encoding="utf-8"))
            rows = int(note.pop("rows"))
            valid = note == self._note()
            return min(rows, self.path.stat().st_size // self.row_bytes, self.shape[0]) if valid else 0
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            return 0

    def read(self) -> Tensor:
        """Return the rows that are done, as a tensor that is read from disk where it is used.

        What is written to the tensor stays in memory: the file cannot be changed through it.
        """
        rows = self.done()
        held = np.memmap(self.path, np.uint8, mode="c", shape=(rows * self.row_bytes,))
        return torch.from_numpy(held).view(self.dtype).view(rows, *self.shape[1:])

    @contextmanager
    def making(self, waiting: Callable[[], object] = lambda: None) -> Iterator[None]:
        """Hold the array's lock, and wait for it as long as another process, or thread, holds it.

        The system itself takes the lock back from a process that ends, however it ends. `waiting` is called again and
        again meanwhile.
        """
        with open(self.path.with_suffix(".lock"), "ab") as file:
            while not try_lock(file.fileno()):
                waiting()
                time.sleep(_SECONDS_BETWEEN_TRIES)
            yield

    def discard(self) -> None:
        """Remove the rows; who has them open keeps them."""
        self._note_path.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    def check_space(self, what: str) -> None:
        """Refuse to begin when the disk cannot hold the rows that are not done yet.

        Raises
        ------
        DiskFullError
            With the bytes that are needed and those that are free.
        """
        check_space(self.path.parent, (self.shape[0] - self.done()) * self.row_bytes + _NOTE_BYTES, what)

    def append(self, blocks: Iterable[Tensor]) -> None:
        """Write blocks of rows (b, ...) behind the rows that are done. The lock must be held.

        Whatever ends this, the rows that were written stay, and the next call goes on behind them.

        Raises
        ------
        DiskFullError
            If the disk fills up.
        """
        rows = self.done()
        if rows == 0:
            self.discard()  # never written over in place: another process may have it open
        with open(self.path, "ab", buffering=0) as file:
            file.truncate(rows * self.row_bytes)
            noted = time.monotonic()
            try:
                try:
                    for block in blocks:
                        _write(file.fileno(), block.contiguous().reshape(-1).view(torch.uint8).numpy().data)
                        rows += len(block)
                        if time.monotonic() - noted > _SECONDS_BETWEEN_NOTES:
                            self._keep(file.fileno(), rows)
                            noted = time.monotonic()
                finally:
                    self._keep(file.fileno(), rows)
            except OSError as error:
                if error.errno not in FULL and not isinstance(error, DiskFullError):
                    raise
                noted_all = self.done() == rows
                if not noted_all:  # no room was left for the note
                    rows = max(0, rows - -(-_NOTE_BYTES // self.row_bytes))
                file.truncate(rows * self.row_bytes)
                if not noted_all:
                    self._keep(file.fileno(), rows)
                raise self._filled_up(rows, error) from error

    def _filled_up(self, rows: int, error: OSError) -> DiskFullError:
        folder, total = self.path.parent, self.shape[0]
        return DiskFullError(
            f"The disk of '{folder}' filled up ({error}). {rows} of {total} rows are kept, and the next call goes on "
            f"from there. It needs {(total - rows) * self.row_bytes} bytes more; {shutil.disk_usage(folder).free} are "
            "free. Free some, or name a folder on another disk."
        )

    @property
    def _note_path(self) -> Path:
        return self.path.with_suffix(".json")

    def _note(self) -> dict[str, Any]:
        return {"made_by": "deepgum", "key": self.key, "shape": list(self.shape), "dtype": str(self.dtype)}

    def _keep(self, handle: int, rows: int) -> None:
        os.fsync(handle)
        text = json.dumps(self._note() | {"rows": rows}, indent=1).encode()
        with write_atomically(self._note_path, len(text), "a note") as temporary:
            temporary.write_bytes(text)


def _write(handle: int, rest: memoryview) -> None:
    while rest:
        rest = rest[os.write(handle, rest) :]
