"""The observer of an experiment: an object with methods that are called at every step of the experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from deepgum.errors import DeepGUMError
    from deepgum.training.history import Event

__all__ = ["AuditRound", "Observer", "Outcome", "Run"]


class Run(Protocol):
    """The properties that distinguish runs. `about` is a string that describes all other properties, such as the data
    set and the fold.
    """

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
    """The outcome of a run. The unit of `mae` is `unit`. `failure_rate` is None if the targets are not landmarks."""

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
    """A round of an audit; see `deepgum.audit.summary.Round`."""

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
    """An observer that does nothing. Subclasses override the methods that they need."""

    def reading(self, done: int, total: int) -> None:
        """Receive the progress of decoding images for the cache: `done` of `total` images are decoded."""

    def computing(self, done: int, total: int) -> None:
        """Receive the progress of computing the outputs of a frozen trunk for the cache: `done` of `total` images."""

    def scoring(self, done: int, total: int) -> None:
        """Receive the progress of scoring labels: `done` of `total` percent of the work."""

    def started(self, total: int, finished: int) -> None:
        """Receive the start of all runs. The settings are valid, and `finished` of the `total` runs are already
        done.
        """

    def run_started(self, run: Run, number: int) -> None:
        """Receive the start of a run. It is run number `number`, counted from 1."""

    def trained(self, event: Event) -> None:
        """Receive an event of the current run: the end of an epoch, the end of a round, or the resumption from a
        checkpoint.
        """

    def run_finished(self, run: Run, outcome: Outcome) -> None:
        """Receive the end of a run. The record of the run is already on the disk."""

    def run_failed(self, run: Run, error: DeepGUMError) -> None:
        """Receive the error of a failed run. A failed run has no record. The other runs continue."""

    def audit_started(self, folds: int, rounds: int, epochs: int, *, quick: bool) -> None:
        """Receive the start of an audit, which trains `folds` networks in each of at most `rounds` rounds, each network
        for at most `epochs` epochs. `quick` is whether the audit is a first look.
        """

    def fit_started(self, number: int) -> None:
        """Receive the start of a fit of an audit. A fit trains a network, or reads the predictions that an interrupted
        audit stored.
        """

    def round_finished(self, finished: AuditRound) -> None:
        """Receive the end of a round of an audit."""
