"""EM for the mixture of `deepgum.posteriors.group_mixtures`, one group at a time. The choice of the densities is fixed.

E step: compute r, the posterior that a label is right, and u, the `em_weight` of the density of right labels. For
Student's t, u is the expected precision of the residual, (nu + o) / (nu + q). Here q is the squared Mahalanobis
distance, and o is the number of observed coordinates.

M step: pi = mean of r, and S = sum r u delta delta' / sum r. A missing coordinate is replaced by its expectation, and
its conditional covariance is added. If the mean of u is 1 (true for Student's t), the divisor is sum r u: EM then
converges faster to the same parameters (Kent, Tyler and Vardi, 1994). The density of wrong labels has a radius R and an
exponent b (see `deepgum.posteriors.power_law`). R is the largest distance. b is not estimated, because a free exponent
would mistake the tails of right labels for wrong labels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from deepgum.posteriors.group_mixtures import GroupMixture
from deepgum.posteriors.observed import Part, parts_of
from deepgum.posteriors.power_law import PowerLaw

__all__ = ["KINDS", "Fitted", "fit_group"]

KINDS = ("none", "uniform", "radial")
"""Kinds of wrong labels: "none" (a prior of 1 minus half a sample, b = k), "uniform" (b = k), "radial" (b = 1)."""

_FLOOR = 1e-6
"""Minimum of the variance that is added to the scale matrix, relative to the scale matrix at the start."""


@dataclass(frozen=True)
class Fitted:
    """The fitted mixture of a group, the log-likelihood of the residuals, and the number of M steps."""

    group: GroupMixture
    log_likelihood: float
    n_iter: int


def fit_group(
    values: Tensor,
    start: GroupMixture,
    kind: str,
    *,
    weight: Tensor | None = None,
    resolution: Tensor | None = None,
    tol: float = 1e-5,
    max_iter: int = 200,
) -> Fitted:
    """Fit the mixture of one group by EM. The fit keeps the density `start.right` of right labels.

    Parameters
    ----------
    values : Tensor (n, k) of float64
        Residuals; NaN where a label is missing.
    start : GroupMixture
        Start of EM.
    kind : {"none", "uniform", "radial"}
        Kind of wrong labels; see `KINDS`.
    weight : Tensor (n,), optional
        Weights of the samples; 1 by default.
    resolution : Tensor (k,), optional
        Variance of the rounding errors of the residuals. It is the minimum variance of right labels. Without a minimum,
        many equal residuals could become right labels with variance 0, and all other labels would be wrong.
    tol : float
        EM stops when no parameter changes by more than `tol`. Changes of the scale matrix are relative.
    max_iter : int
        Maximum number of M steps.

    Examples
    --------
    >>> from deepgum.posteriors.densities import Gaussian
    >>> generator = torch.Generator().manual_seed(0)
    >>> values = torch.randn(2000, 1, generator=generator, dtype=torch.float64)
    >>> values[:400] = 40 * torch.rand(400, 1, generator=generator, dtype=torch.float64) - 20
    >>> start = GroupMixture(0.9, torch.eye(1, dtype=torch.float64), Gaussian(), PowerLaw(exponent=1.0, radius=20.0))
    >>> fitted = fit_group(values, start, "uniform").group
    >>> round(fitted.prior, 2), round(fitted.scale.item(), 1)
    (0.8, 1.0)
    """
    parts = parts_of(values)
    weights = [torch.ones(len(p.rows), dtype=torch.float64) if weight is None else weight[p.rows] for p in parts]
    total = float(sum(each.sum() for each in weights))
    variances = start.scale.diagonal()
    floor = torch.diag(
        _FLOOR * variances if resolution is None else torch.minimum(resolution, variances).maximum(_FLOOR * variances)
    )
    k = values.shape[1]
    largest_prior = 1 - 0.5 / max(total, 1.0)
    prior = largest_prior if kind == "none" else min(max(start.prior, 1 - largest_prior), largest_prior)
    exponent = 1.0 if kind == "radial" else float(k)
    group = replace(start, prior=prior, wrong=PowerLaw(exponent, start.wrong.radius))
    n_iter, likelihood = 0, -math.inf
    while True:
        squared = [group.squared_distance(part) for part in parts]
        radius = math.sqrt(
            max((float(q[w > 0].max()) for q, w in zip(squared, weights, strict=True) if w.any()), default=1.0)
        )
        group = replace(group, wrong=PowerLaw(exponent, radius))
        terms = [group.log_terms(p, q) for p, q in zip(parts, squared, strict=True)]
        likelihood = sum(float((w * torch.logaddexp(*logs)).sum()) for w, logs in zip(weights, terms, strict=True))
        if n_iter == max_iter:
            break
        posterior = [torch.sigmoid(right - wrong) for right, wrong in terms]
        previous = group
        group = _m_step(parts, weights, squared, posterior, previous, kind, largest_prior, total, floor)
        n_iter += 1
        if _change(previous, group) < tol:
            break
    return Fitted(group, likelihood, n_iter)


def _m_step(
    parts: list[Part],
    weights: list[Tensor],
    squared: list[Tensor],
    posterior: list[Tensor],
    group: GroupMixture,
    kind: str,
    largest_prior: float,
    total: float,
    floor: Tensor,
) -> GroupMixture:
    k = len(group.scale)
    scatter, mass, right_count = torch.zeros_like(group.scale), 0.0, 0.0
    for part, w, q, r in zip(parts, weights, squared, posterior, strict=True):
        o = len(part.seen)
        u = group.right.em_weight(q, o)
        right_count += float((w * r).sum())
        mass += float((w * r * u).sum()) if group.right.has_mean_weight_1 else float((w * r).sum())
        delta = part.values
        if o < k:
            gain, covariance = part.regression(group.scale)
            delta = part.values @ gain.T
            scatter = scatter + float((w * r).sum()) * covariance
        scatter = scatter + (delta * (w * r * u)[:, None]).T @ delta
    scale = scatter / mass + floor if mass > 0 else group.scale
    # A bootstrap replicate of few rows may be empty; the prior is then kept.
    is_fixed = kind == "none" or not total
    prior = group.prior if is_fixed else min(max(right_count / total, 1 - largest_prior), largest_prior)
    return replace(group, prior=prior, scale=scale)


def _change(before: GroupMixture, after: GroupMixture) -> float:
    """Return the larger of two changes: of the prior, and of the scale matrix (relative)."""
    deviation = before.scale.diagonal().sqrt()
    scale = (after.scale - before.scale).abs() / deviation[:, None] / deviation[None, :]
    return max(abs(after.prior - before.prior), float(scale.max()))
