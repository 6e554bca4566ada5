"""The journal of a training: it saves the states of all parts in a checkpoint, and restores these states."""

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

__all__ = ["Journal", "lock_checkpoint"]


class Journal:
    """The history and the registered states of a training, with an optional checkpoint that saves them.

    Parameters
    ----------
    history : History
        The history of the training, which loads the records of the checkpoint.
    checkpoint : Checkpoint or SharedCheckpoint, optional
        File of the saved states; without a checkpoint, `save` does nothing.

    Attributes
    ----------
    history : History
        The history of the training.

    Raises
    ------
    CheckpointError
        If the checkpoint cannot be used.

    Examples
    --------
    A loop of three epochs that stops after the first epoch and then resumes:

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
        self.history, self._checkpoint = history, checkpoint
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
        """Return the journal of a training that has not begun, with a checkpoint if there is a path.

        If there is a path, the method reads all data once, to compute the identity of the training.

        Parameters
        ----------
        training : Training
        history : History
        path : Path or None
            Path of the checkpoint; None for a journal without a checkpoint.
        processes : Processes, optional
            The processes that train together, for a schedule that supports several processes. Their number is part of
            the identity.
        own : sequence of str
            The parts of the state that differ between processes; see `SharedCheckpoint`.

        Raises
        ------
        CheckpointError
            If the checkpoint cannot be used.
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
        """Wall time of the training, including the time of interrupted runs until their last checkpoint."""
        return float(self._before + time.perf_counter() - self._began)

    def resume(self, name: str) -> Any:
        """Return the saved state of a part; None if there is no saved state, or if it has already been returned."""
        return self._kept.pop(name, None)

    def register(self, name: str, state_dict: Callable[[], Any]) -> None:
        """Register a part of the training: every `save` calls `state_dict` and stores the returned state."""
        self._parts[name] = state_dict

    def save(self) -> None:
        """Write the checkpoint, after a completed epoch.

        Raises
        ------
        DiskFullError
            If the disk has not enough space; the previous checkpoint is still there.
        """
        if self._checkpoint is not None:
            parts = {name: state_dict() for name, state_dict in self._parts.items()}
            self._checkpoint.save({"seconds": self.seconds, "history": self.history.state_dict(), **parts})


@contextmanager
def lock_checkpoint(path: Path | None, processes: Processes = SOLO) -> Iterator[None]:
    """Hold the lock of a checkpoint during a training. If `path` is None, do nothing.

    Without a lock, two trainings could overwrite each other's checkpoint. The lock is a hidden file `.NAME.lock` in the
    folder of the checkpoint, and is removed when the training ends. If the process is killed, the system releases the
    lock; the file then stays, but does not stop the next training.

    Parameters
    ----------
    path : Path or None
        Path of the checkpoint.
    processes : Processes
        The processes that train together; the first process holds the lock for all processes.

    Raises
    ------
    CheckpointError
        If another training uses the checkpoint, or the checkpoint cannot be written.
    ProcessLostError
        In the other processes, if the first process raises `CheckpointError`.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name) / "run.safetensors"
    >>> with lock_checkpoint(path), lock_checkpoint(path):
    ...     pass
    Traceback (most recent call last):
        ...
    deepgum.errors.CheckpointError: '...run.safetensors' should be the checkpoint of one training at a time. Another
    process (...) uses it. Wait until that training has ended, or give another path.
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
                    held.enter_context(
                        locked(place.with_name(f".{place.name}.lock"), lambda who: _in_use_error(place, who))
                    )
        yield


def _in_use_error(path: Path, who: str) -> CheckpointError:
    return CheckpointError(
        f"'{path}' should be the checkpoint of one training at a time. Another process{who} uses it. Wait until that "
        "training has ended, or give another path."
    )
