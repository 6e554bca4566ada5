"""`Runs`: the run of each sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["Runs"]


@dataclass(frozen=True, eq=False)
class Runs:
    """The runs of n samples: samples that were measured or labelled together.

    Attributes
    ----------
    names : tuple of str, length R
        The names of the runs, in the order of their first samples.
    numbers : array (n,) of int
        The number of the run of each sample.

    Examples
    --------
    >>> runs = Runs.of(["monday", "tuesday", "monday"])
    >>> runs.names, runs.numbers
    (('monday', 'tuesday'), array([0, 1, 0]))
    """

    names: tuple[str, ...]
    numbers: NDArray[np.intp]

    @classmethod
    def of(cls, values: Sequence[object]) -> Runs:
        """Return the runs of samples, given one value per sample. Equal values, as text, are one run."""
        order: dict[str, int] = {}
        numbers = [order.setdefault(str(value), len(order)) for value in values]
        return cls(tuple(order), np.array(numbers, dtype=np.intp))

    def sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sums (R,) of values (n,) over the samples of each run."""
        return np.asarray(np.bincount(self.numbers, weights=values, minlength=len(self.names)), dtype=np.float64)

    def rows(self, kept: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
        """Return the rows of each run, of the samples that are kept, given as an array (n,)."""
        order = np.argsort(self.numbers, kind="stable")
        order = order[kept[order]]
        ends = np.searchsorted(self.numbers[order], np.arange(1, len(self.names)))
        return np.split(order, ends)

    def repeated(self, count: int) -> Runs:
        """Return the runs of `count` labels for each sample."""
        return self if count == 1 else replace(self, numbers=np.repeat(self.numbers, count))
