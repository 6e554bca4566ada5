"""The table of runs for the summary: labels, flags, and share of wrong labels of each run."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from deepgum.audit.labels import ScoredLabels
from deepgum.audit.summary import RunSummary
from deepgum.posteriors.runs.run_names import Runs
from deepgum.posteriors.shares import Share

__all__ = ["runs_worst_first"]

ERRORS = 1.96
"""Number of standard errors between the expected number of wrong labels among the flagged ones, and its lower bound."""


def runs_worst_first(labels: ScoredLabels, runs: Runs, groups: Sequence[int]) -> list[RunSummary]:
    """Return the summaries of all runs, from the largest lower bound of the share of wrong labels down.

    The estimate of the share is the mean probability that a label is wrong. The lower bound counts flagged labels only:
    their expected number of wrong labels, less 1.96 standard errors, if labels are wrong independently of each other
    with these probabilities.

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
    of_flags = np.where(flags, wrong, 0.0)
    numbers = ((~np.isnan(right)), flags, wrong, of_flags, of_flags * (1 - of_flags))
    n_labels, n_flags, expected, found, variance = (runs.sums(each.sum(axis=1, dtype=np.float64)) for each in numbers)
    kinds: list[Counter[str]] = [Counter() for _ in runs.names]
    for (row, group), kind in labels.kinds.items():
        if group in groups:
            kinds[runs.numbers[row]][kind] += 1
    summaries = []
    for run in np.flatnonzero(n_labels).tolist():
        total = float(n_labels[run])
        low = max(float(found[run]) - ERRORS * math.sqrt(float(variance[run])), 0.0) / total
        share = Share.at_least(low, float(expected[run]) / total)
        reason = kinds[run].most_common(1)[0][0] if kinds[run] else ""
        summaries.append(RunSummary(runs.names[run], int(total), int(n_flags[run]), share, reason))
    return sorted(summaries, key=lambda each: (-each.share.low, -each.share.estimate))
