"""One training at a time with one checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from deepgum.data.lock import locked
from deepgum.errors import CheckpointError
from deepgum.processes import SOLO, Processes, all_or_none
from deepgum.training.checkpoint import check_place

__all__ = ["alone_at"]


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
