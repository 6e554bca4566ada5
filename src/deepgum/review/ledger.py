"""What is decided now, replayed from what was ever written: decisions, and undoing and redoing them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from deepgum.audit.corrections.decisions import Decision

__all__ = ["Entry", "Ledger", "Place"]

Place = tuple[str, str]
"""Sample and group."""


@dataclass(frozen=True)
class Entry:
    """A decision and its number in the log; later ones have higher numbers."""

    seq: int
    decision: Decision

    @property
    def place(self) -> Place:
        """Sample and group that it is about."""
        return self.decision.sample, self.decision.group


class Ledger:
    """The state after some first rows of a log. Rows are told in the log's order, by one of three methods.

    Of each place the last decision holds that is not undone. What was undone can be redone, the last undone first,
    until something new is decided.

    Attributes
    ----------
    head : int
        Number of the last row that it was told; 0 before the first.

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
        self._latest: dict[int, None] = {}  # what is done, in the order in which it was done or redone
        self._undone: list[int] = []

    def decide(self, seq: int, decision: Decision) -> None:
        """Take row `seq`, a decision."""
        entry = self._entries[seq] = Entry(seq, decision)
        self._done.setdefault(entry.place, []).append(seq)
        self._latest[seq] = None
        self._undone.clear()
        self.head = seq

    def undo(self, seq: int, of: int) -> None:
        """Take row `seq`, which undoes decision `of`: the one that holds at its place."""
        place = self._entries[of].place
        self._done[place].remove(of)
        if not self._done[place]:
            del self._done[place]
        del self._latest[of]
        self._undone.append(of)
        self.head = seq

    def redo(self, seq: int, of: int) -> None:
        """Take row `seq`, by which decision `of`, the one undone last, holds again."""
        self._undone.remove(of)
        self._done.setdefault(self._entries[of].place, []).append(of)
        self._latest[of] = None
        self.head = seq

    def current(self, sample: str, group: str) -> Entry | None:
        """Return the decision that holds at a place; None where it is undecided."""
        done = self._done.get((sample, group))
        return self._entries[done[-1]] if done else None

    def entry(self, seq: int) -> Entry | None:
        """Return decision `seq`, whether or not it holds; None where that row is none."""
        return self._entries.get(seq)

    @property
    def redoable(self) -> Entry | None:
        """What redo would bring back."""
        return self._entries[self._undone[-1]] if self._undone else None

    @property
    def undoable(self) -> Entry | None:
        """What was decided or redone last, of what holds."""
        latest = next(reversed(self._latest), None)
        return None if latest is None else self._entries[latest]

    def __iter__(self) -> Iterator[Entry]:
        """The decisions that hold, the oldest first."""
        for seq in sorted(done[-1] for done in self._done.values()):
            yield self._entries[seq]

    def __len__(self) -> int:
        return len(self._done)
