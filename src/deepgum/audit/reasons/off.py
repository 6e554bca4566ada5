"""What is said where no rule explains a label: how far it is from what is predicted."""

from __future__ import annotations

import numpy as np

from deepgum.audit.labels import Place
from deepgum.audit.reason import Reason
from deepgum.audit.reasons.case import Case
from deepgum.audit.reasons.finding import Finding
from deepgum.audit.reasons.names import part_names
from deepgum.audit.reasons.wording import deviations, distance

__all__ = ["off"]


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
