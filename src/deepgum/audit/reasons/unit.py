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

__all__ = ["Unit"]

Values = NDArray[np.float64]


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
        if case.known is not None:
            yield from case.known.findings(self, case)
        table = POINT_CONVERSIONS if case.landmarks else VALUE_CONVERSIONS
        conversions: list[tuple[Conversion, Values | float]] = [(each, each.scale) for each in table]
        if case.landmarks and case.sizes is not None:
            shares = Conversion("As shares of the image's width and height", math.nan)
            conversions.append((shares, case.sizes))
        usual = sum(each.usual for each, _ in conversions)
        weights = [0.5 / (usual if each.usual else len(conversions) - usual) for each, _ in conversions]
        flagged = Flagged.of(case)
        for (each, scales), weight in zip(conversions, weights, strict=True):
            yield from ConvertedLabels(self, case, flagged, each, scales, weight).explanations()
