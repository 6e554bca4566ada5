"""The two lists of LFW + NET; a line that does not change keeps every byte."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from deepgum.data.annotations.base import Annotations, Changes
from deepgum.data.annotations.carry import carry
from deepgum.data.annotations.texts import NumberStyle, Text, edited
from deepgum.data.lfw_net import LANDMARKS, TEST_LIST, TRAIN_LIST, check_folder, read_list
from deepgum.errors import InvalidDataError

__all__ = ["LfwNetAnnotations", "read_lfw_net"]

COORDINATES = 2 * len(LANDMARKS)


@dataclass(frozen=True, eq=False)
class LfwNetAnnotations(Annotations):
    """Five points of each face, in pixels of the image. A list has no way to say that a point is missing."""

    keeps_missing = False

    lists: Mapping[str, Text] = field(default_factory=dict)

    def write(self, changes: Changes, out: Path) -> tuple[str, ...]:
        """Write both lists to a folder, with the images that they name."""
        dropped = set(self.left_out(changes))
        for file, text in self.lists.items():
            lines = text.content.splitlines(keepends=True)
            places = [[match.span() for match in re.finditer(r"\S+", line)][-COORDINATES:] for line in lines]
            style = NumberStyle.of(line[a:b] for line, spans in zip(lines, places, strict=True) for a, b in spans)
            kept = []
            for line, spans in zip(lines, places, strict=True):
                name = _name(line)
                if name in changes and name not in dropped:
                    before, after = self.values[self.rows[name]], changes[name]
                    line = edited(
                        line,
                        [(*span, style.text(b)) for span, a, b in zip(spans, before, after, strict=True) if a != b],
                    )
                if name not in dropped:
                    kept.append(line)
            if not any(map(str.strip, kept)):
                raise InvalidDataError(f"'{file}' should keep at least one line. All of its samples are dropped.")
            Text("".join(kept), text.mark).write(out / file)
        carry(self.source, {name: name for name in self.ids if name not in dropped}, out)
        return ()


def read_lfw_net(folder: Path, options: Mapping[str, Any]) -> LfwNetAnnotations:
    """Read the two lists, the one to train on first.

    Raises
    ------
    InvalidParameterError, InvalidDataError
        If a list is not there or malformed.
    """
    check_folder("data", folder)
    faces = [face for file in (TRAIN_LIST, TEST_LIST) for face in read_list(folder / file)]
    return LfwNetAnnotations(
        source=folder,
        ids=tuple(face.name for face in faces),
        names=tuple(f"{landmark}_{axis}" for landmark in LANDMARKS for axis in "xy"),
        values=np.stack([face.points.reshape(-1) for face in faces]),
        lists={file: Text.read(folder / file) for file in (TRAIN_LIST, TEST_LIST)},
    )


def _name(line: str) -> str:
    """Return the id of a line, as `deepgum.data.lfw_net` reads it; of a blank one, nothing."""
    name, *_ = line.strip().rsplit(maxsplit=14) or [""]
    return name.replace("\\", "/")
