"""The current decisions, computed from the rows of the log of a review. A row is a decision, an undo or a redo."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from deepgum.audit.corrections.decisions import Decision

__all__ = ["Entry", "Ledger", "Place"]

Place = tuple[str, str]
"""The id of a sample and the name of a group."""


@dataclass(frozen=True)
class Entry:
    """A decision and its number in the log. Later decisions have higher numbers."""

    seq: int
    decision: Decision

    @property
    def place(self) -> Place:
        """The sample and the group of the decision."""
        return self.decision.sample, self.decision.group


class Ledger:
    """The decisions after the first `head` rows of a log.

    The methods `decide`, `undo` and `redo` apply the next row.

    The current decision on a label is the last decision on this label that is not undone. Undone decisions can be
    redone until there is a new decision. The decision that was undone last must be redone first.

    Attributes
    ----------
    head : int
        Number of the last applied row; 0 before the first row.

    Examples
    --------
    >>> ledger = Ledger()
    >>> ledger.decide(1, Decision("a", "nose", "keep"))
    >>> ledger.decide(2, Decision("a", "nose", "drop"))
    >>> ledger.undo(3, 2)
    >>> ledger.current("a", "nose").decision.action, ledger.redoable.seq
    ('keep', 2)
    >>> ledger.redo(4, 2)
    >>> ledger.current("a", "nose").decision.action, ledger.redoable, ledger.head
    ('drop', None, 4)
    """

    def __init__(self) -> None:
        self.head = 0
        self._entries: dict[int, Entry] = {}
        self._done: dict[Place, list[int]] = {}
        self._latest: dict[int, None] = {}  # decisions that are not undone, in the order of decide and redo
        self._undone: list[int] = []

    def decide(self, seq: int, decision: Decision) -> None:
        """Apply row number `seq` of the log, which is a decision."""
        entry = self._entries[seq] = Entry(seq, decision)
        self._done.setdefault(entry.place, []).append(seq)
        self._latest[seq] = None
        self._undone.clear()
        self.head = seq

    def undo(self, seq: int, of: int) -> None:
        """Apply row `seq`, which undoes decision number `of`. This must be the current decision on its label."""
        place = self._entries[of].place
        self._done[place].remove(of)
        if not self._done[place]:
            del self._done[place]
        del self._latest[of]
        self._undone.append(of)
        self.head = seq

    def redo(self, seq: int, of: int) -> None:
        """Apply row `seq`, which redoes decision number `of`. This must be the decision that was undone last."""
        self._undone.remove(of)
        self._done.setdefault(self._entries[of].place, []).append(of)
        self._latest[of] = None
        self.head = seq

    def current(self, sample: str, group: str) -> Entry | None:
        """Return the current decision on a label. Return None if there is no decision."""
        done = self._done.get((sample, group))
        return self._entries[done[-1]] if done else None

    def entry(self, seq: int) -> Entry | None:
        """Return the decision in row `seq`, even if it is undone. Return None if row `seq` is not a decision."""
        return self._entries.get(seq)

    @property
    def redoable(self) -> Entry | None:
        """The decision that the next redo restores. None if there is nothing to redo."""
        return self._entries[self._undone[-1]] if self._undone else None

    @property
    def undoable(self) -> Entry | None:
        """The decision that was made or redone last and is not undone. None if there is nothing to undo."""
        latest = next(reversed(self._latest), None)
        return None if latest is None else self._entries[latest]

    def __iter__(self) -> Iterator[Entry]:
        """Yield the current decisions, from the oldest to the newest."""
        for seq in sorted(done[-1] for done in self._done.values()):
            yield self._entries[seq]

    def __len__(self) -> int:
        return len(self._done)
