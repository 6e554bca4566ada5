"""Identical samples: how to find them, compare their labels, and correct the posteriors of their labels."""

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
from deepgum.storage.hashes import file_sha256

__all__ = [
    "ContentGroups",
    "are_copies",
    "at_most_one_right",
    "conflicts",
    "content_groups",
    "differ",
    "label_size",
    "rare_conflicts",
    "rows_of_equal",
]

Values = NDArray[np.float64]

RARE = 0.1
"""Maximum share of rows in conflict. If more rows are in conflict, features are too coarse to distinguish samples."""

COARSE = 0.5
"""Equal rows are no copies if more than this share of the rows is in conflict."""

_ROUNDING = 1e-6
"""Tolerance for rounding errors of float32, relative to the size of the labels."""


@dataclass(frozen=True)
class ContentGroups:
    """Groups of samples with identical content: the same image, or the same features.

    Attributes
    ----------
    groups : tuple of tuples of int
        One tuple for each group of identical samples: the rows of the samples. The groups are in the order of the first
        row of each group. A sample that is identical to no other sample is in no group.
    unreadable : mapping of int to str
        For each row with a file that cannot be read: the error message of the operating system. Such rows are in no
        group.
    """

    groups: tuple[tuple[int, ...], ...]
    unreadable: Mapping[int, str] = field(default_factory=dict)


def content_groups(contents: Pictures | NDArray[Any] | Tensor) -> ContentGroups:
    """Find groups of samples with identical content.

    Parameters
    ----------
    contents : Pictures, or array or tensor (n, ...)
        Two samples with image files are identical if the files have equal bytes and the square crops are equal. Two
        faces in one image are therefore not identical. Two rows of an array are identical if their bytes are equal.

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
    return ContentGroups(rows_of_equal([_digest_of_row(contents[row : row + 1]) for row in range(len(contents))]))


def conflicts(
    groups: ContentGroups | Sequence[Sequence[int]],
    given: Values,
    ids: Sequence[str],
    periods: Sequence[float] | None = None,
) -> tuple[tuple[str, ...], ...]:
    """Return the ids of identical samples with different labels, one tuple for each group of identical samples.

    Parameters
    ----------
    groups : ContentGroups or sequence of sequences of int
        Rows of identical samples, one sequence for each group of identical samples.
    given : array (n, d)
        Labels. A missing label (NaN) contradicts no label. Two labels differ if the difference is larger than a
        rounding error of float32.
    ids : sequence of str, length n
    periods : sequence of float, length d, optional
        Period of each label; 0 for a label without a period.

    Raises
    ------
    InvalidDataError
        If the number of rows of labels is not the number of ids.

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
    """Return `conflicting` if only a few of the n rows are in conflict, else an empty tuple.

    `conflicting` holds the ids of samples with identical features and different labels; see `conflicts`. If many rows
    are identical, different labels are normal: two flats with three rooms each may have different rents.

    Examples
    --------
    >>> rare_conflicts([("a", "b")], 100), rare_conflicts([("a", "b")], 10)
    ((('a', 'b'),), ())
    """
    return tuple(map(tuple, conflicting)) if sum(map(len, conflicting)) <= RARE * n else ()


def are_copies(conflicting: Sequence[Sequence[str]], n: int) -> bool:
    """Return whether rows with equal features are probably copies of one sample.

    If more than half of the n rows have an equal row with another label, the features are too coarse to tell samples
    apart: all flats of one city are equal if the city is the only feature. Such rows need not stay in one fold.
    `conflicting` is from `conflicts`.

    Examples
    --------
    >>> are_copies([("a", "b")], 100), are_copies([("a", "b", "c")], 4)
    (True, False)
    """
    return sum(map(len, conflicting)) <= COARSE * n


def rows_of_equal(keys: Sequence[Hashable]) -> tuple[tuple[int, ...], ...]:
    """Return the rows with equal keys, one tuple for each key that several rows have.

    Examples
    --------
    >>> rows_of_equal(["a", "b", "a", "c"])
    ((0, 2),)
    """
    return _group_rows(dict(enumerate(keys)))


def label_size(given: Values) -> Values:
    """Return the median absolute value (d,) of the labels (n, d) in each column. Rounding errors are relative to it."""
    sizes, seen = np.zeros(given.shape[1]), ~np.isnan(given).all(axis=0)
    if seen.any():
        values = np.abs(given[:, seen])
        # `nanmedian` is much slower than `median`.
        sizes[seen] = (np.nanmedian if np.isnan(values).any() else np.median)(values, axis=0)
    return sizes


def differ(one: Values, other: Values, scale: Values, periods: Sequence[float] | None = None) -> bool:
    """Return whether two rows of labels (d,) differ, in at least one column, by more than a rounding error.

    A column counts only if both labels are known. `scale` (d,) is from `label_size`.

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
                files[path] = path if len(paths) == 1 else file_sha256(path)
            except OSError as error:
                failures[path] = str(error)
    keys = {
        row: (files[path], pictures.squares[row]) for path, rows in rows_of.items() if path in files for row in rows
    }
    unreadable = {row: failures[path] for path in failures for row in rows_of[path]}
    return ContentGroups(_group_rows(keys), dict(sorted(unreadable.items())))


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
    """Correct the responsibilities for identical samples: at most one of several different labels is right.

    Identical samples are copies of each other. Let o_j be the odds that label j of these copies is right, without
    regard to the other labels. The corrected probability of label j is o_j / (1 + sum o), because at most one of the
    labels is right. Equal labels count as one label. If two labels agree equally well with the prediction, each of them
    is slightly more probably wrong than right. Both labels are then flagged, so that a person checks them.

    Parameters
    ----------
    responsibilities : array (n, g)
        Probability that each label is right; NaN where a group has no label.
    given : array (n, d)
        Labels.
    partition : tuple of tuples of int
        The columns of each group.
    copies : sequence of sequences of int
        Rows of identical samples, one sequence for each group of identical samples.
    periods : sequence of float, length d, optional
        Period of each label; 0 for a label without a period.

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
    """Return a number 0, 1, 2, ... for each of m labels (m, k). Equal labels have the same number."""
    numbers = np.full(len(labels), -1, dtype=np.int64)
    firsts: list[int] = []
    for row in range(len(labels)):
        equal = [i for i, first in enumerate(firsts) if not differ(labels[row], labels[first], scale, periods)]
        if not equal:
            firsts.append(row)
        numbers[row] = equal[0] if equal else len(firsts) - 1
    return numbers
