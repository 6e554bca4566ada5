"""Files that appear whole or not at all, and disks that cannot hold them."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from deepgum.errors import DiskFullError

__all__ = ["FULL", "check_space", "folder_atomically", "replacing", "write_atomically"]

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of a full disk: no space left, a user's quota used up, a file larger than the file system takes."""


def check_space(folder: Path, needed: int, what: str) -> None:
    """Refuse to write `what`, of `needed` bytes, to a folder on a disk that has fewer free.

    Raises
    ------
    DiskFullError
        With both numbers of bytes.

    Examples
    --------
    >>> check_space(Path("."), 1, "a byte")
    >>> check_space(Path("."), 10**18, "an exabyte")
    Traceback (most recent call last):
        ...
    deepgum.errors.DiskFullError: The disk of '.' should have 1000000000000000000 bytes free for an exabyte. Found ...
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DiskFullError(
            f"The disk of '{folder}' should have {needed} bytes free for {what}. Found {free} ({_binary(needed)} and "
            f"{_binary(free)}). Free some, or name a folder on another disk."
        )


@contextmanager
def replacing(path: Path, needed: int, what: str) -> Iterator[IO[bytes]]:
    """Open a temporary file that takes the place of `path` when, and only when, all has been written.

    Parameters
    ----------
    path : Path
        In a folder that is there.
    needed : int
        The number of bytes that will be written, for the message of a disk that fills up meanwhile.
    what : str
        What they are, for the same message.

    Raises
    ------
    DiskFullError
        If the disk cannot hold the file, or fills up while it is written. What was at `path` stays.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with replacing(folder / "note", 5, "a note") as file:
    ...     _ = file.write(b"hello")
    >>> [path.name for path in folder.iterdir()]
    ['note']
    >>> shutil.rmtree(folder)
    """
    check_space(path.parent, needed, what)
    # Not a file of `tempfile`, which only its owner may read: caches and runs are there to be shared.
    temporary = path.with_name(f".{path.stem}-{secrets.token_hex(4)}.tmp")
    handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.errno not in FULL:
            raise
        temporary.unlink(missing_ok=True)  # before the free bytes are counted
        free = shutil.disk_usage(path.parent).free
        raise DiskFullError(
            f"The disk of '{path.parent}' should hold {needed} bytes for {what}. It filled up ({error}); what was "
            f"written is removed, and {free} bytes are free. Free more, or name a folder on another disk."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, and move what was written there to `path` if all went well.

    Raises
    ------
    OSError
        If the system refuses; its `filename` is `path`, also where the system gives none (a full disk).
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.filename in (None, str(temporary), temporary):
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def folder_atomically(path: Path) -> Iterator[Path]:
    """Give an empty folder beside `path`, and make it `path` if all went well; otherwise nothing of it is left.

    `path` is not there yet, or an empty folder.

    Raises
    ------
    OSError
        If the system refuses, or `path` holds something by then.
    """
    path = Path(os.path.realpath(path))  # what is put in the place of a link should be where the link leads
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        with suppress(FileNotFoundError):
            path.rmdir()  # Windows renames to what is not there only
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _binary(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
