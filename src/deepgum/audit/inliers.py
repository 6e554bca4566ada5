"""Which densities suit a set of residuals, by held-out likelihood: how heavy the tails of right labels are, and whether
there are wrong labels at all, group by group.

The candidates are those of `deepgum.mixture.tails_em`. Each is fitted to two thirds of the samples and scored on the
last, three times. A group is said to have no wrong labels unless the best mixture is better by more than the standard
error of the difference. The degrees of freedom are one number for all groups, since the groups of a sample share its
scale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from deepgum.mixture import GaussianUniformMixture, MixtureStatus
from deepgum.mixture.tails import Tails, TailsOfGroup
from deepgum.mixture.tails_em import KINDS, fit_group

__all__ = ["DEGREES_OF_FREEDOM", "Choice", "choose", "fit_chosen", "starts"]

DEGREES_OF_FREEDOM = (math.inf, 20.0, 10.0, 7.0, 5.0, 4.0, 3.0, 2.5, 2.0)
"""Candidates; infinite is a Gaussian."""

FOLDS = 3
LEAST_ROWS = 30
"""Below so many observed labels nothing can be held out: the verdict of the Gaussian-uniform mixture stands."""

MOST_VALUES = 60_000
MOST_GROUPS = 8


@dataclass(frozen=True)
class Choice:
    """What was chosen.

    Attributes
    ----------
    degrees_of_freedom : float
    kinds : tuple of str, one a group
        Of `deepgum.mixture.tails_em.KINDS`.
    held_out : dict of float to float
        Mean held-out log density of a label under the best kinds, for each number of degrees of freedom.
    plausible : dict of float to float
        How probable each is, were they the only ones: by the held-out log-likelihood.
    """

    degrees_of_freedom: float
    kinds: tuple[str, ...]
    held_out: dict[float, float]
    plausible: dict[float, float]


def starts(mixture: GaussianUniformMixture, degrees_of_freedom: float) -> list[TailsOfGroup]:
    """Return where EM begins: the Gaussian-uniform mixture's inliers, group by group."""
    priors = np.asarray(mixture.inlier_prior_)
    return [
        TailsOfGroup(float(prior), torch.as_tensor(covariance), degrees_of_freedom, float(len(covariance)), 1.0)
        for prior, covariance in zip(priors, mixture.covariances_, strict=True)
    ]


def choose(
    residuals: Tensor, mixture: GaussianUniformMixture, candidates: Sequence[float] = DEGREES_OF_FREEDOM, seed: int = 0
) -> Choice:
    """Choose by held-out likelihood.

    Parameters
    ----------
    residuals : Tensor (n, d) of float64
    mixture : GaussianUniformMixture
        Fitted to them.
    candidates : sequence of float
        Degrees of freedom.
    seed : int
        Of the rows that are looked at, where there are many, and of the folds.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> heavy = torch.from_numpy(rng.standard_t(3, size=(3000, 1)))
    >>> choice = choose(heavy, GaussianUniformMixture().fit(heavy))
    >>> choice.degrees_of_freedom, choice.kinds
    (3.0, ('none',))
    """
    partition = mixture.partition_
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(residuals), generator=generator)[: max(MOST_VALUES // len(partition), LEAST_ROWS)]
    sample = residuals[order]
    fold = torch.arange(len(sample)) % FOLDS
    scores: dict[float, dict[int, tuple[str, float]]] = {nu: {} for nu in candidates}
    able = [place for place, columns in enumerate(partition) if _observed(sample, columns) >= LEAST_ROWS]
    asked = able
    if len(able) > MOST_GROUPS:
        asked = [able[place] for place in np.linspace(0, len(able) - 1, MOST_GROUPS, dtype=int)]
    for nu in candidates:
        begin = starts(mixture, nu)
        for place in asked:
            scores[nu][place] = _best(sample[:, list(partition[place])], begin[place], fold)
    count = sum(_observed(sample, partition[place]) for place in asked)
    totals = {nu: sum(total for _, total in scores[nu].values()) for nu in candidates}
    best = max(totals, key=lambda nu: totals[nu])
    weights = {nu: math.exp(totals[nu] - totals[best]) for nu in candidates}
    kinds = []
    begin = starts(mixture, best)
    for place, columns in enumerate(partition):
        if place in scores[best]:
            kinds.append(scores[best][place][0])
        elif place in able:
            kinds.append(_best(sample[:, list(columns)], begin[place], fold)[0])
        else:
            kinds.append("none" if mixture.status_[place] is MixtureStatus.NO_OUTLIERS else "uniform")
    return Choice(
        degrees_of_freedom=best,
        kinds=tuple(kinds),
        held_out={nu: totals[nu] / max(count, 1) for nu in candidates},
        plausible={nu: weight / sum(weights.values()) for nu, weight in weights.items()},
    )


def fit_chosen(
    residuals: Tensor,
    begin: Sequence[TailsOfGroup],
    kinds: Sequence[str],
    partition: Sequence[Sequence[int]],
    *,
    weight: Tensor | None = None,
    tol: float = 1e-6,
    max_iter: int = 200,
) -> Tails:
    """Fit the chosen densities to all residuals, group by group."""
    fitted = (
        fit_group(residuals[:, list(columns)], start, kind, weight=weight, tol=tol, max_iter=max_iter).group
        for columns, start, kind in zip(partition, begin, kinds, strict=True)
    )
    return Tails(tuple(fitted), tuple(map(tuple, partition)))


def _observed(residuals: Tensor, columns: Sequence[int]) -> int:
    return int((~residuals[:, list(columns)].isnan()).any(dim=1).sum())


def _best(values: Tensor, start: TailsOfGroup, fold: Tensor) -> tuple[str, float]:
    """Return the kind that is chosen for a group, and its held-out log-likelihood."""
    kinds = KINDS if values.shape[1] > 1 else KINDS[:2]  # in one dimension both kinds of mixture are the same
    held_out = {kind: torch.zeros(len(values), dtype=torch.float64) for kind in kinds}
    columns = tuple(range(values.shape[1]))
    for each in range(FOLDS):
        inside = fold != each
        for kind in kinds:
            group = fit_group(values[inside], start, kind, tol=1e-3, max_iter=50).group
            held_out[kind][~inside] = Tails((group,), (columns,)).log_density(values[~inside])[:, 0]
    best = max(kinds[1:], key=lambda kind: float(held_out[kind].sum()))
    gain = held_out[best] - held_out["none"]
    error = math.sqrt(len(gain)) * float(gain.std())
    chosen = best if float(gain.sum()) > error else "none"
    return chosen, float(held_out[chosen].sum())
