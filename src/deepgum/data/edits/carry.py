"""Transfer of image files from one folder to another, by hard links if the file system has them."""

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
    """Return whether a relative name leads out of its folder.

    Examples
    --------
    >>> [leaves(name) for name in ("a/b.jpg", "a..b.jpg", "a/../b.jpg", "../b.jpg", "a/../../b.jpg", "/b.jpg")]
    [False, False, False, True, True, True]
    """
    return os.path.isabs(name) or posixpath.normpath(name.replace(os.sep, "/")).split("/")[0] == ".."


def check_within(source: Path, names: Iterable[str]) -> None:
    """Refuse names that lead out of the folder; relative to another folder they would name other files.

    Raises
    ------
    InvalidDataError
        The message has the first of these names.
    """
    outside = [name for name in names if leaves(name)]
    if outside:
        raise InvalidDataError(
            f"'{source}' should name files inside of it, so that the corrected labels can be written to another "
            f"folder. Found {len(outside)} that lead out of it: {listing(outside)}."
        )


def carry(source: Path, names: Mapping[str, str], out: Path, *, link: bool = True) -> None:
    """Put files into another folder: as hard links, or as copies if the file system has no links.

    The new folder stays complete after the old folder is moved or removed.

    Parameters
    ----------
    source : Path
    names : mapping of str to str
        The files, relative to `source`, and their new names, relative to `out`. Missing files are ignored:
        a list may name images that its folder lacks.
    out : Path
        An existing folder.
    link : bool
        False for files that a user may edit (lists): an edit of a hard link would change the source too.

    Raises
    ------
    InvalidDataError
        If a name leads out of its folder.
    DiskFullError
        If the files have to be copied, and the disk cannot hold them.
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
        # The file itself: a relative symbolic link would not be valid in another folder.
        real = os.path.realpath(source / old)
        if not (link and _linked(real, out / new)):
            shutil.copy2(real, out / new)


def _linked(source: str, target: Path) -> bool:
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:  # no links here, or too many to this file
        return False
    return True
