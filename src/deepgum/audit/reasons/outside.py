"""Rule: out of the image. A landmark is where there is no picture, and is predicted where there is."""

from __future__ import annotations

import numpy as np

from deepgum.audit.labels import Place
from deepgum.audit.reason import Reason
from deepgum.audit.reasons.case import Case
from deepgum.audit.reasons.finding import Finding
from deepgum.audit.reasons.wording import amount, distance, number, values

__all__ = ["outside"]


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
