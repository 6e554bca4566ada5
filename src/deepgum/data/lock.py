"""One process at a time: locks that the system itself takes back from a process, however it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from deepgum.errors import OutputFolderError

__all__ = ["LOCK", "alone_in", "try_lock"]

LOCK = ".lock"
"""The name of the file by which `alone_in` locks a folder."""


if sys.platform == "win32":
    import msvcrt

    def try_lock(handle: int) -> bool:
        """Lock an open file, and return whether that worked: it does not while another handle has locked it."""
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def try_lock(handle: int) -> bool:
        """Lock an open file, and return whether that worked: it does not while another handle has locked it."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Write to a folder while no other process does. It is made where it is not there, and left behind unless empty.

    Raises
    ------
    OutputFolderError
        If another process is in it.

    Examples
    --------
    >>> import tempfile
    >>> parent = tempfile.TemporaryDirectory()
    >>> folder = Path(parent.name) / "run"
    >>> with alone_in(folder), alone_in(folder):
    ...     pass
    Traceback (most recent call last):
        ...
    deepgum.errors.OutputFolderError: '...run' should be written to by one process at a time. Another one ...
    >>> folder.exists()
    False
    >>> parent.cleanup()
    """
    new = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with _locked(folder / LOCK):
            yield
    finally:
        with suppress(OSError):  # where something was written, it stays
            for place in new:
                place.rmdir()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    while True:
        with open(path, "a+b") as file:
            if not try_lock(file.fileno()):
                raise _taken(path)
            if not _is(file.fileno(), path):
                continue  # the process before removed it in between
            file.truncate(0)
            file.write(str(os.getpid()).encode())
            file.flush()
            try:
                yield
            finally:
                with suppress(OSError):
                    path.unlink()
            return


def _is(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _taken(path: Path) -> OutputFolderError:
    try:
        who = f" ({path.read_text()})"
    except OSError:
        who = ""
    return OutputFolderError(
        f"'{path.parent}' should be written to by one process at a time. Another one{who} is at it. "
        "Wait until it has ended, or give another output folder."
    )
