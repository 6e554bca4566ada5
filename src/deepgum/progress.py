"""Callbacks for the progress of long work, and their division among its parts."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Progress", "part_of"]

Progress = Callable[[int, int], None]
"""A function that is called as ``on_progress(done, total)`` while work is done."""


def part_of(on_progress: Progress | None, first: float, share: float) -> Progress | None:
    """Return the callback for a part of some work: `share` percent of the work, after the first `first` percent.

    Examples
    --------
    >>> second_half = part_of(lambda done, total: print(done, "of", total), 50, 50)
    >>> second_half(1, 5)
    60 of 100
    """
    if on_progress is None:
        return None
    return lambda done, total: on_progress(min(100, round(first + share * done / max(total, 1))), 100)
