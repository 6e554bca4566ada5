"""Samples of identical content: how to find them, compare their labels, and correct the posteriors of the labels."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepgum.data.pictures import Pictures
from deepgum.errors import InvalidDataError
from deepgum.mixture.partition import Partition
from deepgum.periods import wrapped

__all__ = [
    "ContentGroups",
    "at_most_one_right",
    "conflicts",
    "content_groups",
    "differ",
    "label_size",
    "rare_conflicts",
]

Values = NDArray[np.float64]

RARE = 0.1
"""Maximum share of rows in conflict; above it, features are too coarse to distinguish samples."""

_ROUNDING = 1e-6
"""Tolerance relative to the labels, for rounding errors of float32."""


@dataclass(frozen=True)
class ContentGroups:
    """Samples of identical content.

    Attributes
    ----------
    groups : tuple of tuples of int
        Rows, one tuple per content that occurs more than once, in the order of first occurrence.
    unreadable : mapping of int to str
        Rows whose file cannot be read, and the message of the system; they are in no group.
    """

    groups: tuple[tuple[int, ...], ...]
    unreadable: Mapping[int, str] = field(default_factory=dict)


def content_groups(contents: Pictures | NDArray[Any] | Tensor) -> ContentGroups:
    """Find samples of identical content.

    Parameters
    ----------
    contents : Pictures, or array or tensor (n, ...)
        Image files are identical if their bytes and their squares are equal: two faces in one picture are two samples.
        Rows of an array are identical if their bytes are equal.

    Returns
    -------
    ContentGroups

    Examples
    --------
    >>> content_groups(np.array([[1, 2], [3, 4], [1, 2]])).groups
    ((0, 2),)
    """
    if isinstance(contents, Pictures):
        return _picture_groups(contents)
    keys = {row: _digest_of_row(contents[row : row + 1]) for row in range(len(contents))}
    return ContentGroups(_group_rows(keys))


def conflicts(
    groups: ContentGroups | Sequence[Sequence[int]],
    given: Values,
    ids: Sequence[str],
    periods: Sequence[float] | None = None,
) -> tuple[tuple[str, ...], ...]:
    """Return the ids of identical samples whose labels differ, one tuple per content.

    Parameters
    ----------
    groups : ContentGroups or sequence of sequences of int
        Rows of identical content.
    given : array (n, d)
        A missing label (NaN) contradicts none. Labels differ if the difference exceeds the rounding error of float32.
    ids : sequence of str, length n
    periods : sequence of float, length d, optional
        Period of each label; 0 where it has none.

    Raises
    ------
    InvalidDataError
        If there are not as many labels as ids.

    Examples
    --------
    >>> conflicts([(0, 1), (2, 3)], np.array([[30.0], [31.0], [7.0], [7.0]]), ["a", "b", "c", "d"])
    (('a', 'b'),)
    """
    if np.ndim(given) != 2 or len(given) != len(ids):
        raise InvalidDataError(
            f"`given` should have the shape ({len(ids)}, d), one row per id. Found {np.shape(given)}."
        )
    scale = label_size(given)
    conflicting = []
    for rows in groups.groups if isinstance(groups, ContentGroups) else groups:
        labelled = [row for row in rows if not np.isnan(given[row]).all()]
        if any(differ(given[a], given[b], scale, periods) for i, a in enumerate(labelled) for b in labelled[:i]):
            conflicting.append(tuple(ids[row] for row in labelled))
    return tuple(conflicting)


def rare_conflicts(conflicting: Sequence[Sequence[str]], n: int) -> tuple[tuple[str, ...], ...]:
    """Return the conflicts between rows of features if few of the n rows have one, and otherwise none.

    Two flats with three rooms each may have different rents: if many rows are identical, different labels are normal.

    Examples
    --------
    >>> rare_conflicts([("a", "b")], 100), rare_conflicts([("a", "b")], 10)
    ((('a', 'b'),), ())
    """
    return tuple(map(tuple, conflicting)) if sum(map(len, conflicting)) <= RARE * n else ()


def label_size(given: Values) -> Values:
    """Return the median absolute label (d,) of each column (n, d); rounding errors are relative to it."""
    return np.array([np.median(np.abs(seen)) if len(seen := column[~np.isnan(column)]) else 0.0 for column in given.T])


def differ(one: Values, other: Values, scale: Values, periods: Sequence[float] | None = None) -> bool:
    """Return whether two labels (d,) differ by more than a rounding error, where both have a value.

    Examples
    --------
    >>> differ(np.array([180.0]), np.array([-180.0]), np.array([90.0]), (360.0,))
    False
    """
    rounding = _ROUNDING * np.maximum(scale, np.maximum(np.abs(one), np.abs(other)))
    with np.errstate(invalid="ignore"):
        return bool((np.abs(wrapped(one - other, periods)) > rounding).any())


def _picture_groups(pictures: Pictures) -> ContentGroups:
    rows_of: dict[Path, list[int]] = defaultdict(list)
    for row in range(len(pictures)):
        rows_of[pictures.file(row)].append(row)
    sizes: dict[int, list[Path]] = defaultdict(list)
    failures: dict[Path, str] = {}
    for path in rows_of:
        try:
            sizes[path.stat().st_size].append(path)
        except OSError as error:
            failures[path] = str(error)
    files: dict[Path, Hashable] = {}
    for paths in sizes.values():
        for path in paths:
            try:
                # A file of a unique size has no copy and need not be read.
                files[path] = path if len(paths) == 1 else _digest_of_file(path)
            except OSError as error:
                failures[path] = str(error)
    keys = {
        row: (files[path], pictures.squares[row]) for path, rows in rows_of.items() if path in files for row in rows
    }
    unreadable = {row: failures[path] for path in failures for row in rows_of[path]}
    return ContentGroups(_group_rows(keys), dict(sorted(unreadable.items())))


def _digest_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_of_row(values: NDArray[Any] | Tensor) -> str:
    if isinstance(values, Tensor):
        values = values.contiguous().view(torch.uint8).numpy()  # NumPy has no bfloat16
    return hashlib.sha256(values.tobytes()).hexdigest()


def _group_rows(keys: Mapping[int, Hashable]) -> tuple[tuple[int, ...], ...]:
    rows_of: dict[Hashable, list[int]] = defaultdict(list)
    for row in sorted(keys):
        rows_of[keys[row]].append(row)
    return tuple(tuple(rows) for rows in rows_of.values() if len(rows) > 1)


def at_most_one_right(
    responsibilities: Values,
    given: Values,
    partition: Partition,
    copies: Sequence[Sequence[int]],
    periods: Sequence[float] | None = None,
) -> Values:
    """Return the responsibilities, given that at most one of several labels of one content is right.

    Let o_j be the odds of label j of a content without regard to the other labels. Its probability is then
    o_j / (1 + sum o), because one of the labels is right, or none. Equal labels of copies count as one. Two labels that
    fit equally well are both slightly more probably wrong than right, so both are flagged for a person to check.

    Parameters
    ----------
    responsibilities : array (n, g)
        NaN where a group has no label.
    given : array (n, d)
    partition : tuple of tuples of int
    copies : sequence of sequences of int
        Rows of the same content.
    periods : sequence of float, length d, optional
        Period of each label; 0 where it has none.

    Examples
    --------
    >>> right = np.array([[0.9], [0.9], [0.5], [0.8]])
    >>> at_most_one_right(right, np.array([[30.0], [44.0], [44.0], [7.0]]), ((0,),), [(0, 1)]).round(2).ravel()
    array([0.47, 0.47, 0.5 , 0.8 ])
    """
    if not copies:
        return responsibilities
    result, scale = responsibilities.copy(), label_size(given)
    for rows in copies:
        for place, columns in enumerate(partition):
            labelled = [row for row in rows if not np.isnan(responsibilities[row, place])]
            labels = given[np.ix_(labelled, list(columns))]
            if len(labelled) < 2:
                continue
            group_periods = None if periods is None else [periods[column] for column in columns]
            numbers = _label_numbers(labels, scale[list(columns)], group_periods)
            if not numbers.any():
                continue
            right = np.clip(responsibilities[labelled, place], 1e-12, 1 - 1e-12)
            odds = np.zeros(numbers.max() + 1)
            np.maximum.at(odds, numbers, right / (1 - right))
            result[labelled, place] = (odds / (1 + odds.sum()))[numbers]
    return result


def _label_numbers(labels: Values, scale: Values, periods: Sequence[float] | None) -> NDArray[np.int64]:
    """Number the distinct labels among m labels (m, k) from 0, and return the number of each label."""
    numbers = np.full(len(labels), -1, dtype=np.int64)
    firsts: list[int] = []
    for row in range(len(labels)):
        equal = [i for i, first in enumerate(firsts) if not differ(labels[row], labels[first], scale, periods)]
        if not equal:
            firsts.append(row)
        numbers[row] = equal[0] if equal else len(firsts) - 1
    return numbers
