"""Residuals of all groups of one size, laid out for speed, with missing labels set apart.

Rows that are complete in a group go the fast way: coordinate-major (g, k, n), visited in chunks that fit the cache.
Rows where part of a group is missing go into one list over all groups, with the few distinct patterns of what is
observed. Rows where the whole group is missing are in neither.
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
"""Tensors whose sums over samples are what is wanted."""

# float64 values in a chunk. A quarter of a megabyte stays in a core's second-level cache, and is just small enough for
# torch to leave it to one thread: waiting for a second one, on a machine that is busy, costs more than it saves. An
# accelerator wants wide launches.
CHUNK = {"cpu": 2**15}
CHUNK_ELSEWHERE = 2**24
BITS_AT_ONCE = 30


@dataclass(frozen=True)
class Incomplete:
    """The m (row, group) pairs where a part of the group is missing.

    Attributes
    ----------
    row, group : Tensor
        (m,) where each comes from.
    values : Tensor
        (m, k) residuals, 0 where missing.
    weight : Tensor
        (m,) sample weights.
    pattern : Tensor
        (m,) which of the P patterns.
    pattern_group : Tensor
        (P,) the group of each pattern.
    observed : Tensor
        (P, k) 1.0 where observed, 0.0 where missing.
    """

    row: Tensor
    group: Tensor
    values: Tensor
    weight: Tensor
    pattern: Tensor
    pattern_group: Tensor
    observed: Tensor

    def chunks(self) -> Iterator[slice]:
        """Slices of the pairs, so that (pairs, k, k) intermediates stay small."""
        k = self.values.shape[1]
        return slices(len(self.values), self.values, k * k)


@dataclass(frozen=True)
class Block:
    """Residuals of the g groups of one size k.

    Attributes
    ----------
    values : Tensor
        (g, k, n) float64; 0 where missing.
    weight : Tensor or None
        (g, n) or (1, n): sample weight, 0 in rows that are not complete; None when it is 1 everywhere.
    incomplete : Incomplete or None
        The pairs of which a part is missing.
    observed_rows : Tensor
        (g, n) bool, whether anything of the group is observed.
    totals : tuple of Tensor
        Over the complete rows: weight (g,), weighted sum (g, k), weighted sum of squares (g, k). They do not change
        from iteration to iteration.
    """

    values: Tensor
    weight: Tensor | None
    incomplete: Incomplete | None
    observed_rows: Tensor
    totals: tuple[Tensor, Tensor, Tensor]

    def chunks(self) -> Iterator[slice]:
        """Slices of the rows that fit the cache."""
        g, k, n = self.values.shape
        return slices(n, self.values, g * k)

    def total(self, terms: Callable[[Block], Terms]) -> Terms:
        """Return the terms of these samples, which are all there are: see `Samples`."""
        return terms(self)

    def agreed(self, values: Terms) -> Terms:
        """Return the values as they are: there is nobody else."""
        return values


def columns(residuals: Tensor, group_class: SizeClass) -> Tensor:
    """Gather (n, d) residuals to (g, k, n) float64, coordinate-major, NaN where missing."""
    index = torch.tensor(group_class.columns, device=residuals.device)
    return residuals.T[index].to(torch.float64).contiguous()


def make_block(values: Tensor, sample_weight: Tensor | None = None) -> Block:
    """Set missing labels apart; `values` (g, k, n) is taken over and overwritten."""
    weight = None if sample_weight is None else sample_weight[None]
    totals = _totals(values, weight)
    # A sum is NaN where a term is: cheaper than to ask each.
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
    """Distinct rows of a group (m,) and what is seen of it (m, k): the groups, what is seen, and each row's place."""
    pattern = example = group
    # Read as a whole number, a row sorts fast; a number holds only so many of its bits.
    for bits in torch.split(seen, BITS_AT_ONCE, dim=1):
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


def slices(length: int, like: Tensor, values_a_row: int) -> Iterator[slice]:
    """Cut rows of so many values into pieces that fit the cache."""
    step = max(1, CHUNK.get(like.device.type, CHUNK_ELSEWHERE) // values_a_row)
    return (slice(first, first + step) for first in range(0, length, step))
