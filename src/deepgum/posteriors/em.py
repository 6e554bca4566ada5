"""EM for the mixture of `deepgum.posteriors.group_mixtures`. The choice of the densities is fixed.

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

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from deepgum.posteriors.group_mixtures import GroupMixture, GroupMixtures, PlacedStack, Stack, stacks_of
from deepgum.posteriors.observed import Part, parts_of

__all__ = ["KINDS", "Fitted", "FittedGroups", "fit_group", "fit_groups"]

KINDS = ("none", "uniform", "radial")
"""Kinds of wrong labels: "none" (a prior of 1 minus half a sample, b = k), "uniform" (b = k), "radial" (b = 1)."""

_FLOOR = 1e-6
"""Minimum of the variance that is added to the scale matrix, relative to the scale matrix at the start."""


class Fitted(NamedTuple):
    """The fitted mixture of a group, the log-likelihood of the residuals, and the number of M steps."""

    group: GroupMixture
    log_likelihood: float
    n_iter: int


class FittedGroups(NamedTuple):
    """The fitted mixtures of g groups, the log-likelihoods (g,) of their residuals, and the numbers (g,) of M steps."""

    mixtures: GroupMixtures
    log_likelihood: Tensor
    n_iter: Tensor


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
    >>> from deepgum.posteriors.power_law import PowerLaw
    >>> generator = torch.Generator().manual_seed(0)
    >>> values = torch.randn(2000, 1, generator=generator, dtype=torch.float64)
    >>> values[:400] = 40 * torch.rand(400, 1, generator=generator, dtype=torch.float64) - 20
    >>> start = GroupMixture(0.9, torch.eye(1, dtype=torch.float64), Gaussian(), PowerLaw(exponent=1.0, radius=20.0))
    >>> fitted = fit_group(values, start, "uniform").group
    >>> round(fitted.prior, 2), round(fitted.scale.item(), 1)
    (0.8, 1.0)
    """
    columns = tuple(range(values.shape[1]))
    fitted = fit_groups(
        values, [start], [kind], [columns], weight=weight, resolution=resolution, tol=tol, max_iter=max_iter
    )
    return Fitted(fitted.mixtures.groups[0], fitted.log_likelihood.item(), int(fitted.n_iter))


def fit_groups(
    residuals: Tensor,
    starts: Sequence[GroupMixture],
    kinds: Sequence[str],
    partition: Sequence[Sequence[int]],
    *,
    weight: Tensor | None = None,
    resolution: Tensor | None = None,
    tol: float = 1e-5,
    max_iter: int = 200,
) -> FittedGroups:
    """Fit the mixtures of all groups of residuals (n, d); see `fit_group`. Similar groups are fitted together.

    Groups of `partition` may have the same columns. `weight` has the shape (n,), or (g, n) for weights of each group.
    """
    stacks: list[PlacedStack] = []
    log_likelihood = torch.zeros(len(partition), dtype=torch.float64)
    n_iter = torch.zeros(len(partition), dtype=torch.int64)
    weight = torch.ones(len(residuals), dtype=torch.float64) if weight is None else weight
    keys = [(start.right, kind) for start, kind in zip(starts, kinds, strict=True)]
    for places, columns in stacks_of(keys, partition, len(residuals)):
        fit = _Fit.of(
            residuals[:, columns].transpose(0, 1),
            [starts[place] for place in places],
            kinds[places[0]],
            weight if weight.ndim == 1 else weight[places],
            None if resolution is None else resolution[columns],
        )
        stack, log_likelihood[places], n_iter[places] = fit.run(tol, max_iter)
        stacks.append(PlacedStack(torch.tensor(places), columns, stack))
    return FittedGroups(GroupMixtures(tuple(stacks), tuple(map(tuple, partition))), log_likelihood, n_iter)


@dataclass(frozen=True)
class _Fit:
    """EM for a stack of g groups: the parts of their residuals with weights, and the limits of the parameters.

    Attributes
    ----------
    parts : list of Part
    weights : list of Tensor (g, m)
        Weights of the residuals of each part; 0 where a group has no residual of the part.
    start : Stack
    kind : str
    floor : Tensor (g, k)
        Variance that is added to the scale matrix.
    total, largest_prior : Tensor (g,)
        Sum of the weights of each group, and maximum of its prior.
    """

    parts: list[Part]
    weights: list[Tensor]
    start: Stack
    kind: str
    floor: Tensor
    total: Tensor
    largest_prior: Tensor

    @classmethod
    def of(
        cls, values: Tensor, starts: Sequence[GroupMixture], kind: str, weight: Tensor, resolution: Tensor | None
    ) -> _Fit:
        parts, start = parts_of(values), Stack.of(starts)
        weights = [torch.where(part.present, weight[..., part.rows], 0.0) for part in parts]
        total = sum((each.sum(dim=1) for each in weights), torch.zeros(len(starts), dtype=torch.float64))
        variances = start.scale.diagonal(dim1=-2, dim2=-1)
        floor = _FLOOR * variances
        if resolution is not None:
            floor = torch.minimum(resolution, variances).maximum(floor)
        largest = 1 - 0.5 / total.clamp_min(1.0)
        prior = largest if kind == "none" else torch.minimum(start.prior.maximum(1 - largest), largest)
        exponent = 1.0 if kind == "radial" else float(values.shape[-1])
        return cls(parts, weights, replace(start, prior=prior, exponent=exponent), kind, floor, total, largest)

    def run(self, tol: float, max_iter: int) -> tuple[Stack, Tensor, Tensor]:
        """Return the fitted mixtures of the g groups, their log-likelihoods (g,), and their numbers (g,) of M steps."""
        fit, stack, numbers = self, self.start, torch.arange(len(self.total))
        prior, scale, radius = (torch.empty_like(each) for each in (stack.prior, stack.scale, stack.radius))
        log_likelihood, n_iter = torch.empty_like(self.total), torch.empty_like(numbers)
        for step in range(max_iter + 1):
            squared = [part.squared_distance(stack.scale) for part in fit.parts]
            stack = replace(stack, radius=fit._radius(squared))
            terms = [stack.log_terms(part, q) for part, q in zip(fit.parts, squared, strict=True)]
            if step == max_iter:
                finished = torch.ones(len(numbers), dtype=torch.bool)
            else:
                posterior = [torch.sigmoid(right - wrong) for right, wrong in terms]
                previous, stack = stack, fit._m_step(squared, posterior, stack)
                finished = _change(previous, stack) < tol
            places = finished.nonzero().flatten()
            if len(places):
                done, at = fit._of_groups(places), numbers[places]
                log_likelihood[at] = done._sum([torch.logaddexp(a[places], b[places]) for a, b in terms])
                prior[at], scale[at], radius[at] = stack.prior[places], stack.scale[places], stack.radius[places]
                n_iter[at] = min(step + 1, max_iter)
            if len(places) == len(numbers):
                break
            if len(places):
                left = (~finished).nonzero().flatten()
                fit, stack, numbers = fit._of_groups(left), stack[left], numbers[left]
        return replace(stack, prior=prior, scale=scale, radius=radius), log_likelihood, n_iter

    def _of_groups(self, groups: Tensor) -> _Fit:
        return replace(
            self,
            parts=[part[groups] for part in self.parts],
            weights=[each[groups] for each in self.weights],
            floor=self.floor[groups],
            total=self.total[groups],
            largest_prior=self.largest_prior[groups],
        )

    def _sum(self, values: list[Tensor]) -> Tensor:
        """Return the weighted sum (g,) over all parts of values (g, m)."""
        sums = ((w * v).sum(dim=1) for w, v in zip(self.weights, values, strict=True))
        return sum(sums, torch.zeros_like(self.total))

    def _radius(self, squared: list[Tensor]) -> Tensor:
        """Return the largest distance (g,) of residuals with a weight above 0; 1 if there is none."""
        largest = torch.full_like(self.total, -1.0)
        for w, q in zip(self.weights, squared, strict=True):
            if q.shape[1]:
                largest = largest.maximum(torch.where(w > 0, q, -1.0).amax(dim=1))
        return torch.where(largest < 0, 1.0, largest).sqrt()

    def _m_step(self, squared: list[Tensor], posterior: list[Tensor], stack: Stack) -> Stack:
        k = stack.scale.shape[-1]
        scatter, mass = torch.zeros_like(stack.scale), torch.zeros_like(self.total)
        for part, w, q, r in zip(self.parts, self.weights, squared, posterior, strict=True):
            o = len(part.seen)
            u = stack.right.em_weight(q.flatten(), o).reshape(q.shape)
            right = w * r
            weight = right * u
            mass = mass + (weight if stack.right.has_mean_weight_1 else right).sum(dim=1)
            delta = part.values
            if o < k:
                gain, covariance = part.regression(stack.scale)
                delta = part.values @ gain.mT
                scatter = scatter + right.sum(dim=1)[:, None, None] * covariance
            if k == 1:
                scatter = scatter + (weight * delta[..., 0].square()).sum(dim=1)[:, None, None]
            else:
                scatter = scatter + (delta * weight[..., None]).mT @ delta
        divisor = torch.where(mass > 0, mass, 1.0)[:, None, None]
        scale = torch.where((mass > 0)[:, None, None], scatter / divisor + torch.diag_embed(self.floor), stack.scale)
        if self.kind == "none":
            return replace(stack, scale=scale)
        share = self._sum(posterior) / torch.where(self.total > 0, self.total, 1.0)
        prior = torch.minimum(share.maximum(1 - self.largest_prior), self.largest_prior)
        # A bootstrap replicate of few rows may be empty; the prior is then kept.
        return replace(stack, scale=scale, prior=torch.where(self.total > 0, prior, stack.prior))


def _change(before: Stack, after: Stack) -> Tensor:
    """Return the larger of two changes (g,): of the prior, and of the scale matrix (relative)."""
    deviation = before.scale.diagonal(dim1=-2, dim2=-1).sqrt()
    scale = (after.scale - before.scale).abs() / deviation[:, :, None] / deviation[:, None, :]
    return (after.prior - before.prior).abs().maximum(scale.flatten(1).amax(dim=1))
