"""EM for the densities of `deepgum.posteriors.densities`, one group at a time, at given degrees of freedom.

E step: r, the posterior of being right, and of Student's t the precision u = (nu + o) / (nu + q) that a residual at the
squared distance q is expected to have. M step: pi = mean of r; S = sum r u delta delta' / sum r u, where a coordinate
that is missing is replaced by its expectation, and its conditional covariance is added (divided by the sum of r u, and
not of r, EM converges faster to the same point: Kent, Tyler and Vardi, 1994). R is the largest distance there is. b is
not estimated: a free exponent takes the tails of right labels for wrong ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from deepgum.posteriors.densities import Part, TailsOfGroup, parts_of

__all__ = ["KINDS", "Fitted", "fit_group"]

KINDS = ("none", "uniform", "radial")
"""Of wrong labels: there are none (the prior is half a sample short of 1, and b = k); b = k; b = 1."""

_FLOOR = 1e-6


@dataclass(frozen=True)
class Fitted:
    """A group's parameters, the log-likelihood of the residuals under them, and the M steps taken."""

    group: TailsOfGroup
    log_likelihood: float
    n_iter: int


def fit_group(
    values: Tensor,
    start: TailsOfGroup,
    kind: str,
    *,
    weight: Tensor | None = None,
    resolution: Tensor | None = None,
    tol: float = 1e-5,
    max_iter: int = 200,
) -> Fitted:
    """Fit one group by EM from `start`, at its degrees of freedom.

    Parameters
    ----------
    values : Tensor (n, k) of float64
        Residuals; NaN where a label is missing.
    start : TailsOfGroup
    kind : {"none", "uniform", "radial"}
        See `KINDS`.
    weight : Tensor (n,), optional
    resolution : Tensor (k,), optional
        Variance of what rounding does to the residuals: right labels vary at least by that. Many residuals that are the
        same number would otherwise be right labels without any variance, and the others wrong.
    tol : float
        EM stops when no parameter moves by more: the prior, and the scale in units of itself.
    max_iter : int

    Examples
    --------
    >>> generator = torch.Generator().manual_seed(0)
    >>> values = torch.randn(2000, 1, generator=generator, dtype=torch.float64)
    >>> values[:400] = 40 * torch.rand(400, 1, generator=generator, dtype=torch.float64) - 20
    >>> start = TailsOfGroup(0.9, torch.eye(1, dtype=torch.float64), math.inf, 1.0, 20.0)
    >>> fitted = fit_group(values, start, "uniform").group
    >>> round(fitted.prior, 2), round(fitted.scale.item(), 1)
    (0.8, 1.0)
    """
    parts = parts_of(values)
    weights = [torch.ones(len(p.rows), dtype=torch.float64) if weight is None else weight[p.rows] for p in parts]
    total = float(sum(each.sum() for each in weights))
    own = start.scale.diagonal()
    floor = torch.diag(_FLOOR * own if resolution is None else torch.minimum(resolution, own).maximum(_FLOOR * own))
    k = values.shape[1]
    certain = 1 - 0.5 / max(total, 1.0)
    group = TailsOfGroup(
        certain if kind == "none" else min(max(start.prior, 1 - certain), certain),
        start.scale,
        start.degrees_of_freedom,
        1.0 if kind == "radial" else float(k),
        start.radius,
    )
    n_iter, likelihood = 0, -math.inf
    while True:
        squared = [group.distance(part) for part in parts]
        radius = math.sqrt(
            max((float(q[w > 0].max()) for q, w in zip(squared, weights, strict=True) if w.any()), default=1.0)
        )
        group = TailsOfGroup(group.prior, group.scale, group.degrees_of_freedom, group.exponent, radius)
        inlier = [group.log_inlier(p, q) for p, q in zip(parts, squared, strict=True)]
        outlier = [group.log_outlier(p, q) for p, q in zip(parts, squared, strict=True)]
        terms = zip(weights, inlier, outlier, strict=True)
        likelihood = sum(float((w * torch.logaddexp(a, b)).sum()) for w, a, b in terms)
        if n_iter == max_iter:
            break
        right = [torch.sigmoid(a - b) for a, b in zip(inlier, outlier, strict=True)]
        after = _m_step(parts, weights, squared, right, group, kind, certain, total, floor)
        n_iter += 1
        moved = _moved(group, after)
        group = after
        if moved < tol:
            break
    return Fitted(group, likelihood, n_iter)


def _m_step(
    parts: list[Part],
    weights: list[Tensor],
    squared: list[Tensor],
    right: list[Tensor],
    group: TailsOfGroup,
    kind: str,
    certain: float,
    total: float,
    floor: Tensor,
) -> TailsOfGroup:
    nu, k = group.degrees_of_freedom, len(group.scale)
    scatter, mass, inside = torch.zeros_like(group.scale), 0.0, 0.0
    for part, w, q, r in zip(parts, weights, squared, right, strict=True):
        o = len(part.seen)
        u = torch.ones_like(q) if math.isinf(nu) else (nu + o) / (nu + q)
        inside += float((w * r).sum())
        mass += float((w * r * u).sum())
        delta = part.values
        if o < k:
            gain, rest = _regression(group.scale, part.seen)
            delta = part.values @ gain.T
            scatter = scatter + float((w * r).sum()) * rest
        scatter = scatter + (delta * (w * r * u)[:, None]).T @ delta
    scale = scatter / mass + floor if mass > 0 else group.scale
    # Of nothing (a bootstrap may count none of a few rows) nothing is learnt.
    held = kind == "none" or not total
    prior = group.prior if held else min(max(inside / total, 1 - certain), certain)
    return TailsOfGroup(prior, scale, nu, group.exponent, group.radius)


def _regression(scale: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Return the (k, o) map from what is seen to the expectation of all, and the covariance (k, k) of what is not."""
    gain = torch.linalg.solve(scale[seen][:, seen], scale[seen]).T
    rest = scale - gain @ scale[seen]
    gain[seen] = torch.eye(len(seen), dtype=scale.dtype)
    rest[seen], rest[:, seen] = 0.0, 0.0
    return gain, rest


def _moved(before: TailsOfGroup, after: TailsOfGroup) -> float:
    deviation = before.scale.diagonal().sqrt()
    scale = (after.scale - before.scale).abs() / deviation[:, None] / deviation[None, :]
    return max(abs(after.prior - before.prior), float(scale.max()))
