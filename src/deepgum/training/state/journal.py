"""A training's way to its checkpoint: who has a state, when it is kept, and how it is taken up again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from deepgum.errors import CheckpointError
from deepgum.processes import SOLO, Processes, all_or_none
from deepgum.storage.lock import locked
from deepgum.training.history import History
from deepgum.training.job import Training
from deepgum.training.state.checkpoint import Checkpoint, check_place
from deepgum.training.state.identity import identity_of
from deepgum.training.state.shared import SharedCheckpoint

__all__ = ["Journal", "alone_at"]


class Journal:
    """Keeps the history and whatever is registered in a checkpoint; without one it keeps nothing, and costs nothing.

    Parameters
    ----------
    history : History
        Of the training. Where the checkpoint holds one, its records are taken up.
    checkpoint : Checkpoint or SharedCheckpoint, optional

    Raises
    ------
    CheckpointError
        If the checkpoint cannot be gone on from.

    Examples
    --------
    A loop of three epochs that is stopped after the first one, and begun again:

    >>> import tempfile
    >>> from pathlib import Path
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name) / "checkpoint.safetensors"
    >>> def train(stop=None):
    ...     journal, state = Journal(History(), Checkpoint(path, {"seed": 0})), {"epoch": 0}
    ...     state |= journal.resume("loop") or {}
    ...     journal.register("loop", lambda: state)
    ...     while state["epoch"] < 3:
    ...         state["epoch"] += 1
    ...         print("epoch", state["epoch"])
    ...         journal.save()
    ...         if state["epoch"] == stop:
    ...             return
    >>> train(stop=1)
    epoch 1
    >>> train()
    epoch 2
    epoch 3
    >>> folder.cleanup()
    """

    def __init__(self, history: History, checkpoint: Checkpoint | SharedCheckpoint | None = None) -> None:
        self._began = time.perf_counter()
        self._history, self._checkpoint = history, checkpoint
        self._parts: dict[str, Callable[[], Any]] = {}
        self._kept = (checkpoint.load() if checkpoint is not None else None) or {}
        self._before = self._kept.pop("seconds", 0.0)
        if "history" in self._kept:
            history.load_state_dict(self._kept.pop("history"))

    @classmethod
    def of(
        cls,
        training: Training[Any],
        history: History,
        path: Path | None,
        processes: Processes | None = None,
        own: Sequence[str] = (),
    ) -> Journal:
        """Return the journal of a training that has not begun, with a checkpoint where there is a path for it.

        Where there is a path, all data are read once, to know the training by.

        Parameters
        ----------
        training : Training
        history : History
        path : Path or None
        processes : Processes, optional
            Those that train together, of a training that can be shared: a checkpoint is then for as many of them.
        own : sequence of str
            What belongs to each of several processes, as for `SharedCheckpoint`.

        Raises
        ------
        CheckpointError
            If the checkpoint cannot be gone on from.
        """
        if path is None:
            return cls(history)
        known = identity_of(training)
        if processes is None:
            return cls(history, Checkpoint(path, known))
        known["processes"] = processes.world_size
        several = processes.world_size > 1
        return cls(history, SharedCheckpoint(path, known, processes, own) if several else Checkpoint(path, known))

    @property
    def seconds(self) -> float:
        """Wall time of the training: of this sitting, and of those before up to their last checkpoint."""
        return float(self._before + time.perf_counter() - self._began)

    def resume(self, name: str) -> Any:
        """Return what was kept under a name when the training was stopped, once; None where nothing was."""
        return self._kept.pop(name, None)

    def register(self, name: str, state_dict: Callable[[], Any]) -> None:
        """Have every `save` keep what this returns, nested plain values and tensors, under the name."""
        self._parts[name] = state_dict

    def save(self) -> None:
        """Write the checkpoint: an epoch is completed.

        Raises
        ------
        DiskFullError
            If the disk cannot hold it; the one before is still there.
        """
        if self._checkpoint is not None:
            parts = {name: state_dict() for name, state_dict in self._parts.items()}
            self._checkpoint.save({"seconds": self.seconds, "history": self._history.state_dict(), **parts})


@contextmanager
def alone_at(path: Path | None, processes: Processes = SOLO) -> Iterator[None]:
    """Train with a checkpoint while no other training does; without one, just train.

    Two trainings would write over each other's file, and remove what the other is writing. The lock is a hidden file
    beside the checkpoint, `.NAME.lock`, which the training removes when it ends. The system takes the lock itself back
    from a process that is killed: the file that one leaves is in nobody's way, and goes with the next training.

    Parameters
    ----------
    path : Path or None
        Of the checkpoint.
    processes : Processes
        Those that train together: the first holds the lock for all of them.

    Raises
    ------
    CheckpointError
        If another training is at it, or no checkpoint can be written there.
    ProcessLostError
        If the first process met that error.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name) / "run.safetensors"
    >>> with alone_at(path), alone_at(path):
    ...     pass
    Traceback (most recent call last):
        ...
    deepgum.errors.CheckpointError: '...run.safetensors' should be the checkpoint of one training at a time. Another
    process (...) trains with it. Wait until that has ended, or give another path.
    >>> list(Path(folder.name).iterdir())
    []
    >>> folder.cleanup()
    """
    with ExitStack() as held:
        if path is not None:
            place = Path(path)
            with all_or_none(processes):
                if processes.rank == 0:
                    check_place(place)
                    held.enter_context(locked(place.with_name(f".{place.name}.lock"), lambda who: _taken(place, who)))
        yield


def _taken(path: Path, who: str) -> CheckpointError:
    return CheckpointError(
        f"'{path}' should be the checkpoint of one training at a time. Another process{who} trains with it. Wait until "
        "that has ended, or give another path."
    )
