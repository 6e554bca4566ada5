"""Reasons `shifted` and `off`: the label is far from its prediction, and no other reason applies."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.reasons.base import Finding, Reason
from deepgum.audit.reasons.case import Case, part_names
from deepgum.audit.reasons.wrong_labels import cells_by_size
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
    labels, unit, parts_of = case.labels, case.unit, [case.parts(group) for group in range(len(case.labels.partition))]
    rows, groups = case.flags.nonzero()
    norms, distances = (each[rows, groups] for each in (labels.residual_norms, labels.mahalanobis))
    for places, columns in cells_by_size(labels.partition, groups):
        cells = rows[places][:, None], columns
        numbers = places.tolist(), norms[places].tolist(), distances[places].tolist()
        arrays = columns, labels.residuals[cells], labels.predicted[cells], case.deviation[cells]
        for number, norm, total, own, residual, predicted, usual in zip(*numbers, *arrays, strict=True):
            place = case.places[number]
            parts = parts_of[place[1]]
            if len(parts) == 1:
                why = f"{amount(norm, unit)} from its prediction, {deviations(total)}."
            else:
                squared = np.square(residual / usual)
                worst = max(parts, key=lambda part: _mean(squared[part]))
                (name,) = part_names(labels, own[worst].tolist(), case.landmarks)
                away = distance(residual[worst], unit)
                why = (
                    f"{name} is {away} from its prediction, the farthest of {len(parts)}; together {deviations(total)}."
                )
            yield Finding(reason, place, why, predicted, usual)


def _mean(values: NDArray[np.float64]) -> float:
    """Return the mean of the values that are not NaN; 0 if there is none."""
    return float(np.nansum(values) / max(1, (~np.isnan(values)).sum()))
