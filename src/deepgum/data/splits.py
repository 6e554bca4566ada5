"""Splits into training, validation and test parts; whole groups always stay on one side."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepgum.checks import check_count, check_fraction
from deepgum.errors import InvalidDataError, InvalidParameterError

__all__ = ["Groups", "linked", "numbered", "places", "split_groups", "split_sizes", "split_validation"]

Groups = Sequence[Hashable]


def split_validation(
    n: int, fraction: float = 0.1, seed: int = 0, groups: Groups | None = None
) -> tuple[Tensor, Tensor]:
    """Return the positions of the training and of the validation samples, each in ascending order.

    Parameters
    ----------
    n : int
        Number of samples.
    fraction : float, between 0 and 1
        Share of the validation part: round(fraction * n) samples, or with groups as close to it as whole groups come
        when they are added in random order. At least one group: where the first would be too many, the one whose size
        is the nearest.
    seed : int
        The same seed gives the same split.
    groups : sequence of length n, optional
        Samples of one group (one person, one video, copies of one image) stay on one side.

    Raises
    ------
    InvalidDataError
        If the training part would be empty: of one group or one sample, or where the fraction takes all.

    Examples
    --------
    >>> train, val = split_validation(10, 0.2, seed=0)
    >>> len(train), len(val)
    (8, 2)
    >>> train, val = split_validation(6, 0.5, seed=0, groups=["a", "a", "a", "b", "b", "b"])
    >>> val.tolist() in ([0, 1, 2], [3, 4, 5])
    True
    """
    check_count("n", n)
    check_count("seed", seed, least=0)
    check_fraction("fraction", fraction, open_below=True, open_above=True)
    group, n_groups = numbered(n, groups)
    order = np.random.default_rng(seed).permutation(n_groups)
    sizes, wanted = np.bincount(group)[order], round(fraction * n)
    members = order[: _nearest(np.cumsum(sizes), wanted)]
    if not len(members):
        members = order[[np.abs(sizes - wanted).argmin()]]
    validation = np.isin(group, members)
    if validation.all():
        raise InvalidDataError(
            f"The training part should have at least one sample. Found none with n = {n}, fraction = {fraction} and "
            f"{n_groups} groups. Give more samples or another fraction."
        )
    return places(~validation), places(validation)


def split_sizes(
    n: int, validation: int, test: int, seed: int = 0, groups: Groups | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the positions of the training, validation and test samples, drawn at random, each in ascending order.

    Parameters
    ----------
    n : int
        Number of samples.
    validation, test : int, at least 0
        Numbers of samples; the rest are for training. With groups as close to them as whole groups come when they are
        added in random order.
    seed : int
        The same seed gives the same split.
    groups : sequence of length n, optional
        Samples of one group stay on one side.

    Raises
    ------
    InvalidDataError
        If a part that was asked for, or the training part, would be empty.

    Examples
    --------
    >>> [len(part) for part in split_sizes(100, validation=20, test=30, seed=0)]
    [50, 20, 30]
    >>> train, val, test = split_sizes(6, 2, 2, seed=0, groups=["a", "a", "b", "b", "c", "c"])
    >>> sorted([train.tolist(), val.tolist(), test.tolist()])
    [[0, 1], [2, 3], [4, 5]]
    """
    check_count("n", n)
    _check_sizes(validation, test, seed)
    group, n_groups = numbered(n, groups)
    order = np.random.default_rng(seed).permutation(n_groups)
    totals = np.cumsum(np.bincount(group)[order])
    first = _nearest(totals, validation)
    # Counted from where the validation part really ends, so that its deviation is not passed on to the test part.
    reached = totals[first - 1] if first else 0
    second = _nearest(totals[first:] - reached, test)
    return _three_parts(group, order, (first, second), (validation, test))


def split_groups(groups: Groups, validation: int, test: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Return the positions of the training, validation and test samples; the sizes are numbers of groups.

    Parameters
    ----------
    groups : sequence of length n
        The group of each sample. CACD is split by celebrity, 80 for validation and 120 for the test.
    validation, test : int, at least 0
        Numbers of groups, drawn at random; the rest are for training.
    seed : int
        The same seed gives the same split.

    Raises
    ------
    InvalidDataError
        If no group is left for training.

    Examples
    --------
    >>> people = ["ann", "bob", "ann", "cid", "dee", "dee"]
    >>> train, val, test = split_groups(people, validation=1, test=1, seed=0)
    >>> len({people[i] for i in train}), len({people[i] for i in val}), len({people[i] for i in test})
    (2, 1, 1)
    """
    _check_sizes(validation, test, seed)
    group, n_groups = numbered(len(groups), groups)
    order = np.random.default_rng(seed).permutation(n_groups)
    return _three_parts(group, order, (validation, test), (validation, test))


def numbered(n: int, groups: Groups | None) -> tuple[NDArray[np.int64], int]:
    """Return the group of each sample (n,), numbered in the order of their first samples, and how many there are."""
    if groups is None:
        return np.arange(n), n
    if len(groups) != n:
        raise InvalidParameterError("groups", f"a sequence of length {n}, a label a sample", f"length {len(groups)}")
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(label, len(numbers)) for label in groups], dtype=np.int64), len(numbers)


def _check_sizes(validation: int, test: int, seed: int) -> None:
    check_count("validation", validation, least=0)
    check_count("test", test, least=0)
    check_count("seed", seed, least=0)


def _nearest(totals: NDArray[np.int64], wanted: int) -> int:
    """Return after how many groups, none included, their total comes nearest to what is wanted."""
    return int(np.abs(np.concatenate([[0], totals]) - wanted).argmin())


def _three_parts(
    group: NDArray[np.int64], order: NDArray[np.int64], counts: tuple[int, int], asked: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the samples of all later groups, of the first counts[0] ones, and of the next counts[1]."""
    first, second = counts[0], sum(counts)
    parts = {"training": order[second:], "validation": order[:first], "test": order[first:second]}
    for (side, members), needed in zip(parts.items(), (1, *asked), strict=True):
        if needed and len(members) == 0:
            raise InvalidDataError(
                f"The {side} part should have at least one sample. Found none with {len(group)} samples in "
                f"{len(order)} groups, validation = {asked[0]} and test = {asked[1]}."
            )
    train, validation, test = (places(np.isin(group, members)) for members in parts.values())
    return train, validation, test


def places(mask: NDArray[np.bool_]) -> Tensor:
    """Return where a mask (n,) is true, in ascending order."""
    return torch.from_numpy(np.flatnonzero(mask))


def linked(n: int, names: Iterable[Hashable], copies: Iterable[Sequence[int]]) -> tuple[str, ...]:
    """Return a name for each of n samples that it shares with those of its name and with its copies, and theirs.

    Parameters
    ----------
    n : int
    names : iterable of hashable, length n or 0
        Nothing where each sample is by itself.
    copies : iterable of sequences of int
        Rows of the same content.

    Examples
    --------
    >>> linked(5, ["ann", "ann", "bob", "cid", "dee"], [(1, 2)])
    ('0', '0', '0', '3', '4')
    """
    first = list(range(n))

    def root(row: int) -> int:
        while first[row] != row:
            first[row] = first[first[row]]
            row = first[row]
        return row

    seen: dict[Hashable, int] = {}
    for row, name in enumerate(names):
        first[root(row)] = root(seen.setdefault(name, row))
    for rows in copies:
        for row in rows[1:]:
            first[root(row)] = root(rows[0])
    return tuple(str(root(row)) for row in range(n))
