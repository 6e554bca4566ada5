"""The samples of a fit: in memory, in a stream of batches, or over several processes.

EM and the verdict need one operation: a function computes sums for a block of samples, and these sums (the terms) are
added up over all blocks. A `Block` returns its own terms. A `Stream` adds up the terms of its pieces, with one piece in
memory at a time. `Shared` adds up the terms of all processes.
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
"""A pair: float64 residuals (g, k, c), NaN where a label is missing; weights (c,) above 0, or None if all are 1."""


class Samples(Protocol):
    """The residuals of all samples, for the groups of one size."""

    def total(self, terms: Callable[[Block], Terms]) -> Terms:
        """Return the sums over all samples. The function `terms` takes a block and returns the sums for this block."""

    def agreed(self, values: Terms) -> Terms:
        """Return the `values` of process 0, so that all processes continue with the same values."""


@dataclass(frozen=True)
class Stream:
    """Samples in pieces. The pieces are read again for every sum, with one piece in memory at a time.

    Attributes
    ----------
    pieces : iterable of Piece
        An iterable that yields the same samples in every pass.
    nothing : Tensor (g, k, 0)
        An empty piece. The sum begins with the terms of this piece.
    """

    pieces: Iterable[Piece]
    nothing: Tensor

    def total(self, terms: Callable[[Block], Terms]) -> Terms:
        """Return the sums of the terms over all pieces."""
        total = terms(make_block(self.nothing.clone()))
        for values, weight in self.pieces:
            part = terms(make_block(values, weight))
            total = tuple(one + another for one, another in zip(total, part, strict=True))
        return total

    def agreed(self, values: Terms) -> Terms:
        """Return the values unchanged: there is one process."""
        return values


@dataclass(frozen=True)
class Shared:
    """Samples that are divided among processes. Processes exchange only sums, with one message per sum."""

    part: Samples
    processes: Processes

    def total(self, terms: Callable[[Block], Terms]) -> Terms:
        """Return the sums of the terms over all processes. The sums are equal, to the last bit, on all processes."""
        return add_up(self.part.total(terms), self.processes)

    def agreed(self, values: Terms) -> Terms:
        """Return the `values` of process 0 on all processes."""
        first = self.processes.rank == 0
        return add_up(values if first else tuple(map(torch.zeros_like, values)), self.processes)


def add_up(terms: Terms, processes: Processes) -> Terms:
    """Return the sums of float64 tensors over the processes, with one message."""
    flat = processes.sum(torch.cat([term.flatten() for term in terms]))
    parts = torch.split(flat, [term.numel() for term in terms])
    return tuple(part.reshape(term.shape) for part, term in zip(parts, terms, strict=True))
