"""Reason `unit`: wrong unit, sign or scale. After one known conversion, the label agrees with the prediction."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.reasons.base import Explanation, Finding, Reason
from deepgum.audit.reasons.case import Case
from deepgum.audit.reasons.conversions import POINT_CONVERSIONS, VALUE_CONVERSIONS, Conversion
from deepgum.audit.reasons.converted_labels import ConvertedLabels, Flagged
from deepgum.audit.reasons.known import known_findings
from deepgum.posteriors.kinds.choice import AGAINST_DECOYS
from deepgum.posteriors.kinds.conversions import DECOY

__all__ = ["Unit"]

Values = NDArray[np.float64]

LEAST_COMPARED = 1.0
"""Minimum evidence of a conversion, in nats, that is compared with the evidence of decoys."""

NEAR_DECOY = 1.4
"""A conversion is also compared with factors this number of times larger and smaller: if they explain as much, then
the labels do not tell the unit. For example, labels of 1 agree with predictions near 6 after any factor near 6.
"""


class Unit(Reason):
    """The label is in another unit, or has the wrong sign or scale. The converted label is suggested.

    Each conversion is tried on each flagged group and on all flagged groups of a sample at once. In a group of several
    landmarks or values, it is also tried on subsets of the group. The density of the converted label is transformed to
    the scale of the label. A label near zero or a rounded label agrees with the prediction after many conversions.
    Such a label is therefore weak evidence for each of these conversions.
    """

    name = "unit"
    words = "wrong unit, sign or scale"
    rank = 20
    applied_once = True

    def find(self, case: Case) -> Iterator[Finding | Explanation]:
        """Yield findings from the posterior, and explanations: each conversion of flagged groups, of parts of groups,
        and of whole samples.
        """
        yield from known_findings(self, case)
        table = POINT_CONVERSIONS if case.landmarks else VALUE_CONVERSIONS
        conversions: list[tuple[Conversion, Values | float]] = [(each, each.scale) for each in table]
        if case.landmarks and case.sizes is not None:
            shares = Conversion("As shares of the image's width and height", math.nan)
            conversions.append((shares, case.sizes))
        usual = sum(each.usual for each, _ in conversions)
        weights = [0.5 / (usual if each.usual else len(conversions) - usual) for each, _ in conversions]
        flagged = Flagged.of(case)
        for (each, scales), weight in zip(conversions, weights, strict=True):
            converted = ConvertedLabels(self, case, flagged, each, scales, weight)
            if _beats_decoys(converted):
                yield from converted.explanations()


def _beats_decoys(converted: ConvertedLabels) -> bool:
    """Return whether a conversion explains at least twice as much as similar conversions that nobody makes.

    A conversion with hardly any evidence cannot mislead, and is not compared. A sign has no similar conversions.
    """
    evidence = converted.evidence
    if evidence < LEAST_COMPARED or abs(converted.conversion.scale) == 1:
        return True
    decoys = (converted.times(each) for factor in (DECOY, NEAR_DECOY) for each in (factor, 1 / factor))
    return all(evidence >= AGAINST_DECOYS * decoy.evidence for decoy in decoys)
