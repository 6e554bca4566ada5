"""The spread of residuals before any outlier is known: the scale for the start of EM and for the regularisation."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

import torch
from torch import Tensor

from deepgum.mixture.blocks import Terms
from deepgum.mixture.quantiles import Quantiles, plain_quantiles, streamed_quantiles, weighted_quantiles
from deepgum.mixture.samples import Piece, add_up
from deepgum.processes import Processes

__all__ = ["Spread", "spread", "spread_over"]

QUANTILES = (0.25, 0.5, 0.75)
"""Quantiles of absolute residuals. The first quantile that is not zero gives the robust scale."""

SMALLEST = 1e-100
"""Absolute residuals below this number count as 0, because their square underflows."""


@dataclass(frozen=True)
class Spread:
    """Spread of the residuals of g groups of k coordinates, for each coordinate.

    Attributes
    ----------
    scale : Tensor (g, k)
        Robust standard deviation of the inliers around 0. It is always above 0.
    variance : Tensor (g, k)
        Variance of all residuals.
    width : Tensor (g, k)
        Largest minus smallest residual. If this difference is below `scale` (for example if all residuals are equal),
        `width` is 2 sqrt(3) times `scale`: the width of a uniform density with the standard deviation `scale`.
    observed : Tensor (g, k)
        Number of observed residuals.
    effective : Tensor (g,)
        Effective number of samples in which the group is observed: (sum of weights)^2 / sum of squared weights.
    """

    scale: Tensor
    variance: Tensor
    width: Tensor
    observed: Tensor
    effective: Tensor


def spread(values: Tensor, sample_weight: Tensor | None = None) -> Spread:
    """Return the spread of residuals (g, k, n), in which NaN marks a missing label. Weights (n,) must be above 0.

    The scale is like the median absolute deviation from 0, but with the lower quartile instead of the median. It is
    the 25 % quantile of absolute residuals, divided by 0.3186, which is this quantile for a standard normal
    distribution. So the scale of a Gaussian is the standard deviation. Up to three quarters of the residuals may be
    outliers (with the median, one half). If the scale is 0 (a quarter of the residuals is exactly 0), the median, the
    upper quartile and the root mean square are tried in turn. If all residuals of a coordinate are 0, the scale of the
    coordinate is the smallest scale above 0 in its group, or 1 if there is no such scale.
    """
    seen = ~values.isnan()
    weight = _weight(seen, sample_weight)
    plain = sample_weight is None and bool(seen.all())
    quantiles = plain_quantiles(values.abs()) if plain else weighted_quantiles(values.abs(), weight)
    return _spread(_sums(values, seen, weight), _ends(values, seen), quantiles)


def spread_over(pieces: Iterable[Piece], processes: Processes, nothing: Tensor) -> Spread:
    """Return the spread of samples in pieces, over all processes. No sample is kept in memory.

    One pass over the pieces gives the sums. A few more passes give the quantiles, which are exact: see
    `deepgum.mixture.quantiles`. `nothing` is an empty piece (g, k, 0).
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
    """Return six sums over samples: four sums (g, k), then two sums (g,).

    Sums (g, k): weights, weighted residuals, weighted squared residuals, and the number of observed residuals. Sums
    (g,): weights and squared weights of the samples in which the group is observed.
    """
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
    """Return an array (2, g, k): the largest residual, and minus the smallest residual, of each coordinate."""
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
    smallest = torch.where(positive.isinf(), 1.0, positive)
    return torch.where(scale > SMALLEST, scale, smallest)
