"""The samples that a fit sums over: in memory, in a stream of batches, over several processes.

EM and the verdict ask for one thing only, sums over all samples of terms that a block of them gives. A `Block` is its
own sum; a `Stream` adds up its pieces, one in memory at a time; `Shared` adds up the processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from deepgum.mixture.blocks import Block, Terms, make_block
from deepgum.processes import Processes

__all__ = ["Piece", "Samples", "Shared", "Stream", "add_up"]

Piece: TypeAlias = tuple[Tensor, Tensor | None]
"""Residuals (g, k, c) float64, NaN where missing, and weights (c,), above 0, or None where all are 1."""


class Samples(Protocol):
    """Residuals of the groups of one size, wherever they are."""

    def total(self, terms: Callable[[Block], Terms]) -> Terms:
        """Return the sums over all samples of what `terms` gives for a block of them."""

    def agreed(self, values: Terms) -> Terms:
        """Return process 0's values: what all of them are to go on with."""


@dataclass(frozen=True)
class Stream:
    """Samples that come in pieces, read anew for every sum: memory for one piece, however many there are.

    Attributes
    ----------
    pieces : iterable of Piece
        Gives the same samples each time that it is gone through.
    nothing : Tensor
        (g, k, 0): what the sum begins with.
    """

    pieces: Iterable[Piece]
    nothing: Tensor

    def total(self, terms: Callable[[Block], Terms]) -> Terms:
        """Return the sums over all pieces."""
        total = terms(make_block(self.nothing.clone()))
        for values, weight in self.pieces:
            part = terms(make_block(values, weight))
            total = tuple(one + another for one, another in zip(total, part, strict=True))
        return total

    def agreed(self, values: Terms) -> Terms:
        """Return the values as they are: there is nobody else."""
        return values


@dataclass(frozen=True)
class Shared:
    """Samples of which each process has a part; of them only sums travel, in one message a sum."""

    part: Samples
    processes: Processes

    def total(self, terms: Callable[[Block], Terms]) -> Terms:
        """Return the sums over all processes: the same on each, to the last bit."""
        return add_up(self.part.total(terms), self.processes)

    def agreed(self, values: Terms) -> Terms:
        """Return process 0's values."""
        first = self.processes.rank == 0
        return add_up(values if first else tuple(map(torch.zeros_like, values)), self.processes)


def add_up(terms: Terms, processes: Processes) -> Terms:
    """Return the sums over the processes of float64 tensors, in one message."""
    flat = processes.sum(torch.cat([term.flatten() for term in terms]))
    parts = torch.split(flat, [term.numel() for term in terms])
    return tuple(part.reshape(term.shape) for part, term in zip(parts, terms, strict=True))
