"""Folds of a cross-validation. A fold is a block of a sequence, or consists of clusters of samples (see `splits`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepgum.checks import check_count, check_fraction
from deepgum.data.splits import KeepTogether, clusters, places, split_validation
from deepgum.errors import InvalidDataError, listing

__all__ = ["fold_split", "folds"]


def folds(n: int, k: int, *, keep_together: KeepTogether | None = None, seed: int = 0) -> list[Tensor]:
    """Return k lists of positions: the test samples of each fold, in ascending order. Every sample is in one fold.

    Parameters
    ----------
    n : int
        Number of samples.
    k : int, at least 2
        Number of folds.
    keep_together : sequence of length n, optional
        One value for each sample. Samples with the same value form a cluster and stay in one fold. The clusters are
        assigned from the largest to the smallest, each to the fold with the fewest samples at that time. Without
        `keep_together`, the samples are one sequence whose neighbours may be near copies (frames of a video). The folds
        are then contiguous blocks, and the sizes of two folds differ by at most one.
    seed : int
        Seed of the order of clusters that have the same size. It has no effect on contiguous blocks.

    Raises
    ------
    InvalidDataError
        If there are fewer samples than folds, or fewer different values of `keep_together` than folds.

    Examples
    --------
    >>> [fold.tolist() for fold in folds(7, 3)]
    [[0, 1, 2], [3, 4], [5, 6]]
    >>> [fold.tolist() for fold in folds(6, 2, keep_together=["a", "b", "b", "b", "c", "c"])]
    [[1, 2, 3], [0, 4, 5]]
    """
    check_count("n", n)
    check_count("k", k, least=2)
    check_count("seed", seed, least=0)
    cluster, count = clusters(n, keep_together)
    if count < k:
        unit = "sample" if keep_together is None else "value of `keep_together`"
        raise InvalidDataError(f"Each of {k} folds should have at least one {unit}. Found {count} in all.")
    if keep_together is None:
        return [torch.from_numpy(block) for block in np.array_split(np.arange(n), k)]
    sizes = np.bincount(cluster)
    order = np.random.default_rng(seed).permutation(count)
    fold_of, filled = np.empty(count, dtype=np.int64), np.zeros(k, dtype=np.int64)
    for number in order[np.argsort(-sizes[order], kind="stable")]:
        fold_of[number] = filled.argmin()
        filled[fold_of[number]] += sizes[number]
    return [places(fold_of[cluster] == fold) for fold in range(k)]


def fold_split(
    test: Tensor | Sequence[int],
    n: int,
    *,
    keep_together: KeepTogether | None = None,
    validation_fraction: float = 0.1,
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """Return the pair (training positions, validation positions) of the samples outside a test fold.

    The positions are in ascending order. Without `keep_together`, the samples are one sequence, as in `folds`. The
    validation part is then the block that follows the test block. It has round(validation_fraction * rest) samples,
    where rest is the number of samples outside the fold. If the block reaches the end of the sequence, it continues at
    the start of the sequence. Training samples are therefore next to only one end of the test block. The validation
    block is next to the other end.

    Parameters
    ----------
    test : tensor or sequence of int
        Positions of the test samples: one of the folds that `folds` returns for the same n and `keep_together`.
    n : int
        Number of samples.
    keep_together : sequence of length n, optional
        One value for each sample. Samples with the same value stay in one part, as in `split_validation`.
    validation_fraction : float, between 0 and 1
        Fraction of the samples outside the fold that is used for validation.
    seed : int
        Seed of the random choice of clusters. It has no effect on contiguous blocks.

    Raises
    ------
    InvalidDataError
        If a part would be empty. With `keep_together`, if the test positions contain only some samples of a cluster.
        Without `keep_together`, if the test positions are not one contiguous block.

    Examples
    --------
    >>> train, val = fold_split(folds(12, 4)[1], 12, validation_fraction=0.2)
    >>> train.tolist(), val.tolist()
    ([0, 1, 2, 8, 9, 10, 11], [6, 7])
    """
    check_count("n", n)
    check_count("seed", seed, least=0)
    check_fraction("validation_fraction", validation_fraction, open_below=True, open_above=True)
    cluster, _ = clusters(n, keep_together)
    held = _positions(test, n)
    rest = np.setdiff1d(np.arange(n), held)
    if keep_together is not None:
        divided = np.intersect1d(cluster[held], cluster[rest])
        if len(divided):
            values = listing([keep_together[int(np.flatnonzero(cluster == number)[0])] for number in divided])
            raise InvalidDataError(
                f"`test` should hold either all or none of the samples with the same value of `keep_together`. Found "
                f"{len(divided)} values with samples inside and outside `test`: {values}."
            )
        kept = [keep_together[row] for row in rest.tolist()]
        train, validation = split_validation(len(rest), validation_fraction, seed, kept)
        return torch.from_numpy(rest)[train], torch.from_numpy(rest)[validation]
    if held[-1] - held[0] != len(held) - 1:
        raise InvalidDataError("Without `keep_together`, `test` should be one contiguous block. Found gaps in `test`.")
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
    """Check the positions of the test samples, and return them in ascending order."""
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
