"""Folds of a cross-validation: blocks of a sequence, or whole groups; never rows at random."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepgum.checks import check_count, check_fraction
from deepgum.data.splits import Groups, numbered, places, split_validation
from deepgum.errors import InvalidDataError, listing

__all__ = ["fold_split", "folds"]


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
    group, n_groups = numbered(n, groups)
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
    return [places(fold_of[group] == fold) for fold in range(k)]


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
    group, _ = numbered(n, groups)
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
