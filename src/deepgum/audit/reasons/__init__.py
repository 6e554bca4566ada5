"""Reasons: what seems wrong with each flagged label, and what the label should be.

A `Reason` has a name, words, a rank and a rule. The rule is applied to a `Case`, which holds all evidence, and yields
findings or explanations. A `Finding` states a fact about one label: a copy of the sample has another label, a landmark
lies outside the image. An `Explanation` is a hypothesis about many labels: left and right are exchanged, the unit is
wrong, all labels belong to another sample. It gives the density of such wrong labels, given the predictions and the
density of right labels.

**The choice between explanations** is by probability, not by rank. The density of the label under each explanation is
compared with the density of labels that are wrong in no particular way, and with that of right labels of hard samples.
A rule with several candidates, such as the factors of a unit, shares its prior among them: more candidates do not give
more coincidences. How often each mistake is made, and what other wrong labels are like, is estimated from the flags
themselves: a mistake that recurs is believed on less evidence. A reason is reported when it is `LEAST_ODDS` times as
probable as everything else together.

**The choice between reasons** is by rank: the lowest one is reported. A copy with a label that fits comes first, since
nothing is inferred. Then come the explanations, and then a copy whose label does not fit, a landmark outside the image,
and a label that would not be flagged if the spread of the networks were counted. The rest is `shifted` or `off`.

**The suggestion** is the right label as far as it is known, and its uncertainty is the standard deviation of a right
label about it. For a prediction this is the standard deviation of right labels' residuals, with the spread between
networks added. A corrected label *is* the right label if its explanation is true: then only its rounding is left, and
the uncertainty grows with the doubt about the explanation. The noise of right labels themselves (another annotator
would not repeat them exactly) is part of the first and not of the second.
"""

from deepgum.audit.reasons.base import Explanation, Finding, Reason
from deepgum.audit.reasons.case import Case, Evidence
from deepgum.audit.reasons.choice import LEAST_ODDS, Posterior, weigh
from deepgum.audit.reasons.explain import explain
from deepgum.audit.reasons.registry import REASONS, all_reasons

__all__ = [
    "LEAST_ODDS",
    "REASONS",
    "Case",
    "Evidence",
    "Explanation",
    "Finding",
    "Posterior",
    "Reason",
    "all_reasons",
    "explain",
    "weigh",
]
