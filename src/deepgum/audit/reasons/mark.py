"""Reason `mark`: the label has a value that may mark a missing label."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.labels import ScoredLabels
from deepgum.audit.reasons.base import Finding, Reason
from deepgum.audit.reasons.case import Case

__all__ = ["Mark", "marks_of"]


class Mark(Reason):
    """Many labels have the very same value, far from their predictions: it may mark missing labels.

    No case contains such labels, because they are set aside before any label is judged; see `deepgum.audit.notices`.
    When they are put back, they get this reason, and no suggestion.
    """

    name = "mark"
    words = "may mark a missing label: many labels have this value"
    rank = 5
    applied_once = True

    def find(self, case: Case) -> Iterator[Finding]:
        """Yield nothing."""
        return iter(())


def marks_of(labels: ScoredLabels) -> NDArray[np.bool_]:
    """Return which labels (n, g) are flagged with the reason `mark`."""
    mask = np.zeros(labels.responsibilities.shape, dtype=bool)
    for place, kind in labels.kinds.items():
        mask[place] = kind == Mark.name
    return mask
