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

from deepgum.errors import DeepGUMError, DiskFullError, OutputExistsError
from deepgum.storage.lock import LOCK, NO_LOCKS, hold

__all__ = [
    "FULL",
    "check_space",
    "folder_atomically",
    "full_disk",
    "is_partial",
    "remove_abandoned",
    "remove_partial",
    "write_atomically",
]

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of a full disk: no space left, quota exceeded, file too large for the file system."""

# Names of hidden folders (hidden files in earlier versions), and of version 0.1.0 (".stem-0123abcd.tmp").
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
def write_atomically(path: Path, needed: int = 0, what: str = "", *, replace: bool = True) -> Iterator[Path]:
    """Yield a temporary path. If the `with` block succeeds, move the file at the temporary path to `path`.

    This library writes every file in this way. The temporary path is in a hidden folder beside `path`. An error or an
    interrupt in the block removes this folder. A killed process leaves the folder (see `remove_abandoned`). In each
    case an old file at `path` does not change. Names of hidden folders are unique, so two processes can write the same
    path without mixing their files. At the end, the file and its entry in the folder of `path` are on the disk.

    Parameters
    ----------
    path : Path
        The file; its folder is made if it does not exist.
    needed : int
        Number of bytes of the file, if it is known. The number is compared with the free space before the block.
    what : str
        Name of the data in the file, for the message of a full disk. By default the name of the file.
    replace : bool
        Whether to replace a file at `path`. If False, a file that exists at the end of the block stays, even if it
        appeared during the block.

    Raises
    ------
    OutputExistsError
        If `replace` is False and there is a file at `path`.
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
    with _translate_errors(path, needed, what):
        _make_folder(path.parent)
        if needed:
            check_space(path.parent, needed, what or f"'{path.name}'")
        # An absolute path, because pyarrow takes a path that begins with "~" for one below the home folder.
        with _hidden_folder(path.absolute()) as folder:
            temporary = folder / path.name
            yield temporary
            _sync_file(temporary)
            if replace:
                os.replace(temporary, path)
            else:
                _create(temporary, path)
        _sync_folder(path.parent)


@contextmanager
def folder_atomically(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder. If the `with` block succeeds, rename the folder to `path`.

    The temporary folder is beside `path`. `path` must not exist, or must be an empty folder. If the block fails, the
    temporary folder is removed. Before the folder is renamed, its files are on the disk.

    Raises
    ------
    OutputExistsError
        If `path` is not an empty folder at the end.
    DiskFullError
        If the disk fills up.
    OSError
        If the system cannot write the folder.
    """
    path = Path(os.path.realpath(path))  # fill the target of a link, and keep the link
    with _translate_errors(path):
        _make_folder(path.parent)
        with _hidden_folder(path) as folder:
            temporary = folder / path.name
            temporary.mkdir()
            yield temporary
            _sync_tree(temporary)
            try:
                with suppress(FileNotFoundError):
                    path.rmdir()  # Windows renames only to a path that does not exist
                temporary.rename(path)
            except OSError as error:
                if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                    raise _appeared(path, "a new or empty folder") from error
                raise
        _sync_folder(path.parent)


def remove_abandoned(folder: Path) -> None:
    """Remove the hidden folders that killed processes left in a folder.

    The hidden folder of a running process is locked, and is not removed. It also stays if the file system has no locks.
    """
    for entry in _partial_entries(folder):
        if entry.is_dir():
            _remove_if_abandoned(entry)


def is_partial(name: str) -> bool:
    """Return whether a name is a temporary name of `write_atomically`, of this version or of 0.1.0.

    Examples
    --------
    >>> is_partial(".metrics.json.4711-0123abcd.partial"), is_partial("metrics.json")
    (True, False)
    """
    return _PARTIAL.fullmatch(name) is not None


def remove_partial(path: Path) -> None:
    """Remove what killed processes left, also of earlier versions, for all files of a folder or for one file.

    Hidden folders are also removed from the folders directly inside the folder. Files of earlier versions are not
    locked. So call this function only while no other process writes in the folder (see `deepgum.storage.lock`).
    """
    if path.is_dir():
        left = _partial_entries(path)
        for entry in path.iterdir():
            if entry.is_dir() and not is_partial(entry.name):
                remove_abandoned(entry)
    else:
        stem, name = re.escape(path.stem), re.escape(path.name)
        own = re.compile(rf"\.{name}\.[0-9]+(-[0-9a-f]{{8}})?\.partial|\.{stem}-[0-9a-f]{{8}}\.tmp")
        left = [entry for entry in _partial_entries(path.parent) if own.fullmatch(entry.name)]
    for entry in left:
        if entry.is_dir():
            _remove_if_abandoned(entry)
        else:
            entry.unlink(missing_ok=True)


def full_disk(path: Path, error: OSError, needed: int = 0, what: str = "") -> DiskFullError:
    """Return the error for a disk that filled up while a file was written. Remove the file before this call."""
    size = f"{needed} bytes" if needed else "room"
    free = shutil.disk_usage(next(place for place in path.absolute().parents if place.exists())).free
    return DiskFullError(
        f"The disk of '{path.parent}' should hold {size} for {what or repr(path.name)}. It filled up ({error}). The "
        f"unfinished file is removed, and {free} bytes are free. Free more space, or give a folder on another disk."
    )


@contextmanager
def _translate_errors(path: Path, needed: int = 0, what: str = "") -> Iterator[None]:
    """Replace a temporary path in errors by `path`, and errors of a full disk by `DiskFullError`."""
    try:
        yield
    except DeepGUMError:
        raise
    except OSError as error:
        if error.errno in FULL:
            raise full_disk(path, error, needed, what) from error
        if error.filename is None or any(map(is_partial, Path(str(error.filename)).parts)):
            error.filename, error.filename2 = str(path), None
        raise


@contextmanager
def _hidden_folder(path: Path) -> Iterator[Path]:
    """Yield a new hidden folder beside `path`, which is locked. At the end, the folder and its files are removed."""
    while True:
        folder = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
        folder.mkdir()
        try:
            lock = hold(folder / LOCK)
        except FileNotFoundError:
            lock = None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            lock = open(os.devnull, "rb")  # noqa: SIM115
        # Another process may remove the folder before it is locked; then make the next folder.
        if lock is not None:
            break
    try:
        yield folder
    finally:
        lock.close()  # Windows does not remove an open file
        shutil.rmtree(folder, ignore_errors=True)


def _partial_entries(folder: Path) -> list[Path]:
    entries = folder.iterdir() if folder.is_dir() else ()
    return [entry for entry in entries if is_partial(entry.name)]


def _remove_if_abandoned(folder: Path) -> None:
    if folder.is_symlink() or (folder / LOCK).is_symlink():
        return  # not made by this library
    try:
        lock = hold(folder / LOCK)
    except OSError:  # it cannot be told whether a process uses the folder
        return
    if lock is not None:
        with lock:
            shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)  # Windows removes the lock only after it is closed


def _create(temporary: Path, path: Path) -> None:
    """Give a complete file the name `path`, unless this name exists."""
    try:
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise
        except OSError:  # the file system has no hard links: an empty file reserves the name
            open(path, "xb").close()
            os.replace(temporary, path)
    except FileExistsError as error:
        raise _appeared(path, "a new file") from error


def _appeared(path: Path, expected: str) -> OutputExistsError:
    return OutputExistsError(
        f"'{path}' should be {expected}. Found that it exists now. It was not there when the work began, so it is "
        "kept. Nothing was written. Give another path, and run the same command again."
    )


def _make_folder(folder: Path) -> None:
    """Make a folder and its missing parents, with durable entries."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for place in missing:
        _sync_folder(place.parent)


def _sync_tree(folder: Path) -> None:
    """Wait until the disk holds a folder with all its files. Files with several names are on the disk already."""
    for place, _, names in os.walk(folder):
        for file in (Path(place, name) for name in names):
            if not file.is_symlink() and file.stat().st_nlink == 1:
                _sync_file(file)
        _sync_folder(Path(place))


def _sync_file(path: Path) -> None:
    # Windows can only synchronise files that are open for writing. A copy of a read-only file cannot be opened so.
    with open(path, "rb+" if os.access(path, os.W_OK) else "rb") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Wait until the disk holds the entries of a folder. Do nothing if the system cannot do this for folders."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(handle)


def _binary(count: int) -> str:
    power, unit = next(((p, unit) for p, unit in ((30, "GiB"), (20, "MiB")) if count >= 2**p), (10, "KiB"))
    return f"{count / 2**power:.1f} {unit}"
