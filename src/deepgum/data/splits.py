"""Splits into training, validation and test parts, and folds; whole groups always stay on one side."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepgum.checks import check_count, check_fraction
from deepgum.errors import InvalidDataError, InvalidParameterError, listing

__all__ = ["fold_split", "folds", "split_groups", "split_sizes", "split_validation"]

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
        when they are added in random order.
    seed : int
        The same seed gives the same split.
    groups : sequence of length n, optional
        Samples of one group (one person, one video, copies of one image) stay on one side.

    Raises
    ------
    InvalidDataError
        If a side would be empty.

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
    group, n_groups = _numbered(n, groups)
    order = np.random.default_rng(seed).permutation(n_groups)
    chosen = _nearest(np.cumsum(np.bincount(group)[order]), round(fraction * n))
    validation = np.isin(group, order[:chosen])
    if not 0 < validation.sum() < n:
        side = "training" if validation.all() else "validation"
        raise InvalidDataError(
            f"The {side} part should have at least one sample. Found none with n = {n}, fraction = {fraction} and "
            f"{n_groups} groups. Give more samples or another fraction."
        )
    return _places(~validation), _places(validation)


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
    group, n_groups = _numbered(n, groups)
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
    group, n_groups = _numbered(len(groups), groups)
    order = np.random.default_rng(seed).permutation(n_groups)
    return _three_parts(group, order, (validation, test), (validation, test))


def folds(n: int, k: int, *, groups: Groups | None = None, seed: int = 0) -> list[Tensor]:
    """Return the test positions of k folds, each in ascending order; every sample is in one of them.

    Parameters
    ----------
    n : int
        Number of samples.
    k : int, at least 2
        Number of folds.
    groups : sequence of length n, optional
        Whole groups are dealt out, the largest first, each to the fold that has the fewest samples. Without groups the
        samples are taken for one sequence in its order, whose neighbours may be near copies (frames of a video): folds
        are contiguous blocks, never random rows, and their sizes differ by one at most.
    seed : int
        Order of groups of the same size; without effect on contiguous blocks.

    Raises
    ------
    InvalidDataError
        If there are fewer samples, or groups, than folds.

    Examples
    --------
    >>> [fold.tolist() for fold in folds(7, 3)]
    [[0, 1, 2], [3, 4], [5, 6]]
    >>> [fold.tolist() for fold in folds(6, 2, groups=["a", "b", "b", "b", "c", "c"])]
    [[1, 2, 3], [0, 4, 5]]
    """
    check_count("n", n)
    check_count("k", k, least=2)
    check_count("seed", seed, least=0)
    group, n_groups = _numbered(n, groups)
    if n_groups < k:
        raise InvalidDataError(
            f"{k} folds should have at least one {'sample' if groups is None else 'group'} each. Found {n_groups}."
        )
    if groups is None:
        return [torch.from_numpy(block) for block in np.array_split(np.arange(n), k)]
    sizes = np.bincount(group)
    order = np.random.default_rng(seed).permutation(n_groups)
    fold_of, filled = np.empty(n_groups, dtype=np.int64), np.zeros(k, dtype=np.int64)
    for number in order[np.argsort(-sizes[order], kind="stable")]:
        fold_of[number] = filled.argmin()
        filled[fold_of[number]] += sizes[number]
    return [_places(fold_of[group] == fold) for fold in range(k)]


def fold_split(
    test: Tensor | Sequence[int],
    n: int,
    *,
    groups: Groups | None = None,
    validation_fraction: float = 0.1,
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """Divide what a fold leaves into training and validation positions, each in ascending order.

    Without groups the samples are one sequence, as in `folds`, and the validation part is the block of
    round(validation_fraction * rest) samples that follows the test block; past the end of the sequence it goes on at
    its beginning. So no validation sample is drawn from between training samples, and the test block has a training
    sample next to it at one end only. It touches the validation block at the other: what is chosen by that block sees
    a near copy of one test sample at most.

    Parameters
    ----------
    test : positions
        A fold of `folds`, made with the same n and groups.
    n : int
        Number of samples.
    groups : sequence of length n, optional
        Whole groups become the validation part, as in `split_validation`.
    validation_fraction : float, between 0 and 1
        Share of the validation part in what the fold leaves.
    seed : int
        Of the choice of groups; without effect on contiguous blocks.

    Raises
    ------
    InvalidDataError
        If the test positions are no contiguous block, or divide a group, or if a part would be empty.

    Examples
    --------
    >>> train, val = fold_split(folds(12, 4)[1], 12, validation_fraction=0.2)
    >>> train.tolist(), val.tolist()
    ([0, 1, 2, 8, 9, 10, 11], [6, 7])
    """
    check_count("n", n)
    check_count("seed", seed, least=0)
    check_fraction("validation_fraction", validation_fraction, open_below=True, open_above=True)
    group, _ = _numbered(n, groups)
    held = _positions(test, n)
    rest = np.setdiff1d(np.arange(n), held)
    if groups is not None:
        divided = np.intersect1d(group[held], group[rest])
        if len(divided):
            names = listing([groups[int(np.flatnonzero(group == number)[0])] for number in divided])
            raise InvalidDataError(f"`test` should hold whole groups. Found {len(divided)} divided: {names}.")
        labels = [groups[row] for row in rest.tolist()]
        train, validation = split_validation(len(rest), validation_fraction, seed, labels)
        return torch.from_numpy(rest)[train], torch.from_numpy(rest)[validation]
    if held[-1] - held[0] != len(held) - 1:
        raise InvalidDataError("`test` should be one contiguous block where no groups are given. Found gaps in it.")
    size = round(validation_fraction * len(rest))
    if not 0 < size < len(rest):
        side = "validation" if size == 0 else "training"
        raise InvalidDataError(
            f"The {side} part should have at least one sample. Found none with {len(rest)} samples outside the fold "
            f"and validation_fraction = {validation_fraction}."
        )
    block = (held[-1] + 1 + np.arange(size)) % n
    return torch.from_numpy(np.setdiff1d(rest, block)), torch.from_numpy(np.sort(block))


def _numbered(n: int, groups: Groups | None) -> tuple[NDArray[np.int64], int]:
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
    train, validation, test = (_places(np.isin(group, members)) for members in parts.values())
    return train, validation, test


def _positions(test: Tensor | Sequence[int], n: int) -> NDArray[np.int64]:
    """Return the positions in ascending order, each checked."""
    values = np.asarray(test)
    if values.ndim != 1 or len(values) == 0 or values.dtype.kind not in "iu":
        raise InvalidDataError(
            "`test` should be a list of at least one position, as integers. "
            f"Found {values.dtype} of shape {values.shape}."
        )
    positions = np.unique(values).astype(np.int64)
    if len(positions) < len(values) or positions[0] < 0 or positions[-1] >= n:
        raise InvalidDataError(
            f"`test` should hold positions from 0 to {n - 1}, each once. Found {listing(values.tolist())}."
        )
    return positions


def _places(mask: NDArray[np.bool_]) -> Tensor:
    return torch.from_numpy(np.flatnonzero(mask))
