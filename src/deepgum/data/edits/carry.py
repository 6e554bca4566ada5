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


def carry(source: Path, names: Mapping[str, str], out: Path, *, link: bool = True) -> tuple[str, ...]:
    """Put files into another folder, as hard links if possible, otherwise as copies. Return notes for the user.

    If the old folder is moved or removed later, the new folder stays complete. A file that is a symbolic link to a
    place outside the old folder becomes a symbolic link to the same place, so that nothing outside gets a second name.

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
        If a file name leads to a file outside `source`, or symbolic links are needed and cannot be made.
    DiskFullError
        If the files have to be copied and the disk cannot hold the copies.
    """
    check_within(source, names)
    # The real files: a relative symbolic link would not be valid in another folder.
    real = {old: Path(os.path.realpath(source / old)) for old in names if (source / old).is_file()}
    root = os.path.realpath(source)
    outside = [old for old, file in real.items() if not file.is_relative_to(root)]
    inside = [old for old in real if real[old].is_relative_to(root)]
    link = link and source.stat().st_dev == out.stat().st_dev
    if not link:
        needed = sum(real[old].stat().st_size for old in inside)
        check_space(out, needed, f"copies of {len(inside)} files of '{source}'")
    for folder in {(out / names[old]).parent for old in real}:
        folder.mkdir(parents=True, exist_ok=True)
    for old in inside:
        if not (link and _linked(real[old], out / names[old])):
            shutil.copy2(real[old], out / names[old])
    for old in outside:
        _point(source / old, real[old], out / names[old])
    if not outside:
        return ()
    return (
        f"{len(outside)} files of '{source}' are links to files outside this folder: {listing(outside)}. In the new "
        "folder, they are links to the same files.",
    )


def _point(old: Path, real: Path, new: Path) -> None:
    """Make a symbolic link `new` to the file `real`, to which the link `old` leads."""
    try:
        new.symlink_to(real)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError) as error:
        raise InvalidDataError(
            f"'{old}' should be a file of the data set. Found a link to '{real}', and no link can be made in "
            f"'{new.parent}' ({error}). Replace the link by a copy of the file."
        ) from error


def _linked(source: Path, target: Path) -> bool:
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:  # the file system has no hard links, or the file already has too many
        return False
    return True
