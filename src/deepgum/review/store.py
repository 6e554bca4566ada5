"""The store of the decisions on one audit. It writes each decision immediately, has undo and redo, and refuses outdated
decisions.
"""

from __future__ import annotations

import getpass
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Self, cast

from deepgum.audit.corrections.decisions import Decision
from deepgum.audit.folder import AuditFolder
from deepgum.audit.labels import ScoredLabels
from deepgum.errors import (
    DecisionsFileError,
    InvalidParameterError,
    OutputFolderError,
    StaleDecisionError,
    UnknownNameError,
)
from deepgum.review.decision_rows import check_together, decisions_in, fields_of
from deepgum.review.earlier_log import earlier_files, read_earlier
from deepgum.review.ledger import Entry, Ledger, described
from deepgum.review.log import LogFile, Row
from deepgum.storage.lock import locked

__all__ = ["DecisionStore", "check_text", "identity", "login", "read_decisions"]

_LONGEST = {"reason": 2000, "who": 200}


class DecisionStore:
    """The decisions on the labels of one audit, in one file. Several stores and several processes may open the same
    file.

    When a method returns, the decision is on the disk: each write is synchronised before the method returns. Written
    rows never change, so a copy of the file holds all decisions of that moment. If the file is moved, deleted or
    replaced, nothing more is read or written. Threads may share a store. Use a store in a `with` statement, or call
    `close` at the end.

    Parameters
    ----------
    path : Path
        The file. If it does not exist, it is made.
    labels : ScoredLabels
        The labels of the audit.
    audit : str
        Identity of the audit; see `identity`.
    first : callable
        Function that returns the first rows of the log, if the file is made. By default the log has no rows.

    Attributes
    ----------
    path, audit
        See the parameters.

    Raises
    ------
    DecisionsFileError
        If the file belongs to another audit, was written by a later version, is not a file of decisions, or cannot be
        read or written.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> one = np.array([[30.0, 40.0]])
    >>> labels = ScoredLabels(("a.jpg",), ("x", "y"), ("nose",), ((0, 1),), one, one, one[:, :1], one[:, :1], one, one)
    >>> folder = tempfile.TemporaryDirectory()
    >>> with DecisionStore(Path(folder.name) / "decisions.jsonl", labels, "of this audit") as store:
    ...     first = store.decide(Decision("a.jpg", "nose", "fix", (31.0, 40.0), who="me"), expected=0)
    ...     second = store.decide(Decision("a.jpg", "nose", "drop", who="me"), expected=first.seq)
    ...     undone = store.undo(second.seq, who="me")
    ...     [(decision.action, decision.new) for decision in store.decisions()]
    [('fix', (31.0, 40.0))]
    >>> folder.cleanup()
    """

    def __init__(
        self, path: Path, labels: ScoredLabels, audit: str, first: Callable[[], Iterable[Row]] = tuple
    ) -> None:
        self.path, self.audit = path, audit
        self._rows = {name: row for row, name in enumerate(labels.ids)}
        self._groups = dict(zip(labels.group_names, labels.partition, strict=True))
        self._lock = Lock()
        self._ledger = Ledger()
        self._log = LogFile(path, audit, first)
        try:
            self._catch_up()
        except BaseException:
            self._log.close()
            raise

    @classmethod
    def of(cls, folder: AuditFolder, labels: ScoredLabels | None = None) -> Self:
        """Open the store of the decisions about an audit, from the folder of the audit. Decisions that an earlier
        version stored are taken over; its files do not change.

        Parameters
        ----------
        folder : AuditFolder
        labels : ScoredLabels, optional
            The labels of the audit, if they are already read. By default they are read from the folder.

        Raises
        ------
        InvalidDataError
            If the folder holds no finished audit.
        OutputFolderError
            If an earlier version serves the folder, whose decisions have to be taken over.
        """
        folder.summary()  # raises if there is no finished audit
        labels, audit = folder.labels() if labels is None else labels, identity(folder)
        return cls(folder.decisions_file, labels, audit, partial(_take_over, folder, audit))

    def close(self) -> None:
        """Close the file. All decisions are already in the file."""
        with self._lock:
            self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def decide(self, decision: Decision, *, expected: int | None = None, key: str | None = None) -> Entry:
        """Store a decision with the current time.

        Parameters
        ----------
        decision : Decision
            The decision. An empty `who` is replaced by the login name.
        expected : int, optional
            Number of the decision on this label that the reviewer saw, or 0 if there was no decision. It is an error if
            another decision is current. By default this is not checked.
        key : str, optional
            A string that identifies this write. Every write must have a different key. If the caller lost the answer,
            it can repeat the write with the same key. Then the stored decision is returned, and nothing is stored
            again. The same is true for `undo` and `redo`.

        Raises
        ------
        UnknownNameError, InvalidParameterError
            If the sample or the group is not in the audit, or if the values do not fit the group.
        StaleDecisionError
            If the number of the current decision on the label is not `expected`.
        DecisionsFileError, DiskFullError
            If the decision cannot be stored.
        """
        return self.decide_many([decision], expected=None if expected is None else [expected], key=key)

    def decide_many(
        self, decisions: Sequence[Decision], *, expected: Sequence[int] | None = None, key: str | None = None
    ) -> Entry:
        """Store one decision about many labels: all of it, or nothing. One undo undoes all of it.

        Parameters
        ----------
        decisions : sequence of Decision
            One decision for each label, each about another label. They have the same action, reason and reviewer.
        expected : sequence of int, optional
            One number for each decision; see `decide`.
        key : str, optional
            See `decide`.

        Returns
        -------
        Entry
            The stored decision about the first label.

        Raises
        ------
        InvalidParameterError
            If there is no decision, two decisions are about one label, or they differ in the action, the reason or the
            reviewer. For further errors, see `decide`.
        """
        for decision in decisions:
            self._check(decision)
        check_together(decisions)
        with self._writing():
            if (stored := self._stored(key)) is not None:
                return stored
            if expected is not None:
                self._check_unchanged(decisions, expected)
            first = decisions[0]
            who = first.who or login()
            seq = self._log.append(first.action, **fields_of(decisions), reason=first.reason, who=who, key=key)
        return self._entry(seq)

    def undo(self, seq: int, *, who: str = "", key: str | None = None) -> Entry:
        """Undo the decision with the number `seq`, and return it. The decision before it on the same label is then
        current again. A decision about many labels is undone for all of them.

        Raises
        ------
        StaleDecisionError
            If decision `seq` is not current for one of its labels, because it is already undone or because there is a
            later decision about this label.
        """
        with self._writing():
            if (stored := self._stored(key)) is not None:
                return stored
            entries = self._ledger.entries(seq)
            later = [entry for entry in entries if self._ledger.current(*entry.place) != entry]
            if not entries or later:
                current = self._ledger.current(*later[0].place) if later else None
                many = len(entries) > 1
                about = f"the label {later[0].decision.group!r} of {later[0].decision.sample!r}: " if many else ""
                raise StaleDecisionError(
                    f"Decision {seq} can be undone only if it is the current decision about "
                    f"{f'all its {len(entries)} labels' if many else 'its label'}. Now {about}{described(current)}. "
                    "Nothing was changed.",
                    current,
                )
            self._log.append("undo", of=seq, who=who or login(), key=key)
        return entries[0]

    def redo(self, seq: int, *, who: str = "", key: str | None = None) -> Entry:
        """Redo the decision with the number `seq`, and return it. It must be the decision that was undone last.

        Raises
        ------
        StaleDecisionError
            If another decision was undone last, or there is a newer decision.
        """
        with self._writing():
            if (stored := self._stored(key)) is not None:
                return stored
            entry = self._ledger.redoable
            if entry is None or entry.seq != seq:
                state = "there is nothing to redo" if entry is None else f"decision {entry.seq} was undone last"
                raise StaleDecisionError(
                    f"Decision {seq} can be redone only if it was undone last and there is no newer decision. "
                    f"Now {state}. Nothing was changed.",
                    entry,
                )
            self._log.append("redo", of=seq, who=who or login(), key=key)
        return entry

    @contextmanager
    def reading(self) -> Iterator[Ledger]:
        """Yield the ledger with the current decisions. It includes the decisions that other processes wrote.

        During the block, this store does not write.
        """
        with self._lock:
            self._catch_up()
            yield self._ledger

    def decisions(self) -> list[Decision]:
        """Return the current decisions, in the order of the labels in the audit."""
        with self.reading() as ledger:
            held = [entry.decision for entry in ledger]
        order = {name: place for place, name in enumerate(self._groups)}
        return sorted(held, key=lambda each: (self._rows[each.sample], order[each.group]))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._lock:
            with self._log.transaction():
                self._catch_up()
                yield
            self._catch_up()  # after the commit

    def _catch_up(self) -> None:
        """Apply the rows that this process or other processes wrote since the last call."""
        for row in self._log.new_rows():
            try:
                if row.action == "undo":
                    self._ledger.undo(row.seq, cast(int, row.of))
                elif row.action == "redo":
                    self._ledger.redo(row.seq, cast(int, row.of))
                else:
                    decisions = decisions_in(row)
                    for decision in decisions:
                        self._check(decision)
                    check_together(decisions)
                    self._ledger.decide(row.seq, *decisions)
            except (KeyError, ValueError) as error:
                known = isinstance(error, InvalidParameterError)
                found = error if known else f"There is no decision {row.of} to {row.action}."
                raise DecisionsFileError(
                    f"'{self.path}' should be a log of decisions about this audit. Row {row.seq} does not fit, in line "
                    f"{row.seq + 1}. {found} The file is kept. Correct that line, bring back a copy of the file, or "
                    "move it to start a new review."
                ) from error

    def _check(self, decision: Decision) -> None:
        if decision.sample not in self._rows:
            expected = f"one of the {len(self._rows)} samples of this audit"
            raise InvalidParameterError("sample", expected, decision.sample)
        if decision.group not in self._groups:
            raise UnknownNameError("group", decision.group, self._groups)
        count = len(self._groups[decision.group])
        if decision.new is not None and len(decision.new) != count:
            raise InvalidParameterError("new", f"{count} numbers, one per label of the group", decision.new)
        for name in _LONGEST:
            check_text(name, getattr(decision, name))

    def _stored(self, key: str | None) -> Entry | None:
        seq = None if key is None else self._log.find(key)
        return None if seq is None else self._entry(seq)

    def _entry(self, seq: int) -> Entry:
        return self._ledger.entries(seq)[0]

    def _check_unchanged(self, decisions: Sequence[Decision], expected: Sequence[int]) -> None:
        """Raise `StaleDecisionError` unless the numbers of the current decisions on the labels are `expected`."""
        stale = []
        for decision, seq in zip(decisions, expected, strict=True):
            current = self._ledger.current(decision.sample, decision.group)
            if seq != (current.seq if current else 0):
                stale.append((decision, current))
        if not stale:
            return
        decision, current = stale[0]
        others = f" ({len(stale)} of the {len(decisions)} labels changed)" if len(decisions) > 1 else ""
        raise StaleDecisionError(
            f"The decision about the label {decision.group!r} of {decision.sample!r} should be based on its current "
            f"state. Now {described(current)}{others}. Nothing was changed. Look at the label again, then decide.",
            current,
        )


def check_text(name: str, text: str) -> str:
    """Return the string `text` if it can be stored as `who` or as `reason`, otherwise raise an error.

    Raises
    ------
    InvalidParameterError
        If the string is too long, or contains lone surrogates, which come from names that are not valid UTF-8.
    """
    if len(text) > _LONGEST[name] or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise InvalidParameterError(name, f"a text of at most {_LONGEST[name]} Unicode characters", text)
    return text


def read_decisions(folder: AuditFolder) -> list[Decision]:
    """Return the current decisions about an audit, in the order of the labels in the audit.

    The list is empty if nobody has reviewed the audit. No file of the folder changes, so the folder may be read-only.

    Raises
    ------
    InvalidDataError
        If the folder holds no finished audit.
    DecisionsFileError
        As in `DecisionStore`.
    """
    folder.summary()
    if folder.decisions_file.exists():
        with DecisionStore.of(folder) as store:
            return store.decisions()
    if not earlier_files(folder.earlier_decisions_file):
        return []
    with TemporaryDirectory() as copy:
        path, audit = Path(copy) / folder.decisions_file.name, identity(folder)
        earlier = partial(read_earlier, folder.earlier_decisions_file, audit)
        with DecisionStore(path, folder.labels(), audit, earlier) as store:
            return store.decisions()


def identity(folder: AuditFolder) -> str:
    """Return the identity of an audit: the SHA-256 of its scores. The file of decisions stores this identity."""
    with open(folder.scores_file, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def login() -> str:
    """Return the login name of the user. Return an empty string if the system does not provide this name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def _take_over(folder: AuditFolder, audit: str) -> list[Row]:
    """Return the rows that an earlier version stored, while no server of that version can add rows."""
    earlier = folder.earlier_decisions_file
    if not earlier_files(earlier):
        return []

    def served(process: str) -> OutputFolderError:
        return OutputFolderError(
            f"'{earlier}' should be written to by nobody while its decisions are taken over. A server{process} of an "
            "earlier version writes to it. Stop that server, then start again."
        )

    with locked(folder.review_lock, served):
        return read_earlier(earlier, audit)
