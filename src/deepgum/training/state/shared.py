"""The checkpoint of a training with several processes: one common file, and one file per process."""

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
    """A checkpoint of several processes, in a folder that all processes can access.

    The first process writes the common file at `path`, with the common parts of the state and the number N of the save.
    Process R writes its own file `name.process-R.save-N` in the same folder. A save writes the own files of all
    processes first, then replaces the common file atomically, and then removes the own files of the previous save. So
    the own files of the save that is named in the common file always exist, even if the processes are killed.

    Parameters
    ----------
    path : Path
        Path of the common file.
    identity : mapping
        The same as in `Checkpoint`, with the number of processes.
    processes : Processes
        The processes that save and load together.
    own : sequence of str
        The places in the state whose values differ between processes, for example "sgd.machinery.random".

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
        """Return the last saved state, including the own part of this process; None if there is no checkpoint.

        Raises
        ------
        CheckpointError
            In the same cases as in `Checkpoint`, and if an own file is missing or the processes find different files.
        ProcessLostError
            If another process raises an error.
        """
        with all_or_none(self._processes):
            state = self._common.load()
            number = 0 if state is None else state.pop("save")
            if state is not None:
                state = _join(state, self._own_part(number))
        found = torch.tensor([number, -number])
        least, largest = (self._processes.minimum(found) * torch.tensor([1, -1])).tolist()
        if least != largest:
            raise CheckpointError(
                f"'{self._path}' should be one file for all processes, in a folder that all processes can access. "
                f"Found the saves {least} to {largest} in different processes; 0 means no file."
            )
        self._number = number
        self._remove_other_saves()
        return state

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace the saved state. After an error the previous checkpoint is still there.

        Raises
        ------
        DiskFullError, InvalidDataError
            The same as in `Checkpoint`.
        ProcessLostError
            If another process raises an error or dies.
        """
        before, self._number = self._number, self._number + 1
        common, own = _split(state, self._own)
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
                f"'{self._path}' should have the file '{file.path.name}' beside it. That file is missing. Restore it, "
                "or delete the other files of the checkpoint to begin the training anew."
            )
        return part

    def _own_file(self, number: int) -> Checkpoint:
        name = f"{self._path.stem}.process-{self._processes.rank}.save-{number}{self._path.suffix}"
        return Checkpoint(self._path.with_name(name), {**self._identity, "rank": self._processes.rank, "save": number})

    def _remove_other_saves(self) -> None:
        """Remove this process's files of other saves. Such files remain if processes are killed during a save."""
        name = re.compile(rf"{re.escape(self._path.stem)}\.process-{self._processes.rank}\.save-(\d+)")
        for entry in self._path.parent.glob(f"*{self._path.suffix}"):
            match = name.fullmatch(entry.stem)
            if match and int(match[1]) != self._number:
                entry.unlink(missing_ok=True)


def _split(state: Mapping[str, Any], places: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the pair (rest, taken): the nested state without the values at `places`, and a dict of place to value."""
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


def _join(state: dict[str, Any], taken: Mapping[str, Any]) -> dict[str, Any]:
    """Put the values at their places in the nested state; the inverse of `_split`."""
    for place, value in taken.items():
        *sections, name = place.split(".")
        section = state
        for each in sections:
            section = section[each]
        section[name] = value
    return state
