"""The E step, eq. 2, in log space: the sums over samples that the M step needs."""

from __future__ import annotations

import torch
from torch import Tensor

from deepgum.mixture.blocks import Block, Incomplete
from deepgum.mixture.gaussian import Conditional
from deepgum.mixture.parameters import Parameters
from deepgum.mixture.samples import Samples
from deepgum.mixture.statistics import Statistics

__all__ = ["summarise"]


def summarise(samples: Samples, parameters: Parameters, given: Tensor | None = None) -> Statistics:
    """Return the sums of the E step (eq. 2) over all samples, in float64.

    If `given` is not None, it holds responsibilities (g, n) that replace the responsibilities of eq. 2. There must then
    be only one block. The expectations of missing coordinates and the likelihood still follow from the parameters.
    """
    return Statistics(*samples.total(lambda block: _block(block, parameters, given).tensors))


def _block(block: Block, parameters: Parameters, given: Tensor | None) -> Statistics:
    bands = list(block.bands())
    if len(bands) == 1:
        complete = _complete(block, parameters, given)
    else:
        parts = [_complete(block[each], parameters[each], None if given is None else given[each]) for each in bands]
        complete = Statistics(*map(torch.cat, zip(*(part.tensors for part in parts), strict=True)))
    return complete if block.incomplete is None else complete + _partial(block.incomplete, parameters, given)


def _complete(block: Block, parameters: Parameters, given: Tensor | None) -> Statistics:
    g, k, _ = block.values.shape
    mass, likelihood = block.values.new_zeros(g), block.values.new_zeros(g)
    first, scatter = block.values.new_zeros(g, k), block.values.new_zeros(g, k, k)
    for chunk in block.chunks():
        values = block.values[:, :, chunk]
        inlier, outlier = parameters.log_joint(values)
        responsibility = torch.sigmoid(inlier - outlier)
        # The density is the larger joint density divided by its posterior, which is at least one half. This formula is
        # exact, and three times as fast as `logaddexp`.
        log_density = torch.maximum(inlier, outlier).sub_(torch.maximum(responsibility, 1 - responsibility).log_())
        if given is not None:
            responsibility.copy_(given[:, chunk])
        if block.weight is not None:
            responsibility.mul_(block.weight[:, chunk])
            log_density.mul_(block.weight[:, chunk])
        weighted = values * responsibility[:, None]
        mass += responsibility.sum(-1)
        likelihood += log_density.sum(-1)
        first += weighted.sum(-1)
        scatter += weighted @ values.mT
    weight, total_first, total_second = block.totals
    second = scatter.diagonal(dim1=-2, dim2=-1)
    # The sums of outliers are the totals minus the sums of inliers. This is cheaper than a second pass.
    return Statistics(
        weight=weight,
        inlier_weight=mass,
        scatter=scatter,
        outlier_weight=(weight - mass).clamp_min(0.0)[:, None].expand(g, k),
        outlier_first=total_first - first,
        outlier_second=(total_second - second).clamp_min(0.0),
        log_likelihood=likelihood,
    )


def _partial(pairs: Incomplete, parameters: Parameters, given: Tensor | None) -> Statistics:
    conditional = parameters.inliers.conditional(pairs)
    g, k = parameters.covariance.shape[:2]
    zeros = pairs.values.new_zeros
    total = Statistics(zeros(g), zeros(g), zeros(g, k, k), zeros(g, k), zeros(g, k), zeros(g, k), zeros(g))
    for chunk in pairs.chunks():
        total = total + _partial_chunk(pairs, parameters, conditional, chunk, given)
    return total


def _partial_chunk(
    pairs: Incomplete, parameters: Parameters, conditional: Conditional, chunk: slice, given: Tensor | None
) -> Statistics:
    inlier, outlier = parameters.log_joint_incomplete(pairs, conditional, chunk)
    weight, pattern, group = pairs.weight[chunk], pairs.pattern[chunk], pairs.group[chunk]
    # Compute two sigmoids, because 1 minus a responsibility close to 1 would lose digits.
    responsibility, complement = torch.sigmoid(inlier - outlier), torch.sigmoid(outlier - inlier)
    if given is not None:
        responsibility = given[group, pairs.row[chunk]]
        complement = 1 - responsibility
    seen, values = pairs.observed[pattern], pairs.values[chunk]
    expected = values + (conditional.gain[pattern] @ values[:, :, None])[:, :, 0]
    inside, outside = weight * responsibility, (weight * complement)[:, None] * seen
    outer = inside[:, None, None] * (expected[:, :, None] * expected[:, None, :] + conditional.covariance[pattern])

    def by_group(terms: Tensor) -> Tensor:
        shape = (len(parameters.inlier_prior), *terms.shape[1:])
        return terms.new_zeros(shape).index_add_(0, group, terms)

    return Statistics(
        weight=by_group(weight),
        inlier_weight=by_group(inside),
        scatter=by_group(outer),
        outlier_weight=by_group(outside),
        outlier_first=by_group(outside * values),
        outlier_second=by_group(outside * values.square()),
        log_likelihood=by_group(weight * torch.logaddexp(inlier, outlier)),
    )
