"""How far the residuals spread, before it is known who is an outlier: the unit of the start and of the floor."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import torch
from torch import Tensor

__all__ = ["Spread", "spread"]

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
    weight = seen.to(values.dtype) if sample_weight is None else seen * sample_weight
    filled = values.masked_fill(~seen, 0.0)
    total = weight.sum(-1).clamp_min(torch.finfo(values.dtype).tiny)
    second = (weight * filled.square()).sum(-1) / total
    mean = (weight * filled).sum(-1) / total
    plain = sample_weight is None and bool(seen.all())
    scale = _robust_scale(values.abs(), None if plain else weight, second.sqrt())
    infinity = torch.inf
    width = values.masked_fill(~seen, -infinity).amax(-1) - values.masked_fill(~seen, infinity).amin(-1)
    group_weight = weight.amax(dim=1)
    return Spread(
        scale=scale,
        variance=(second - mean.square()).clamp_min(0.0),
        width=torch.where(width > scale, width, 2 * math.sqrt(3) * scale),
        observed=seen.sum(-1),
        effective=group_weight.sum(-1).square()
        / group_weight.square().sum(-1).clamp_min(torch.finfo(values.dtype).tiny),
    )


def _robust_scale(magnitude: Tensor, weight: Tensor | None, root_mean_square: Tensor) -> Tensor:
    quantiles = _plain_quantiles(magnitude) if weight is None else _weighted_quantiles(magnitude, weight)
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


def _plain_quantiles(magnitude: Tensor) -> Callable[[float], Tensor]:
    """Quantiles (g, k) of complete values of equal weight, by selection: no need to sort."""
    n = magnitude.shape[-1]
    return lambda probability: magnitude.kthvalue(max(1, math.ceil(probability * n)), dim=-1).values


def _weighted_quantiles(magnitude: Tensor, weight: Tensor) -> Callable[[float], Tensor]:
    """Quantiles (g, k) of weighted values, of which the missing ones (NaN) have the weight 0."""
    ordered, order = magnitude.nan_to_num(nan=torch.inf).sort(dim=-1)
    cumulative = weight.gather(-1, order).cumsum(-1)
    last = magnitude.shape[-1] - 1

    def quantile(probability: float) -> Tensor:
        reached = torch.searchsorted(cumulative, probability * cumulative[..., -1:]).clamp_max(last)
        return ordered.gather(-1, reached)[..., 0]

    return quantile
