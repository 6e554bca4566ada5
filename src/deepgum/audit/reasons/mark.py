"""Reason `mark`: the label has a value that may mark a missing label."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from deepgum.audit.reasons.base import Finding, Reason
from deepgum.audit.reasons.case import Case
from deepgum.wording import exact

__all__ = ["Mark"]


class Mark(Reason):
    """Many labels have the very same value, far from their predictions. Nothing is suggested.

    Such labels are set aside before others are judged, and no other built-in rule sees them; see
    `deepgum.audit.notices`.
    """

    name = "mark"
    words = "may mark a missing label: many labels have this value"
    rank = 10
    applied_once = True

    def find(self, case: Case) -> Iterator[Finding]:
        """Yield a finding for each flagged label with such a value."""
        marks, labels = case.evidence.marks, case.labels
        if marks is None:
            return
        for row, group in case.places:
            columns = [column for column in labels.partition[group] if marks[row, column]]
            if columns:
                why = f"Many labels are exactly {exact(np.asarray(labels.given[row, columns]).tolist())}, far from "
                yield Finding(self, (row, group), f"{why}their predictions: this may mark a missing label.")
