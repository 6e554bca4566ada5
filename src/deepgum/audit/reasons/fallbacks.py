"""Reasons `shifted` and `off`: the label is far from its prediction, and no other reason applies."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.reasons.base import Finding, Reason
from deepgum.audit.reasons.case import Case, part_names
from deepgum.wording import amount, deviations, distance

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
    labels, unit = case.labels, case.unit
    own_columns, single = (
        [list(columns) for columns in labels.partition],
        [len(case.parts(g)) == 1 for g in range(len(labels.partition))],
    )
    norms, distances = (each[case.flags].tolist() for each in (labels.residual_norms, labels.mahalanobis))
    for place, norm, total in zip(case.places, norms, distances, strict=True):
        row, group = place
        columns = own_columns[group]
        if single[group]:
            why = f"{amount(norm, unit)} from its prediction, {deviations(total)}."
        else:
            own, parts = np.square(labels.residuals[row, columns] / case.deviation[row, columns]), case.parts(group)
            worst = [columns[i] for i in max(parts, key=lambda part: _mean(own[part]))]
            (name,) = part_names(labels, worst, case.landmarks)
            away = distance(labels.residuals[row, worst], unit)
            why = f"{name} is {away} from its prediction, the farthest of {len(parts)}; together {deviations(total)}."
        yield Finding(reason, place, why, labels.predicted[row, columns], case.deviation[row, columns])


def _mean(values: NDArray[np.float64]) -> float:
    """Return the mean of the values that are not NaN; 0 if there is none."""
    return float(np.nansum(values) / max(1, (~np.isnan(values)).sum()))
