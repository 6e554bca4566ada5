"""The share of wrong labels: at least so many, from a bootstrap over all densities that the data leave standing.

The share cannot be measured from above. A wrong label near its prediction looks right, and the tails of right labels
can hide others. So a share has a lower bound and no upper bound, unless a kind of wrong labels explains where the wrong
labels are. The lower bound must hold for any density of right labels that describes held-out residuals nearly as well
as the best one.
"""

from __future__ import annotations

import math
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

NATS = 10.0
"""A density of right labels is plausible if its held-out log-likelihood is at most this far below the best one."""

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
    estimate : float
        The share according to the chosen densities, in [0, 1].
    low, high : float
        The lower end and the upper end of the interval, in [0, 1]. Without an upper bound, `high` is 1.
    level : float
        The probability that a two-sided interval contains the true share. Each end alone holds with a probability of
        (1 + level) / 2.
    is_two_sided : bool
        Whether the share has an upper bound. Without one, the share is known to be at least `low`.

    Examples
    --------
    >>> Share.at_least(0.06, estimate=0.07)
    Share(estimate=0.07, low=0.06, high=1.0, level=0.95, is_two_sided=False)
    """

    estimate: float
    low: float
    high: float
    level: float = LEVEL
    is_two_sided: bool = True

    @classmethod
    def at_least(cls, low: float, estimate: float) -> Share:
        """Return a share without an upper bound."""
        return cls(estimate, low, 1.0, is_two_sided=False)

    @classmethod
    def mean(cls, shares: Sequence[Share | None], labels: Sequence[float]) -> Share | None:
        """Return the share over several groups, given the numbers of their labels; groups without a share do not count.

        The ends are the weighted means of the ends, so the interval is at least as wide as a joint interval. The result
        is None if no group has a share and labels.

        Examples
        --------
        >>> Share.mean([Share.at_least(0.1, 0.2), Share.at_least(0.0, 0.0), None], [100, 300, 50])
        Share(estimate=0.05, low=0.025, high=1.0, level=0.95, is_two_sided=False)
        """
        known = [(share, count) for share, count in zip(shares, labels, strict=True) if share is not None]
        total = sum(count for _, count in known)
        if not total:
            return None
        estimate, low, high = (
            sum(count * getattr(share, end) for share, count in known) / total for end in ("estimate", "low", "high")
        )
        if all(share.is_two_sided for share, _ in known):
            return cls(estimate, low, high)
        return cls.at_least(low, estimate)

    def of_part(self, fraction: float) -> Share:
        """Return this share as a share of more labels: `fraction` of them have this share, no other is wrong."""
        high = self.high * fraction if self.is_two_sided else 1.0
        return replace(self, estimate=self.estimate * fraction, low=self.low * fraction, high=high)


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
    labels is the next of the plausible densities (see `NATS`), in turn. All groups of a sample have the same weight,
    because a hard sample is hard in all groups: with independent weights, the lower bound would be too high. The bound
    does not contain the variation between networks.

    The lower bound is the 2.5 % quantile of the replicates. It is never below the number of flagged labels less those
    that are expected to be right.

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
        Number of replicates of the bootstrap. With 0 replicates, the lower bound is the estimate.
    on_progress : callable, optional
        Called as ``on_progress(done, total)`` after each replicate.

    Examples
    --------
    >>> from deepgum.posteriors.label_mixture import LabelMixture
    >>> rng = np.random.default_rng(0)
    >>> residuals = np.where(rng.random((2000, 1)) < 0.2, rng.uniform(-30, 30, (2000, 1)), rng.normal(size=(2000, 1)))
    >>> share = LabelMixture.fit(residuals).share
    >>> bool(0.16 < share.low < 0.2), share.is_two_sided
    (True, False)
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
        densities = [_plausible(mixtures.groups[place].right, plausible[place]) for place in mixed]
        # Replicates of few groups are fitted together: as if their groups were groups of one data set.
        at_once = max(1, MOST_GROUPS // len(mixed))
        for first in range(0, replicates, at_once):
            some = draws[first : first + at_once]
            numbers = range(first, first + len(some))
            ones = torch.ones(len(sample), dtype=torch.float64)
            counts = torch.stack([torch.poisson(ones, generator=generator) for _ in numbers])
            start = [
                replace(mixtures.groups[place], right=each[number % len(each)])
                for number in numbers
                for place, each in zip(mixed, densities, strict=True)
            ]
            fitted = fit_chosen(
                sample, start,
                [kinds[p] for p in mixed] * len(some), [mixtures.partition[p] for p in mixed] * len(some),
                weight=counts.repeat_interleave(len(mixed), dim=0),
                resolution=resolution, tol=1e-3, max_iter=30,
            )  # fmt: skip
            some[:, mixed] = 1 - fitted.prior.reshape(len(some), len(mixed)).numpy()
            if on_progress is not None:
                on_progress(first + len(some), replicates)
    if mixed and replicates:
        # Relative to the replicates with the chosen density, which come first and then in turn.
        for place, each in zip(mixed, densities, strict=True):
            draws[:, place] -= draws[:: len(each), place].mean()
    # Bounds from a part of the rows vary too much, so divide their distance by the root of (all rows / this part).
    draws *= np.sqrt(len(sample) / len(residuals))
    is_none = np.array([kind == "none" for kind in kinds])
    shares = tuple(
        _share(estimate, draws[:, place], n_labels, count, is_none=bool(is_none[place])) if known and n_labels else None
        for place, (estimate, known, n_labels, count) in enumerate(
            zip(estimates, is_known, labels, flagged, strict=True)
        )
    )
    part = labels * np.array(is_known)
    if not part.any():
        return shares, None
    total = int(part.sum())
    count = float(flagged @ np.array(is_known))
    # If no group with a known share has a mixture, the share of all groups is computed from a count too.
    return shares, _share(float(estimates @ part / total), draws @ part / total, total, count, is_none=not mixed)


def _plausible(chosen: Density, probabilities: Mapping[Density, float]) -> list[Density]:
    """Return the plausible densities of right labels, the chosen one first."""
    least = max(probabilities.values()) * math.exp(-NATS)
    return [chosen, *(each for each, value in probabilities.items() if value >= least and each != chosen)]


def _labels(residuals: Tensor, mixtures: GroupMixtures) -> np.ndarray:
    seen = ~np.isnan(residuals.numpy())
    return np.array([int(seen[:, list(columns)].any(axis=1).sum()) for columns in mixtures.partition])


def _flagged(residuals: Tensor, mixtures: GroupMixtures) -> np.ndarray:
    """Return the expected number of wrong labels among the flagged labels of each group."""
    right = mixtures.responsibilities(residuals).numpy()
    return np.asarray(np.where(right < 0.5, 1 - right, 0.0).sum(axis=0))


def _share(estimate: float, draws: np.ndarray, labels: int, count: float, *, is_none: bool) -> Share:
    """Return the share with a lower bound.

    Parameters
    ----------
    estimate : float
    draws : array (replicates,)
        Shares in the replicates of the bootstrap, relative to the estimate.
    labels : int
    count : float
        Expected number of wrong labels among the flagged labels.
    is_none : bool
        Whether right labels alone describe the residuals. Then the bound comes from `count` alone.
    """
    low = count / labels
    if not is_none:
        low = max(low, estimate + float(np.quantile(draws, (1 - LEVEL) / 2)))
    return Share.at_least(float(min(low, estimate)), float(estimate))
