"""The files of a folder that a new copy of the folder keeps: everything but the files that are written again."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from deepgum.data.edits.carry import carry

__all__ = ["carry_rest"]


def carry_rest(
    source: Path,
    out: Path,
    *,
    without: Collection[str],
    copied: Collection[str],
    skipped: Collection[str] = (".cache",),
) -> tuple[str, ...]:
    """Put all other files of a folder into a new folder. Return notes for the user.

    Parameters
    ----------
    source, out : Path
        The old folder and the new one, which must exist.
    without : collection of str
        Files that are not carried, relative to `source`: those that are written again, or left out.
    copied : collection of str
        Endings of files that a user may edit, and which are therefore copied. All other files become hard links, if
        possible.
    skipped : collection of str
        Endings of files that other programs derive from the labels, and which must not be carried.
    """
    names = []
    for folder, folders, files in os.walk(source):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        place = Path(folder).relative_to(source)
        names += [(place / name).as_posix() for name in files if not name.startswith(".")]
    left = [name for name in sorted(names) if name not in without and not name.endswith(tuple(skipped))]
    text = {name: name for name in left if name.endswith(tuple(copied))}
    notes = carry(source, text, out, link=False)
    return notes + carry(source, {name: name for name in left if name not in text}, out)
