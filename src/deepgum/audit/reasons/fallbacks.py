"""What is said where no rule explains a label: how far it is from what is predicted."""

from __future__ import annotations

import numpy as np

from deepgum.audit.labels import Place, Reason
from deepgum.audit.reasons.case import Case, part_names
from deepgum.audit.reasons.finding import Finding
from deepgum.wording import amount, deviations, distance, number, values

__all__ = ["hard", "off", "outside"]


def off(case: Case) -> dict[Place, Finding]:
    """Return a finding for every flag: a shifted landmark, or a value that is off; the prediction is suggested.

    Where a group has several landmarks or values, the one that is farthest by its own standard deviations is named.
    """
    labels = case.labels
    reason = Reason.SHIFTED if case.landmarks else Reason.OFF
    found: dict[Place, Finding] = {}
    for row, group in case.places:
        columns, parts = list(labels.partition[group]), case.parts(group)
        where = "where it is predicted" if case.landmarks else "what is predicted"
        total = deviations(labels.mahalanobis[row, group])
        if len(parts) == 1:
            why = f"{distance(labels.residuals[row, columns], case.unit)} from {where}, {total}."
        else:
            worst = [columns[place] for place in max(parts, key=lambda part: _own_distance(case, row, group, part))]
            (name,) = part_names(labels, worst, case.landmarks)
            off_by = distance(labels.residuals[row, worst], case.unit)
            why = f"{name} is {off_by} from {where}, the farthest of {len(parts)}; together {total}."
        found[row, group] = Finding(reason, why, labels.predicted[row, columns], case.deviation[row, columns], 0.0)
    return found


def _own_distance(case: Case, row: int, group: int, part: list[int]) -> float:
    columns = [case.labels.partition[group][place] for place in part]
    scaled = case.labels.residuals[row, columns] / case.deviation[row, columns]
    return float(np.nansum(np.square(scaled)) / max(1, (~np.isnan(scaled)).sum()))


def hard(case: Case) -> dict[Place, Finding]:
    """Return a finding for each flag that would fall if the prediction's own uncertainty were counted.

    That is the spread between the folds' networks, as far as it is above what is usual: the covariance of right labels
    holds the usual one. Nothing is suggested.
    """
    labels = case.labels
    found: dict[Place, Finding] = {}
    if labels.spread is None:
        return found
    for group, columns in enumerate(labels.partition):
        rows = (case.flags[:, group] & (case.excess[:, group] > 0)).nonzero()[0]
        residuals = labels.residuals[rows][:, columns]
        log_odds = case.log_odds_right(residuals, rows, group)
        nothing = np.full(len(columns), np.nan)
        for row, odds in zip(rows.tolist(), log_odds.tolist(), strict=True):
            if odds >= 0:
                spread = amount(labels.spread[row, group], case.unit)
                usual = amount(case.usual_spread[group], "")
                off = amount(labels.residual_norms[row, group], case.unit)
                why = (
                    f"The networks disagree by {spread} about this sample ({usual} is usual), and the label is {off} "
                    "from their mean: it may well be right."
                )
                found[row, group] = Finding(Reason.HARD, why, nothing, nothing, odds)
    return found


def outside(case: Case) -> dict[Place, Finding]:
    """Return a finding for each flagged landmark beyond the edges; the prediction is suggested."""
    if not case.landmarks or case.sizes is None:
        return {}
    labels = case.labels
    edges = np.tile(case.sizes, len(labels.target_names) // 2)
    beyond = ((labels.given < 0) | (labels.given > edges)) & (labels.predicted >= 0) & (labels.predicted <= edges)
    found: dict[Place, Finding] = {}
    for row, group in case.places:
        columns = list(labels.partition[group])
        out = [column // 2 for column in columns if beyond[row, column]]
        if out:
            point = values(labels.given[row, [2 * out[0], 2 * out[0] + 1]], "")
            image = f"{number(case.sizes[row, 0], 6)} x {amount(case.sizes[row, 1], case.unit, 6)}"
            away = distance(labels.residuals[row, columns], case.unit)
            why = f"{point} is outside the image of {image}, {away} from where it is predicted."
            found[row, group] = Finding(
                Reason.OUTSIDE, why, labels.predicted[row, columns], case.deviation[row, columns]
            )
    return found
