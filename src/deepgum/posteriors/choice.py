"""The choice of densities by held-out likelihood, group by group: that of right labels, and whether any are wrong.

The candidates are densities of right labels, each with the kinds of wrong labels of `deepgum.posteriors.em`. Each pair
is fitted to two thirds of the samples and scored on the last third, three times. The folds are dealt in the order of
the distance from the prediction. So the choice depends less on chance, and not at all on the order of samples.

A group has no wrong labels unless the best mixture passes two tests. It is better than right labels alone by more than
twice the standard error of the difference. And its two parts are far enough apart, as in eq. 1: wrong labels are 2.5
times as wide as right ones, and a residual of 0 is at least twice as likely right as wrong. Without the second test
flat residuals would be a mixture of two densities, and half of them wrong.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from deepgum.mixture import GaussianUniformMixture, MixtureStatus
from deepgum.mixture.verdict import LEAST_ODDS
from deepgum.posteriors.densities import Density, Gaussian
from deepgum.posteriors.em import KINDS, fit_group
from deepgum.posteriors.group_mixtures import GroupMixture, GroupMixtures
from deepgum.posteriors.inliers import AUTO, candidates
from deepgum.posteriors.observed import Part
from deepgum.posteriors.power_law import PowerLaw
from deepgum.posteriors.rounding import rounding_variance

__all__ = ["Choice", "choose", "fit_chosen", "resolution_of", "starts"]

FOLDS = 3
LEAST_ROWS = 30
"""Least number of labels of a group of which some can be held out. Below it the verdict of eq. 1 stands."""

ERRORS = 2.0
"""Number of standard errors by which a mixture has to be better than right labels alone."""

MOST_VALUES = 60_000
MOST_GROUPS = 8


@dataclass(frozen=True)
class Choice:
    """The densities that were chosen, one per group.

    Attributes
    ----------
    densities : tuple of Density
        Density of right labels.
    kinds : tuple of str
        Kind of wrong labels; one of `deepgum.posteriors.em.KINDS`.
    plausible : tuple of mappings of Density to float
        The probability of each candidate, if no other existed: by its held-out log-likelihood.
    """

    densities: tuple[Density, ...]
    kinds: tuple[str, ...]
    plausible: tuple[Mapping[Density, float], ...]


def starts(mixture: GaussianUniformMixture, densities: Sequence[Density]) -> list[GroupMixture]:
    """Return where EM begins, one per group: the inliers of a fitted eq. 1."""
    priors = np.asarray(mixture.inlier_prior_)
    return [
        GroupMixture(float(prior), torch.as_tensor(covariance), density, PowerLaw(float(len(covariance)), 1.0))
        for prior, covariance, density in zip(priors, mixture.covariances_, densities, strict=True)
    ]


def choose(residuals: Tensor, mixture: GaussianUniformMixture, densities: Sequence[Density] | None = None) -> Choice:
    """Choose by held-out likelihood.

    Parameters
    ----------
    residuals : Tensor (n, d) of float64
    mixture : GaussianUniformMixture
        Fitted to them.
    densities : sequence of Density, optional
        Candidates for right labels; by default those of "auto".

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> heavy = torch.from_numpy(rng.standard_t(3, size=(3000, 1)))
    >>> choice = choose(heavy, GaussianUniformMixture().fit(heavy))
    >>> choice.densities, choice.kinds
    ((StudentT(degrees_of_freedom=3.0),), ('none',))
    """
    densities = candidates(AUTO) if densities is None else densities
    partition, resolution = mixture.partition_, resolution_of(residuals)
    g = len(partition)
    sample = _evenly_spread(residuals, mixture, max(MOST_VALUES // g, LEAST_ROWS))
    able = [place for place, columns in enumerate(partition) if _observed(sample, columns) >= LEAST_ROWS]
    asked = able
    if len(able) > MOST_GROUPS:
        asked = [able[place] for place in np.linspace(0, len(able) - 1, MOST_GROUPS, dtype=int)]

    def kind_of(columns: Sequence[int], start: GroupMixture) -> tuple[str, float]:
        return _choose_kind(sample[:, list(columns)], start, resolution[list(columns)], mixture.separation)

    begin = {density: starts(mixture, [density] * g) for density in densities}
    scores = {place: {each: kind_of(partition[place], begin[each][place]) for each in densities} for place in asked}
    # Groups that are not asked get the density that is best over all groups that are.
    over_all = {each: sum(scores[place][each][1] for place in asked) for each in densities}
    usual = max(densities, key=lambda each: over_all[each])
    chosen, kinds, plausible = [], [], []
    for place, columns in enumerate(partition):
        if place in scores:
            totals = {each: scores[place][each][1] for each in densities}
            best = max(densities, key=lambda each: totals[each])
            kind = scores[place][best][0]
        elif place in able:
            totals, best = {each: total / len(asked) for each, total in over_all.items()}, usual
            kind = kind_of(columns, begin[best][place])[0]
        else:
            best = Gaussian()
            totals = {best: 0.0}
            kind = "none" if mixture.status_[place] is MixtureStatus.NO_OUTLIERS else "uniform"
        weights = {each: math.exp(total - totals[best]) for each, total in totals.items()}
        chosen.append(best)
        kinds.append(kind)
        plausible.append({each: weight / sum(weights.values()) for each, weight in weights.items()})
    return Choice(tuple(chosen), tuple(kinds), tuple(plausible))


def fit_chosen(
    residuals: Tensor,
    begin: Sequence[GroupMixture],
    kinds: Sequence[str],
    partition: Sequence[Sequence[int]],
    *,
    weight: Tensor | None = None,
    resolution: Tensor | None = None,
    tol: float = 1e-6,
    max_iter: int = 200,
) -> GroupMixtures:
    """Fit the chosen densities to all residuals, group by group; `resolution` (d,) is that of `resolution_of`."""
    fitted = (
        fit_group(
            residuals[:, list(columns)],
            start,
            kind,
            weight=weight,
            resolution=None if resolution is None else resolution[list(columns)],
            tol=tol,
            max_iter=max_iter,
        ).group
        for columns, start, kind in zip(partition, begin, kinds, strict=True)
    )
    return GroupMixtures(tuple(fitted), tuple(map(tuple, partition)))


def resolution_of(residuals: Tensor) -> Tensor:
    """Return the variance (d,) of the rounding of residuals (n, d)."""
    return torch.from_numpy(rounding_variance(residuals.numpy()))


def _evenly_spread(residuals: Tensor, mixture: GaussianUniformMixture, most: int) -> Tensor:
    """Return at most this number of rows, evenly spread from the nearest to the farthest."""
    if len(residuals) <= most:
        return residuals
    distances = torch.as_tensor(mixture.mahalanobis(residuals)).nan_to_num().sum(dim=1)
    places = torch.linspace(0, len(residuals) - 1, most).round().to(torch.int64)
    return residuals[distances.argsort(stable=True)[places]]


def _observed(residuals: Tensor, columns: Sequence[int]) -> int:
    return int((~residuals[:, list(columns)].isnan()).any(dim=1).sum())


def _choose_kind(values: Tensor, start: GroupMixture, resolution: Tensor, separation: float) -> tuple[str, float]:
    """Return the kind of wrong labels that is chosen for a group, and its held-out log-likelihood."""
    kinds = KINDS if values.shape[1] > 1 else KINDS[:2]  # in one dimension both kinds of mixture are the same
    mixtures = set(kinds[1:])
    held_out = {kind: torch.zeros(len(values), dtype=torch.float64) for kind in kinds}
    columns = tuple(range(values.shape[1]))
    order = GroupMixtures((start,), (columns,)).mahalanobis(values)[:, 0].argsort(stable=True)
    fold = torch.empty(len(values), dtype=torch.int64)
    fold[order] = torch.arange(len(values)) % FOLDS
    for each in range(FOLDS):
        inside = fold != each
        for kind in kinds:
            group = fit_group(values[inside], start, kind, resolution=resolution, tol=1e-3, max_iter=50).group
            if not _is_mixture(group, separation):
                mixtures.discard(kind)
            held_out[kind][~inside] = GroupMixtures((group,), (columns,)).log_density(values[~inside])[:, 0]
    if not mixtures:
        return "none", float(held_out["none"].sum())
    best = max(sorted(mixtures), key=lambda kind: float(held_out[kind].sum()))
    gain = held_out[best] - held_out["none"]
    error = math.sqrt(len(gain)) * float(gain.std())
    chosen = best if float(gain.sum()) > ERRORS * error else "none"
    return chosen, float(held_out[chosen].sum())


def _is_mixture(group: GroupMixture, separation: float) -> bool:
    """Whether right and wrong labels are far enough apart; see the head of this module."""
    k, b = len(group.scale), group.wrong.exponent
    # Standard deviation of a coordinate of wrong labels whose distance has the density b d^(b - 1) / R^b.
    wrong = group.wrong.radius * math.sqrt(b / (b + 2) / k)
    nothing = Part(torch.zeros(1, dtype=torch.int64), torch.arange(k), torch.zeros(1, k, dtype=torch.float64))
    squared = group.squared_distance(nothing)
    odds = float(group.log_right(nothing, squared) - group.log_wrong(nothing, squared))
    return wrong >= separation * math.sqrt(group.right.variance(k)) and odds >= math.log(LEAST_ODDS)
