"""Reason `drift`: all labels of the run are off by the same amount. The label without this amount is suggested."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from deepgum.audit.reasons.base import Finding, Reason
from deepgum.audit.reasons.case import Case
from deepgum.wording import amount, deviations, values

__all__ = ["Drift"]

LEAST_SHARE = 0.8
"""The offset of the run is reported if it has at least this part of the probability that the label is wrong."""


class Drift(Reason):
    """The labels of a run are all too high or too low by about the same amount; see `RunOffsets`.

    The uncertainty of the suggestion is the error of the offset: runs of right labels differ from their predictions,
    too. The alternatives add to it: the label is right, or wrong in another way.
    """

    name = "drift"
    words = "all labels of the run are off by the same amount"
    rank = 15
    applied_once = True

    def find(self, case: Case) -> Iterator[Finding]:
        """Yield a finding for each flagged label that fits without the offset of its run."""
        level = case.evidence.runs
        if level is None or level.offsets is None:
            return
        labels, numbers = case.labels, level.runs.numbers
        for row, group in case.places:
            right, drifted = float(labels.responsibilities[row, group]), float(level.drifted[row, group])
            if drifted < LEAST_SHARE * (1 - right):
                continue
            (column,) = labels.partition[group]
            run = numbers[row]
            offset, error = float(level.offsets.offset[run, column]), float(level.offsets.error[run, column])
            suggested = labels.given[row, [column]] - offset
            residual = case.wrapped(suggested - labels.predicted[row, [column]], [column])
            usual = float(case.deviation[row, column])
            rest = max(0.0, 1 - right - drifted)
            variance = (
                drifted * (error**2 + case.step_of(row, column) ** 2 / 12)
                + right * offset**2
                + rest * (np.square(residual) + usual**2)
            )
            away = deviations(abs(residual.item()) / max(usual, math.ulp(0.0)))
            direction = "lower" if offset < 0 else "higher"
            yield Finding(
                self,
                (row, group),
                f"The labels of run '{level.runs.names[run]}' are about {amount(abs(offset), case.unit, 2)} "
                f"{direction} than predicted; without this difference, the label fits: "
                f"{values(suggested, case.unit)}, {away} from the prediction.",
                suggested,
                np.sqrt(variance),
            )
