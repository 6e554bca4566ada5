"""How far the residuals spread, before it is known who is an outlier: the unit of the start and of the floor."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeAlias

import torch
from torch import Tensor

from deepgum.mixture.blocks import Terms, slices
from deepgum.mixture.samples import Piece, add_up
from deepgum.processes import Processes

__all__ = [
    "Quantiles",
    "Spread",
    "bits_of_a_pass",
    "plain_quantiles",
    "spread",
    "spread_over",
    "streamed_quantiles",
    "weighted_quantiles",
]

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


# Quantiles of |residual| that are tried as a robust scale, in this order, until one is not zero.
QUANTILES = (0.25, 0.5, 0.75)
# Below this a square underflows: such residuals count as zero.
SMALLEST = 1e-100


@dataclass(frozen=True)
class Spread:
    """Per-coordinate spread of the residuals of g groups of k coordinates.

    Attributes
    ----------
    scale : Tensor
        (g, k) robust standard deviation of the inliers about 0, above 0.
    variance : Tensor
        (g, k) plain variance of all the residuals.
    width : Tensor
        (g, k) largest less smallest residual; where that is below `scale` (all residuals alike, and away from 0) the
        width 2 sqrt(3) of a uniform density with that standard deviation.
    observed : Tensor
        (g, k) how many residuals are observed.
    effective : Tensor
        (g,) effective number of samples of which something is observed: (sum of weights)^2 / sum of squared weights.
    """

    scale: Tensor
    variance: Tensor
    width: Tensor
    observed: Tensor
    effective: Tensor


def spread(values: Tensor, sample_weight: Tensor | None = None) -> Spread:
    """Measure the spread of (g, k, n) residuals, NaN where missing; weights (n,) are above 0.

    The scale is the median absolute deviation about 0 (the model's residuals have mean 0) with the lower quartile in
    the median's place: |residual| at its 25 % quantile over that of a standard normal, 0.3186. It says the same of a
    Gaussian, and is not carried away until three quarters of the residuals are outliers, where the median's limit is
    a half. Where it is 0 (a quarter of the residuals exactly 0) the median, the upper quartile and the root mean square
    are tried in turn; a coordinate that is 0 throughout borrows the smallest scale of its group, or 1.
    """
    seen = ~values.isnan()
    weight = _weight(seen, sample_weight)
    plain = sample_weight is None and bool(seen.all())
    quantiles = plain_quantiles(values.abs()) if plain else weighted_quantiles(values.abs(), weight)
    return _spread(_sums(values, seen, weight), _ends(values, seen), quantiles)


def spread_over(pieces: Iterable[Piece], processes: Processes, nothing: Tensor) -> Spread:
    """Measure the same of samples that come in pieces, to each of several processes; none is kept.

    The pieces are gone through once for the sums, and once for each few bits of the quantiles, which are exact: see
    `quantiles`. `nothing` is (g, k, 0).
    """
    sums = _sums(nothing, ~nothing.isnan(), torch.ones_like(nothing))
    ends = nothing.new_full((2, *nothing.shape[:2]), -torch.inf)
    beyond_single = nothing.new_zeros(())
    for values, sample_weight in pieces:
        seen = ~values.isnan()
        part = _sums(values, seen, _weight(seen, sample_weight))
        sums = tuple(one + another for one, another in zip(sums, part, strict=True))
        ends = ends.maximum(_ends(values, seen))
        beyond_single = beyond_single.maximum(((values.float() != values) & seen).any())
    sums, ends = add_up(sums, processes), processes.maximum(ends)
    single = not bool(processes.maximum(beyond_single))
    n = int(sums[3].max())
    quantiles = streamed_quantiles(pieces, processes, nothing, n, single=single)
    return _spread(sums, ends, quantiles)


def _weight(seen: Tensor, sample_weight: Tensor | None) -> Tensor:
    return seen.to(torch.float64) if sample_weight is None else seen * sample_weight


def _sums(values: Tensor, seen: Tensor, weight: Tensor) -> Terms:
    """Sums over samples: weights, residuals, squares and how many (g, k); a group's weights and their squares (g,)."""
    filled = values.masked_fill(~seen, 0.0)
    group_weight = weight.amax(dim=1)
    return (
        weight.sum(-1),
        (weight * filled).sum(-1),
        (weight * filled.square()).sum(-1),
        seen.sum(-1),
        group_weight.sum(-1),
        group_weight.square().sum(-1),
    )


def _ends(values: Tensor, seen: Tensor) -> Tensor:
    """Largest residuals, and largest of the negated ones: (2, g, k)."""
    highest = values.masked_fill(~seen, -torch.inf).amax(-1)
    lowest = values.masked_fill(~seen, torch.inf).amin(-1)
    return torch.stack([highest, -lowest])


def _spread(sums: Terms, ends: Tensor, quantiles: Quantiles) -> Spread:
    weight, first, second, observed, group_weight, squared_weight = sums
    tiny = torch.finfo(weight.dtype).tiny
    total = weight.clamp_min(tiny)
    mean, mean_square = first / total, second / total
    scale = _robust_scale(quantiles, mean_square.sqrt())
    width = ends[0] + ends[1]
    return Spread(
        scale=scale,
        variance=(mean_square - mean.square()).clamp_min(0.0),
        width=torch.where(width > scale, width, 2 * math.sqrt(3) * scale),
        observed=observed,
        effective=group_weight.square() / squared_weight.clamp_min(tiny),
    )


def _robust_scale(quantiles: Quantiles, root_mean_square: Tensor) -> Tensor:
    scale = torch.zeros_like(root_mean_square)
    for probability in QUANTILES:
        candidate = quantiles(probability) / NormalDist().inv_cdf((1 + probability) / 2)
        scale = torch.where(scale > SMALLEST, scale, candidate.nan_to_num(posinf=0.0))
        if bool((scale > SMALLEST).all()):
            return scale
    scale = torch.where(scale > SMALLEST, scale, root_mean_square)
    positive = torch.where(scale > SMALLEST, scale, torch.inf).amin(dim=-1, keepdim=True)
    borrowed = torch.where(positive.isinf(), 1.0, positive)
    return torch.where(scale > SMALLEST, scale, borrowed)
