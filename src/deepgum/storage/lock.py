"""Locks for one process at a time. When a process ends in any way, the system releases its locks."""

from __future__ import annotations

import errno
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from deepgum.errors import DeepGUMWarning, OutputFolderError

__all__ = ["LOCK", "NO_LOCKS", "alone_in", "hold", "locked", "try_lock"]

LOCK = ".lock"
"""Name of the file with which `alone_in` locks a folder."""

NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK)
"""Errors of a file system that has no locks."""

_PAUSE = 0.002  # seconds between two attempts to get a lock


if sys.platform == "win32":
    import msvcrt

    def try_lock(handle: int) -> bool:
        """Lock an open file; return False if another handle has locked it."""
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def try_lock(handle: int) -> bool:
        """Lock an open file; return False if another handle has locked it."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder in a `with` block. A missing folder is made, and is removed if it stays empty.

    Raises
    ------
    OutputFolderError
        If another process holds the lock.

    Examples
    --------
    >>> import tempfile
    >>> parent = tempfile.TemporaryDirectory()
    >>> folder = Path(parent.name) / "run"
    >>> with alone_in(folder), alone_in(folder):
    ...     pass
    Traceback (most recent call last):
        ...
    deepgum.errors.OutputFolderError: '...run' should be written to by one process at a time. Another process ...
    >>> folder.exists()
    False
    >>> parent.cleanup()
    """
    new = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked(folder / LOCK, lambda who: _taken(folder, who)):
            yield
    finally:
        with suppress(OSError):  # a folder that is not empty stays
            for place in new:
                place.rmdir()


@contextmanager
def locked(path: Path, taken: Callable[[str], Exception], wait: float = 0.0) -> Iterator[None]:
    """Hold a lock in a `with` block. The lock is a file, which is removed when the lock is released.

    Some file systems of clusters have no locks. On these, a `DeepGUMWarning` is given, and no lock is held.

    Parameters
    ----------
    path : Path
        Path of the file, in a folder that exists.
    taken : callable
        Function that returns the error for a lock that another process holds. The argument of the function is " (PID)",
        or "" if the process is unknown.
    wait : float
        Seconds to wait for a lock that another process holds, before the error.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> with locked(Path(folder.name) / ".lock", ValueError), locked(Path(folder.name) / ".lock", ValueError):
    ...     pass
    Traceback (most recent call last):
        ...
    ValueError:  (...)
    >>> folder.cleanup()
    """
    deadline = time.monotonic() + wait
    while True:
        try:
            file = hold(path)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            _warn(path.parent, error)
            file = _open(path)
        if file is not None:
            break
        if time.monotonic() >= deadline:
            raise taken(_holder(path))
        time.sleep(_PAUSE)
    with file:
        # On a full disk, only the number of the process is missing in messages.
        with suppress(OSError):
            file.truncate(0)
            os.write(file.fileno(), str(os.getpid()).encode())
        try:
            yield
        finally:
            with suppress(OSError):
                if _is_same_file(file.fileno(), path):  # a folder that was made anew may have a lock of its own
                    path.unlink()


def hold(path: Path) -> BinaryIO | None:
    """Open and lock a file, which is made if it does not exist. To release the lock, close the file.

    Return None if another process holds the lock.

    Raises
    ------
    OSError
        If the file cannot be opened or is a link, or the file system has no locks (the error number is in `NO_LOCKS`).
    """
    while True:
        file = _open(path)
        try:
            free = try_lock(file.fileno())
            if free and _is_same_file(file.fileno(), path):
                return file
        except BaseException:
            file.close()
            raise
        file.close()
        if not free:
            return None
        # The former holder of the lock has removed the file meanwhile. Make the file again.


def _open(path: Path) -> BinaryIO:
    """Open the file of a lock. A link is refused: a folder of somebody else may hold links to files of the user."""
    if path.is_symlink():
        words = f"the lock '{path.name}' should be a file, and is a link. Remove the link"
        raise OSError(errno.ELOOP, words, str(path))
    return open(path, "a+b")


def _is_same_file(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _holder(path: Path) -> str:
    try:
        number = path.read_text()
    except OSError:
        return ""
    return f" ({number})" if number else ""


def _warn(folder: Path, error: OSError) -> None:
    warnings.warn(
        f"'{folder}' should be on a file system that can lock files. {error}. Make sure that no other process writes "
        "there.",
        DeepGUMWarning,
        stacklevel=2,
    )


def _taken(folder: Path, who: str) -> OutputFolderError:
    return OutputFolderError(
        f"'{folder}' should be written to by one process at a time. Another process{who} writes there. "
        "Wait until that process has ended, or give another output folder."
    )
