"""The share of wrong labels, with an interval from a bootstrap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from deepgum.posteriors.choice import fit_chosen
from deepgum.posteriors.densities import Density
from deepgum.posteriors.group_mixtures import GroupMixtures
from deepgum.progress import Progress

__all__ = ["Share", "shares_of"]

LEVEL = 0.95
MOST_GROUPS = 20_000
"""Maximum number of groups, over several replicates of the bootstrap, that are fitted at once."""

REPLICATES = 100
"""Number of replicates of the bootstrap."""
MOST_VALUES = 100_000


@dataclass(frozen=True)
class Share:
    """An estimated share of wrong labels.

    Attributes
    ----------
    estimate, low, high : float
        The share (`estimate`), and the lower end (`low`) and upper end (`high`) of its interval, all in [0, 1].
    level : float
        The probability that such an interval contains the true share.
    """

    estimate: float
    low: float
    high: float
    level: float = LEVEL


def shares_of(
    residuals: Tensor,
    mixtures: GroupMixtures,
    kinds: Sequence[str],
    is_known: Sequence[bool],
    plausible: Sequence[Mapping[Density, float]],
    seed: int,
    *,
    resolution: Tensor | None = None,
    replicates: int = REPLICATES,
    on_progress: Progress | None = None,
) -> tuple[tuple[Share | None, ...], Share | None]:
    """Return the pair (shares, share): the share of wrong labels in each group, and in all groups together.

    In each replicate of the bootstrap, the weight of a sample is a random Poisson number, and the density of right
    labels is drawn with the probabilities `plausible`. All groups of a sample have the same weight, because a hard
    sample is hard in all groups: with independent weights, intervals would be too narrow. The intervals do not contain
    the variation between networks.

    Parameters
    ----------
    residuals : Tensor (n, d)
    mixtures : GroupMixtures
        The mixtures that were fitted to these residuals.
    kinds : sequence of str, one per group
        Kind of wrong labels. For "none", the share of wrong labels is computed from the flagged labels.
    is_known : sequence of bool, one per group
        Whether the share can be estimated. If not, the share is None, and the share of all groups ignores this group.
    plausible : sequence of mappings of Density to float, one per group
        Mapping from each candidate density of right labels to its probability.
    seed : int
        Seed of the bootstrap.
    resolution : Tensor (d,), optional
        Variance of rounding errors; see `fit_chosen`.
    replicates : int
        Number of replicates of the bootstrap. With 0 replicates, there is no interval: `low` and `high` are equal.
    on_progress : callable, optional
        Called as ``on_progress(done, total)`` after each replicate.

    Examples
    --------
    >>> from deepgum.posteriors.label_mixture import LabelMixture
    >>> rng = np.random.default_rng(0)
    >>> residuals = np.where(rng.random((2000, 1)) < 0.2, rng.uniform(-30, 30, (2000, 1)), rng.normal(size=(2000, 1)))
    >>> share = LabelMixture.fit(residuals).share
    >>> bool(share.low < 0.2 < share.high), bool(share.high - share.low < 0.06)
    (True, True)
    """
    labels = _labels(residuals, mixtures)
    # If right labels alone describe the residuals, the flagged labels are still too far away for this density.
    flagged = _flagged(residuals, mixtures)
    estimates = np.array(
        [
            count / max(n_labels, 1) if kind == "none" else 1 - prior
            for kind, prior, count, n_labels in zip(kinds, mixtures.prior.tolist(), flagged, labels, strict=True)
        ]
    )
    generator = torch.Generator().manual_seed(seed)
    size = max(1, MOST_VALUES // len(kinds))
    sample = residuals[torch.randperm(len(residuals), generator=generator)[:size]]
    mixed = [place for place, kind in enumerate(kinds) if kind != "none" and is_known[place]]
    draws = np.zeros((max(replicates, 1), len(kinds)))

    if mixed and replicates:
        draw = _Draws([plausible[place] for place in mixed])
        # Replicates of few groups are fitted together: as if their groups were groups of one data set.
        at_once = max(1, MOST_GROUPS // len(mixed))
        for first in range(0, replicates, at_once):
            some = draws[first : first + at_once]
            drawn = [
                (torch.poisson(ones, generator=generator), draw(generator))
                for ones in [torch.ones(len(sample), dtype=torch.float64)] * len(some)
            ]
            start = [
                replace(mixtures.groups[place], right=density)
                for _, densities in drawn
                for place, density in zip(mixed, densities, strict=True)
            ]
            fitted = fit_chosen(
                sample, start,
                [kinds[p] for p in mixed] * len(some), [mixtures.partition[p] for p in mixed] * len(some),
                weight=torch.stack([counts for counts, _ in drawn]).repeat_interleave(len(mixed), dim=0),
                resolution=resolution, tol=1e-3, max_iter=30,
            )  # fmt: skip
            some[:, mixed] = 1 - fitted.prior.reshape(len(some), len(mixed)).numpy()
            if on_progress is not None:
                on_progress(first + len(some), replicates)
    # Intervals from a part of the rows are too wide, so divide them by the square root of (all rows / this part).
    shrink = np.sqrt(len(sample) / len(residuals))
    spreads = _spread(draws)
    counts_by_group = [count if kind == "none" else None for kind, count in zip(kinds, flagged, strict=True)]
    shares = tuple(
        _share(estimate, spread, shrink, n_labels, count) if known and n_labels else None
        for estimate, spread, known, n_labels, count in zip(
            estimates, spreads.T, is_known, labels, counts_by_group, strict=True
        )
    )
    part = labels * np.array(is_known)
    if not part.any():
        return shares, None
    total = int(part.sum())
    part = part / total
    # If no group with a known share has a mixture, the share of all groups is computed from a count too.
    count_alone = None if mixed else float(flagged @ np.array(is_known))
    return shares, _share(float(estimates @ part), _spread(draws @ part), shrink, total, count_alone)


class _Draws:
    """Random draws of one density per group, with the probabilities of the densities."""

    def __init__(self, plausible: Sequence[Mapping[Density, float]]) -> None:
        self._densities = [list(each) for each in plausible]
        # Runs of groups with equally many densities are drawn together, in the same order as one by one.
        sizes = [len(each) for each in self._densities]
        ends = [place + 1 for place, size in enumerate(sizes) if sizes[place + 1 : place + 2] != [size]]
        starts = [0, *ends[:-1]]
        self._weights = [
            torch.tensor([list(each.values()) for each in plausible[start:end]], dtype=torch.float64)
            for start, end in zip(starts, ends, strict=True)
        ]

    def __call__(self, generator: torch.Generator) -> list[Density]:
        drawn = torch.cat([torch.multinomial(each, 1, generator=generator)[:, 0] for each in self._weights])
        return [densities[number] for densities, number in zip(self._densities, drawn.tolist(), strict=True)]


def _labels(residuals: Tensor, mixtures: GroupMixtures) -> np.ndarray:
    seen = ~np.isnan(residuals.numpy())
    return np.array([int(seen[:, list(columns)].any(axis=1).sum()) for columns in mixtures.partition])


def _flagged(residuals: Tensor, mixtures: GroupMixtures) -> np.ndarray:
    """Return the expected number of wrong labels among the flagged labels of each group."""
    right = mixtures.responsibilities(residuals).numpy()
    return np.asarray(np.where(right < 0.5, 1 - right, 0.0).sum(axis=0))


def _spread(draws: np.ndarray) -> np.ndarray:
    """Return the ends (2, ...) of the interval of draws (replicates, ...), relative to their mean."""
    tail = (1 - LEVEL) / 2
    return np.asarray(np.quantile(draws, (tail, 1 - tail), axis=0) - draws.mean(axis=0))


def _share(estimate: float, spread: np.ndarray, shrink: float, labels: int, count: float | None) -> Share:
    """Return the share with an interval: from `count` if `count` is not None, else from the result of `_spread`."""
    if count is not None:
        # If a count is c, its mean is between c - 2 sqrt(c) and c + 2 sqrt(c) + 3. For c = 0 this is the rule of three.
        low, high = (count - 2 * np.sqrt(count)) / labels, (count + 2 * np.sqrt(count) + 3) / labels
    else:
        low, high = estimate + shrink * spread
    return Share(float(estimate), float(max(0.0, low)), float(min(1.0, high)), LEVEL)
