"""The share of wrong labels, with an interval that a bootstrap gives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from deepgum.posteriors.choice import fit_chosen
from deepgum.posteriors.densities import Tails

__all__ = ["Share", "shares_of"]

LEVEL = 0.95
MOST_VALUES = 100_000


def shares_of(
    residuals: Tensor,
    tails: Tails,
    kinds: Sequence[str],
    tells: Sequence[bool],
    plausible: Sequence[Mapping[float, float]],
    seed: int,
    *,
    resolution: Tensor | None = None,
    replicates: int = 100,
) -> tuple[tuple[Share | None, ...], Share | None]:
    """Return the share of wrong labels of each group, and of all.

    A replicate counts each sample a Poisson number of times, with all its groups, and takes degrees of freedom at
    random, each as often as it is plausible. What makes a sample easy or hard to predict is so in all of its groups:
    intervals that took labels for independent would be too narrow. The intervals do not know that other networks would
    have made other residuals.

    Parameters
    ----------
    residuals : Tensor (n, d)
    tails : Tails
        Fitted to them.
    kinds : sequence of str, one a group
        Of wrong labels; with "none" the flagged ones are counted.
    tells : sequence of bool, one a group
        Whether there is anything to tell: elsewhere the share is None, and it has no part in the share of all.
    plausible : sequence of mappings of float to float, one a group
        How probable each number of degrees of freedom is.
    seed : int
    resolution : Tensor (d,), optional
        As of `fit_chosen`.
    replicates : int
        Of the bootstrap; without any, intervals are of no width.

    Examples
    --------
    >>> from deepgum.posteriors.label_mixture import LabelMixture
    >>> rng = np.random.default_rng(0)
    >>> residuals = np.where(rng.random((2000, 1)) < 0.2, rng.uniform(-30, 30, (2000, 1)), rng.normal(size=(2000, 1)))
    >>> share = LabelMixture.fit(residuals).share
    >>> bool(share.low < 0.2 < share.high), bool(share.high - share.low < 0.06)
    (True, True)
    """
    labels = _labels(residuals, tails)
    # Where the density of right labels alone will do, those that are flagged are still too far out for it.
    flagged = _flagged(residuals, tails)
    estimates = np.array(
        [
            count / max(of, 1) if kind == "none" else 1 - group.prior
            for kind, group, count, of in zip(kinds, tails.groups, flagged, labels, strict=True)
        ]
    )
    generator = torch.Generator().manual_seed(seed)
    most = max(1, MOST_VALUES // len(kinds))
    sample = residuals[torch.randperm(len(residuals), generator=generator)[:most]]
    mixed = [place for place, kind in enumerate(kinds) if kind != "none" and tells[place]]
    drawn = np.zeros((max(replicates, 1), len(kinds)))

    def drawn_from(choices: Mapping[float, float]) -> float:
        weights = torch.tensor(list(choices.values()), dtype=torch.float64)
        return list(choices)[int(torch.multinomial(weights, 1, generator=generator))]

    if mixed and replicates:
        partition = [tails.partition[place] for place in mixed]
        for replicate in drawn:
            counts = torch.poisson(torch.ones(len(sample), dtype=torch.float64), generator=generator)
            begin = [replace(tails.groups[place], degrees_of_freedom=drawn_from(plausible[place])) for place in mixed]
            fitted = fit_chosen(
                sample, begin, [kinds[p] for p in mixed], partition,
                weight=counts, resolution=resolution, tol=1e-3, max_iter=30,
            )  # fmt: skip
            replicate[mixed] = [1 - group.prior for group in fitted.groups]
    # Fewer rows than there are make intervals wider than they should be, by the root of the ratio.
    shrink = np.sqrt(len(sample) / len(residuals))
    counted = [count if kind == "none" else None for kind, count in zip(kinds, flagged, strict=True)]
    shares = tuple(
        _share(estimate, each, shrink, of, count) if told and of else None
        for estimate, each, told, of, count in zip(estimates, drawn.T, tells, labels, counted, strict=True)
    )
    part = labels * np.array(tells)
    if not part.any():
        return shares, None
    total = int(part.sum())
    part = part / total
    # Only counts, where no group of which something can be told has a mixture.
    alone = None if mixed else float(flagged @ np.array(tells))
    return shares, _share(float(estimates @ part), drawn @ part, shrink, total, alone)


def _labels(residuals: Tensor, tails: Tails) -> np.ndarray:
    return np.array([int((~residuals[:, list(columns)].isnan()).any(dim=1).sum()) for columns in tails.partition])


def _flagged(residuals: Tensor, tails: Tails) -> np.ndarray:
    """Return how many labels of each group are flagged and wrong, as expected."""
    right = tails.responsibilities(residuals).numpy()
    return np.asarray(np.where(right < 0.5, 1 - right, 0.0).sum(axis=0))


def _share(estimate: float, drawn: np.ndarray, shrink: float, labels: int, count: float | None) -> Share:
    """Return the interval of the percentiles, moved to the estimate; or that of a count, of what is flagged."""
    if count is not None:
        # A count of c has a mean from c - 2 sqrt(c) to c + 2 sqrt(c) + 3; of none, up to three (the rule of three).
        low, high = (count - 2 * np.sqrt(count)) / labels, (count + 2 * np.sqrt(count) + 3) / labels
    else:
        tail = (1 - LEVEL) / 2
        low, high = estimate + shrink * (np.quantile(drawn, (tail, 1 - tail)) - drawn.mean())
    return Share(float(estimate), float(max(0.0, low)), float(min(1.0, high)), LEVEL)


@dataclass(frozen=True)
class Share:
    """An estimated share of wrong labels with its interval, all in [0, 1]; `level` is how often such intervals hold."""

    estimate: float
    low: float
    high: float
    level: float = 0.95
