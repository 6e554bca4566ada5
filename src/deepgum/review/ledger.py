"""The current decisions, computed from the rows of the log of a review. A row is a decision, an undo or a redo."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from deepgum.audit.corrections.decisions import Decision

__all__ = ["Entry", "Ledger", "Place", "described"]

Place = tuple[str, str]
"""The id of a sample and the name of a group."""


@dataclass(frozen=True)
class Entry:
    """A decision about one label, and its number in the log. Later decisions have higher numbers.

    `many` is the number of labels that were decided together, as one decision with one number.
    """

    seq: int
    decision: Decision
    many: int = 1

    @property
    def place(self) -> Place:
        """The sample and the group of the decision."""
        return self.decision.sample, self.decision.group


class Ledger:
    """The decisions after the first `head` rows of a log.

    The methods `decide`, `undo` and `redo` apply the next row.

    The current decision on a label is the last decision on this label that is not undone. Undone decisions can be
    redone until there is a new decision. The decision that was undone last must be redone first. A decision about many
    labels is undone and redone as a whole.

    Attributes
    ----------
    head : int
        Number of the last applied row; 0 before the first row.

    Examples
    --------
    >>> ledger = Ledger()
    >>> ledger.decide(1, Decision("a", "nose", "keep"))
    >>> ledger.decide(2, Decision("a", "nose", "drop"), Decision("b", "nose", "drop"))
    >>> ledger.undo(3, 2)
    >>> ledger.current("a", "nose").decision.action, ledger.current("b", "nose"), ledger.redoable.seq
    ('keep', None, 2)
    >>> ledger.redo(4, 2)
    >>> ledger.current("a", "nose").decision.action, ledger.redoable, ledger.head, len(ledger)
    ('drop', None, 4, 2)
    """

    def __init__(self) -> None:
        self.head = 0
        self._entries: dict[int, tuple[Entry, ...]] = {}
        self._done: dict[Place, list[Entry]] = {}
        self._latest: dict[int, None] = {}  # decisions that are not undone, in the order of decide and redo
        self._undone: list[int] = []

    def decide(self, seq: int, *decisions: Decision) -> None:
        """Apply row number `seq` of the log: one or more decisions, each about another label."""
        self._entries[seq] = tuple(Entry(seq, decision, len(decisions)) for decision in decisions)
        self._put(seq)
        self._undone.clear()
        self.head = seq

    def undo(self, seq: int, of: int) -> None:
        """Apply row `seq`, which undoes decision number `of`. It must be the current decision on all its labels."""
        for entry in self._entries[of]:
            self._done[entry.place].remove(entry)
            if not self._done[entry.place]:
                del self._done[entry.place]
        del self._latest[of]
        self._undone.append(of)
        self.head = seq

    def redo(self, seq: int, of: int) -> None:
        """Apply row `seq`, which redoes decision number `of`. This must be the decision that was undone last."""
        self._undone.remove(of)
        self._put(of)
        self.head = seq

    def _put(self, seq: int) -> None:
        for entry in self._entries[seq]:
            self._done.setdefault(entry.place, []).append(entry)
        self._latest[seq] = None

    def current(self, sample: str, group: str) -> Entry | None:
        """Return the current decision on a label. Return None if there is no decision."""
        done = self._done.get((sample, group))
        return done[-1] if done else None

    def entries(self, seq: int) -> tuple[Entry, ...]:
        """Return the decision in row `seq`, one entry per label, even if it is undone. The tuple is empty if row `seq`
        is not a decision.
        """
        return self._entries.get(seq, ())

    @property
    def redoable(self) -> Entry | None:
        """The decision that the next redo restores, about its first label. None if there is nothing to redo."""
        return self._entries[self._undone[-1]][0] if self._undone else None

    @property
    def undoable(self) -> Entry | None:
        """The decision that was made or redone last and is not undone, about its first label. None if there is nothing
        to undo.
        """
        latest = next(reversed(self._latest), None)
        return None if latest is None else self._entries[latest][0]

    def __iter__(self) -> Iterator[Entry]:
        """Yield the current decisions, one entry per label, from the oldest to the newest."""
        yield from sorted((done[-1] for done in self._done.values()), key=lambda entry: entry.seq)

    def __len__(self) -> int:
        return len(self._done)


def described(entry: Entry | None) -> str:
    """Return the state of a label in words: its current decision, or that there is none.

    Examples
    --------
    >>> described(Entry(3, Decision("a", "nose", "fix", (1.5, 2.0), who="ada", at="2026-01-31"))), described(None)
    ('decision 3 is current: fix to 1.5 2, by ada at 2026-01-31', 'the label is undecided')
    """
    if entry is None:
        return "the label is undecided"
    decision = entry.decision
    values = "" if decision.new is None else f" to {' '.join(f'{value:g}' for value in decision.new)}"
    return (
        f"decision {entry.seq} is current: {decision.action}{values}, by {decision.who or 'somebody'} at {decision.at}"
    )
