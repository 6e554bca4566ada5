"""Labels that were set aside are put back beside the judged labels: flagged as marks, or without a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.labels import ScoredLabels
from deepgum.audit.notices.aside import Aside
from deepgum.audit.reasons.base import Reason
from deepgum.audit.reasons.case import Case
from deepgum.audit.reasons.evidence import Evidence
from deepgum.audit.reasons.explain import explain
from deepgum.audit.reasons.mark import Mark
from deepgum.audit.reasons.registry import REASONS
from deepgum.posteriors.kinds.comparison import Comparison
from deepgum.posteriors.label_mixture import LabelMixture

__all__ = ["PutBack", "put_back"]

Flags = NDArray[np.bool_]

MARKED, UNKNOWN = 0.001, 0.5
"""Probability that a label is right: of a mark far from its prediction, and of a label that is not judged."""


class PutBack(NamedTuple):
    """All labels, and which of them (n, g) are flagged as marks."""

    labels: ScoredLabels
    marked: Flags


def put_back(
    labels: ScoredLabels,
    whole: Comparison,
    aside: Aside,
    mixture: LabelMixture,
    reasons: Sequence[Reason],
    evidence: Evidence,
) -> PutBack:
    """Return the labels with all values of the comparison `whole`, also those that were set aside.

    A label that may mark a missing label and is far from its prediction is flagged. Its reason is `mark`, or one that
    the user has added; the built-in rules, which look for kinds of errors, do not see it. Any other label that was set
    aside is not judged: it has the probability 0.5, and is not flagged. If only a part of a group was set
    aside, a flag of the other part stays as it is.
    """
    given = whole.given
    hidden, far = aside.mask(given, labels.predicted), aside.far_marks(given, labels.predicted)
    by_group = [list(group) for group in labels.partition]
    marked = np.stack([far[:, group].any(axis=1) for group in by_group], axis=1) & ~labels.flags
    unknown = np.stack([hidden[:, group].any(axis=1) for group in by_group], axis=1)
    unknown &= np.isnan(labels.responsibilities)
    right = np.where(marked, MARKED, np.where(unknown, UNKNOWN, labels.responsibilities))
    mahalanobis, rows = labels.mahalanobis.copy(), hidden.any(axis=1)
    mahalanobis[rows] = mixture.mahalanobis(whole.residuals[rows])
    labels = replace(labels, given=given, responsibilities=right, mahalanobis=mahalanobis)
    return PutBack(_with_marks(labels, marked, far, aside, reasons, evidence) if marked.any() else labels, marked)


def _with_marks(
    labels: ScoredLabels, marked: Flags, far: Flags, aside: Aside, reasons: Sequence[Reason], evidence: Evidence
) -> ScoredLabels:
    """Return the labels with a reason for each label that is flagged as a mark."""
    targets = aside.targets
    alone = replace(labels, responsibilities=np.where(marked, MARKED, 1.0), kinds={}, why={})
    evidence = replace(evidence, marks=far)
    own = [reason for reason in reasons if reason.name == Mark.name or reason.name not in REASONS]
    found = explain(Case.of(alone, landmarks=targets.landmarks, unit=targets.unit, evidence=evidence), own)
    columns = np.zeros(labels.given.shape, dtype=bool)
    for place, group in enumerate(labels.partition):
        columns[:, list(group)] = marked[:, [place]]
    return replace(
        labels,
        kinds={**labels.kinds, **found.kinds},
        why={**labels.why, **found.why},
        suggested=np.where(columns, found.suggested, labels.suggested),
        uncertainty=np.where(columns, found.uncertainty, labels.uncertainty),
    )
