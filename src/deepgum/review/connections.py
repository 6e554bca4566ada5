"""Bounds of the connections to the review's server, so that idle or slow clients do not lock out its page."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["BACKLOG", "Connection"]

MOST = 128
"""Largest number of open connections. A browser uses about six."""

BACKLOG = 128
"""Largest number of connections that wait to be accepted. They may be accepted all at once, above `MOST`."""

PATIENCE = 10.0
"""Seconds that a connection may take until the head of its next request is complete."""


class Connection(H11Protocol):
    """A connection that waits for a request for a limited time.

    If there are more than `MOST` connections, the one that has waited longest for a request is closed. A connection
    whose request is being answered stays open.
    """

    _since = 0.0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Close the connection that has waited longest, if there are too many."""
        super().connection_made(transport)
        self._wait()
        connections = [each for each in self.connections if isinstance(each, Connection) and each.is_open]
        waiting = [each for each in connections if each is not self and each.is_waiting]
        if len(connections) > MOST and waiting:
            min(waiting, key=lambda each: each._since).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._wait()

    @property
    def is_open(self) -> bool:
        """Whether the connection is not being closed."""
        return not self.transport.is_closing()

    @property
    def is_waiting(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._since = self.loop.time()
        self._timer = self.loop.call_later(PATIENCE, self._give_up)

    def _give_up(self) -> None:
        if self.is_waiting:
            self.transport.abort()
