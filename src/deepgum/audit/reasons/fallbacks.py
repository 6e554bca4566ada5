"""Reasons `shifted` and `off`: the label is far from its prediction, and no other reason applies."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.reasons.base import Finding, Reason
from deepgum.audit.reasons.case import Case, part_names
from deepgum.wording import deviations, distance

__all__ = ["Off", "Shifted"]


class Shifted(Reason):
    """The landmark is far from its prediction. The prediction is suggested."""

    name = "shifted"
    words = "the landmark is in the wrong place"
    rank = 60

    def find(self, case: Case) -> Iterator[Finding]:
        """Yield a finding for every flag if labels are landmarks."""
        if case.landmarks:
            yield from _distances(self, case)


class Off(Reason):
    """The label (no landmark) is far from its prediction. The prediction is suggested."""

    name = "off"
    words = "far from the prediction"
    rank = 60

    def find(self, case: Case) -> Iterator[Finding]:
        """Yield a finding for every flag if labels are not landmarks."""
        if not case.landmarks:
            yield from _distances(self, case)


def _distances(reason: Reason, case: Case) -> Iterator[Finding]:
    """Yield a finding for every flagged label, with the distance of the label from the prediction.

    In a group of several landmarks or values, the finding names the landmark or value that is farthest from its
    prediction, in standard deviations of this landmark or value.
    """
    labels = case.labels
    for row, group in case.places:
        columns, parts = list(labels.partition[group]), case.parts(group)
        total = deviations(labels.mahalanobis[row, group])
        if len(parts) == 1:
            why = f"{distance(labels.residuals[row, columns], case.unit)} from its prediction, {total}."
        else:
            own = np.square(labels.residuals[row, columns] / case.deviation[row, columns])
            worst = [columns[i] for i in max(parts, key=lambda part: _mean(own[part]))]
            (name,) = part_names(labels, worst, case.landmarks)
            away = distance(labels.residuals[row, worst], case.unit)
            why = f"{name} is {away} from its prediction, the farthest of {len(parts)}; together {total}."
        yield Finding(reason, (row, group), why, labels.predicted[row, columns], case.deviation[row, columns])


def _mean(values: NDArray[np.float64]) -> float:
    """Return the mean of the values that are not NaN; 0 if there is none."""
    return float(np.nansum(values) / max(1, (~np.isnan(values)).sum()))
