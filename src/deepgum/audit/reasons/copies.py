"""Rule: the same content has another label elsewhere. No inference: one of the two labels must be wrong."""

from __future__ import annotations

import math

import numpy as np

from deepgum.audit.duplicates import differ, label_size
from deepgum.audit.labels import Place, Reason
from deepgum.audit.reasons.case import Case
from deepgum.audit.reasons.choice import LEAST_ODDS
from deepgum.audit.reasons.finding import Finding
from deepgum.wording import values

__all__ = ["copies"]


def copies(case: Case) -> dict[Place, Finding]:
    """Return a finding for each flagged label that a copy of the sample contradicts.

    Of the labels of the content, this one among them, the most probable is suggested if it is more probably right than
    wrong; the log odds are its. All copies with one prediction are then told the same. Otherwise the prediction is
    suggested.
    """
    labels = case.labels
    size, periods = label_size(labels.given), labels.periods or (0.0,) * len(labels.target_names)
    found: dict[Place, Finding] = {}
    for members in case.conflicts:
        for row in members:
            for group in case.flags[row].nonzero()[0].tolist():
                columns = list(labels.partition[group])
                own, rounding = labels.given[row, columns], (size[columns], [periods[column] for column in columns])
                others = [each for each in members if differ(own, labels.given[each, columns], *rounding)]
                if others:
                    found[row, group] = _finding(case, row, group, others)
    return found


def _finding(case: Case, row: int, group: int, others: list[int]) -> Finding:
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
        return Finding(Reason.COPY, f"{text}; neither is near what is predicted.", predicted, deviation, log_odds[best])
    every = np.append(log_odds, 0.0)  # the last: that none of them is right
    weights = np.exp(every - np.logaddexp.reduce(every))
    suggested = np.where(np.isnan(candidates[best]), predicted, candidates[best])
    away = np.vstack([residuals, np.zeros(len(columns))]) - residuals[best]
    variance = weights @ np.nan_to_num(np.square(away)) + weights[-1] * np.square(deviation)
    clearly = abs(log_odds[0] - log_odds[other]) >= math.log(LEAST_ODDS)
    verdict = ("; this one fits better" if best == 0 else ", which fits better") if clearly else ", which fits as well"
    return Finding(Reason.COPY, f"{text}{verdict}.", suggested, np.sqrt(variance), log_odds[best])
