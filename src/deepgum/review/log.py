"""A log of decisions, undos and redos in a text file, with reviewers and times. Lines are only added.

The first line describes the file, and each other line is one row, as JSON. A part of a line at the end of the file is
not acknowledged: it is being written, or its writer was killed. So a copy of the file, made at any moment, holds all
acknowledged rows. A whole last row counts without its line end too, which some editors remove.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from deepgum.errors import DecisionsFileError, DeepGUMError, DiskFullError
from deepgum.storage.decoding import reason_of
from deepgum.storage.disk import FULL, remove_partial, write_atomically
from deepgum.storage.lock import locked

__all__ = ["LogFile", "Row", "check_audit"]

FORMAT = "deepgum-decisions 2"

_WAIT = 15.0  # seconds for another process to finish its write


Many = tuple[tuple[str, str, tuple[float, ...] | None], ...]
"""The labels of a decision about many labels, as (sample, group, new)."""


class Row(NamedTuple):
    """A row of the log: a decision, or an undo or a redo. `of` is the row of the undone or redone decision.

    A decision about one label has `sample`, `group` and `new`. A decision about many labels has `many` instead, so that
    the whole decision is one line: it is in a copy of the file with all its labels, or not at all.

    `key` identifies the write that made the row; None if the write has no key.
    """

    seq: int
    action: str
    of: int | None = None
    sample: str | None = None
    group: str | None = None
    new: tuple[float, ...] | None = None
    reason: str = ""
    who: str = ""
    at: str = ""
    key: str | None = None
    many: Many | None = None


class LogFile:
    """An open log file. Only one thread at a time may use the object. Several processes may open the same file.

    An existing file is opened for reading; it is opened for writing only while a row is added.

    Parameters
    ----------
    path : Path
        The file. If it does not exist, it is made.
    audit : str
        Identity of the audit. It is an error if the file belongs to another audit.
    first : callable
        Function that returns the first rows of a new file. By default a new file has no rows.

    Raises
    ------
    DecisionsFileError
        If the file belongs to another audit, was written by a later version, is not a file of decisions, or cannot be
        read or written.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> log = LogFile(Path(folder.name) / "decisions.jsonl", "one audit")
    >>> with log.transaction():
    ...     log.append("fix", sample="a.jpg", group="nose", new=(1.5, 2.0), who="me")
    1
    >>> [(row.seq, row.action, row.new) for row in log.new_rows()]
    [(1, 'fix', (1.5, 2.0))]
    >>> list(log.new_rows())
    []
    >>> log.close()
    >>> LogFile(log.path, "another audit")
    Traceback (most recent call last):
        ...
    deepgum.errors.DecisionsFileError: '...' should hold decisions about this audit. Found decisions ...
    >>> folder.cleanup()
    """

    def __init__(self, path: Path, audit: str, first: Callable[[], Iterable[Row]] = tuple) -> None:
        self.path = path
        self._keys: dict[str, int] = {}
        self._head = 0
        with self._named("opened"):
            if not path.exists():
                self._make(audit, first)
            # Open until `close`, so that no other file gets its identity.
            self._file = open(path, "rb", buffering=0)  # noqa: SIM115
        try:
            with self._named("read"):
                self._end = self._check(self._file.read(), audit)
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Close the file. All acknowledged rows are already in the file."""
        self._file.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Let no other process or object add a row during a block.

        Raises
        ------
        DecisionsFileError
            If another process does not finish its write, or the file is no longer at its path.
        """
        self._check_place()
        with self._locked():
            yield

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
        many: Many | None = None,
    ) -> int:
        """Add a row with the current time, and return the number of the row. When this method returns, the row is on
        the disk. Call the method once in a transaction, after all rows of `new_rows`. The row counts
        only if `new_rows` gives it afterwards: the file may be replaced during the write.

        Raises
        ------
        DiskFullError, DecisionsFileError
            If the row cannot be written. Then the file does not change.
        """
        row = Row(self._head + 1, action, of, sample, group, new, reason, who, _now(), key, many)
        with self._named("written"), open(self.path, "r+b", buffering=0) as file:
            self._check_place()
            start = min(file.seek(0, os.SEEK_END), self._end)  # before the end if the last row has no line end
            file.seek(self._end)
            if b"\n" in file.read():
                raise DecisionsFileError(
                    f"'{self.path}' should be written to by one process at a time. Another process has added a "
                    "decision. Nothing was stored. Decide again."
                )
            try:
                # A writer that was killed may have left a part of a line.
                file.truncate(start)
                file.seek(start)
                _write(file.fileno(), b"\n" * (self._end - start) + _encode(row))
            except OSError:
                with suppress(OSError):
                    file.truncate(start)
                raise
        return row.seq

    def new_rows(self) -> Iterator[Row]:
        """Yield the rows that were added since the last call, in the order of their numbers.

        If the caller stops at a row, the next call begins with this row again.

        Raises
        ------
        DecisionsFileError
            If a row cannot be read, or the file is no longer at its path.
        """
        with self._named("read"):
            self._check_place()
            size = self._file.seek(0, os.SEEK_END)
            if size < self._end - 1:  # a missing line end is no loss
                raise DecisionsFileError(
                    f"'{self.path}' should only grow. It has {size} bytes, and had {self._end}: another program has "
                    "cut it. Stop the review, bring the file back, and start the review again."
                )
            self._file.seek(self._end)
            *lines, rest = self._file.read().split(b"\n")
        for line in [*lines, rest] if _is_whole(rest) else lines:
            row = self._decode(line)
            yield row
            self._head, self._end = row.seq, self._end + len(line) + 1
            if row.key is not None:
                self._keys[row.key] = row.seq if row.of is None else row.of

    def find(self, key: str) -> int | None:
        """Return the number of a decision: the one that the write with the key `key` made, undid or redid.

        Return None if no row of `new_rows` has this key.
        """
        return self._keys.get(key)

    def _make(self, audit: str, first: Callable[[], Iterable[Row]]) -> None:
        with self._locked():
            if self.path.exists():  # another process was faster
                return
            remove_partial(self.path)
            header = json.dumps({"format": FORMAT, "audit": audit, "made": _now()}).encode() + b"\n"
            rows = b"".join(map(_encode, first()))
            with write_atomically(self.path) as temporary:
                temporary.write_bytes(header + rows)

    def _check(self, text: bytes, audit: str) -> int:
        """Check the first line, and return its length in bytes."""
        line, end, rows = text.partition(b"\n")
        try:
            header = json.loads(line) if end else {}
        except ValueError:
            header = {}
        found = header.get("format") if isinstance(header, dict) else None
        if found != FORMAT:
            raise DecisionsFileError(
                f"'{self.path}' should begin with the format {FORMAT!r}. Found {found!r}: the file was written by a "
                "later deepgum or by another program, or it is damaged. Use that program, bring back a copy of the "
                "file, or move it to start a new review."
            )
        check_audit(self.path, audit, header, rows.count(b"\n"))
        return len(line) + 1

    def _check_place(self) -> None:
        """Raise an error unless the open file is the file at the path."""
        try:
            same = os.path.samestat(os.fstat(self._file.fileno()), os.stat(self.path))
        except FileNotFoundError:
            same = False
        if not same:
            raise DecisionsFileError(
                f"'{self.path}' should be the file that the review opened. Since then it was moved, deleted or made "
                "again, perhaps with its folder. No decision can be stored. Stop the review, bring the folder back if "
                "you need its decisions, and start the review again."
            )

    def _decode(self, line: bytes) -> Row:
        number = self._head + 1
        try:
            values = json.loads(line)
            row = Row(**values)
            texts = [value for name, value in values.items() if name not in ("seq", "of", "new", "many")]
            if row.seq != number or not all(isinstance(text, str) for text in texts):
                raise ValueError(f"Found {values}")
            if not isinstance(row.of, int | None) or not isinstance(row.new, list | None):
                raise ValueError(f"Found {values}")
            row = row._replace(new=None if row.new is None else tuple(row.new), many=_labels(row.many))
        except (ValueError, TypeError, RecursionError) as error:
            text = line[:60].decode("utf-8", "replace")
            found = (
                f"Found {text!r}, which is not JSON" if isinstance(error, json.JSONDecodeError) else reason_of(error)
            )
            raise DecisionsFileError(
                f"'{self.path}' should hold row {number} of its decisions in line {number + 1}. {found}. The file is "
                "kept. Correct that line, bring back a copy of the file, or move it to start a new review."
            ) from error
        return row

    @contextmanager
    def _locked(self) -> Iterator[None]:
        def busy(process: str) -> DecisionsFileError:
            return DecisionsFileError(
                f"'{self.path}' should be written to by one process at a time. Another process{process} has written to "
                f"it for {_WAIT:g} seconds. Nothing was stored. Decide again when that process has ended."
            )

        with self._named("written"), locked(self.path.with_name(f".{self.path.name}.lock"), busy, _WAIT):
            yield

    @contextmanager
    def _named(self, done: str) -> Iterator[None]:
        """Replace the errors of the system in a block by `DiskFullError` or `DecisionsFileError`."""
        try:
            yield
        except DeepGUMError:
            raise
        except OSError as error:
            if error.errno in FULL:
                raise DiskFullError(
                    f"The disk of '{self.path}' should hold one more decision. The disk is full, and the decision "
                    "was not stored. Free some space, and decide again."
                ) from error
            raise DecisionsFileError(
                f"'{self.path}' should be a file of decisions that can be {done}. {error.strerror or error}. The file "
                "is kept. Check that you may write to its folder, and that the disk works."
            ) from error


def check_audit(path: Path, audit: str, header: dict[str, Any], count: int) -> None:
    """Raise `DecisionsFileError` if a file of `count` decisions belongs to another audit than `audit`."""
    if header.get("audit") != audit:
        raise DecisionsFileError(
            f"'{path}' should hold decisions about this audit. Found decisions about another audit ({count}), "
            f"started {header.get('made')}: the audit was made again since then. The decisions are kept. Move the "
            "file to start a new review, or restore the scores.parquet of the other audit."
        )


def _is_whole(line: bytes) -> bool:
    """Return whether a line is a whole JSON object. No part of such a line is one."""
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _labels(many: Any) -> Many | None:
    """Return the field `many` of a line, as tuples.

    Raises
    ------
    ValueError
        If it is not a list of [sample, group, new] with at least one item.
    """
    if many is None:
        return None
    if not isinstance(many, list) or not many:
        raise ValueError(f"Found {many!r}")
    labels = []
    for sample, group, new in many:
        if not isinstance(sample, str) or not isinstance(group, str) or not isinstance(new, list | None):
            raise ValueError(f"Found {[sample, group, new]}")
        labels.append((sample, group, None if new is None else tuple(new)))
    return tuple(labels)


def _encode(row: Row) -> bytes:
    values = {name: value for name, value in row._asdict().items() if value not in (None, "")}
    return json.dumps(values, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def _write(handle: int, line: bytes) -> None:
    while line:
        line = line[os.write(handle, line) :]
    os.fsync(handle)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
