"""Labels that were set aside are put back beside the judged labels: flagged as marks, or without a verdict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from deepgum.audit.labels import ScoredLabels
from deepgum.audit.notices.aside import Aside, value_words
from deepgum.audit.reasons.mark import Mark
from deepgum.posteriors.kinds.comparison import Comparison
from deepgum.posteriors.label_mixture import LabelMixture

__all__ = ["put_back"]

MARKED, UNKNOWN = 0.001, 0.5
"""Probability that a label is right: if it is a mark far from its prediction, and if nothing is said about it."""


def put_back(labels: ScoredLabels, whole: Comparison, aside: Aside, mixture: LabelMixture) -> ScoredLabels:
    """Return the labels with all values of the comparison `whole`, also those that were set aside.

    A label that may mark a missing label and is far from its prediction is flagged with the reason `mark`. Any other
    label that was set aside has the probability 0.5, and is not flagged: nothing is said about it. If only a part of a
    group was set aside, the verdict on the other part stays, unless the part is a mark.
    """
    given = whole.given
    hidden = aside.mask(given, labels.predicted)
    if not hidden.any():
        return labels
    marked = aside.far_marks(given, labels.predicted)
    right, kinds, why = labels.responsibilities.copy(), dict(labels.kinds), dict(labels.why)
    for place, group in enumerate(labels.partition):
        columns = list(group)
        unknown = hidden[:, columns].any(axis=1) & np.isnan(right[:, place])
        right[unknown, place] = UNKNOWN
        for row in np.flatnonzero(marked[:, columns].any(axis=1)).tolist():
            if right[row, place] < UNKNOWN:  # its other labels are flagged on their own
                continue
            right[row, place] = MARKED
            values = given[row, [column for column in columns if marked[row, column]]]
            kinds[row, place] = Mark.name
            why[row, place] = (
                f"Many labels are exactly {value_words(values.tolist())}, far from their predictions: this may mark a "
                "missing label."
            )
    mahalanobis = labels.mahalanobis.copy()
    rows = hidden.any(axis=1)
    mahalanobis[rows] = mixture.mahalanobis(whole.residuals[rows])
    return replace(labels, given=given, responsibilities=right, mahalanobis=mahalanobis, kinds=kinds, why=why)
