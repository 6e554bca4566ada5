"""Reasons: the probable mistake in each flagged label, and a suggestion for the right label.

A `Reason` has a name, a description, a rank and a rule. The rule is applied to a `Case`, which holds all evidence, and
yields findings or explanations. A `Finding` states a fact on one label, for example that a landmark lies outside the
image. An `Explanation` is a hypothesis on many labels, for example that left and right are exchanged. An explanation
computes the density of the labels if the hypothesis is true, from the predictions and the density of right labels.

**The choice between explanations** is by probability, not by rank. The density of the label under each explanation is
compared with two other densities: the density of labels that are wrong for no known reason, and the density of right
labels of hard samples (samples that are hard to predict). A rule with several candidates (the factors of a unit)
divides its prior among the candidates, so more candidates do not give more coincidences. The frequency of each mistake
and the density of other wrong labels are estimated from the flags, so a frequent mistake needs less evidence. An
explanation is reported if it is at least `LEAST_ODDS` times as probable as all alternatives together.

**The choice between reasons** is by rank: the reason with the lowest rank is reported. First comes `copy`, if an
identical sample has a label that agrees with the prediction, because nothing is inferred. Then follow the explanations;
`copy`, if no such label agrees with the prediction; a landmark outside the image; and a label that would not be flagged
if the spread of the networks were counted. All other flags are `shifted` or `off`.

**The suggestion** is an estimate of the right label. The uncertainty of a suggestion is the standard deviation of the
right label around the suggestion. If the prediction is suggested, the uncertainty combines the standard deviation of
the residuals of right labels and the spread between networks. This uncertainty contains the noise of right labels,
because another annotator would not repeat a right label exactly. If a corrected label is suggested, the corrected label
*is* the right label if the explanation is true. The uncertainty then contains only the rounding of the label and the
doubt about the explanation.
"""

from deepgum.audit.reasons.base import Explanation, Finding, Reason
from deepgum.audit.reasons.case import Case
from deepgum.audit.reasons.choice import LEAST_ODDS, Posterior, weigh
from deepgum.audit.reasons.evidence import Evidence
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
