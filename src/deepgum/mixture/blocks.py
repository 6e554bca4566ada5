"""The layout of the residuals of all groups of one size: complete rows are separate from rows with missing labels.

Rows that are complete in a group are stored in an array (g, k, n) and processed in chunks that fit the cache. Rows that
lack a part of a group are in one list for all groups. A pattern is a group together with a set of observed coordinates.
The list has the pattern of each row. Rows that lack the whole group are not stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from deepgum.mixture.partition import SizeClass

__all__ = ["Block", "Incomplete", "Terms", "columns", "make_block", "slices"]

Terms: TypeAlias = tuple[Tensor, ...]
"""Tensors that are summed over samples."""

CHUNK = {"cpu": 2**15}
"""Number of float64 values in a chunk, by device.

A chunk has a quarter of a megabyte. It fits the second-level cache of a core, and it is so small that torch uses one
thread. On a busy machine, a second thread costs more time than it saves.
"""

CHUNK_ELSEWHERE = 2**24
"""Number of float64 values in a chunk on an accelerator, which is efficient only for large chunks."""

FEWEST_ROWS = 64
"""Minimum number of rows in a chunk of an array (g, k, n). The residuals of a group are contiguous in memory, and an
operation on a few residuals of each group takes as long as an operation on 64 residuals."""

BITS_PER_NUMBER = 30


@dataclass(frozen=True)
class Incomplete:
    """The m pairs (row, group) in which a part of the group is missing.

    Attributes
    ----------
    row, group : Tensor (m,)
        Row and group of each pair.
    values : Tensor (m, k)
        Residuals; 0 where a label is missing.
    weight : Tensor (m,)
        Weight of the sample of each pair.
    pattern : Tensor (m,)
        Index, from 0 to P - 1, of the pattern of each pair. A pattern is a group with a set of observed coordinates.
    pattern_group : Tensor (P,)
        Group of each pattern.
    observed : Tensor (P, k)
        1.0 if the coordinate is observed in the pattern, 0.0 if the coordinate is missing.
    """

    row: Tensor
    group: Tensor
    values: Tensor
    weight: Tensor
    pattern: Tensor
    pattern_group: Tensor
    observed: Tensor

    def chunks(self) -> Iterator[slice]:
        """Yield slices of the m pairs. Slices are short, so that intermediate results (length, k, k) are small."""
        k = self.values.shape[1]
        return slices(len(self.values), self.values, k * k)


@dataclass(frozen=True)
class Block:
    """Residuals of the g groups of one size k.

    Attributes
    ----------
    values : Tensor (g, k, n) of float64
        Residuals; 0 where a label is missing.
    weight : Tensor (g, n) or (1, n), or None
        Weight of each sample, 0 in rows that are not complete; None if all weights are 1.
    incomplete : Incomplete or None
        The pairs (row, group) in which a part of the group is missing; None if there are no such pairs.
    observed_rows : Tensor (g, n) of bool
        Whether at least one coordinate of the group is observed.
    totals : tuple of Tensor
        Sums over the complete rows: weights (g,), weighted residuals (g, k), and weighted squared residuals (g, k).
        These sums are the same in every iteration.
    """

    values: Tensor
    weight: Tensor | None
    incomplete: Incomplete | None
    observed_rows: Tensor
    totals: tuple[Tensor, Tensor, Tensor]

    def chunks(self) -> Iterator[slice]:
        """Yield slices of the rows. Each slice fits the cache, unless there are very many groups; see `bands`."""
        g, k, n = self.values.shape
        return slices(n, self.values, g * k, fewest=FEWEST_ROWS)

    def bands(self) -> Iterator[slice]:
        """Yield slices of the groups. `FEWEST_ROWS` rows of the groups of a slice fit the cache."""
        g, k, _ = self.values.shape
        return slices(g, self.values, k * FEWEST_ROWS)

    def __getitem__(self, groups: slice) -> Block:
        """Return the complete rows of some groups."""
        weight = self.weight if self.weight is None or len(self.weight) == 1 else self.weight[groups]
        weights, first, second = (total[groups] for total in self.totals)
        return Block(self.values[groups], weight, None, self.observed_rows[groups], (weights, first, second))

    def total(self, terms: Callable[[Block], Terms]) -> Terms:
        """Return the result of the function `terms` for this block, which holds all samples; see `Samples`."""
        return terms(self)

    def agreed(self, values: Terms) -> Terms:
        """Return the values unchanged: there is one process."""
        return values


def columns(residuals: Tensor, group_class: SizeClass) -> Tensor:
    """Return residuals (n, d) as a float64 array (g, k, n); NaN marks a missing label."""
    index = torch.tensor(group_class.columns, device=residuals.device)
    return residuals.T[index].to(torch.float64).contiguous()


def make_block(values: Tensor, sample_weight: Tensor | None = None) -> Block:
    """Return the block of residuals (g, k, n), in which NaN marks a missing label. `values` is overwritten."""
    weight = None if sample_weight is None else sample_weight[None]
    totals = _totals(values, weight)
    # A sum is NaN if a term is NaN. This is cheaper than a test of each term.
    if not bool(totals[1].isnan().any()):
        everywhere = torch.ones(1, 1, dtype=torch.bool, device=values.device)
        return Block(values, weight, None, everywhere.expand(values.shape[0], values.shape[2]), totals)
    missing = values.isnan()
    observed_rows = ~missing.all(dim=1)
    complete = ~missing.any(dim=1)
    values.masked_fill_(missing, 0.0)
    incomplete = _incomplete(values, ~missing, observed_rows & ~complete, sample_weight)
    weight = complete.to(values.dtype) if weight is None else complete * weight
    return Block(values, weight, incomplete, observed_rows, _totals(values, weight))


def _incomplete(values: Tensor, observed: Tensor, pairs: Tensor, sample_weight: Tensor | None) -> Incomplete | None:
    group, row = pairs.nonzero(as_tuple=True)
    if not len(group):
        return None
    seen = observed[group, :, row].to(values.dtype)
    pattern_group, observed_in_pattern, pattern = _patterns(group, seen)
    weight = torch.ones_like(row, dtype=values.dtype) if sample_weight is None else sample_weight[row]
    return Incomplete(row, group, values[group, :, row], weight, pattern, pattern_group, observed_in_pattern)


def _patterns(group: Tensor, seen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return groups (P,) and observed coordinates (P, k) of the P patterns, and the pattern (m,) of each pair."""
    pattern = example = group
    # Rows are sorted fast if they are converted to whole numbers. A number holds a limited number of bits.
    for bits in torch.split(seen, BITS_PER_NUMBER, dim=1):
        powers = 2 ** torch.arange(bits.shape[1], device=seen.device, dtype=seen.dtype).flip(0)
        numbers = (pattern << bits.shape[1]) + (bits @ powers).to(torch.int64)
        example, pattern = torch.unique(numbers, return_inverse=True)
    example = example.scatter(0, pattern, torch.arange(len(group), device=group.device))
    return group[example], seen[example], pattern


def _totals(values: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    g, _, n = values.shape
    if weight is None:
        return values.new_full((g,), float(n)), values.sum(-1), torch.linalg.vecdot(values, values)
    weighted = values * weight[:, None]
    return weight.sum(-1).expand(g), weighted.sum(-1), torch.linalg.vecdot(weighted, values)


def slices(length: int, like: Tensor, values_per_row: int, fewest: int = 1) -> Iterator[slice]:
    """Split `length` rows into slices, and yield the slices.

    Each slice fits the cache of the device of `like`, or has `fewest` rows.
    """
    step = max(fewest, CHUNK.get(like.device.type, CHUNK_ELSEWHERE) // values_per_row)
    return (slice(first, first + step) for first in range(0, length, step))
