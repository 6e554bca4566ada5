"""What an export is made of: the labels, what was decided about them, and their pictures."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image

from deepgum.audit.corrections.decisions import Decision
from deepgum.audit.corrections.patch_of import decided_values, placed
from deepgum.audit.folder import AuditFolder
from deepgum.audit.labels import Place, ScoredLabels, Values
from deepgum.audit.summary import DataSource
from deepgum.data.pictures import Pictures
from deepgum.errors import InvalidDataError, MissingImagesError, listing
from deepgum.storage.disk import write_atomically

__all__ = ["Reviewed", "write_json"]


@dataclass(frozen=True, eq=False)
class Reviewed:
    """An audit with the decisions about it.

    Parameters
    ----------
    labels : ScoredLabels
    data : DataSource
    pictures : Pictures or None
    decided : mapping of (row, group) to Decision
        Without those that were skipped.
    """

    labels: ScoredLabels
    data: DataSource
    pictures: Pictures | None
    decided: Mapping[Place, Decision]

    @classmethod
    def of(cls, folder: AuditFolder, decisions: Iterable[Decision]) -> Reviewed:
        """Read an audit.

        Raises
        ------
        InvalidDataError
            If it cannot be read, or a decision is not about it.
        """
        labels = folder.labels()
        return cls(labels, folder.summary().data, folder.pictures(), placed(labels, decisions))

    @cached_property
    def values(self) -> Values:
        """The labels (n, d) as they were decided; as given where nothing was, NaN where they were dropped."""
        return decided_values(self.labels, self.decided)

    @cached_property
    def concerned(self) -> list[int]:
        """The samples of which a label is flagged or was decided about, in their order."""
        flagged = {row for row, _ in self.labels.worst_first()}
        return sorted(flagged | {row for row, _ in self.decided})

    def open(self, row: int, group: int) -> bool:
        """Return whether a label is flagged, and nothing was decided about it."""
        return bool(self.labels.flags[row, group]) and (row, group) not in self.decided

    def decisions_of(self, row: int) -> dict[str, Decision]:
        """Return the decisions about a sample, by groups."""
        names = self.labels.group_names
        return {names[group]: self.decided[row, group] for group in range(len(names)) if (row, group) in self.decided}

    def why(self, row: int) -> str:
        """Return what the audit says of a sample's flagged labels, in a few sentences."""
        said = [(self.labels.group_names[group], self.labels.why.get((row, group))) for group in range(self.groups)]
        return " ".join(f"{name}: {text}" for name, text in said if text)

    @property
    def groups(self) -> int:
        """How many there are."""
        return len(self.labels.group_names)

    def shown(self, program: str) -> Pictures:
        """Return the pictures.

        Raises
        ------
        InvalidDataError
            If there are none; with the program that needs them.
        """
        if self.pictures is None:
            raise InvalidDataError(
                f"{program} shows pictures, and the samples of this audit have none. Export a patch instead, which "
                "says the same: deepgum review RUN --export patch=FILE."
            )
        return self.pictures

    def file(self, row: int, program: str) -> Path:
        """Return the absolute path of a picture."""
        return Path(os.path.abspath(self.shown(program).file(row)))

    def sizes(self, rows: Sequence[int], program: str) -> dict[int, tuple[int, int]]:
        """Return the width and height of pictures, in pixels.

        Raises
        ------
        MissingImagesError
            If some cannot be read; with the first of them.
        """
        sizes, lost = {}, []
        for row in rows:
            try:
                with Image.open(self.file(row, program)) as image:
                    sizes[row] = image.size
            except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
                lost.append(f"'{self.shown(program).names[row]}' ({error})")
        if lost:
            raise MissingImagesError(
                f"'{self.shown(program).folder}' should hold the {len(rows)} pictures that are exported, since "
                f"{program} counts in parts of their size. {len(lost)} cannot be read: {listing(lost, 3)}."
            )
        return sizes


def write_json(path: Path, values: Any, *, nan: bool = False) -> None:
    """Write JSON in UTF-8, which has no word for NaN but what Python makes of it; whole or not at all."""
    with write_atomically(path) as temporary:
        text = json.dumps(values, indent=1, ensure_ascii=False, allow_nan=nan)
        temporary.write_text(text + "\n", encoding="utf-8")
