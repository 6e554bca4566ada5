"""Splits into training, validation and test parts. Samples that are kept together are always in the same part.

`keep_together` has one value for each sample, for example the person, the video or a hash of the image. The samples
with the same value form a cluster. Every split puts the whole cluster into one part.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepgum.checks import check_count, check_fraction
from deepgum.errors import InvalidDataError, InvalidParameterError

__all__ = ["KeepTogether", "clusters", "join_copies", "places", "split_clusters", "split_sizes", "split_validation"]

KeepTogether = Sequence[Hashable]


def split_validation(
    n: int, fraction: float = 0.1, seed: int = 0, keep_together: KeepTogether | None = None
) -> tuple[Tensor, Tensor]:
    """Return the pair (training positions, validation positions) of n samples. The positions are in ascending order.

    Parameters
    ----------
    n : int
        Number of samples.
    fraction : float, between 0 and 1
        Fraction of the samples that is used for validation. The validation part has round(fraction * n) samples. With
        `keep_together`, clusters are added to the validation part in random order until its size is as near to this
        number as possible. If even the first cluster is too large, the validation part is the one cluster whose size
        is nearest to this number.
    seed : int
        The same seed gives the same split.
    keep_together : sequence of length n, optional
        One value for each sample, for example the person, the video or a hash of the image. Samples with the same value
        stay in one part.

    Raises
    ------
    InvalidDataError
        If the training part would be empty, because there is only one sample or one cluster, or because the fraction is
        too large.

    Examples
    --------
    >>> train, val = split_validation(10, 0.2, seed=0)
    >>> len(train), len(val)
    (8, 2)
    >>> train, val = split_validation(6, 0.5, seed=0, keep_together=["a", "a", "a", "b", "b", "b"])
    >>> val.tolist() in ([0, 1, 2], [3, 4, 5])
    True
    """
    check_count("n", n)
    check_count("seed", seed, least=0)
    check_fraction("fraction", fraction, open_below=True, open_above=True)
    cluster, count = clusters(n, keep_together)
    order = np.random.default_rng(seed).permutation(count)
    sizes, wanted = np.bincount(cluster)[order], round(fraction * n)
    members = order[: _nearest(np.cumsum(sizes), wanted)]
    if not len(members):
        members = order[[np.abs(sizes - wanted).argmin()]]
    validation = np.isin(cluster, members)
    if validation.all():
        raise InvalidDataError(
            f"The training part should have at least one sample. Found none with n = {n}, fraction = {fraction} and "
            f"{_count_text(count, keep_together)}. Give more samples or another fraction."
        )
    return places(~validation), places(validation)


def split_sizes(
    n: int, validation: int, test: int, seed: int = 0, keep_together: KeepTogether | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Divide n samples at random, and return the positions of the training, validation and test samples.

    The positions of each part are in ascending order.

    Parameters
    ----------
    n : int
        Number of samples.
    validation, test : int, at least 0
        Numbers of validation and test samples. All other samples are for training. With `keep_together`, clusters are
        added to these parts in random order until the sizes of the parts are as near to these numbers as possible.
    seed : int
        The same seed gives the same split.
    keep_together : sequence of length n, optional
        One value for each sample. Samples with the same value stay in one part.

    Raises
    ------
    InvalidDataError
        If the training part would be empty, or if the validation or test part would be empty and its requested size is
        not 0.

    Examples
    --------
    >>> [len(part) for part in split_sizes(100, validation=20, test=30, seed=0)]
    [50, 20, 30]
    >>> train, val, test = split_sizes(6, 2, 2, seed=0, keep_together=["a", "a", "b", "b", "c", "c"])
    >>> sorted([train.tolist(), val.tolist(), test.tolist()])
    [[0, 1], [2, 3], [4, 5]]
    """
    check_count("n", n)
    _check_sizes(validation, test, seed)
    cluster, count = clusters(n, keep_together)
    order = np.random.default_rng(seed).permutation(count)
    totals = np.cumsum(np.bincount(cluster)[order])
    first = _nearest(totals, validation)
    # Count from the real end of the validation part, so that its deviation does not change the test part.
    reached = totals[first - 1] if first else 0
    second = _nearest(totals[first:] - reached, test)
    return _three_parts(cluster, order, (first, second), (validation, test), keep_together)


def split_clusters(
    keep_together: KeepTogether, validation: int, test: int, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Divide n samples by cluster, and return the positions of the training, validation and test samples.

    The sizes of the validation and test parts are given as numbers of clusters.

    Parameters
    ----------
    keep_together : sequence of length n
        One value for each sample. The samples with the same value form a cluster and stay in one part. For CACD a
        cluster is a celebrity: the paper uses 80 celebrities for validation and 120 for the test.
    validation, test : int, at least 0
        Numbers of validation and test clusters, which are drawn at random. All other clusters are for training.
    seed : int
        The same seed gives the same split.

    Raises
    ------
    InvalidDataError
        If no cluster is left for training.

    Examples
    --------
    >>> people = ["ann", "bob", "ann", "cid", "dee", "dee"]
    >>> train, val, test = split_clusters(people, validation=1, test=1, seed=0)
    >>> len({people[i] for i in train}), len({people[i] for i in val}), len({people[i] for i in test})
    (2, 1, 1)
    """
    _check_sizes(validation, test, seed)
    cluster, count = clusters(len(keep_together), keep_together)
    order = np.random.default_rng(seed).permutation(count)
    return _three_parts(cluster, order, (validation, test), (validation, test), keep_together)


def clusters(n: int, keep_together: KeepTogether | None) -> tuple[NDArray[np.int64], int]:
    """Return the pair (numbers, count): the cluster number of each sample, shape (n,), and the number of clusters.

    Clusters are numbered from 0 in the order of their first samples. Without `keep_together`, each sample is a cluster.

    Raises
    ------
    InvalidParameterError
        If `keep_together` does not have n values.
    """
    if keep_together is None:
        return np.arange(n), n
    if len(keep_together) != n:
        expected = f"a sequence of length {n}, one value per sample"
        raise InvalidParameterError("keep_together", expected, f"length {len(keep_together)}")
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(value, len(numbers)) for value in keep_together], dtype=np.int64), len(numbers)


def join_copies(n: int, keep_together: Iterable[Hashable], copies: Iterable[Sequence[int]]) -> tuple[str, ...]:
    """Return new values for `keep_together`, which also keep copies of a sample in one part.

    Two samples get the same new value if they have the same old value or are copies of each other. If this connects
    sample A to B and sample B to C, all three get the same value.

    Parameters
    ----------
    n : int
        Number of samples.
    keep_together : iterable of hashable, length n or 0
        The old value of each sample; empty if only copies have to stay together.
    copies : iterable of sequences of int
        Each sequence has the positions of samples that are copies of each other.

    Examples
    --------
    >>> join_copies(5, ["ann", "ann", "bob", "cid", "dee"], [(1, 2)])
    ('0', '0', '0', '3', '4')
    """
    first = list(range(n))

    def root(row: int) -> int:
        while first[row] != row:
            first[row] = first[first[row]]
            row = first[row]
        return row

    seen: dict[Hashable, int] = {}
    for row, value in enumerate(keep_together):
        first[root(row)] = root(seen.setdefault(value, row))
    for rows in copies:
        for row in rows[1:]:
            first[root(row)] = root(rows[0])
    return tuple(str(root(row)) for row in range(n))


def places(mask: NDArray[np.bool_]) -> Tensor:
    """Return the positions of the true elements of a mask (n,), in ascending order."""
    return torch.from_numpy(np.flatnonzero(mask))


def _check_sizes(validation: int, test: int, seed: int) -> None:
    check_count("validation", validation, least=0)
    check_count("test", test, least=0)
    check_count("seed", seed, least=0)


def _nearest(totals: NDArray[np.int64], wanted: int) -> int:
    """Return how many of the first clusters to take, so that their total size is nearest to `wanted`.

    `totals` has the total size of the first cluster, of the first two clusters, and so on.
    """
    return int(np.abs(np.concatenate([[0], totals]) - wanted).argmin())


def _three_parts(
    cluster: NDArray[np.int64],
    order: NDArray[np.int64],
    counts: tuple[int, int],
    sizes: tuple[int, int],
    keep_together: KeepTogether | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the positions of the training, validation and test samples, given the order of the clusters.

    The first counts[0] clusters of `order` are for validation, the next counts[1] clusters for the test, and the others
    for training.
    """
    first, second = counts[0], sum(counts)
    parts = {"training": order[second:], "validation": order[:first], "test": order[first:second]}
    for (side, members), needed in zip(parts.items(), (1, *sizes), strict=True):
        if needed and len(members) == 0:
            raise InvalidDataError(
                f"The {side} part should have at least one sample. Found none with {len(cluster)} samples in "
                f"{_count_text(len(order), keep_together)}, validation = {sizes[0]} and test = {sizes[1]}."
            )
    train, validation, test = (places(np.isin(cluster, members)) for members in parts.values())
    return train, validation, test


def _count_text(count: int, keep_together: KeepTogether | None) -> str:
    return f"{count} samples" if keep_together is None else f"{count} values of `keep_together`"
