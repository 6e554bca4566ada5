"""A log of decisions, undos and redos in an SQLite file, with reviewers and times. Rows are only added."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from deepgum.errors import DecisionsFileError, DiskFullError

__all__ = ["LogFile", "Row"]

SCHEMA_VERSION = 1

_SCHEMA = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    """CREATE TABLE log (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        action TEXT NOT NULL CHECK (action IN ('keep', 'fix', 'drop', 'skip', 'undo', 'redo')),
        of INTEGER REFERENCES log (seq) CHECK ((of IS NULL) = (action NOT IN ('undo', 'redo'))),
        sample TEXT CHECK ((sample IS NULL) = (action IN ('undo', 'redo'))),
        "group" TEXT CHECK (("group" IS NULL) = (sample IS NULL)),
        new TEXT CHECK ((new IS NULL) = (action <> 'fix')),
        reason TEXT NOT NULL,
        who TEXT NOT NULL,
        at TEXT NOT NULL,
        key TEXT UNIQUE
    )""",
    # Rows are added, never changed, because they are evidence.
    "CREATE TRIGGER log_is_not_changed BEFORE UPDATE ON log BEGIN SELECT RAISE(ABORT, 'the log is only added to'); END",
    "CREATE TRIGGER log_is_not_cut BEFORE DELETE ON log BEGIN SELECT RAISE(ABORT, 'the log is only added to'); END",
)
_COLUMNS = 'action, of, sample, "group", new, reason, who, at'
_WAIT = 15.0  # seconds for another process to finish its write


class Row(NamedTuple):
    """A row of the log: a decision, or an undo or a redo. `of` is the row of the undone or redone decision."""

    seq: int
    action: str
    of: int | None
    sample: str | None
    group: str | None
    new: tuple[float, ...] | None
    reason: str
    who: str
    at: str


class LogFile:
    """An open log file. Only one thread at a time may use the object. Several processes may open the same file.

    Parameters
    ----------
    path : Path
        The file. If it does not exist, it is made.
    audit : str
        Identity of the audit. It is an error if the file belongs to another audit.

    Raises
    ------
    DecisionsFileError
        If the file belongs to another audit, was written by a later version, is not a file of decisions, or cannot be
        read or written.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> log = LogFile(Path(folder.name) / "decisions.sqlite", "one audit")
    >>> with log.transaction():
    ...     log.append("fix", sample="a.jpg", group="nose", new=(1.5, 2.0), who="me")
    1
    >>> [(row.seq, row.action, row.new) for row in log.after(0)]
    [(1, 'fix', (1.5, 2.0))]
    >>> log.close()
    >>> LogFile(log.path, "another audit")
    Traceback (most recent call last):
        ...
    deepgum.errors.DecisionsFileError: '...' should hold decisions about this audit. Found decisions ...
    >>> folder.cleanup()
    """

    def __init__(self, path: Path, audit: str) -> None:
        self.path = path
        with self._named("opened"):
            # This class begins and ends transactions, not Python. The lock of the store makes the threads take turns.
            self._connection = sqlite3.connect(path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
        try:
            with self._named("opened"):
                self._open(audit)
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the file. All committed rows are already in the file."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all rows that a block adds, or no row if there is an error in the block. During the block, other
        processes wait.

        Raises
        ------
        DiskFullError, DecisionsFileError
            If the rows cannot be written.
        """
        with self._named("written"):
            self._execute("BEGIN IMMEDIATE")
            try:
                yield
                self._execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._execute("ROLLBACK")
                raise

    def append(
        self,
        action: str,
        *,
        of: int | None = None,
        sample: str | None = None,
        group: str | None = None,
        new: tuple[float, ...] | None = None,
        reason: str = "",
        who: str = "",
        key: str | None = None,
    ) -> int:
        """Add a row with the current time, and return the number of the row. This must be called in a transaction."""
        values = None if new is None else json.dumps(new, allow_nan=False)
        row = (action, of, sample, group, values, reason, who, _now(), key)
        marks = ", ".join("?" * len(row))
        cursor = self._execute(f"INSERT INTO log ({_COLUMNS}, key) VALUES ({marks})", *row)
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def after(self, seq: int) -> list[Row]:
        """Return the rows with numbers above `seq`, in the order of the numbers."""
        with self._named("read"):
            rows = self._execute(f"SELECT seq, {_COLUMNS} FROM log WHERE seq > ? ORDER BY seq", seq)
            try:
                return [Row._make(row)._replace(new=row[5] and tuple(json.loads(row[5]))) for row in rows]
            except (ValueError, TypeError) as error:
                raise DecisionsFileError(f"'{self.path}' should hold numbers as new labels. {error}.") from error

    def find(self, key: str) -> int | None:
        """Return the number of a decision: the one that the write with the key `key` made, undid or redid.

        Return None if no write has this key.
        """
        with self._named("read"):
            found = self._execute("SELECT coalesce(of, seq) FROM log WHERE key = ?", key).fetchone()
        return None if found is None else int(found[0])

    def _open(self, audit: str) -> None:
        self._execute("PRAGMA synchronous = FULL")  # in WAL mode a power failure could lose transactions otherwise
        self._execute("PRAGMA foreign_keys = ON")
        with self.transaction():  # another process may make the tables at the same time
            version = self._execute("PRAGMA user_version").fetchone()[0]
            tables = {name for (name,) in self._execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if version == 0 and not tables:
                self._make(audit)
            elif version != SCHEMA_VERSION or not {"meta", "log"} <= tables:
                raise DecisionsFileError(
                    f"'{self.path}' should be a file of decisions of version {SCHEMA_VERSION}. Found version "
                    f"{version}, written by a later deepgum or by another program. Use that program, or move the file."
                )
            else:
                self._check(dict(self._execute("SELECT key, value FROM meta")), audit)
        self._execute("PRAGMA journal_mode = WAL")

    def _make(self, audit: str) -> None:
        for statement in _SCHEMA:
            self._execute(statement)
        for item in {"audit": audit, "made": _now()}.items():
            self._execute("INSERT INTO meta VALUES (?, ?)", *item)
        self._execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _check(self, meta: Mapping[str, str], audit: str) -> None:
        if meta.get("audit") != audit:
            count = self._execute("SELECT count(*) FROM log").fetchone()[0]
            raise DecisionsFileError(
                f"'{self.path}' should hold decisions about this audit. Found decisions about another audit ({count}), "
                f"started {meta.get('made')}: the audit was made again since then. The decisions are kept. Move the "
                "file to start a new review, or restore the scores.parquet of the other audit."
            )

    def _execute(self, statement: str, *values: str | int | None) -> sqlite3.Cursor:
        return self._connection.execute(statement, values)

    @contextmanager
    def _named(self, done: str) -> Iterator[None]:
        """Replace the errors of SQLite in a block by `DiskFullError` or `DecisionsFileError`."""
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", None)
            if code == sqlite3.SQLITE_FULL:
                raise DiskFullError(
                    f"The disk of '{self.path}' should hold one more decision. The disk is full, and the decision "
                    "was not stored. Free some space, and decide again."
                ) from error
            busy = " Another program is writing to it." if code == sqlite3.SQLITE_BUSY else ""
            raise DecisionsFileError(
                f"'{self.path}' should be a file of decisions that can be {done}. {error}.{busy} The file is kept."
            ) from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
