"""What an experiment tells whoever watches it: nothing, unless a subclass listens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from deepgum.errors import DeepGUMError
    from deepgum.training.history import Event

__all__ = ["AuditRound", "Observer", "Outcome", "Run"]


class Run(Protocol):
    """What tells one run from another; `about` is what is not in the other four, such as a fold."""

    @property
    def method(self) -> str: ...  # noqa: D102
    @property
    def noise(self) -> str: ...  # noqa: D102
    @property
    def rate(self) -> float: ...  # noqa: D102
    @property
    def seed(self) -> int: ...  # noqa: D102
    @property
    def about(self) -> str: ...  # noqa: D102


class Outcome(Protocol):
    """What a run came to; `failure_rate` is None where there are no landmarks, and `mae` then says it, in `unit`."""

    @property
    def failure_rate(self) -> float | None: ...  # noqa: D102
    @property
    def mae(self) -> float | None: ...  # noqa: D102
    @property
    def unit(self) -> str: ...  # noqa: D102
    @property
    def epochs(self) -> int: ...  # noqa: D102
    @property
    def seconds(self) -> float: ...  # noqa: D102


class AuditRound(Protocol):
    """A round of an audit; as `deepgum.audit.summary.Round`."""

    @property
    def round(self) -> int: ...  # noqa: D102
    @property
    def fits(self) -> int: ...  # noqa: D102
    @property
    def flags(self) -> int: ...  # noqa: D102
    @property
    def changed(self) -> int: ...  # noqa: D102
    @property
    def share(self) -> float | None: ...  # noqa: D102
    @property
    def seconds(self) -> float: ...  # noqa: D102


class Observer:
    """Hears of every step of an experiment. This one ignores all; override what is of interest."""

    def reading(self, done: int, total: int) -> None:
        """Images are being decoded for the cache."""

    def computing(self, done: int, total: int) -> None:
        """The outputs of a network's frozen part are being computed for the cache."""

    def started(self, total: int, finished: int) -> None:
        """All settings are in order; `finished` of the `total` runs were done before."""

    def run_started(self, run: Run, number: int) -> None:
        """A run begins, the `number`-th of all."""

    def trained(self, event: Event) -> None:
        """An epoch or a round of the current run is over, or it goes on from a checkpoint."""

    def run_finished(self, run: Run, outcome: Outcome) -> None:
        """A run is over, and its record on the disk."""

    def run_failed(self, run: Run, error: DeepGUMError) -> None:
        """A run ended with an error, and left no record; the others go on."""

    def audit_started(self, folds: int, rounds: int) -> None:
        """All settings of an audit are in order; it trains `folds` networks in each of `rounds` rounds at most."""

    def fit_started(self, number: int) -> None:
        """The next network of an audit is trained, or its predictions are read."""

    def round_finished(self, finished: AuditRound) -> None:
        """A round of an audit is over."""
