"""Identical samples: how to compare their labels, and correct the posteriors of their labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deepgum.data.copies import ContentGroups, content_groups, rows_of_equal
from deepgum.errors import InvalidDataError
from deepgum.mixture.partition import Partition
from deepgum.periods import wrapped

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
