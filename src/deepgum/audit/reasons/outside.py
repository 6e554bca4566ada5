"""Reason `outside`: the landmark lies beyond an edge of the image."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from deepgum.audit.reasons.base import Finding, Reason
from deepgum.audit.reasons.case import Case
from deepgum.wording import amount, distance, number, values

__all__ = ["Outside"]


class Outside(Reason):
    """The landmark lies outside the image, and its prediction lies inside the image. The prediction is suggested."""

    name = "outside"
    words = "outside the image"
    rank = 40

    def find(self, case: Case) -> Iterator[Finding]:
        """Yield a finding for each flagged landmark that lies beyond an edge of the image."""
        if case.sizes is None:
            return
        labels = case.labels
        edges = np.tile(case.sizes, len(labels.target_names) // 2)
        beyond = ((labels.given < 0) | (labels.given > edges)) & (labels.predicted >= 0) & (labels.predicted <= edges)
        for row, group in case.places:
            columns = list(labels.partition[group])
            landmarks = [column // 2 for column in columns if beyond[row, column]]
            if landmarks:
                point = values(labels.given[row, [2 * landmarks[0], 2 * landmarks[0] + 1]], "")
                image = f"{number(case.sizes[row, 0], 6)} x {amount(case.sizes[row, 1], case.unit, 6)}"
                away = distance(labels.residuals[row, columns], case.unit)
                why = f"{point} is outside the image of {image}, {away} from its prediction."
                yield Finding(self, (row, group), why, labels.predicted[row, columns], case.deviation[row, columns])
