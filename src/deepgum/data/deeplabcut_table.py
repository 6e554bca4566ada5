"""The tables of DeepLabCut: labels and predictions of body parts, in CSV or HDF5, of one animal or of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepgum.data.edits.headed_hdf5 import is_hdf5, read_headed_hdf5
from deepgum.data.edits.headed_table import HeadedTable, first_cells, read_headed_csv
from deepgum.errors import InvalidDataError, listing

__all__ = ["DeepLabCutTable", "is_deeplabcut"]

Values = NDArray[np.float64]

LEVELS = ("scorer", "individuals", "bodyparts", "coords")
_DEPTHS = {2: LEVELS[2:], 3: (LEVELS[0], *LEVELS[2:]), 4: LEVELS}
_HEADERS = (*_DEPTHS.values(), LEVELS[1:])
"""The header lines that a table may have. Some programs remove the line of the scorer."""
_CONTENT = "a table of DeepLabCut"


def is_deeplabcut(path: Path) -> bool:
    """Return whether a file is a table of DeepLabCut, by its first lines, or by its ending if it is HDF5."""
    if is_hdf5(path):
        return path.suffix.lower() in (".h5", ".hdf5", ".hdf")
    cells = first_cells(path, len(LEVELS))
    return any(tuple(cells[: len(header)]) == header for header in _HEADERS)


@dataclass(frozen=True, eq=False)
class DeepLabCutTable:
    """A table of DeepLabCut: n rows, one per frame.

    Attributes
    ----------
    table : HeadedTable
    """

    table: HeadedTable

    @classmethod
    def read(cls, path: Path) -> DeepLabCutTable:
        """Read a table.

        Raises
        ------
        MissingDependencyError
            If the file is HDF5, and h5py is not installed.
        InvalidDataError
            If the file is not a table of DeepLabCut, has the labels of several scorers, or has no rows.
        """
        table = read_headed_hdf5(path, _CONTENT, _DEPTHS) if is_hdf5(path) else read_headed_csv(path, LEVELS, "coords")
        if table.levels not in _HEADERS:
            expected = " or ".join(", ".join(levels) for levels in _DEPTHS.values())
            raise InvalidDataError(
                f"'{path}' should have the header lines {expected}. Found {', '.join(table.levels)}."
            )
        scorers = list(dict.fromkeys(table.level("scorer"))) if "scorer" in table.levels else []
        if len(scorers) > 1:
            raise InvalidDataError(
                f"'{path}' should have the labels of one scorer. Found {len(scorers)}: {listing(scorers)}. Save the "
                "columns of each scorer in a file of their own."
            )
        made = cls(table)
        if not made.columns or not table.index:
            raise InvalidDataError(
                f"'{path}' should have frames, and columns x and y of body parts. Found {len(table.index)} frames and "
                f"the columns {listing(['/'.join(column) for column in table.columns])}."
            )
        return made

    @cached_property
    def columns(self) -> Mapping[tuple[str, str], tuple[int, int]]:
        """The columns of x and y of each pair (individual, body part). The individual is empty if there is one animal.

        Raises
        ------
        InvalidDataError
            If a body part has an x without a y, or a column occurs twice.
        """
        table = self.table
        parts, owners = table.level("bodyparts"), self._owners
        places: dict[tuple[str, str], dict[str, int]] = {}
        for column, (owner, part, axis) in enumerate(zip(owners, parts, table.level("coords"), strict=True)):
            if axis in places.setdefault((owner, part), {}):
                raise InvalidDataError(f"'{table.path}' should have each column once. Found twice: {part} {axis}.")
            places[owner, part][axis] = column
        wrong = [f"{part}: {', '.join(axes)}" for (_, part), axes in places.items() if not {"x", "y"} <= set(axes)]
        if wrong:
            raise InvalidDataError(
                f"'{table.path}' should have the columns x and y for each body part. Found {listing(wrong)}."
            )
        return {key: (axes["x"], axes["y"]) for key, axes in places.items()}

    @property
    def _owners(self) -> list[str]:
        """The individual of each column."""
        has_names = "individuals" in self.table.levels
        return self.table.level("individuals") if has_names else [""] * len(self.table.columns)

    @property
    def is_prediction(self) -> bool:
        """Whether a model wrote the table: its points have a likelihood."""
        return "likelihood" in self.table.level("coords")

    @property
    def individuals(self) -> tuple[str, ...]:
        """Names of the animals; one empty name if the table has one animal."""
        return tuple(dict.fromkeys(owner for owner, _ in self.columns))

    @property
    def bodyparts(self) -> tuple[str, ...]:
        """Names of the body parts of all animals."""
        return tuple(dict.fromkeys(part for _, part in self.columns))

    @property
    def images(self) -> tuple[str, ...]:
        """The image of each row, as the table names it, with slashes; a number for a frame of a video."""
        return tuple("/".join(cells).replace("\\", "/") for cells in self.table.index)

    def points(self, bodyparts: Sequence[str]) -> Values:
        """Return the points (n, animals, k, 2) of k body parts; NaN where a body part has no label or no columns."""
        points = np.full((len(self.table.index), len(self.individuals), len(bodyparts), 2), np.nan)
        for number, owner in enumerate(self.individuals):
            for place, part in enumerate(bodyparts):
                if (owner, part) in self.columns:
                    points[:, number, place] = self.table.values[:, list(self.columns[owner, part])]
        points[np.isnan(points).any(axis=-1)] = np.nan
        return points

    def likelihoods(self) -> Values:
        """Return the mean likelihood (n * animals,) of the points of each animal in each row; 0 without likelihoods."""
        owners = (
            self.table.level("individuals") if "individuals" in self.table.levels else [""] * len(self.table.columns)
        )
        axes = self.table.level("coords")
        found = np.zeros((len(self.table.index), len(self.individuals)))
        for number, owner in enumerate(self.individuals):
            columns = [
                place for place, key in enumerate(zip(owners, axes, strict=True)) if key == (owner, "likelihood")
            ]
            if columns:
                found[:, number] = np.nan_to_num(self.table.values[:, columns]).mean(axis=1)
        return found.reshape(-1)
