"""Exact quantiles of |residual|: by selection in memory, by histograms of their bits where they are many.

A number of at least 0 orders as the 63 bits of its float64 do, read as a whole number. So the quantile's bits are
found from the highest down: a histogram of the next few bits, among the residuals that agree in those already known,
says what they are. Histograms add over batches and over processes; no residual is kept. The answer is a residual, to
the last bit, and the same however the samples are divided.

Memory, and the message of one pass, is 8 bytes for each of g k 2^b bins at b bits a pass, 16 MiB at most where g k is
below 8,192. Of many residuals b is 17 for up to 16 coordinates and 13 for 200; of few, where passes are cheap, it is
smaller. The passes are ceil(63 / b); where all residuals are float32 numbers, whose last 29 bits are 0 in float64, they
are ceil(34 / b): 2 instead of 4 for up to 16 coordinates.
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

__all__ = ["Quantiles", "bits_of_a_pass", "plain_quantiles", "streamed_quantiles", "weighted_quantiles"]

Quantiles: TypeAlias = Callable[[float], Tensor]
"""From a probability to the quantiles (g, k)."""

# A quantile is the least residual at which the weights below reach its probability's share. That share may be reached
# exactly (equal weights), where rounding, which depends on the order of the sum, must not decide.
SLACK = 1e-9
ALL_BITS = 63
# Bits that are 0 in float64 when the number is a float32's.
LOW_BITS = 29
MOST_BINS = 2**21
BITS = (8, 17)


def plain_quantiles(magnitude: Tensor) -> Quantiles:
    """Quantiles of complete values (g, k, n) of equal weight, by selection: no need to sort."""
    n = magnitude.shape[-1]
    return lambda probability: magnitude.kthvalue(max(1, math.ceil(probability * n)), dim=-1).values


def weighted_quantiles(magnitude: Tensor, weight: Tensor) -> Quantiles:
    """Quantiles of weighted values (g, k, n), of which the missing ones (NaN) have the weight 0."""
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
    """Quantiles of |residual| over all pieces and processes, of n samples; `single`: all are float32 numbers.

    `nothing` is (g, k, 0). A coordinate without a residual has the quantile 0.
    """
    low = LOW_BITS if single else 0
    step = bits_of_a_pass(nothing.shape[0] * nothing.shape[1], n)

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
            # Rounding must not lead past the last bin that holds anything.
            digit = torch.searchsorted(cumulative, torch.minimum(share, cumulative[..., -1:]))
            before = cumulative.gather(-1, (digit - 1).clamp_min(0))
            below = torch.where(digit > 0, before, below[..., None])[..., 0]
            known = (known << width) | digit[..., 0]
        return (known << low).view(torch.float64)

    return quantile


def bits_of_a_pass(coordinates: int, n: int) -> int:
    """Return how many bits a pass finds: fewer of many coordinates, and no more bins each than samples.

    Examples
    --------
    >>> [bits_of_a_pass(coordinates, 10**6) for coordinates in (10, 136, 100_000)], bits_of_a_pass(10, 1000)
    ([17, 13, 8], 9)
    """
    least, most = BITS
    bins = min(MOST_BINS // coordinates, n)
    return max(least, min(most, bins.bit_length() - 1))


def _count(values: Tensor, weight: Tensor | None, known: Tensor, unknown: int, histogram: Tensor) -> None:
    """Add the weights of the residuals that begin with the `known` bits to the bins of the bits that follow them."""
    g, k, n = values.shape
    bins = histogram.shape[-1]
    first = torch.arange(g * k, device=values.device).reshape(g, k, 1) * bins
    for chunk in slices(n, values, g * k):
        bits = values[:, :, chunk].abs().view(torch.int64)
        inside = (bits >> unknown + bins.bit_length() - 1 == known[..., None]) & ~values[:, :, chunk].isnan()
        # To add nothing for the others is faster than to leave them out.
        terms = inside.to(values.dtype) if weight is None else inside * weight[chunk]
        index = (bits >> unknown & bins - 1).add_(first).mul_(inside)
        histogram.view(-1).scatter_add_(0, index.flatten(), terms.flatten())
