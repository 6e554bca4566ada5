"""Reasons: the probable mistake in each flagged label, and a better label.

A `Reason` has a name, words, a rank and a rule. The rule is applied to a `Case`, which holds all evidence, and yields
findings or explanations. A `Finding` states a fact about one label: a copy of the sample has another label, a landmark
lies outside the image. An `Explanation` is a hypothesis about many labels: left and right are exchanged, the unit is
wrong, all labels belong to another sample. It gives the density of such wrong labels, given the predictions and the
density of right labels.

**The choice between explanations** is by probability, not by rank. The density of the label under each explanation is
compared with two other densities: that of labels that are wrong in no particular way, and that of right labels of hard
samples. A rule with several candidates (the factors of a unit) divides its prior among them, so more candidates do not
give more coincidences. The frequency of each mistake and the density of other wrong labels are estimated from the
flags: a frequent mistake needs less evidence. A reason is reported if it is `LEAST_ODDS` times as probable as all
alternatives.

**The choice between reasons** is by rank: the lowest rank is reported. A copy with a label that fits comes first,
because nothing is inferred. The explanations follow, then a copy whose label does not fit, a landmark outside the
image, and a label that would not be flagged if the spread of the networks were counted. All other flags are `shifted`
or `off`.

**The suggestion** is an estimate of the right label; its uncertainty is the standard deviation of a right label about
it. The uncertainty of a suggested prediction is the standard deviation of right labels' residuals plus the spread
between networks. It contains the noise of right labels: another annotator would not repeat them exactly. A corrected
label *is* the right label if its explanation is true. Its uncertainty contains only its rounding and the doubt about
the explanation.
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
