"""Atomic writing: files and folders that appear whole or not at all, and the error of a full disk."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from deepgum.errors import DeepGUMError, DiskFullError

__all__ = [
    "FULL",
    "check_space",
    "folder_atomically",
    "full_disk",
    "is_partial",
    "remove_partial",
    "sync_folder",
    "write_atomically",
]

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of a full disk: no space left, quota exceeded, file too large for the file system."""

# Temporary names of `write_atomically`, and of version 0.1.0 (".stem-0123abcd.tmp").
_PARTIAL = re.compile(r"\..+\.[0-9]+(-[0-9a-f]{8})?\.partial|\..+-[0-9a-f]{8}\.tmp")


def check_space(folder: Path, needed: int, what: str) -> None:
    """Raise an error if the disk of a folder has fewer than `needed` bytes free for `what`.

    Raises
    ------
    DiskFullError
        If the space is too small. The message has both numbers of bytes.

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
            f"{_binary(free)}). Free some space, or give a folder on another disk."
        )


@contextmanager
def write_atomically(path: Path, needed: int = 0, what: str = "") -> Iterator[Path]:
    """Yield a temporary path. If the `with` block succeeds, move the file at the temporary path to `path`.

    The temporary path is in the folder of `path`. This library writes every file in this way. An error or an interrupt
    in the block removes the temporary file. A killed process leaves the temporary file under a hidden name (see
    `remove_partial`). In each case an old file at `path` does not change. Temporary names are unique, so two processes
    can write the same path without mixing their files.

    Parameters
    ----------
    path : Path
        The file; its folder is made if it does not exist.
    needed : int
        Number of bytes of the file, if it is known. The number is compared with the free space before the block.
    what : str
        Name of the data in the file, for the message of a full disk. By default the name of the file.

    Raises
    ------
    DiskFullError
        If the disk cannot hold the file, or fills up while it is written.
    OSError
        If the system cannot write the file. The `filename` of the error is `path`, even if the system gives no name.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with write_atomically(folder / "note", 5, "a note") as temporary:
    ...     _ = temporary.write_text("hello")
    >>> [path.name for path in folder.iterdir()]
    ['note']
    >>> shutil.rmtree(folder)
    """
    temporary = _temporary(path)
    try:
        with _translate_errors(path, temporary, needed, what):
            path.parent.mkdir(parents=True, exist_ok=True)
            if needed:
                check_space(path.parent, needed, what or f"'{path.name}'")
            yield temporary
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def folder_atomically(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder. If the `with` block succeeds, rename the folder to `path`.

    The temporary folder is in the parent folder of `path`. `path` must not exist, or must be an empty folder. If the
    block fails, the temporary folder is removed.

    Raises
    ------
    DiskFullError
        If the disk fills up.
    OSError
        If the system cannot write the folder, or `path` is no longer empty at the end.
    """
    path = Path(os.path.realpath(path))  # fill the target of a link, and keep the link
    temporary = _temporary(path)
    try:
        with _translate_errors(path, temporary):
            temporary.mkdir(parents=True)
            yield temporary
            with suppress(FileNotFoundError):
                path.rmdir()  # Windows renames only to a path that does not exist
            temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Write the entries of a folder to the disk, so that its new files survive a power failure.

    Windows has no such operation; there this function does nothing.
    """
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def is_partial(name: str) -> bool:
    """Return whether a file name is a temporary name of `write_atomically`, of this version or of 0.1.0.

    Examples
    --------
    >>> is_partial(".metrics.json.4711-0123abcd.partial"), is_partial("metrics.json")
    (True, False)
    """
    return _PARTIAL.fullmatch(name) is not None


def remove_partial(path: Path) -> None:
    """Remove the temporary files of killed processes, for all files of a folder or for one file.

    Call this function only while no other process writes in the folder (see `deepgum.storage.lock`).
    """
    if path.is_dir():
        left = [entry for entry in path.iterdir() if is_partial(entry.name) and not entry.is_dir()]
    elif path.parent.is_dir():
        stem, name = re.escape(path.stem), re.escape(path.name)
        own = re.compile(rf"\.{name}\.[0-9]+(-[0-9a-f]{{8}})?\.partial|\.{stem}-[0-9a-f]{{8}}\.tmp")
        left = [entry for entry in path.parent.iterdir() if own.fullmatch(entry.name)]
    else:
        left = []
    for entry in left:
        entry.unlink(missing_ok=True)


def full_disk(path: Path, error: OSError, needed: int = 0, what: str = "") -> DiskFullError:
    """Return the error for a disk that filled up while a file was written. Remove the file before this call."""
    size = f"{needed} bytes" if needed else "room"
    free = shutil.disk_usage(path.parent).free
    return DiskFullError(
        f"The disk of '{path.parent}' should hold {size} for {what or repr(path.name)}. It filled up ({error}). The "
        f"unfinished file is removed, and {free} bytes are free. Free more space, or give a folder on another disk."
    )


@contextmanager
def _translate_errors(path: Path, temporary: Path, needed: int = 0, what: str = "") -> Iterator[None]:
    """Replace the temporary path in errors by `path`, and errors of a full disk by `DiskFullError`."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            # The temporary file is removed before the free bytes are counted.
            shutil.rmtree(temporary, ignore_errors=True)
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise full_disk(path, error, needed, what) from error
        if not isinstance(error, DeepGUMError) and error.filename in (None, str(temporary), temporary):
            error.filename, error.filename2 = str(path), None
        raise


def _temporary(path: Path) -> Path:
    # Not from `tempfile`, because only the owner may read such files, while caches and runs are shared.
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")


def _binary(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
