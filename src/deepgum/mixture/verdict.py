"""The verdict on a fit: whether a group is a mixture, a Gaussian alone, or a uniform density alone.

The likelihood of eq. 1 cannot decide. The uniform density of eq. 1 has no bounds, so with the moments of eq. 5 the
density of eq. 1 does not integrate to 1. On Gaussian residuals without outliers, a fit with many outliers has a larger
likelihood than a fit with none (in ten dimensions, the fit takes most residuals for outliers). Therefore densities that
integrate to 1 are compared by the Bayesian information criterion:

- There are outliers if a mixture of two Gaussians is better than a Gaussian alone. The mixture has the fitted Gaussian
  and a wider Gaussian with the moments of the outliers.
- There are inliers if a mixture of the fitted Gaussian and a box is better than the box alone. The box holds all
  residuals.

If a mixture is not better in both comparisons, it is replaced by a Gaussian alone or a box alone, whichever is better.

A group is also no mixture if outliers are hardly wider than inliers. On the residuals of a single Gaussian, EM finds
outliers that are 1.5 times (in ten coordinates) to 2 times (in one coordinate) as wide as the inliers. If residuals
have a slightly sharper peak, for example because a network has partly memorised the labels, two Gaussians describe the
residuals better than one Gaussian, although no label is wrong. So the ratio of the widths has a minimum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from deepgum.mixture.blocks import Block, Terms
from deepgum.mixture.e_step import summarise
from deepgum.mixture.em import EM, LEAST_SAMPLES, Fit
from deepgum.mixture.gaussian import FLOOR
from deepgum.mixture.parameters import Parameters, merge
from deepgum.mixture.samples import Samples
from deepgum.mixture.spread import Spread
from deepgum.mixture.statistics import Statistics
from deepgum.mixture.status import MixtureStatus
from deepgum.mixture.uniform import Uniform, box

__all__ = ["Verdict", "judge", "separation"]

LEAST_ODDS = 2.0
"""Minimum odds in a mixture that a residual of 0 is right."""


@dataclass(frozen=True)
class Verdict:
    """The parameters to keep, and the status of each group."""

    parameters: Parameters
    status: tuple[MixtureStatus, ...]


def judge(em: EM, samples: Samples, spread: Spread, start: Parameters, fit: Fit) -> Verdict:
    """Return the status and the parameters of each group. If a group is no mixture, its parameters are replaced."""
    parameters = fit.parameters
    too_few = _too_few(em, spread)
    collapsed = _collapsed(em.untied, spread, fit.statistics) & ~too_few
    no_outliers, no_inliers = torch.zeros_like(too_few), torch.zeros_like(too_few)
    if em.inlier_prior is None:
        alone = _gaussian_alone(em, samples, spread, fit)
        two_gaussians, with_box, box_alone = _likelihoods(samples, spread, fit)
        outliers = _has_outliers(spread, fit, alone, two_gaussians) & (separation(parameters) >= em.separation)
        mixture = outliers & _has_inliers(em, spread, fit, with_box, box_alone)
        flat = _flatter_than_gaussian(spread, alone, box_alone)
        no_outliers, no_inliers = ~mixture & ~flat & ~too_few, ~mixture & flat & ~too_few
        parameters = merge(no_outliers, _all_inliers(em, spread, alone.parameters), parameters)
        parameters = merge(no_inliers, _all_outliers(em, spread, start), parameters)
        if em.structure.is_tied:
            parameters = _tied(em, spread, fit, alone, no_outliers, no_inliers | too_few, parameters)
        collapsed = torch.where(no_outliers, _collapsed(em.untied, spread, alone.statistics), collapsed)
    if em.structure.is_tied:
        start = replace(start, covariance=parameters.covariance)
    parameters = merge(too_few, start, parameters)
    # The first condition that holds gives the status.
    flags = (
        (MixtureStatus.TOO_FEW_SAMPLES, too_few),
        (MixtureStatus.COLLAPSED_COVARIANCE, collapsed & ~no_inliers),
        (MixtureStatus.NO_OUTLIERS, no_outliers),
        (MixtureStatus.NO_INLIERS, no_inliers),
        (MixtureStatus.CONVERGED, fit.converged),
    )
    columns = [(status, holds.tolist()) for status, holds in flags]
    named = (
        next((status for status, holds in columns if holds[i]), MixtureStatus.ITERATION_LIMIT)
        for i in range(len(too_few))
    )
    return Verdict(parameters, tuple(named))


def _gaussian_alone(em: EM, samples: Samples, spread: Spread, fit: Fit) -> Fit:
    """Return the fit of a Gaussian alone (the prior is 1). It is exact if no label is missing, else approximate."""
    # Use one covariance per group, because a shared covariance would include the outliers of other groups.
    alone = replace(em.untied, inlier_prior=1.0, tol=max(em.tol, 1e-6))
    certain = torch.ones_like(fit.parameters.inlier_prior)
    return alone.run(samples, spread, replace(fit.parameters, inlier_prior=certain))


def _tied(
    em: EM, spread: Spread, fit: Fit, alone: Fit, certain: Tensor, without: Tensor, parameters: Parameters
) -> Parameters:
    """Return the parameters with one covariance for all groups.

    `certain` marks the groups in which all residuals are inliers, and `without` marks the groups without inliers. Every
    sample has the weight 1 in a group of `certain`, the weight 0 in a group of `without`, and the responsibility of
    `fit` in all other groups.
    """
    whole, part, nothing = alone.statistics, fit.statistics, torch.zeros_like(fit.statistics.inlier_weight)
    weight = torch.where(without, nothing, torch.where(certain, whole.inlier_weight, part.inlier_weight))
    scatter = torch.where(certain[:, None, None], whole.scatter, part.scatter)
    scatter = torch.where(without[:, None, None], 0.0, scatter)
    return replace(parameters, covariance=em.covariance(scatter, weight, part.weight, spread, fit.parameters))


def _too_few(em: EM, spread: Spread) -> Tensor:
    return spread.observed.amin(dim=1) < em.structure.least_samples(spread.scale.shape[1])


def _collapsed(em: EM, spread: Spread, statistics: Statistics) -> Tensor:
    """Return whether, in at least one direction, the regularisation is larger than the variance of the inliers."""
    weight = statistics.inlier_weight
    scale = em.unit(spread).sqrt()
    relative = em.structure.mean(statistics.scatter, weight) / scale[:, :, None] / scale[:, None, :]
    least: Tensor = torch.linalg.eigvalsh(relative)[:, 0]
    return least < max(em.reg_covar, FLOOR)


def _gain(one: Tensor, other: Tensor, spread: Spread, weight: Tensor) -> Tensor:
    """Return (g,) log-likelihood `one` minus log-likelihood `other`, scaled to the effective number of samples."""
    return (one - other) * spread.effective / torch.where(weight > 0, weight, 1.0)


def _price(parameters: int, spread: Spread) -> Tensor:
    """Return how much larger the log-likelihood must be for a number of additional `parameters`.

    The amount (g,) follows from the Bayesian information criterion.
    """
    return 0.5 * parameters * spread.effective.clamp_min(1.0).log()


def _likelihoods(samples: Samples, spread: Spread, fit: Fit) -> Terms:
    """Return three log-likelihoods (g,): of a Gaussian with a wider Gaussian, a Gaussian with a box, a box alone."""
    parameters = fit.parameters
    outer, mean = _wider_gaussian(fit)
    with_box = replace(parameters, outliers=box(spread))
    box_alone = replace(with_box, inlier_prior=torch.zeros_like(parameters.inlier_prior))
    return samples.total(
        lambda block: (
            _two_gaussians(block, parameters, outer, mean),
            summarise(block, with_box).log_likelihood,
            summarise(block, box_alone).log_likelihood,
        )
    )


def _wider_gaussian(fit: Fit) -> tuple[Parameters, Tensor]:
    """Return the parameters and the mean (g, k) of a Gaussian with the moments and the weight of the outliers."""
    statistics, parameters = fit.statistics, fit.parameters
    weight = torch.where(statistics.outlier_weight > 0, statistics.outlier_weight, 1.0)
    mean = statistics.outlier_first / weight
    variance = statistics.outlier_second / weight - mean.square()
    wider = torch.diag_embed(variance.maximum(parameters.covariance.diagonal(dim1=-2, dim2=-1)))
    return Parameters(1 - parameters.inlier_prior, wider, parameters.outliers), mean


def _has_outliers(spread: Spread, fit: Fit, alone: Fit, two_gaussians: Tensor) -> Tensor:
    price = _price(1 + 2 * spread.scale.shape[1], spread)  # prior and moments of the outliers
    gain = _gain(two_gaussians, alone.statistics.log_likelihood, spread, fit.statistics.weight)
    return gain >= price


def separation(parameters: Parameters) -> Tensor:
    """Return the ratio (g,) of the width of outliers to the width of inliers: a geometric mean over coordinates."""
    outliers = parameters.outliers.log_standard_deviation.mean(dim=1)
    inliers = 0.5 * torch.linalg.slogdet(parameters.covariance).logabsdet / parameters.covariance.shape[-1]
    ratio: Tensor = (outliers - inliers).exp()
    return ratio


def _two_gaussians(block: Block, inner: Parameters, outer: Parameters, mean: Tensor) -> Tensor:
    """Return the log-likelihood (g,) of a mixture of two Gaussians. The outer Gaussian has the mean (g, k)."""
    total = torch.zeros_like(inner.inlier_prior)
    for chunk in block.chunks():
        values = block.values[:, :, chunk]
        log_density = torch.logaddexp(inner.log_joint(values)[0], outer.log_joint(values - mean[:, :, None])[0])
        total += (log_density if block.weight is None else log_density * block.weight[:, chunk]).sum(-1)
    if block.incomplete is not None:
        pairs = block.incomplete
        shifted = replace(pairs, values=pairs.values - mean[pairs.group] * pairs.observed[pairs.pattern])
        conditionals = inner.inliers.conditional(pairs), outer.inliers.conditional(pairs)
        for chunk in pairs.chunks():
            one = inner.log_joint_incomplete(pairs, conditionals[0], chunk)[0]
            other = outer.log_joint_incomplete(shifted, conditionals[1], chunk)[0]
            total.index_add_(0, pairs.group[chunk], pairs.weight[chunk] * torch.logaddexp(one, other))
    return total


def _has_inliers(em: EM, spread: Spread, fit: Fit, with_box: Tensor, box_alone: Tensor) -> Tensor:
    weight = fit.statistics.weight
    price = _price(1 + em.structure.parameters(spread.scale.shape[1]), spread)
    at_least_one = _gain(fit.statistics.inlier_weight, torch.zeros_like(weight), spread, weight) >= 1
    # If even a residual of 0 is not clearly more likely right than wrong, both components describe the same cluster of
    # residuals, for example a cluster away from 0.
    inlier, outlier = fit.parameters.log_joint(torch.zeros_like(spread.scale)[:, :, None])
    clear = (inlier - outlier >= math.log(LEAST_ODDS))[:, 0]
    return (_gain(with_box, box_alone, spread, weight) >= price) & at_least_one & clear


def _flatter_than_gaussian(spread: Spread, alone: Fit, box_alone: Tensor) -> Tensor:
    """Return whether a box describes the residuals better than a Gaussian. A box has two ends per coordinate."""
    ends = 2 * spread.scale.shape[1]
    gain = _gain(box_alone, alone.statistics.log_likelihood, spread, alone.statistics.weight)
    # Require one more nat per end, because the box of n samples is too narrow by about 1/n at each end.
    return gain > _price(ends, spread) + ends


def _half_a_sample(spread: Spread) -> Tensor:
    return LEAST_SAMPLES / spread.effective.clamp_min(1.0)


def _density(em: EM, spread: Spread) -> Uniform:
    return em.uniform.start(spread) if em.uniform.is_fixed else box(spread)


def _all_inliers(em: EM, spread: Spread, alone: Parameters) -> Parameters:
    return Parameters(1 - _half_a_sample(spread), alone.covariance, _density(em, spread))


def _all_outliers(em: EM, spread: Spread, start: Parameters) -> Parameters:
    return Parameters(_half_a_sample(spread), start.covariance, _density(em, spread))
