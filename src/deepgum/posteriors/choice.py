"""The choice of the densities of right and wrong labels by held-out likelihood, for each group.

The candidates are pairs of a density of right labels and a kind of wrong labels (see `deepgum.posteriors.em`). Each
pair is fitted three times, each time to two of three folds, and scored on the third fold. For the folds, the samples
are sorted by the Mahalanobis distance of the residual, and each fold gets every third sample. So the choice depends
less on chance, and does not depend on the order of the samples.

The chosen kind of wrong labels is "none" unless the best mixture passes two tests. First, the log-likelihood of the
mixture must exceed the log-likelihood of right labels alone by more than twice the standard error of the difference.
Second, right and wrong labels must be far enough apart, with the same limits as for eq. 1: the residuals of wrong
labels spread at least 2.5 times as widely as the residuals of right labels, and a label equal to its prediction is at
least twice as probably right as wrong. Without the second test, residuals with a flat distribution would be described
by a mixture in which half of the labels are wrong.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from deepgum.mixture import GaussianUniformMixture, MixtureStatus
from deepgum.mixture.verdict import LEAST_ODDS
from deepgum.posteriors.densities import Density, Gaussian
from deepgum.posteriors.em import KINDS, fit_groups
from deepgum.posteriors.group_mixtures import MOST_CELLS, GroupMixture, GroupMixtures
from deepgum.posteriors.inliers import AUTO, candidates
from deepgum.posteriors.power_law import PowerLaw
from deepgum.posteriors.rounding import rounding_variance
from deepgum.progress import Progress

__all__ = ["Choice", "choose", "fit_chosen", "resolution_of", "starts"]

FOLDS = 3
LEAST_ROWS = 30
"""Minimum number of labels in a group for held-out scores. With fewer labels, the verdict of eq. 1 is kept."""

ERRORS = 2.0
"""A mixture must have a likelihood this number of standard errors above the likelihood of right labels alone."""

MOST_VALUES = 60_000
"""Maximum of the number of rows times the number of groups, in the part of the residuals that the choice uses."""

MOST_GROUPS = 8
"""Maximum number of groups for which densities are scored. The other groups get the density that is best for these."""


@dataclass(frozen=True)
class Choice:
    """The chosen densities, one per group.

    Attributes
    ----------
    densities : tuple of Density
        Density of right labels.
    kinds : tuple of str
        Kind of wrong labels, from `deepgum.posteriors.em.KINDS`.
    plausible : tuple of mappings of Density to float
        Mapping from each candidate density of right labels to its probability, computed from the held-out likelihoods.
    """

    densities: tuple[Density, ...]
    kinds: tuple[str, ...]
    plausible: tuple[Mapping[Density, float], ...]


def starts(mixture: GaussianUniformMixture, densities: Sequence[Density]) -> list[GroupMixture]:
    """Return the start of EM for each group: prior and covariance of the fitted eq. 1, and the item of `densities`."""
    priors = np.asarray(mixture.inlier_prior_)
    return [
        GroupMixture(float(prior), torch.as_tensor(covariance), density, PowerLaw(float(len(covariance)), 1.0))
        for prior, covariance, density in zip(priors, mixture.covariances_, densities, strict=True)
    ]


def choose(
    residuals: Tensor,
    mixture: GaussianUniformMixture,
    densities: Sequence[Density] | None = None,
    on_progress: Progress | None = None,
    *,
    resolution: Tensor | None = None,
) -> Choice:
    """Choose the densities of each group by held-out likelihood.

    Parameters
    ----------
    residuals : Tensor (n, d) of float64
    mixture : GaussianUniformMixture
        The fit of eq. 1 to these residuals.
    densities : sequence of Density, optional
        Candidates for right labels; by default the candidates of "auto".
    on_progress : callable, optional
        Called as ``on_progress(done, total)`` after each candidate.
    resolution : Tensor (d,), optional
        The result of `resolution_of`; by default, `choose` computes it.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> heavy = torch.from_numpy(rng.standard_t(3, size=(3000, 1)))
    >>> choice = choose(heavy, GaussianUniformMixture().fit(heavy))
    >>> choice.densities, choice.kinds
    ((StudentT(degrees_of_freedom=3.0),), ('none',))
    """
    densities = candidates(AUTO) if densities is None else densities
    resolution = resolution_of(residuals) if resolution is None else resolution
    partition = mixture.partition_
    g = len(partition)
    sample = _evenly_spread(residuals, mixture, max(MOST_VALUES // g, LEAST_ROWS))
    seen = ~sample.isnan().numpy()
    large = [place for place, columns in enumerate(partition) if _count(seen, columns) >= LEAST_ROWS]
    scored = large
    if len(large) > MOST_GROUPS:
        scored = [large[place] for place in np.linspace(0, len(large) - 1, MOST_GROUPS, dtype=int)]
    gaussian_starts = starts(mixture, [Gaussian()] * g)

    def kinds_of(places: Sequence[int], density: Density) -> dict[int, tuple[str, float]]:
        start = [replace(gaussian_starts[place], right=density) for place in places]
        found = _choose_kinds(sample, start, [partition[place] for place in places], resolution, mixture.separation)
        return dict(zip(places, found, strict=True))

    by_density = {}
    for done, density in enumerate(densities, start=1):
        by_density[density] = kinds_of(scored, density)
        if on_progress is not None:
            on_progress(done, len(densities))
    scores = {place: {each: by_density[each][place] for each in densities} for place in scored}
    # The other groups get the density that is best over all scored groups.
    overall = {each: sum(scores[place][each][1] for place in scored) for each in densities}
    best_overall = max(densities, key=lambda each: overall[each])
    others = kinds_of([place for place in large if place not in scores], best_overall)
    chosen, kinds, plausible = [], [], []
    for place in range(g):
        if place in scores:
            totals = {each: scores[place][each][1] for each in densities}
            best = max(densities, key=lambda each: totals[each])
            kind = scores[place][best][0]
        elif place in others:
            totals, best = {each: total / len(scored) for each, total in overall.items()}, best_overall
            kind = others[place][0]
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
    start_mixtures: Sequence[GroupMixture],
    kinds: Sequence[str],
    partition: Sequence[Sequence[int]],
    *,
    weight: Tensor | None = None,
    resolution: Tensor | None = None,
    tol: float = 1e-6,
    max_iter: int = 200,
) -> GroupMixtures:
    """Fit the chosen kinds of wrong labels to all residuals, from `start_mixtures`, all groups together.

    `start_mixtures` holds the chosen densities of right labels. `resolution` (d,) is the result of `resolution_of`.
    """
    return fit_groups(
        residuals,
        start_mixtures,
        kinds,
        partition,
        weight=weight,
        resolution=resolution,
        tol=tol,
        max_iter=max_iter,
    ).mixtures


def resolution_of(residuals: Tensor) -> Tensor:
    """Return the variance (d,) of the rounding errors of residuals (n, d)."""
    return torch.from_numpy(rounding_variance(residuals.numpy()))


def _evenly_spread(residuals: Tensor, mixture: GaussianUniformMixture, most: int) -> Tensor:
    """Return at most `most` rows of the residuals, evenly spread from the smallest to the largest distance."""
    if len(residuals) <= most:
        return residuals
    blocks = torch.split(residuals, max(1, MOST_CELLS // residuals.shape[1]))
    distances = torch.cat([torch.as_tensor(mixture.mahalanobis(each)).nan_to_num().sum(dim=1) for each in blocks])
    places = torch.linspace(0, len(residuals) - 1, most).round().to(torch.int64)
    return residuals[distances.argsort(stable=True)[places]]


def _count(seen: np.ndarray, columns: Sequence[int]) -> int:
    """Return the number of rows in which at least one of these columns is observed."""
    return int(np.count_nonzero(seen[:, columns[0]] if len(columns) == 1 else seen[:, list(columns)].any(axis=1)))


def _choose_kinds(
    residuals: Tensor,
    start: Sequence[GroupMixture],
    partition: Sequence[Sequence[int]],
    resolution: Tensor,
    separation: float,
) -> list[tuple[str, float]]:
    """Return the pair (kind, held-out log-likelihood) of the chosen kind of wrong labels, for each group."""
    if not partition:
        return []
    # In one dimension "uniform" and "radial" are the same.
    kinds = {kind: [place for place, columns in enumerate(partition) if _is_tried(kind, columns)] for kind in KINDS}
    order = GroupMixtures.of(start, partition).mahalanobis(residuals).argsort(dim=0, stable=True)
    held_out: dict[str, list[Tensor]] = {kind: [] for kind in KINDS}
    is_mixture = {kind: np.isin(np.arange(len(partition)), kinds[kind]) for kind in KINDS[1:]}
    for fold in range(FOLDS):
        outside = torch.arange(len(residuals)) % FOLDS == fold
        inside_rows, outside_rows = order[~outside].sort(dim=0).values, order[outside].sort(dim=0).values
        for kind, places in kinds.items():
            if not places:
                continue
            values, columns, own = _by_group(residuals, inside_rows, partition, places)
            mixtures = fit_chosen(
                values, [start[place] for place in places], [kind] * len(places), own,
                resolution=resolution[columns], tol=1e-3, max_iter=50,
            )  # fmt: skip
            if kind in is_mixture:
                is_mixture[kind][places] &= _are_mixtures(mixtures, separation)
            values, _, _ = _by_group(residuals, outside_rows, partition, places)
            density = torch.zeros(len(values), len(partition), dtype=torch.float64)
            density[:, places] = mixtures.log_density(values)
            held_out[kind].append(density)
    scores = {kind: torch.cat(found).numpy() for kind, found in held_out.items() if found}
    totals = {kind: score.sum(axis=0) for kind, score in scores.items()}
    # The best mixture of each group; right labels alone, if no kind of wrong labels is far enough from them.
    best = np.full(len(partition), "none", dtype=object)
    best_score, best_total = scores["none"].copy(), np.full(len(partition), -np.inf)
    for kind in sorted(scores.keys() & is_mixture.keys()):
        better = is_mixture[kind] & (totals[kind] > best_total)
        best[better], best_score[:, better] = kind, scores[kind][:, better]
        best_total[better] = totals[kind][better]
    gain = best_score - scores["none"]
    error = math.sqrt(len(gain)) * gain.std(axis=0, ddof=1)
    chosen = np.where(gain.sum(axis=0) > ERRORS * error, best, "none").tolist()
    return [(kind, float(totals[kind][place])) for place, kind in enumerate(chosen)]


def _is_tried(kind: str, columns: Sequence[int]) -> bool:
    return len(columns) > 1 or kind in KINDS[:2]


def _by_group(
    residuals: Tensor, rows: Tensor, partition: Sequence[Sequence[int]], places: Sequence[int]
) -> tuple[Tensor, Tensor, list[list[int]]]:
    """Return the residuals (m, c) of some groups in rows (m, g) that differ from group to group.

    Also return the columns (c,) of these groups, and the groups as a partition of c columns.
    """
    columns = torch.tensor([column for place in places for column in partition[place]])
    owners = torch.tensor([place for place in places for _ in partition[place]])
    ends = np.cumsum([len(partition[place]) for place in places]).tolist()
    own = [list(range(end - len(partition[place]), end)) for place, end in zip(places, ends, strict=True)]
    return residuals[rows[:, owners], columns], columns, own


def _are_mixtures(mixtures: GroupMixtures, separation: float) -> np.ndarray:
    """Return whether right and wrong labels are far enough apart, for each group; see the module docstring."""
    columns = sum(map(len, mixtures.partition))
    log_odds = mixtures.log_odds(torch.zeros(1, columns, dtype=torch.float64))[0].numpy()
    far_enough = np.zeros(len(mixtures.partition), dtype=bool)
    for places, _, stack in mixtures.stacks:
        k, b = stack.scale.shape[-1], stack.exponent
        # Standard deviation of a coordinate of wrong labels, if the distance d has the density b d^(b - 1) / R^b.
        wrong_deviation = stack.radius * math.sqrt(b / (b + 2) / k)
        far_enough[places] = wrong_deviation >= separation * math.sqrt(stack.right.variance(k))
    return far_enough & (log_odds >= math.log(LEAST_ODDS))
