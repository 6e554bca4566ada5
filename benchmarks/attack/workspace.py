"""A folder with the files of a user, which is compared with its first state and brought back to it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

LOCKS = (".lock", ".decisions.jsonl.lock", ".review.lock")
"""Names of empty files that stay in an output folder, for the next process."""


class Workspace:
    """All files below a folder, as they were when the object was made.

    Parameters
    ----------
    root : Path
        The folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files = {name: (root / name).read_bytes() for name in _names(root)}

    def changed(self, outputs: Iterable[str] = ()) -> list[str]:
        """Return the files that were changed, lost or added, outside the paths in `outputs`."""
        allowed = tuple(outputs)
        now = set(_names(self._root))
        different = [
            name for name in self._files if name not in now or (self._root / name).read_bytes() != self._files[name]
        ]
        return [
            name
            for name in [*different, *(now - self._files.keys())]
            if not any(name == path or name.startswith(f"{path}/") for path in allowed)
            and os.path.basename(name) not in LOCKS
        ]

    def restore(self) -> None:
        """Bring the first state back."""
        for name in set(_names(self._root)) - self._files.keys():
            (self._root / name).unlink()
        for name, content in self._files.items():
            path = self._root / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            if not path.is_file() or path.read_bytes() != content:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        for place, folders, files in os.walk(self._root, topdown=False):
            if not folders and not files and Path(place) != self._root:
                Path(place).rmdir()


def leftovers(root: Path) -> list[str]:
    """Return the temporary files and folders below a folder that a finished command has to remove."""
    return [
        str(path.relative_to(root))
        for path in root.rglob(".*")
        if path.name not in LOCKS and path.name != ".review.json"
    ]


def _names(root: Path) -> Iterator[str]:
    for place, _, files in os.walk(root):
        relative = os.path.relpath(place, root)
        yield from (name if relative == "." else f"{relative}/{name}" for name in files)
