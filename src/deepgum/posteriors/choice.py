"""Which densities suit a set of residuals, by held-out likelihood: how heavy the tails of right labels are, and whether
there are wrong labels at all, group by group.

The candidates are those of `deepgum.posteriors.em`. Each is fitted to two thirds of the samples and scored on the
last, three times. The thirds are dealt in the order of the distance from the prediction: the choice is then less a
matter of luck, and does not depend on the order of samples.

A group is said to have no wrong labels unless the best mixture is better by more than twice the standard error of the
difference, and is one of right labels and wrong ones, as is asked of eq. 1: wrong ones are 2.5 times as wide, and
a residual of 0 is twice as likely right. Flat residuals would be two densities otherwise, and half of them wrong.
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
from deepgum.posteriors.densities import Part, Tails, TailsOfGroup, student_variance
from deepgum.posteriors.em import KINDS, fit_group
from deepgum.posteriors.rounding import rounding_variance

__all__ = ["DEGREES_OF_FREEDOM", "Choice", "choose", "fit_chosen", "resolution_of", "starts"]

DEGREES_OF_FREEDOM = (math.inf, 20.0, 10.0, 7.0, 5.0, 4.0, 3.0, 2.5, 2.0)
"""Candidates; infinite is a Gaussian."""

FOLDS = 3
LEAST_ROWS = 30
"""Below so many observed labels nothing can be held out: the verdict of the Gaussian-uniform mixture stands."""

ERRORS = 2.0
"""Standard errors by which a mixture has to be better than right labels alone."""

MOST_VALUES = 60_000
MOST_GROUPS = 8


@dataclass(frozen=True)
class Choice:
    """What was chosen, group by group.

    Attributes
    ----------
    degrees_of_freedom : tuple of float
    kinds : tuple of str
        Of `deepgum.posteriors.em.KINDS`.
    plausible : tuple of mappings of float to float
        How probable each number of degrees of freedom is, were these the only ones: by the held-out log-likelihood.
    """

    degrees_of_freedom: tuple[float, ...]
    kinds: tuple[str, ...]
    plausible: tuple[Mapping[float, float], ...]


def starts(mixture: GaussianUniformMixture, degrees_of_freedom: Sequence[float]) -> list[TailsOfGroup]:
    """Return where EM begins: the Gaussian-uniform mixture's inliers, group by group."""
    priors = np.asarray(mixture.inlier_prior_)
    return [
        TailsOfGroup(float(prior), torch.as_tensor(covariance), nu, float(len(covariance)), 1.0)
        for prior, covariance, nu in zip(priors, mixture.covariances_, degrees_of_freedom, strict=True)
    ]


def choose(
    residuals: Tensor, mixture: GaussianUniformMixture, candidates: Sequence[float] = DEGREES_OF_FREEDOM
) -> Choice:
    """Choose by held-out likelihood.

    Parameters
    ----------
    residuals : Tensor (n, d) of float64
    mixture : GaussianUniformMixture
        Fitted to them.
    candidates : sequence of float
        Degrees of freedom.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> heavy = torch.from_numpy(rng.standard_t(3, size=(3000, 1)))
    >>> choice = choose(heavy, GaussianUniformMixture().fit(heavy))
    >>> choice.degrees_of_freedom, choice.kinds
    ((3.0,), ('none',))
    """
    partition, resolution = mixture.partition_, resolution_of(residuals)
    g = len(partition)
    sample = _spread_evenly(residuals, mixture, max(MOST_VALUES // g, LEAST_ROWS))
    able = [place for place, columns in enumerate(partition) if _observed(sample, columns) >= LEAST_ROWS]
    asked = able
    if len(able) > MOST_GROUPS:
        asked = [able[place] for place in np.linspace(0, len(able) - 1, MOST_GROUPS, dtype=int)]

    def kind_of(columns: Sequence[int], start: TailsOfGroup) -> tuple[str, float]:
        return _choose_kind(sample[:, list(columns)], start, resolution[list(columns)], mixture.separation)

    begin = {nu: starts(mixture, [nu] * g) for nu in candidates}
    scores = {place: {nu: kind_of(partition[place], begin[nu][place]) for nu in candidates} for place in asked}
    # For groups that were not asked, what the others come to together.
    together = {nu: sum(scores[place][nu][1] for place in asked) for nu in candidates}
    usual = max(candidates, key=lambda nu: together[nu])
    chosen, kinds, plausible = [], [], []
    for place, columns in enumerate(partition):
        if place in scores:
            totals = {nu: scores[place][nu][1] for nu in candidates}
            best = max(candidates, key=lambda nu: totals[nu])
            kind = scores[place][best][0]
        elif place in able:
            totals, best = {nu: total / len(asked) for nu, total in together.items()}, usual
            kind = kind_of(columns, begin[best][place])[0]
        else:
            totals, best = {math.inf: 0.0}, math.inf
            kind = "none" if mixture.status_[place] is MixtureStatus.NO_OUTLIERS else "uniform"
        weights = {nu: math.exp(total - totals[best]) for nu, total in totals.items()}
        chosen.append(best)
        kinds.append(kind)
        plausible.append({nu: weight / sum(weights.values()) for nu, weight in weights.items()})
    return Choice(tuple(chosen), tuple(kinds), tuple(plausible))


def fit_chosen(
    residuals: Tensor,
    begin: Sequence[TailsOfGroup],
    kinds: Sequence[str],
    partition: Sequence[Sequence[int]],
    *,
    weight: Tensor | None = None,
    resolution: Tensor | None = None,
    tol: float = 1e-6,
    max_iter: int = 200,
) -> Tails:
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
    return Tails(tuple(fitted), tuple(map(tuple, partition)))


def resolution_of(residuals: Tensor) -> Tensor:
    """Return the variance (d,) of what rounding does to residuals (n, d)."""
    return torch.from_numpy(rounding_variance(residuals.numpy()))


def _spread_evenly(residuals: Tensor, mixture: GaussianUniformMixture, most: int) -> Tensor:
    """Return so many rows at the most, evenly spread from the nearest to the farthest."""
    if len(residuals) <= most:
        return residuals
    distances = torch.as_tensor(mixture.mahalanobis(residuals)).nan_to_num().sum(dim=1)
    places = torch.linspace(0, len(residuals) - 1, most).round().to(torch.int64)
    return residuals[distances.argsort(stable=True)[places]]


def _observed(residuals: Tensor, columns: Sequence[int]) -> int:
    return int((~residuals[:, list(columns)].isnan()).any(dim=1).sum())


def _choose_kind(values: Tensor, start: TailsOfGroup, resolution: Tensor, separation: float) -> tuple[str, float]:
    """Return the kind that is chosen for a group, and its held-out log-likelihood."""
    kinds = KINDS if values.shape[1] > 1 else KINDS[:2]  # in one dimension both kinds of mixture are the same
    mixtures = set(kinds[1:])
    held_out = {kind: torch.zeros(len(values), dtype=torch.float64) for kind in kinds}
    columns = tuple(range(values.shape[1]))
    order = Tails((start,), (columns,)).mahalanobis(values)[:, 0].argsort(stable=True)
    fold = torch.empty(len(values), dtype=torch.int64)
    fold[order] = torch.arange(len(values)) % FOLDS
    for each in range(FOLDS):
        inside = fold != each
        for kind in kinds:
            group = fit_group(values[inside], start, kind, resolution=resolution, tol=1e-3, max_iter=50).group
            if not _is_mixture(group, separation):
                mixtures.discard(kind)
            held_out[kind][~inside] = Tails((group,), (columns,)).log_density(values[~inside])[:, 0]
    if not mixtures:
        return "none", float(held_out["none"].sum())
    best = max(sorted(mixtures), key=lambda kind: float(held_out[kind].sum()))
    gain = held_out[best] - held_out["none"]
    error = math.sqrt(len(gain)) * float(gain.std())
    chosen = best if float(gain.sum()) > ERRORS * error else "none"
    return chosen, float(held_out[chosen].sum())


def _is_mixture(group: TailsOfGroup, separation: float) -> bool:
    """Whether a fit tells right labels from wrong ones; see the head of this module."""
    k, b = len(group.scale), group.exponent
    # A coordinate of wrong labels whose distance has the density b d^(b - 1) / R^b.
    wrong = group.radius * math.sqrt(b / (b + 2) / k)
    nothing = Part(torch.zeros(1, dtype=torch.int64), torch.arange(k), torch.zeros(1, k, dtype=torch.float64))
    squared = group.distance(nothing)
    odds = float(group.log_inlier(nothing, squared) - group.log_outlier(nothing, squared))
    return wrong >= separation * math.sqrt(student_variance(group.degrees_of_freedom)) and odds >= math.log(LEAST_ODDS)
