"""Reason `copy`: an identical sample has a different label. Nothing is inferred: one of the labels must be wrong."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from deepgum.audit.duplicates import differ, label_size
from deepgum.audit.reasons.base import Finding, Reason
from deepgum.audit.reasons.case import Case
from deepgum.audit.reasons.choice import LEAST_ODDS
from deepgum.wording import values

__all__ = ["Copy"]

_UNDECIDED_RANK = 30
"""Rank of a finding if none of the different labels of the content is probably right."""


class Copy(Reason):
    """The label differs from the label of an identical sample (a copy).

    If the most probable label of the copies is more probably right than wrong, this label is suggested. All copies with
    the same prediction then have the same suggestion. Otherwise the prediction is suggested. Explanations then come
    before the finding, because explanations name the mistake: the finding has a higher rank number.
    """

    name = "copy"
    words = "a sample with the same content has another label"
    rank = 10

    def find(self, case: Case) -> Iterator[Finding]:
        """Yield a finding for each flagged label that differs from the label of an identical sample."""
        labels = case.labels
        if not case.conflicts:
            return
        size, periods = label_size(labels.given), labels.periods or (0.0,) * len(labels.target_names)
        for members in case.conflicts:
            for row in members:
                for group in case.flags[row].nonzero()[0].tolist():
                    columns = list(labels.partition[group])
                    own, rounding = labels.given[row, columns], (size[columns], [periods[column] for column in columns])
                    others = [each for each in members if differ(own, labels.given[each, columns], *rounding)]
                    if others:
                        yield self._finding(case, row, group, others)

    def _finding(self, case: Case, row: int, group: int, others: list[int]) -> Finding:
        labels, columns = case.labels, list(case.labels.partition[group])
        predicted, deviation = labels.predicted[row, columns], case.deviation[row, columns]
        candidates = labels.given[np.ix_([row, *others], columns)]
        residuals = case.wrapped(candidates - predicted, columns)
        log_odds = case.log_odds_right(residuals, np.full(len(candidates), row), group)
        best = int(log_odds.argmax())
        other = best or 1 + int(log_odds[1:].argmax())
        text = f"'{labels.ids[others[other - 1]]}' has the same content and another label, "
        text += values(candidates[other], case.unit)
        if log_odds[best] < 0:
            why = f"{text}; neither label is near the prediction."
            return Finding(self, (row, group), why, predicted, deviation, _UNDECIDED_RANK)
        log_weights = np.append(log_odds, 0.0)  # the last entry: no label is right
        weights = np.exp(log_weights - np.logaddexp.reduce(log_weights))
        suggested = np.where(np.isnan(candidates[best]), predicted, candidates[best])
        differences = np.vstack([residuals, np.zeros(len(columns))]) - residuals[best]
        variance = weights @ np.nan_to_num(np.square(differences)) + weights[-1] * np.square(deviation)
        clearly = abs(log_odds[0] - log_odds[other]) >= math.log(LEAST_ODDS)
        comparison = "; this label fits better" if best == 0 else ", which fits better"
        verdict = comparison if clearly else ", which fits equally well"
        return Finding(self, (row, group), f"{text}{verdict}.", suggested, np.sqrt(variance))
