"""The table of runs for the summary: labels, flags, and share of wrong labels of each run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.stats import beta

from deepgum.audit.labels import ScoredLabels
from deepgum.audit.summary import RunSummary
from deepgum.posteriors.runs.run_names import Runs
from deepgum.posteriors.shares import LEVEL, Share

__all__ = ["runs_worst_first"]


def runs_worst_first(labels: ScoredLabels, runs: Runs, groups: Sequence[int]) -> list[RunSummary]:
    """Return the summaries of all runs, from the largest lower bound of the share of wrong labels down.

    The estimate of the share is the mean probability that a label is wrong. The lower bound is the exact binomial bound
    (Clopper and Pearson) of a share of which the expected number of wrong labels among the flagged ones was seen. So a
    few flags in a small run do not come first.

    Parameters
    ----------
    labels : ScoredLabels
        Labels with reasons.
    runs : Runs
    groups : sequence of int
        The groups whose labels can be judged; labels of other groups do not count.
    """
    right = labels.responsibilities[:, list(groups)]
    wrong, flags = np.nan_to_num(1 - right), labels.flags[:, list(groups)]
    n_labels, n_flags, expected, found = (
        runs.sums(each.sum(axis=1, dtype=np.float64))
        for each in (~np.isnan(right), flags, wrong, np.where(flags, wrong, 0.0))
    )
    kinds: list[Counter[str]] = [Counter() for _ in runs.names]
    for (row, group), kind in labels.kinds.items():
        if group in groups:
            kinds[runs.numbers[row]][kind] += 1
    summaries = []
    for run in np.flatnonzero(n_labels).tolist():
        total = float(n_labels[run])
        share = Share.at_least(_lower_bound(float(found[run]), total), float(expected[run]) / total)
        reason = kinds[run].most_common(1)[0][0] if kinds[run] else ""
        summaries.append(RunSummary(runs.names[run], int(total), int(n_flags[run]), share, reason))
    return sorted(summaries, key=lambda each: (-each.share.low, -each.share.estimate))


def _lower_bound(found: float, total: float) -> float:
    """Return the lower bound of a share of which `found` of `total` were seen."""
    return float(beta.ppf((1 - LEVEL) / 2, found, total - found + 1)) if found > 0 else 0.0
