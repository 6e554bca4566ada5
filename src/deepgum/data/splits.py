"""Splits into a training and a validation part."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import torch
from torch import Tensor

from deepgum.checks import check_count, check_fraction
from deepgum.errors import InvalidDataError, InvalidParameterError

__all__ = ["split_validation"]


def split_validation(
    n: int, fraction: float = 0.1, seed: int = 0, groups: Sequence[Hashable] | None = None
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
    labels = range(n) if groups is None else groups
    if len(labels) != n:
        raise InvalidParameterError("groups", f"a sequence of length {n}, a label a sample", f"length {len(labels)}")
    numbers: dict[Hashable, int] = {}
    group = np.array([numbers.setdefault(label, len(numbers)) for label in labels])
    order = np.random.default_rng(seed).permutation(len(numbers))
    totals = np.cumsum(np.bincount(group)[order])  # validation samples after the first, second, ... group
    wanted = round(fraction * n)
    n_groups = int(np.abs(np.concatenate([[0], totals]) - wanted).argmin())
    validation = np.isin(group, order[:n_groups])
    if not 0 < validation.sum() < n:
        side = "training" if validation.all() else "validation"
        raise InvalidDataError(
            f"The {side} part should have at least one sample. Found none with n = {n}, fraction = {fraction} and "
            f"{len(numbers)} groups. Give more samples or another fraction."
        )
    return torch.from_numpy(np.flatnonzero(~validation)), torch.from_numpy(np.flatnonzero(validation))
