"""Rule: the same content has another label elsewhere. No inference: one of the two labels must be wrong."""

from __future__ import annotations

import numpy as np

from deepgum.audit.conflicts import differ, label_size
from deepgum.audit.labels import Place
from deepgum.audit.reason import Reason
from deepgum.audit.reasons.case import Case
from deepgum.audit.reasons.finding import Finding
from deepgum.audit.reasons.wording import values

__all__ = ["copies"]


def copies(case: Case) -> dict[Place, Finding]:
    """Return a finding for each flagged label that a copy of the sample contradicts.

    Of the copies' labels the one nearest to the prediction is suggested, if it is more probably right than wrong there;
    the log odds are its. Otherwise the prediction is.
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
    candidates = labels.given[np.ix_(others, columns)]
    residuals = case.wrapped(candidates - predicted, columns)
    log_odds = case.log_odds_right(residuals, np.full(len(others), row), group)
    best = int(log_odds.argmax())
    weights = np.exp(np.append(log_odds, 0.0) - np.logaddexp.reduce(np.append(log_odds, 0.0)))
    text = f"'{labels.ids[others[best]]}' has the same content and another label, {values(candidates[best], case.unit)}"
    if log_odds[best] < 0:
        return Finding(Reason.COPY, f"{text}; neither is near what is predicted.", predicted, deviation, log_odds[best])
    suggested = np.where(np.isnan(candidates[best]), predicted, candidates[best])
    away = np.vstack([residuals, np.zeros(len(columns))]) - residuals[best]
    variance = weights @ np.nan_to_num(np.square(away)) + weights[-1] * np.square(deviation)
    return Finding(Reason.COPY, f"{text}, which fits better.", suggested, np.sqrt(variance), log_odds[best])
