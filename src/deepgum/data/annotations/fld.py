"""FLD's list of landmarks; its visibility says which are missing."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from deepgum.checks import check_choice
from deepgum.data.annotations.base import Annotations, Changes, Values
from deepgum.data.annotations.carry import carry
from deepgum.data.annotations.texts import Edit, NumberStyle, Text, edited
from deepgum.data.fld import BOX_LIST, LANDMARK_LIST, PARTITION_LIST
from deepgum.data.fld_lists import CLOTHES, LANDMARKS, FldLine, read_landmarks
from deepgum.errors import InvalidDataError, InvalidParameterError

__all__ = ["FldAnnotations", "read_fld"]

VISIBLE, OCCLUDED = "0", "1"
_FIRST = 3  # fields before the landmarks: name, type of clothes, variation


@dataclass(frozen=True, eq=False)
class FldAnnotations(Annotations):
    """Points on one type of clothes, in pixels of the image, NaN where they cannot be seen.

    A point that is to be missing becomes an occluded one, and keeps its place in the list; one that is found becomes
    visible. A point without one of its coordinates is missing as a whole.
    """

    keeps_missing = True

    text: Text = field(default_factory=lambda: Text(""))
    numbers: tuple[int, ...] = ()
    """Of the samples' lines, from 1."""
    images: tuple[str, ...] = ()
    """Of all types of clothes."""

    def write(self, changes: Changes, out: Path) -> tuple[str, ...]:
        """Write the list to a folder, with the other lists and the images."""
        lines = io.StringIO(self.text.content, newline="").readlines()
        fields = [[match.span() for match in re.finditer(r"\S+", line)] for line in lines]
        of_samples = [number - 1 for number in self.numbers]
        style = NumberStyle.of(
            lines[place][a:b] for place in of_samples for axis in (1, 2) for a, b in fields[place][_FIRST + axis :: 3]
        )
        for row, place in enumerate(of_samples):
            labels = changes.get(self.ids[row])
            if labels is not None:
                lines[place] = edited(lines[place], _edits(self.values[row], labels, fields[place][_FIRST:], style))
        Text("".join(lines), self.text.mark).write(out / LANDMARK_LIST)
        carry(self.source, {name: name for name in (BOX_LIST, PARTITION_LIST)}, out, link=False)
        carry(self.source, {name: name for name in self.images}, out)
        return ()


def read_fld(folder: Path, options: Mapping[str, Any]) -> FldAnnotations:
    """Read the list of landmarks, of one type of clothes.

    Raises
    ------
    InvalidParameterError, InvalidDataError
        If it is not there or malformed, or has no such clothes.
    """
    clothes = check_choice("clothes", options.get("clothes", CLOTHES[0]), CLOTHES)
    path = folder / LANDMARK_LIST
    if not path.is_file():
        raise InvalidParameterError("data", f"a folder that holds '{LANDMARK_LIST}'", str(folder))
    every = read_landmarks(path)
    lines = [line for line in every if line.clothes == clothes]
    if not lines:
        raise InvalidDataError(f"'{path}' should have lines of {clothes}-body clothes. Found none.")
    return FldAnnotations(
        source=folder,
        ids=tuple(line.name for line in lines),
        names=tuple(f"{landmark}_{axis}" for landmark in LANDMARKS[clothes] for axis in "xy"),
        values=np.stack([_values(line) for line in lines]),
        text=Text.read(path),
        numbers=tuple(line.number for line in lines),
        images=tuple(line.name for line in every),
    )


def _values(line: FldLine) -> Values:
    return np.where(line.visibility[:, None] == 0, line.points, np.nan).reshape(-1)


def _edits(before: Values, after: Values, fields: list[tuple[int, int]], style: NumberStyle) -> list[Edit]:
    """Return what becomes of the fields visibility x y of each landmark."""
    edits: list[Edit] = []
    for place, (old, new) in enumerate(zip(before.reshape(-1, 2), after.reshape(-1, 2), strict=True)):
        visibility, *axes = fields[3 * place : 3 * place + 3]
        if np.isnan(new).any():
            if not np.isnan(old).any():
                edits.append((*visibility, OCCLUDED))
            continue
        if np.isnan(old).any():
            edits.append((*visibility, VISIBLE))
        edits += [(*span, style.text(b)) for span, a, b in zip(axes, old, new, strict=True) if a != b]
    return edits
