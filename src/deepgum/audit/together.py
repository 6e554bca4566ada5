"""What must stay in one fold: samples of one name, and samples of the same content, and whatever these link."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

__all__ = ["linked"]


def linked(n: int, names: Iterable[Hashable], copies: Iterable[Sequence[int]]) -> tuple[str, ...]:
    """Return a name for each of n samples that it shares with those of its name and with its copies, and theirs.

    Parameters
    ----------
    n : int
    names : iterable of hashable, length n or 0
        Nothing where each sample is by itself.
    copies : iterable of sequences of int
        Rows of the same content.

    Examples
    --------
    >>> linked(5, ["ann", "ann", "bob", "cid", "dee"], [(1, 2)])
    ('0', '0', '0', '3', '4')
    """
    first = list(range(n))

    def root(row: int) -> int:
        while first[row] != row:
            first[row] = first[first[row]]
            row = first[row]
        return row

    seen: dict[Hashable, int] = {}
    for row, name in enumerate(names):
        first[root(row)] = root(seen.setdefault(name, row))
    for rows in copies:
        for row in rows[1:]:
            first[root(row)] = root(rows[0])
    return tuple(str(root(row)) for row in range(n))
