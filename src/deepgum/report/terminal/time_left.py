"""An estimate of the time that the rest of some equal pieces of work takes, such as the networks of an audit."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["TimeLeft"]


class TimeLeft:
    """The time left for equal pieces of work, one after the other.

    Pieces that are done already, because an interrupted process stored their results, take no time and do not count for
    the estimate.

    Parameters
    ----------
    pieces : int
        Number of all pieces.
    now : callable
        Returns the time in seconds.

    Examples
    --------
    >>> times = iter([0.0, 10.0, 40.0, 50.0])
    >>> left = TimeLeft(3, lambda: next(times))
    >>> left.begin()
    >>> left.progress(0.25)  # after 10 s: 30 s for this piece, and 40 s for each of the two others
    110.0
    >>> left.begin()  # the first one took 40 s
    >>> left.progress(0.5)
    70.0
    """

    def __init__(self, pieces: int, now: Callable[[], float] = time.monotonic) -> None:
        self._pieces, self._now = pieces, now
        self._begun = 0
        self._worked = False
        self._since = 0.0
        self._spent = self._measured = 0.0

    def begin(self) -> None:
        """Begin the next piece."""
        now = self._now()
        if self._worked:
            self._spent += now - self._since
            self._measured += 1
        self._begun, self._worked, self._since = self._begun + 1, False, now

    def progress(self, fraction: float | None) -> float | None:
        """Return the estimated seconds left. None if there is no estimate yet.

        `fraction` is the finished part of the current piece, from 0 to 1; None if it is not known.
        """
        self._worked = True
        elapsed = self._now() - self._since
        if self._measured:
            each = self._spent / self._measured
        elif fraction:
            each = elapsed / fraction
        else:
            return None
        return max(each - elapsed, 0.0) + each * max(self._pieces - self._begun, 0)
