"""Exact quantiles of absolute residuals: in memory, with weights, or in a stream.

The quantile of a share p is an absolute residual q. The absolute residuals up to q have at least the share p of the
total weight, and q is the smallest such residual.
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
"""A function that takes a share and returns the quantiles (g, k)."""

SLACK = 1e-9
"""Relative tolerance of a share, because equal weights may reach the share exactly, except for rounding of the sum."""

ALL_BITS = 63
LOW_BITS = 29
"""Number of last bits of a float64 number that are 0 if the number was converted from float32."""

MOST_BINS = 2**21
BITS = (8, 17)
"""Minimum and maximum number of bits that one pass over a stream finds."""


def plain_quantiles(magnitude: Tensor) -> Quantiles:
    """Return a function that computes a quantile (g, k) of complete values (g, k, n) with equal weights.

    The function selects the value without sorting.
    """
    n = magnitude.shape[-1]
    return lambda probability: magnitude.kthvalue(max(1, math.ceil(probability * n)), dim=-1).values


def weighted_quantiles(magnitude: Tensor, weight: Tensor) -> Quantiles:
    """Return a function that computes a quantile (g, k) of weighted values (g, k, n).

    Missing values (NaN) must have the weight 0.
    """
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
    """Return a function: it takes a share, and computes this quantile of the absolute residuals of all processes.

    A quantile is found bit by bit, from the first bit to the last bit. Each pass over the pieces finds the next bits,
    from a histogram of the residuals that begin with the bits that are already known.

    Parameters
    ----------
    pieces : iterable of Piece
        The pieces of this process.
    processes : Processes
    nothing : Tensor (g, k, 0)
        An empty piece, with the same shape (except n) and device as the other pieces.
    n : int
        Number of samples.
    single : bool
        Whether all residuals are float32 numbers, so that their last bits are 0.

    Returns
    -------
    Quantiles
        A function of the share that returns quantiles (g, k), 0 for a coordinate without a residual.
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
            # Because of rounding, limit the bin to the last bin that is not empty.
            digit = torch.searchsorted(cumulative, torch.minimum(share, cumulative[..., -1:]))
            before = cumulative.gather(-1, (digit - 1).clamp_min(0))
            below = torch.where(digit > 0, before, below[..., None])[..., 0]
            known = (known << width) | digit[..., 0]
        return (known << low).view(torch.float64)

    return quantile


def bits_per_pass(coordinates: int, n: int) -> int:
    """Return the number of bits of a quantile that one pass over the pieces finds.

    The number is smaller if there are many coordinates or few samples. Except for the minimum number of bits, the
    histogram has at most as many bins as there are samples.

    Examples
    --------
    >>> [bits_per_pass(coordinates, 10**6) for coordinates in (10, 136, 100_000)], bits_per_pass(10, 1000)
    ([17, 13, 8], 9)
    """
    least, most = BITS
    bins = min(MOST_BINS // coordinates, n)
    return max(least, min(most, bins.bit_length() - 1))


def _count(values: Tensor, weight: Tensor | None, known: Tensor, unknown: int, histogram: Tensor) -> None:
    """Add the weight of each residual to `histogram`, if the residual begins with the `known` bits.

    The next bits of the residual select the bin.
    """
    g, k, n = values.shape
    bins = histogram.shape[-1]
    first = torch.arange(g * k, device=values.device).reshape(g, k, 1) * bins
    for chunk in slices(n, values, g * k):
        bits = values[:, :, chunk].abs().view(torch.int64)
        inside = (bits >> unknown + bins.bit_length() - 1 == known[..., None]) & ~values[:, :, chunk].isnan()
        # Adding 0 for the other residuals is faster than leaving these residuals out.
        terms = inside.to(values.dtype) if weight is None else inside * weight[chunk]
        index = (bits >> unknown & bins - 1).add_(first).mul_(inside)
        histogram.view(-1).scatter_add_(0, index.flatten(), terms.flatten())
