"""Groups of coordinates that are right or wrong together: a sample, a landmark, a coordinate, or any lists of indices.

Section 3.1 of the paper chooses between one mixture per sample, per landmark or per coordinate. These three choices,
and all lists of groups, are partitions of the D coordinates.
"""

from __future__ import annotations

import numbers
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

from deepgum.checks import check_count
from deepgum.errors import InvalidDataError, InvalidParameterError, UnknownNameError, listing

__all__ = ["Groups", "Partition", "SizeClass", "partition", "size_classes"]

Partition: TypeAlias = tuple[tuple[int, ...], ...]
Groups: TypeAlias = str | Sequence[Sequence[int]]

NAMES = ("sample", "landmark", "coordinate")


def partition(groups: Groups, d: int) -> Partition:
    """Return the groups over `d` coordinates.

    Parameters
    ----------
    groups : {"sample", "landmark", "coordinate"} or list of lists of int
        "sample": one group of all coordinates. "landmark": one group per pair of consecutive coordinates (x1 y1 x2 y2
        ...). "coordinate": one group per coordinate. Lists of indices must name every coordinate exactly once.
    d : int
        Number of coordinates.

    Returns
    -------
    tuple of tuples of int
        The groups and their coordinates, in the given order.

    Raises
    ------
    UnknownNameError
        If `groups` is a string other than these three names.
    InvalidParameterError
        If lists of indices are not a partition of 0 ... d - 1.
    InvalidDataError
        If landmarks have an odd number of coordinates.

    Examples
    --------
    >>> partition("landmark", 4)
    ((0, 1), (2, 3))
    >>> partition([[2], [0, 1]], 3)
    ((2,), (0, 1))
    """
    check_count("d", d)
    if isinstance(groups, str):
        return _named(groups, d)
    lists = _index_lists(groups)
    counts = Counter(index for group in lists for index in group)
    outside = sorted(index for index in counts if not 0 <= index < d)
    missing = [index for index in range(d) if index not in counts]
    repeated = sorted(index for index, count in counts.items() if count > 1)
    for fault, indices in (("outside the range", outside), ("in no group", missing), ("in more than one", repeated)):
        if indices:
            expected = f"index lists that name each coordinate 0 ... {d - 1} exactly once"
            raise InvalidParameterError("groups", expected, groups, f"Coordinates {fault}: {listing(indices)}.")
    return lists


def _named(name: str, d: int) -> Partition:
    if name not in NAMES:
        raise UnknownNameError("groups", name, NAMES)
    if name == "landmark" and d % 2:
        raise InvalidDataError(f"groups='landmark' needs an even number of coordinates (x1 y1 x2 y2 ...). Found {d}.")
    size = {"sample": d, "landmark": 2, "coordinate": 1}[name]
    return tuple(tuple(range(first, first + size)) for first in range(0, d, size))


def _index_lists(groups: Sequence[Sequence[int]]) -> Partition:
    expected = f"one of {', '.join(map(repr, NAMES))} or a list of non-empty lists of coordinate indices"
    try:
        lists: tuple[tuple[object, ...], ...] = tuple(tuple(group) for group in groups)
    except TypeError:
        raise InvalidParameterError("groups", expected, groups) from None
    whole = all(isinstance(i, numbers.Integral) and not isinstance(i, bool) for group in lists for i in group)
    if not whole or not all(lists):
        raise InvalidParameterError("groups", expected, groups)
    return tuple(tuple(int(cast(int, i)) for i in group) for group in lists)


@dataclass(frozen=True)
class SizeClass:
    """All groups of one size (number of coordinates), which are fitted in one batched computation.

    Attributes
    ----------
    groups : tuple of int
        The positions of the groups in the partition, length g.
    columns : tuple of tuples of int
        The k coordinates of each of the g groups.
    """

    groups: tuple[int, ...]
    columns: Partition

    @property
    def size(self) -> int:
        """Number of coordinates of each group."""
        return len(self.columns[0])


def size_classes(groups: Partition) -> tuple[SizeClass, ...]:
    """Return one `SizeClass` for each size of a group, from the smallest size up.

    Examples
    --------
    >>> [c.groups for c in size_classes(((0,), (1, 2), (3,)))]
    [(0, 2), (1,)]
    """
    sizes = sorted({len(group) for group in groups})
    members = [tuple(i for i, group in enumerate(groups) if len(group) == size) for size in sizes]
    return tuple(SizeClass(each, tuple(groups[i] for i in each)) for each in members)
