"""An estimate of the time that the rest of some equal pieces of work takes, such as the networks of an audit."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["TimeLeft"]


_LEAST = 3.0
"""Seconds between the first report on a piece and the first estimate from this piece."""


class TimeLeft:
    """The time left for equal pieces of work, one after the other.

    Pieces that are done already, because an interrupted process stored their results, take no time and do not count for
    the estimate. The time up to the first report does not count either: the first epoch also waits for memory and for
    code that is loaded once, and may take many times as long as the next one.

    Parameters
    ----------
    pieces : int
        Number of all pieces.
    now : callable
        Returns the time in seconds.

    Examples
    --------
    >>> times = iter([0.0, 25.0, 35.0, 55.0, 65.0])
    >>> left = TimeLeft(3, lambda: next(times))
    >>> left.begin()
    >>> left.progress(0.25)  # nothing is known yet
    >>> left.progress(0.5)  # a quarter took 10 s: 20 s for the rest, and 40 s for each of the two others
    100.0
    >>> left.begin()  # the first one took 55 s
    >>> left.progress(0.25)
    100.0
    """

    def __init__(self, pieces: int, now: Callable[[], float] = time.monotonic) -> None:
        self._pieces, self._now = pieces, now
        self._begun = 0
        self._worked = False
        self._since = 0.0
        self._first: tuple[float, float] | None = None
        self._spent = self._measured = 0.0

    def begin(self) -> None:
        """Begin the next piece."""
        now = self._now()
        if self._worked:
            self._spent += now - self._since
            self._measured += 1
        self._begun, self._worked, self._since, self._first = self._begun + 1, False, now, None

    def progress(self, fraction: float | None) -> float | None:
        """Return the estimated seconds left. None if there is no estimate yet.

        `fraction` is the finished part of the current piece, from 0 to 1; None if it is not known.
        """
        self._worked |= fraction is not None
        now, others = self._now(), max(self._pieces - self._begun, 0)
        if self._measured:
            each = self._spent / self._measured
            return max(each - (now - self._since), 0.0) + each * others
        if fraction is None:
            return None
        if self._first is None:
            self._first = fraction, now
        done, elapsed = fraction - self._first[0], now - self._first[1]
        if done <= 0 or elapsed < _LEAST:
            return None
        return elapsed / done * (1 - fraction + others)
