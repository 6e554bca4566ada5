"""The table of the McGill videos. A frame that is not labelled has no line in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from deepgum.data.annotations.base import Annotations, Changes
from deepgum.data.annotations.carry import carry, check_within
from deepgum.data.annotations.cells import Table, open_table
from deepgum.data.mcgill import COLUMNS, frame_files, read_frames
from deepgum.errors import InvalidDataError, InvalidParameterError, MissingImagesError

__all__ = ["McGillAnnotations", "read_mcgill"]


@dataclass(frozen=True, eq=False)
class McGillAnnotations(Annotations):
    """Yaw of each frame whose file is there, in degrees."""

    keeps_missing = False

    table: Table = field(kw_only=True)
    file: str = field(kw_only=True)
    """The table, relative to the source."""
    places: tuple[int, ...] = field(kw_only=True)
    """Of the samples' rows in the table."""

    def write(self, changes: Changes, out: Path) -> tuple[str, ...]:
        """Write the table to a folder, with the frames."""
        dropped = set(self.left_out(changes))
        if len(dropped) == len(self):
            raise InvalidDataError(f"'{self.file}' should keep at least one line. All of its samples are dropped.")
        place = dict(zip(self.ids, self.places, strict=True))
        cells = {place[name]: {"yaw": labels.item()} for name, labels in changes.items() if name not in dropped}
        notes = self.table.write(cells, out / self.file, without=[place[name] for name in dropped])
        carry(self.source, {name: name for name in self.ids if name not in dropped}, out)
        return notes


def read_mcgill(folder: Path, options: Mapping[str, Any]) -> McGillAnnotations:
    """Read the table that the options name; frames whose files are not there are left aside, and keep their lines.

    Raises
    ------
    InvalidParameterError, InvalidDataError
        If the table is not there or malformed.
    MissingImagesError
        If no frame is there.
    """
    file = options.get("table") or "yaw.csv"
    check_within(folder, [file])
    path = folder / file
    if not path.is_file():
        raise InvalidParameterError("data", f"a folder that holds '{file}'", str(folder))
    frames = read_frames(path)
    there = [(row, name) for row, name in enumerate(frame_files(folder, path, frames)) if name is not None]
    if not there:
        raise MissingImagesError(f"'{folder}' should hold frames that '{file}' names. Found none.")
    return McGillAnnotations(
        source=folder,
        ids=tuple(name for _, name in there),
        names=("yaw",),
        values=np.array([[frames[row].yaw] for row, _ in there]),
        table=open_table(path, COLUMNS),
        file=file,
        places=tuple(row for row, _ in there),
    )
