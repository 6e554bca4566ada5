"""Decisions about the labels of one audit: stored at once, undone and redone, and refused where they come too late."""

from __future__ import annotations

import getpass
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Self, cast

from deepgum.audit.corrections.decisions import Action, Decision
from deepgum.audit.folder import AuditFolder
from deepgum.audit.labels import ScoredLabels
from deepgum.errors import (
    DecisionsFileError,
    InvalidParameterError,
    StaleDecisionError,
    UnknownNameError,
)
from deepgum.review.ledger import Entry, Ledger
from deepgum.review.log import LogFile

__all__ = ["DecisionStore", "check_text", "identity", "login", "read_decisions"]

_LONGEST = {"reason": 2000, "who": 200}


class DecisionStore:
    """Decisions in an SQLite file; several stores, of one process or of many, may have it open at a time.

    What a method returned is on the disk: each write is a transaction that is synchronised before it is acknowledged,
    and nothing that was written is ever changed. Threads may share a store. Use it as a context manager, or call
    `close`.

    Parameters
    ----------
    path : Path
        Made where it is not there.
    labels : ScoredLabels
        What can be decided about.
    audit : str
        Which audit they are of; see `identity`.

    Attributes
    ----------
    path, audit
        As given.

    Raises
    ------
    DecisionsFileError
        If the file is of another audit, of a later version, no such file at all, or cannot be read or written.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> one = np.array([[30.0, 40.0]])
    >>> labels = ScoredLabels(("a.jpg",), ("x", "y"), ("nose",), ((0, 1),), one, one, one[:, :1], one[:, :1], one, one)
    >>> folder = tempfile.TemporaryDirectory()
    >>> with DecisionStore(Path(folder.name) / "decisions.sqlite", labels, "of this audit") as store:
    ...     first = store.decide(Decision("a.jpg", "nose", "fix", (31.0, 40.0), who="me"), expected=0)
    ...     second = store.decide(Decision("a.jpg", "nose", "drop", who="me"), expected=first.seq)
    ...     undone = store.undo(second.seq, who="me")
    ...     [(decision.action, decision.new) for decision in store.decisions()]
    [('fix', (31.0, 40.0))]
    >>> folder.cleanup()
    """

    def __init__(self, path: Path, labels: ScoredLabels, audit: str) -> None:
        self.path, self.audit = path, audit
        self._rows = {name: row for row, name in enumerate(labels.ids)}
        self._groups = dict(zip(labels.group_names, labels.partition, strict=True))
        self._lock = Lock()
        self._ledger = Ledger()
        self._log = LogFile(path, audit)
        try:
            self._catch_up()
        except BaseException:
            self._log.close()
            raise

    @classmethod
    def of(cls, folder: AuditFolder, labels: ScoredLabels | None = None) -> Self:
        """Open the store of an audit's folder.

        Parameters
        ----------
        folder : AuditFolder
        labels : ScoredLabels, optional
            Those of the folder, where they are read already.
        """
        folder.summary()  # which says so where there is no finished audit
        return cls(folder.decisions_file, folder.labels() if labels is None else labels, identity(folder))

    def close(self) -> None:
        """Close the file. What was decided is in it already."""
        with self._lock:
            self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def decide(self, decision: Decision, *, expected: int | None = None, key: str | None = None) -> Entry:
        """Store a decision, with the time of now.

        Parameters
        ----------
        decision : Decision
            Where `who` is empty, the login name is taken.
        expected : int, optional
            Number of the decision that held at its place when this one was made, 0 for none. By default whatever holds.
        key : str, optional
            Of the caller's choice, another for every write. A write that comes again with its key, because its answer
            was lost, is not stored again; what was stored is returned. So for the others.

        Raises
        ------
        UnknownNameError, InvalidParameterError
            If the sample or the group is not one of the audit's, or the values do not fit the group.
        StaleDecisionError
            If another decision holds at the place than was expected.
        DecisionsFileError, DiskFullError
            If it cannot be stored.
        """
        self._check(decision)
        sample, group = decision.sample, decision.group
        with self._writing():
            if (stored := self._stored(key)) is not None:
                return stored
            current = self._ledger.current(sample, group)
            if expected is not None and expected != (current.seq if current else 0):
                raise StaleDecisionError(
                    f"The label {group!r} of {sample!r} should be decided about as it was when it was shown. "
                    f"Meanwhile {_what_holds(current)}. Nothing was changed; look at it again, then decide.",
                    current,
                )
            who = decision.who or login()
            seq = self._log.append(
                decision.action, sample=sample, group=group, new=decision.new, reason=decision.reason, who=who, key=key
            )
        return self._entry(seq)

    def undo(self, seq: int, *, who: str = "", key: str | None = None) -> Entry:
        """Take back decision `seq`, and return it. What held before it at its place holds again.

        Raises
        ------
        StaleDecisionError
            If that decision does not hold: it was undone already, or another one was made after it.
        """
        with self._writing():
            if (stored := self._stored(key)) is not None:
                return stored
            entry = self._ledger.entry(seq)
            current = None if entry is None else self._ledger.current(*entry.place)
            if entry is None or current != entry:
                raise StaleDecisionError(
                    f"Decision {seq} should be the one that holds at its place, to be undone. "
                    f"Meanwhile {_what_holds(current)}. Nothing was changed.",
                    current,
                )
            self._log.append("undo", of=seq, who=who or login(), key=key)
        return entry

    def redo(self, seq: int, *, who: str = "", key: str | None = None) -> Entry:
        """Let decision `seq`, the one undone last, hold again, and return it.

        Raises
        ------
        StaleDecisionError
            If that is not what was undone last, or something was decided since.
        """
        with self._writing():
            if (stored := self._stored(key)) is not None:
                return stored
            entry = self._ledger.redoable
            if entry is None or entry.seq != seq:
                undone = "nothing is left to redo" if entry is None else f"decision {entry.seq} is"
                raise StaleDecisionError(
                    f"Decision {seq} should be the one that was undone last, with nothing decided since, to be redone. "
                    f"Meanwhile {undone}. Nothing was changed.",
                    entry,
                )
            self._log.append("redo", of=seq, who=who or login(), key=key)
        return entry

    @contextmanager
    def reading(self) -> Iterator[Ledger]:
        """Give what is decided now, by this process and all others; this store writes nothing meanwhile."""
        with self._lock:
            self._catch_up()
            yield self._ledger

    def decisions(self) -> list[Decision]:
        """Return the decisions that hold, in the order of the labels."""
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
            self._catch_up()  # only now is it certain

    def _catch_up(self) -> None:
        """Take what was written since, by this process or another."""
        for row in self._log.after(self._ledger.head):
            try:
                if row.action == "undo":
                    self._ledger.undo(row.seq, cast(int, row.of))
                elif row.action == "redo":
                    self._ledger.redo(row.seq, cast(int, row.of))
                else:
                    action, sample, group = cast(Action, row.action), cast(str, row.sample), cast(str, row.group)
                    decision = Decision(sample, group, action, row.new, row.reason, row.who, row.at)
                    self._check(decision)
                    self._ledger.decide(row.seq, decision)
            except (KeyError, ValueError) as error:
                raise DecisionsFileError(
                    f"'{self.path}' should be a log of decisions about this audit. Row {row.seq} cannot be one: {error}"
                ) from error

    def _check(self, decision: Decision) -> None:
        if decision.sample not in self._rows:
            expected = f"one of the {len(self._rows)} samples of this audit"
            raise InvalidParameterError("sample", expected, decision.sample)
        if decision.group not in self._groups:
            raise UnknownNameError("group", decision.group, self._groups)
        count = len(self._groups[decision.group])
        if decision.new is not None and len(decision.new) != count:
            raise InvalidParameterError("new", f"{count} numbers, one a label of the group", decision.new)
        for name in _LONGEST:
            check_text(name, getattr(decision, name))

    def _stored(self, key: str | None) -> Entry | None:
        seq = None if key is None else self._log.find(key)
        return None if seq is None else self._entry(seq)

    def _entry(self, seq: int) -> Entry:
        entry = self._ledger.entry(seq)
        assert entry is not None
        return entry


def check_text(name: str, text: str) -> str:
    """Return a text that can be stored as `who` or `reason`.

    Raises
    ------
    InvalidParameterError
        If it is too long, or half of a character, as a name of bytes that are no UTF-8 may be.
    """
    if len(text) > _LONGEST[name] or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise InvalidParameterError(name, f"a text of at most {_LONGEST[name]} characters of Unicode", text)
    return text


def read_decisions(folder: AuditFolder) -> list[Decision]:
    """Return the decisions about an audit that hold, in the order of its labels; none where no review was begun.

    Raises
    ------
    InvalidDataError
        If the folder holds no finished audit.
    DecisionsFileError
        As of `DecisionStore`.
    """
    folder.summary()
    if not folder.decisions_file.exists():
        return []
    with DecisionStore.of(folder) as store:
        return store.decisions()


def identity(folder: AuditFolder) -> str:
    """Return the SHA-256 of an audit's scores, by which its decisions know it."""
    with open(folder.scores_file, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def login() -> str:
    """Return the name under which this user is logged in; empty where the system does not say."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def _what_holds(entry: Entry | None) -> str:
    if entry is None:
        return "it is undecided"
    decision = entry.decision
    values = "" if decision.new is None else f" to {' '.join(f'{value:g}' for value in decision.new)}"
    return f"decision {entry.seq} holds: {decision.action}{values}, by {decision.who or 'somebody'} at {decision.at}"
