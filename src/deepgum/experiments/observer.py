"""What an experiment tells whoever watches it: nothing, unless a subclass listens."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deepgum.errors import DeepGUMError
    from deepgum.experiments.records import RunKey, RunRecord
    from deepgum.training.history import Event

__all__ = ["Observer"]


class Observer:
    """Hears of every step of an experiment. This one ignores all; override what is of interest."""

    def reading(self, done: int, total: int) -> None:
        """Images are being decoded for the cache."""

    def started(self, total: int, finished: int) -> None:
        """All settings are in order; `finished` of the `total` runs were done before."""

    def run_started(self, run: RunKey, number: int) -> None:
        """A run begins, the `number`-th of all."""

    def trained(self, event: Event) -> None:
        """An epoch or a round of the current run is over."""

    def run_finished(self, run: RunKey, record: RunRecord) -> None:
        """A run is over, and its record on the disk."""

    def run_failed(self, run: RunKey, error: DeepGUMError) -> None:
        """A run ended with an error, and left no record; the others go on."""
