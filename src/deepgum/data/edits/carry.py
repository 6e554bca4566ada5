"""Transfer of files from one folder to another, by hard links if the file system supports them, otherwise by copies."""

from __future__ import annotations

import os
import posixpath
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from deepgum.errors import InvalidDataError, listing
from deepgum.storage.disk import check_space

__all__ = ["carry", "check_within", "leaves"]


def leaves(name: str) -> bool:
    """Return whether a file name, relative to a folder, leads to a file outside this folder.

    Examples
    --------
    >>> [leaves(name) for name in ("a/b.jpg", "a..b.jpg", "a/../b.jpg", "../b.jpg", "a/../../b.jpg", "/b.jpg")]
    [False, False, False, True, True, True]
    """
    return os.path.isabs(name) or posixpath.normpath(name.replace(os.sep, "/")).split("/")[0] == ".."


def check_within(source: Path, names: Iterable[str]) -> None:
    """Check that all file names, relative to a folder, lead to files inside this folder.

    A name such as ``../a.jpg`` would name another file if the labels were moved to another folder.

    Raises
    ------
    InvalidDataError
        If a name leads to a file outside the folder. The message gives the first of these names.
    """
    outside = [name for name in names if leaves(name)]
    if outside:
        raise InvalidDataError(
            f"The names of files in '{source}' should not lead out of this folder, so that the corrected labels can be "
            f"written to another folder. Found {len(outside)} names that lead out of it: {listing(outside)}."
        )


def carry(source: Path, names: Mapping[str, str], out: Path, *, link: bool = True) -> None:
    """Put files into another folder, as hard links if possible, otherwise as copies.

    If the old folder is moved or removed later, the new folder stays complete.

    Parameters
    ----------
    source : Path
        The old folder.
    names : mapping of str to str
        The name of each file, relative to `source`, mapped to the new name of the file, relative to `out`. Names
        without a file are ignored, because a list may name images that do not exist.
    out : Path
        The new folder, which must exist.
    link : bool
        Whether to use hard links. Use copies for files that a user may edit, for example lists: if a hard link is
        edited, the file in the old folder changes too.

    Raises
    ------
    InvalidDataError
        If a file name leads to a file outside `source`.
    DiskFullError
        If the files have to be copied and the disk cannot hold the copies.
    """
    check_within(source, names)
    files = {old: new for old, new in names.items() if (source / old).is_file()}
    link = link and source.stat().st_dev == out.stat().st_dev
    if not link:
        needed = sum((source / old).stat().st_size for old in files)
        check_space(out, needed, f"copies of {len(files)} files of '{source}'")
    for folder in {(out / new).parent for new in files.values()}:
        folder.mkdir(parents=True, exist_ok=True)
    for old, new in files.items():
        # Resolve symbolic links: a relative symbolic link would not be valid in another folder.
        real = os.path.realpath(source / old)
        if not (link and _linked(real, out / new)):
            shutil.copy2(real, out / new)


def _linked(source: str, target: Path) -> bool:
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:  # the file system has no hard links, or the file already has too many
        return False
    return True
