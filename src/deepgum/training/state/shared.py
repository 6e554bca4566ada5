"""Where a training over several processes stands: a file for what is common, and one a process for what is its own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from deepgum.errors import CheckpointError
from deepgum.processes import Processes, all_or_none
from deepgum.training.state.checkpoint import Checkpoint

__all__ = ["SharedCheckpoint"]


class SharedCheckpoint:
    """A checkpoint of several processes, in a folder that all of them see.

    The file at `path` is written by the first process and holds what is common, and the number of the save. Beside it
    each process keeps a file of its own, `name.process-R.save-N`. All of these are written before the first process
    puts the common file in its place, in one step, and only then are those of the save before removed: whenever the
    processes are killed, the common file and those that it counts on are of one save.

    Parameters
    ----------
    path : Path
        Of the common file.
    identity : mapping
        As for `Checkpoint`; it should say how many processes there are.
    processes : Processes
        Those that save and load together.
    own : sequence of str
        What belongs to each process: places in the state, as "sgd.machinery.random".

    Examples
    --------
    >>> import tempfile
    >>> from deepgum.processes import SOLO
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name) / "run.safetensors"
    >>> checkpoint = SharedCheckpoint(path, {"processes": 1}, SOLO, own=["tracker.residuals"])
    >>> checkpoint.save({"epoch": 3, "tracker": {"spread": 0.5, "residuals": torch.ones(1)}})
    >>> sorted(file.name for file in Path(folder.name).iterdir())
    ['run.process-0.save-1.safetensors', 'run.safetensors']
    >>> checkpoint.load()
    {'epoch': 3, 'tracker': {'spread': 0.5, 'residuals': tensor([1.])}}
    >>> folder.cleanup()
    """

    def __init__(self, path: Path, identity: Mapping[str, Any], processes: Processes, own: Sequence[str]) -> None:
        self._path, self._identity, self._processes, self._own = Path(path), identity, processes, own
        self._common = Checkpoint(path, identity)
        self._number = 0

    def load(self) -> dict[str, Any] | None:
        """Return the state that was saved last, with this process's own part of it, or None where there is none.

        Raises
        ------
        CheckpointError
            As of `Checkpoint`; if a process's own file is not there; or if the processes do not see the same file.
        ProcessLostError
            If another process met an error.
        """
        with all_or_none(self._processes):
            state = self._common.load()
            number = 0 if state is None else state.pop("save")
            if state is not None:
                state = _joined(state, self._own_part(number))
        found = torch.tensor([number, -number])
        least, largest = (self._processes.minimum(found) * torch.tensor([1, -1])).tolist()
        if least != largest:
            raise CheckpointError(
                f"'{self._path}' should be one file for all processes, in a folder that all of them see. Found saves "
                f"{least} to {largest} (0: no file) in different processes."
            )
        self._number = number
        self._tidy()
        return state

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the state in the place of the one before.

        Raises
        ------
        DiskFullError, InvalidDataError
            As of `Checkpoint`; the checkpoint before is still there.
        ProcessLostError
            If another process met one of them, or is gone; likewise.
        """
        before, self._number = self._number, self._number + 1
        common, own = _parted(state, self._own)
        with all_or_none(self._processes):
            self._own_file(self._number).save(own)
        with all_or_none(self._processes):
            if self._processes.rank == 0:
                self._common.save({**common, "save": self._number})
        self._own_file(before).remove()

    def _own_part(self, number: int) -> dict[str, Any]:
        file = self._own_file(number)
        part = file.load()
        if part is None:
            raise CheckpointError(
                f"'{self._path}' should have '{file.path.name}' beside it. It is not there. Put it back, or delete the "
                "checkpoint's other files to begin the training anew."
            )
        return part

    def _own_file(self, number: int) -> Checkpoint:
        name = f"{self._path.stem}.process-{self._processes.rank}.save-{number}{self._path.suffix}"
        return Checkpoint(self._path.with_name(name), {**self._identity, "rank": self._processes.rank, "save": number})

    def _tidy(self) -> None:
        """Remove own files that no common file counts on, left by processes that were killed."""
        name = re.compile(rf"{re.escape(self._path.stem)}\.process-{self._processes.rank}\.save-(\d+)")
        for entry in self._path.parent.glob(f"*{self._path.suffix}"):
            match = name.fullmatch(entry.stem)
            if match and int(match[1]) != self._number:
                entry.unlink(missing_ok=True)


def _parted(state: Mapping[str, Any], places: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a nested state without what stands at some places, and that by its place."""
    taken: dict[str, Any] = {}
    rest = dict(state)
    for place in places:
        *sections, name = place.split(".")
        section = rest
        for each in sections:
            section[each] = dict(section[each])
            section = section[each]
        taken[place] = section.pop(name)
    return rest, taken


def _joined(state: dict[str, Any], taken: Mapping[str, Any]) -> dict[str, Any]:
    """Undo `_parted`."""
    for place, value in taken.items():
        *sections, name = place.split(".")
        section = state
        for each in sections:
            section = section[each]
        section[name] = value
    return state
