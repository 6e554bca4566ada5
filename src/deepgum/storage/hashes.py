"""SHA-256 of files. A hash is kept, and is used again as long as the system shows that the file has not changed."""

from __future__ import annotations

import hashlib
import os
import time
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from deepgum.storage.disk import write_atomically

__all__ = ["KeptHashes", "Stamp", "file_sha256", "forget_hashes"]

_PREFIX = "hashes-"
# A file that changes twice within the resolution of its times looks unchanged. The coarsest file systems count in
# steps of two seconds.
_RESOLUTION = 2 * 10**9
_LARGEST = 2**63 - 1
_SECONDS_BETWEEN_REPORTS = 0.5


class Stamp(NamedTuple):
    """The facts about a file that the system changes whenever the content of the file changes.

    The times are in nanoseconds. A program can set the time of the last modification of a file, but not the time of the
    last change of its entry (`changed`). If a file is replaced by another file, the number `inode` differs.
    """

    device: int
    inode: int
    size: int
    modified: int
    changed: int

    @classmethod
    def of(cls, path: Path) -> Self | None:
        """Return the stamp of a file, or None on a platform where these facts do not show every change.

        Windows has no time of the last change of an entry, so a file must be read there.
        """
        if os.name != "posix":
            return None
        found = os.stat(path)
        return cls(
            found.st_dev & _LARGEST, found.st_ino & _LARGEST, found.st_size, found.st_mtime_ns, found.st_ctime_ns
        )

    def is_settled(self, now: int) -> bool:
        """Return whether a later change of the file must give another stamp. `now` is a time in nanoseconds, at which
        the file had this stamp.
        """
        return max(self.modified, self.changed) + _RESOLUTION < now


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file, as 64 hexadecimal digits. The file is read."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class KeptHashes:
    """The hashes of the files of one folder. They are kept in a file of the cache.

    A second call reads only the files that may have changed: files with another `Stamp`, and files that were changed
    less than two seconds before they were read. To read all files again, call `forget_hashes` first.

    Parameters
    ----------
    cache : Path
        Folder of the cache. If it cannot be written to, hashes are computed and not kept.
    folder : Path
        Folder of the files.

    Examples
    --------
    >>> import tempfile
    >>> temporary = tempfile.TemporaryDirectory()
    >>> folder = Path(temporary.name)
    >>> _ = (folder / "a.txt").write_text("abc")
    >>> KeptHashes(folder / "cache", folder).of(["a.txt", "b.txt"])
    ['ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad', None]
    >>> temporary.cleanup()
    """

    cache: Path
    folder: Path

    def of(self, names: Sequence[str], on_progress: Callable[[int, int], None] | None = None) -> list[str | None]:
        """Return the SHA-256 of each file, as 64 hexadecimal digits. It is None for a file that cannot be read.

        Parameters
        ----------
        names : sequence of str
            Names of the files, relative to the folder.
        on_progress : callable, optional
            Called as ``on_progress(done, total)`` about twice a second while files are read. The numbers count only the
            files that must be read.
        """
        kept, new = self._read(), dict[str, tuple[Stamp, str]]()
        hashes: dict[str, str | None] = {}
        changed: list[str] = []
        for name in dict.fromkeys(names):
            stamp, digits = kept.get(name, (None, None))
            if stamp is not None and stamp == _stamp(self.folder / name):
                hashes[name] = digits
            else:
                changed.append(name)
        told = time.monotonic()
        for done, name in enumerate(changed, start=1):
            path, begun = self.folder / name, time.time_ns()
            stamp = _stamp(path)
            try:
                hashes[name] = digits = file_sha256(path)
            except OSError:
                hashes[name] = None
                continue
            if stamp is not None and stamp.is_settled(begun) and stamp == _stamp(path):
                new[name] = stamp, digits
            if on_progress is not None and time.monotonic() - told > _SECONDS_BETWEEN_REPORTS:
                on_progress(done, len(changed))
                told = time.monotonic()
        if new:
            self._write(kept | new)
        return [hashes[name] for name in names]

    @property
    def _file(self) -> Path:
        place = hashlib.sha256(os.fsencode(os.path.realpath(self.folder))).hexdigest()
        return self.cache / f"{_PREFIX}{place[:32]}.npz"

    def _read(self) -> dict[str, tuple[Stamp, str]]:
        try:
            with np.load(self._file, allow_pickle=False) as arrays:
                names = bytes(arrays["names"]).decode("utf-8", "surrogateescape").split("\0")
                stamps, digits = arrays["stamps"].tolist(), bytes(arrays["sha256"]).hex()
            return {
                name: (Stamp(*stamp), digits[64 * row : 64 * row + 64])
                for row, (name, stamp) in enumerate(zip(names, stamps, strict=True))
            }
        except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile):
            return {}

    def _write(self, entries: dict[str, tuple[Stamp, str]]) -> None:
        names = "\0".join(entries).encode("utf-8", "surrogateescape")
        with suppress(OSError), write_atomically(self._file) as temporary, open(temporary, "wb") as file:
            np.savez(
                file,
                names=np.frombuffer(names, np.uint8),
                stamps=np.array([stamp for stamp, _ in entries.values()], np.int64).reshape(len(entries), -1),
                sha256=np.frombuffer(bytes.fromhex("".join(digits for _, digits in entries.values())), np.uint8),
            )


def forget_hashes(cache: Path) -> None:
    """Remove all kept hashes from a cache, so that every file is read again."""
    with suppress(OSError):
        for file in cache.glob(f"{_PREFIX}*.npz"):
            file.unlink(missing_ok=True)


def _stamp(path: Path) -> Stamp | None:
    try:
        return Stamp.of(path)
    except OSError:
        return None
