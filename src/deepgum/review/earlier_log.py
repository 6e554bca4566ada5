"""The log of an earlier version: an SQLite file, `decisions.sqlite`, perhaps with a write-ahead log beside it.

Nothing here writes to the files of the earlier version: SQLite opens copies of them, since it would merge a write-ahead
log into its file, or delete one that does not belong to it.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import warnings
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from deepgum.errors import DecisionsFileError, DeepGUMWarning
from deepgum.review.log import Row, check_audit

__all__ = ["earlier_files", "read_earlier"]

_VERSION = 1
_WAL = "-wal"
_COMPANIONS = (_WAL, "-journal")
"""Endings of the files in which SQLite keeps writes that are not yet in the main file."""

_COLUMNS = ("seq", "action", "of", "sample", "group", "new", "reason", "who", "at", "key")
"""Columns of the table `log`, in the order of the fields of `Row`."""

_HEADER, _MODE, _IN_WAL = 20, 18, 2  # byte 18 of an SQLite file is 2 if its writes go to a write-ahead log first


def earlier_files(path: Path) -> list[Path]:
    """Return the existing files of the earlier log at `path`: the main file, and files with its last writes."""
    companions = (_companion(path, ending) for ending in _COMPANIONS)
    return [file for file in (path, *companions) if file.is_file() and (file == path or file.stat().st_size)]


def read_earlier(path: Path, audit: str) -> list[Row]:
    """Return all rows of an earlier log, in the order of their numbers. Its files do not change.

    If the file can have lost decisions when it was copied, a `DeepGUMWarning` is given.

    Parameters
    ----------
    path : Path
        The main file, `decisions.sqlite`.
    audit : str
        Identity of the audit.

    Raises
    ------
    DecisionsFileError
        If the main file is missing, and a file with its last writes is there; or if the file belongs to another audit,
        is not a file of decisions, or cannot be read.
    """
    files = earlier_files(path)
    if files and path not in files:
        raise DecisionsFileError(
            f"'{files[0]}' should have '{path.name}' beside it: it holds the last decisions that were written to that "
            "file. Nothing was changed. Bring that file back, or move this one to start a review without its decisions."
        )
    try:
        with TemporaryDirectory() as folder:
            for file in files:
                shutil.copyfile(file, Path(folder) / file.name)
            with closing(sqlite3.connect(Path(folder) / path.name)) as connection:
                rows = _rows(connection, path, audit)
    except (sqlite3.Error, OSError, ValueError, TypeError) as error:
        if isinstance(error, DecisionsFileError):
            raise
        raise DecisionsFileError(
            f"'{path}' should be a file of decisions that can be read. {error}. Nothing was changed. Move the file to "
            "start a new review."
        ) from error
    if _may_lack_writes(path):
        warnings.warn(
            f"'{path}' should have its last writes beside it, in '{path.name}{_WAL}', unless the review that wrote it "
            "was stopped properly. Whether the file was copied or moved before that, and lacks decisions, cannot be "
            f"told. {len(rows)} rows were read.",
            DeepGUMWarning,
            stacklevel=2,
        )
    return rows


def _rows(connection: sqlite3.Connection, path: Path, audit: str) -> list[Row]:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if version != _VERSION or not {"meta", "log"} <= tables:
        raise DecisionsFileError(
            f"'{path}' should be a file of decisions of version {_VERSION}. Found version {version}, written by "
            "another program. Nothing was changed. Move the file to start a new review."
        )
    (state,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if state != "ok":
        raise DecisionsFileError(
            f"'{path}' should be whole, and fit the files beside it ({', '.join(_COMPANIONS)}). Found: {state}. "
            "Nothing was changed. Bring back files that belong together, or move them to start a new review."
        )
    header = dict(connection.execute("SELECT key, value FROM meta"))
    check_audit(path, audit, header, connection.execute("SELECT count(*) FROM log").fetchone()[0])
    columns = ", ".join(f'"{name}"' for name in _COLUMNS)
    rows = (Row(*row) for row in connection.execute(f"SELECT {columns} FROM log ORDER BY seq"))
    return [row if row.new is None else row._replace(new=tuple(json.loads(str(row.new)))) for row in rows]


def _may_lack_writes(path: Path) -> bool:
    with open(path, "rb") as file:
        header = file.read(_HEADER)
    return header[_MODE : _MODE + 1] == bytes([_IN_WAL]) and not _companion(path, _WAL).exists()


def _companion(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)
