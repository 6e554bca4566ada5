"""The roles of the columns of a user's table: targets, features and visibilities, from names, patterns and ranges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgum.data.column_patterns import find_columns, is_pattern, is_row_number
from deepgum.data.columns import Columns
from deepgum.data.target_names import landmark_order
from deepgum.data.visibility import check_pairs, says_labelled, visibility_columns, visibility_notice, zero_rows
from deepgum.errors import InvalidParameterError, listing

__all__ = ["TableColumns"]


@dataclass(frozen=True)
class TableColumns:
    """The columns of targets and features.

    Attributes
    ----------
    targets : tuple of str, length d
        Columns of labels, in the order in which they are learned.
    features : tuple of str
        Columns of features; empty if the inputs are images.
    named : mapping of str to (str, str)
        Columns of visibilities and confidences that the user named among the targets, each with the columns of the x
        and the y of its landmark.
    beside : mapping of str to (str, str)
        Columns of visibilities of the targets that the user did not name.

    Examples
    --------
    >>> header = ["file", "x1", "y1", "v1", "x2", "y2", "v2"]
    >>> columns = TableColumns.of(header, ["x1-v2"], landmarks=True)
    >>> columns.targets, list(columns.named)
    (('x1', 'y1', 'x2', 'y2'), ['v1', 'v2'])
    """

    targets: tuple[str, ...]
    features: tuple[str, ...]
    named: Mapping[str, tuple[str, str]]
    beside: Mapping[str, tuple[str, str]]

    @classmethod
    def of(
        cls,
        header: Sequence[str],
        targets: Sequence[str],
        features: Sequence[str] = (),
        *,
        landmarks: bool = False,
        others: Sequence[str] = (),
    ) -> TableColumns:
        """Find the columns in the header of a table.

        Parameters
        ----------
        header : sequence of str
            Names of all columns.
        targets, features : sequences of str
            Names, patterns and ranges; see `deepgum.data.column_patterns`.
        landmarks : bool
            Whether the targets are landmarks. Columns of visibilities then are no targets, and targets that a pattern
            finds are put into the order x y x y ...
        others : sequence of str
            Columns with other roles, which patterns leave out.

        Raises
        ------
        InvalidParameterError
            If a pattern fits no column, a column is named twice, or a feature is a column of row numbers or a target.
        InvalidDataError
            If the targets are landmarks, and their names show that they are not pairs of x and y.
        """
        chosen = find_columns("targets", targets, header, exclude=[*others, *features])
        named: dict[str, tuple[str, str]] = {}
        beside: dict[str, tuple[str, str]] = {}
        if landmarks:
            seen = visibility_columns([*header, *(name for name in chosen if name not in header)])
            kept = [name for name in chosen if name not in seen]
            known = {name: xy for name, xy in seen.items() if set(xy) <= set(kept)}
            named = {name: xy for name, xy in known.items() if name in chosen}
            beside = {name: xy for name, xy in known.items() if name not in chosen and says_labelled(name)}
            chosen = [name for name in chosen if name not in named]
            order = landmark_order(chosen) if any(is_pattern(each, header) for each in targets) else None
            chosen = chosen if order is None else [chosen[place] for place in order]
            check_pairs(chosen)
        inputs = find_columns("features", features, header, exclude=[*others, *chosen])
        both = [name for name in inputs if name in chosen]
        if both:
            raise InvalidParameterError("features", "columns that are not targets", both)
        numbers = [name for name in inputs if is_row_number(name)]
        if numbers:
            hint = "They are numbers of rows. Leave them out; they may be the `id`."
            raise InvalidParameterError("features", "columns of measurements", numbers, hint)
        return cls(tuple(chosen), tuple(inputs), named, beside)

    @property
    def all(self) -> list[str]:
        """The columns to read, each once."""
        return list(dict.fromkeys([*self.targets, *self.features, *self.named, *self.beside]))

    def labels(self, table: Columns) -> NDArray[np.float64]:
        """Return the labels (n, d) of a table. A landmark with visibility 0, or with a mark of the user, is missing."""
        labels = table.form.missing.removed(self._values(table))
        for name, xy in self.named.items():
            if says_labelled(name):
                labels[np.ix_(zero_rows(table, name), [self.targets.index(axis) for axis in xy])] = np.nan
        return labels

    def own_marks(self, table: Columns) -> NDArray[np.float64]:
        """Return the number (d,) by which each target marks a missing label in a table; NaN if it is no number.

        It is the most frequent of the user's marks, so that a label that is dropped is marked as others are.
        """
        values, marks = self._values(table), np.full(len(self.targets), np.nan)
        missing = table.form.missing
        for column, own in enumerate(values.T):
            counts = {mark: int((own == mark).sum()) for mark in missing.numbers}
            if any(counts.values()):
                marks[column] = max(counts, key=lambda mark: counts[mark])
        for point in missing.points:
            for x in range(0, len(self.targets) - 1, 2):
                if (values[:, x : x + 2] == point).all(axis=1).any():
                    marks[x : x + 2] = point
        return marks

    def _values(self, table: Columns) -> NDArray[np.float64]:
        return np.stack([table.numbers(name, missing=True) for name in self.targets], axis=1)

    def notices(self, table: Columns) -> list[str]:
        """Return sentences on the columns of visibilities, for the user."""
        found = []
        if self.named:
            zero = sum(len(zero_rows(table, name)) for name in self.named if says_labelled(name))
            found.append(visibility_notice(list(self.named), zero, len(self.targets) // 2 * len(table)))
        labels = {name: table.numbers(name, missing=True) for xy in self.beside.values() for name in xy}
        hidden = {
            name: sum(not np.isnan(labels[x][row]) and not np.isnan(labels[y][row]) for row in zero_rows(table, name))
            for name, (x, y) in self.beside.items()
        }
        unlabelled = sum(hidden.values())
        if unlabelled:
            names = [name for name, number in hidden.items() if number]
            found.append(
                f"{unlabelled:,} landmarks have labels although their visibility is 0 (columns {listing(names)}). If 0 "
                "means that there is no label, name these columns among the targets: such landmarks then are missing."
            )
        return found
