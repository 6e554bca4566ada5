"""Exact quantiles of the absolute values of residuals in memory, with weights, or in a stream.

A quantile is the smallest residual at which the sum of the weights reaches a share of the total.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TypeAlias

import torch
from torch import Tensor

from deepgum.mixture.blocks import slices
from deepgum.mixture.samples import Piece
from deepgum.processes import Processes

__all__ = ["Quantiles", "bits_per_pass", "plain_quantiles", "streamed_quantiles", "weighted_quantiles"]

Quantiles: TypeAlias = Callable[[float], Tensor]
"""Function from a probability to the quantiles (g, k)."""

SLACK = 1e-9
"""Relative slack of a share: equal weights may reach the share exactly, up to rounding of the sum."""

ALL_BITS = 63
LOW_BITS = 29
"""Number of bits that are 0 in float64 when the number comes from float32."""

MOST_BINS = 2**21
BITS = (8, 17)
"""Minimum and maximum number of bits that one pass over a stream finds."""


def plain_quantiles(magnitude: Tensor) -> Quantiles:
    """Return the quantiles of complete values (g, k, n) of equal weight, by selection: no sorting."""
    n = magnitude.shape[-1]
    return lambda probability: magnitude.kthvalue(max(1, math.ceil(probability * n)), dim=-1).values


def weighted_quantiles(magnitude: Tensor, weight: Tensor) -> Quantiles:
    """Return the quantiles of weighted values (g, k, n); missing values (NaN) have the weight 0."""
    ordered, order = magnitude.nan_to_num(nan=torch.inf).sort(dim=-1)
    cumulative = weight.gather(-1, order).cumsum(-1)
    last = magnitude.shape[-1] - 1

    def quantile(probability: float) -> Tensor:
        share = probability * (1 - SLACK) * cumulative[..., -1:]
        reached = torch.searchsorted(cumulative, share).clamp_max(last)
        return ordered.gather(-1, reached)[..., 0]

    return quantile


def streamed_quantiles(
    pieces: Iterable[Piece], processes: Processes, nothing: Tensor, n: int, *, single: bool
) -> Quantiles:
    """Return the quantiles of |residual| over all pieces of all processes.

    Each pass over the pieces finds the next bits of the quantile, by a histogram of the residuals that begin with the
    bits found so far.

    Parameters
    ----------
    pieces : iterable of Piece
        The pieces of this process.
    processes : Processes
    nothing : Tensor (g, k, 0)
    n : int
        Number of samples.
    single : bool
        Whether all residuals are float32 numbers, with last bits of 0.

    Returns
    -------
    Quantiles
        0 for a coordinate without a residual.
    """
    low = LOW_BITS if single else 0
    step = bits_per_pass(nothing.shape[0] * nothing.shape[1], n)

    def quantile(probability: float) -> Tensor:
        known = nothing.new_zeros(nothing.shape[:2], dtype=torch.int64)
        below = nothing.new_zeros(nothing.shape[:2])
        share: Tensor | None = None
        unknown = ALL_BITS
        while unknown > low:
            width = min(step, unknown - low)
            unknown -= width
            histogram = nothing.new_zeros((*nothing.shape[:2], 2**width))
            for values, weight in pieces:
                _count(values, weight, known, unknown, histogram)
            cumulative = below[..., None] + processes.sum(histogram).cumsum(-1)
            if share is None:
                share = probability * (1 - SLACK) * cumulative[..., -1:]
            # Rounding must not lead past the last non-empty bin.
            digit = torch.searchsorted(cumulative, torch.minimum(share, cumulative[..., -1:]))
            before = cumulative.gather(-1, (digit - 1).clamp_min(0))
            below = torch.where(digit > 0, before, below[..., None])[..., 0]
            known = (known << width) | digit[..., 0]
        return (known << low).view(torch.float64)

    return quantile


def bits_per_pass(coordinates: int, n: int) -> int:
    """Return the number of bits that one pass finds.

    It is smaller for many coordinates, and no coordinate has more bins than there are samples.

    Examples
    --------
    >>> [bits_per_pass(coordinates, 10**6) for coordinates in (10, 136, 100_000)], bits_per_pass(10, 1000)
    ([17, 13, 8], 9)
    """
    least, most = BITS
    bins = min(MOST_BINS // coordinates, n)
    return max(least, min(most, bins.bit_length() - 1))


def _count(values: Tensor, weight: Tensor | None, known: Tensor, unknown: int, histogram: Tensor) -> None:
    """Add the weights of the residuals that begin with the `known` bits to the bins of the bits that follow."""
    g, k, n = values.shape
    bins = histogram.shape[-1]
    first = torch.arange(g * k, device=values.device).reshape(g, k, 1) * bins
    for chunk in slices(n, values, g * k):
        bits = values[:, :, chunk].abs().view(torch.int64)
        inside = (bits >> unknown + bins.bit_length() - 1 == known[..., None]) & ~values[:, :, chunk].isnan()
        # Adding 0 for the other residuals is faster than leaving them out.
        terms = inside.to(values.dtype) if weight is None else inside * weight[chunk]
        index = (bits >> unknown & bins - 1).add_(first).mul_(inside)
        histogram.view(-1).scatter_add_(0, index.flatten(), terms.flatten())
