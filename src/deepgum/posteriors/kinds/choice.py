"""The choice of the kinds of wrong labels: by their evidence, and against decoys.

Kinds are added one after the other, always the one with the largest gain of the log-likelihood. A kind is admitted if
its gain is larger than (log n) / 2 + 1, plus 3 if it explains fewer than ten labels, and at least twice the gain of its
decoys. Decoys are similar errors that nobody makes: if labels divided by 28 explain as much as labels divided by 10,
then neither proves anything. Where right labels are so uncertain that a decoy cannot be told from the kind, the kind
must explain many labels instead. At the end, kinds without which nothing is lost are removed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from deepgum.posteriors.group_mixtures import GroupMixtures
from deepgum.posteriors.kinds.base import Kind
from deepgum.posteriors.kinds.comparison import Comparison
from deepgum.posteriors.kinds.evidence import Shares, fit_shares, log_ratio

__all__ = ["choose_kinds"]

Values = NDArray[np.float64]

AGAINST_DECOYS = 2.0
RARE, FOR_RARE = 10.0, 3.0
UNRESOLVED, FREQUENT = 0.9, 0.03
"""If a decoy cannot be told from the kind, the kind must explain hardly less, and at least this share of the
labels: a few extreme labels prove nothing. The predictions must also be good enough to be trusted."""

RESOLVED = 2.0
"""A decoy says something if the labels that the kind explains are at least this far apart after the kind and after the
decoy, in scales of right labels: half of these labels, at least."""


def choose_kinds(
    kinds: Sequence[Kind],
    comparison: Comparison,
    mixtures: GroupMixtures,
    groups: Sequence[int],
    *,
    is_trusted: bool = True,
) -> tuple[list[Kind], Shares]:
    """Return the admitted kinds, and the shares of labels that are wrong in these ways.

    Parameters
    ----------
    kinds : sequence of Kind
        The kinds that are tried.
    comparison : Comparison
    mixtures : GroupMixtures
        The mixtures of right labels and labels that are wrong anyhow.
    groups : sequence of int
        The groups that share the shares of kinds.
    is_trusted : bool
        Whether predictions have no known fault. If they have, a kind that cannot be told from its decoys is not
        admitted.
    """
    n = int(comparison.labelled[:, list(groups)].sum())
    known: dict[Kind, Values] = {}
    log_base = mixtures.log_density(torch.from_numpy(comparison.residuals)).numpy()

    def ratio(kind: Kind) -> Values:
        if kind not in known:
            values = log_ratio(kind, comparison, mixtures, log_base)[:, list(groups)].ravel()
            known[kind] = np.exp(np.minimum(values, 700.0))
        return known[kind]

    def fit(chosen: Sequence[Kind]) -> Shares:
        if not chosen:
            return Shares(np.zeros(0), 0.0)
        all_ratios = np.stack([ratio(each) for each in chosen])
        return fit_shares(all_ratios[:, (all_ratios > 0).any(axis=0)], n)

    least = math.log(max(n, 2)) / 2 + 1
    chosen: list[Kind] = []
    current = fit(chosen)
    while True:
        best: tuple[float, Kind, Shares] | None = None
        for kind in kinds:
            if kind in chosen:
                continue
            found = fit([*chosen, kind])
            gain = found.log_likelihood - current.log_likelihood
            needed = least + FOR_RARE * (found.shares[-1] * n < RARE)
            if gain <= needed or (best is not None and gain <= best[0]):
                continue
            explained = ratio(kind) * found.shares[-1] > 1
            if all(
                gain >= AGAINST_DECOYS * of_decoy
                if _is_resolved(kind, decoy, explained, comparison, mixtures, groups)
                else is_trusted and gain >= UNRESOLVED * of_decoy and found.shares[-1] >= FREQUENT
                for decoy in kind.decoys()
                for of_decoy in [fit([*chosen, decoy]).log_likelihood - current.log_likelihood]
            ):
                best = gain, kind, found
        if best is None:
            break
        chosen.append(best[1])
        current = best[2]
    for kind in list(chosen):
        without = fit([each for each in chosen if each != kind])
        if current.log_likelihood - without.log_likelihood < least:
            chosen.remove(kind)
            current = without
    return chosen, current


def _is_resolved(
    kind: Kind,
    decoy: Kind,
    explained: NDArray[np.bool_],
    comparison: Comparison,
    mixtures: GroupMixtures,
    groups: Sequence[int],
) -> bool:
    """Return whether the labels that the kind explains are far apart after the kind and after the decoy."""
    with np.errstate(all="ignore"):
        after = [comparison.residuals_of(each.undo(comparison.given, comparison)) for each in (kind, decoy)]
    known = np.isfinite(after[0]) & np.isfinite(after[1])
    pair = (torch.from_numpy(np.where(known, each, np.nan)) for each in after)
    distance = mixtures.distance_between(*pair).numpy()[:, list(groups)].ravel()[explained]
    return bool(np.nanmedian(distance) >= RESOLVED) if np.isfinite(distance).any() else False
