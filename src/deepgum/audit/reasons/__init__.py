"""What seems wrong with each flagged label, and what it should be: rules, each for itself, and a choice between them.

A rule is a function of a `Case`. Some state a fact: a copy of the sample has another label, a landmark lies outside the
image. Others offer an `Explanation`: left and right are exchanged, the unit is wrong, all labels are of another sample.
Each of those says where such a wrong label would lie, given what is predicted and how far right labels lie from that.

**The choice** is by probability, not by order. The density of the label under each explanation (that of right labels,
after it is put right, and brought back to the label's scale) is compared with the density of labels that are wrong in
no particular way, and with that of a right label of a sample that is hard. A rule with several candidates, such as the
factors of a unit, shares its prior among them, so that many tries earn no more coincidences than one. How often each
kind of mistake is made, and what other wrong labels are like, is learned from the flags themselves: what recurs is
believed on less evidence. A kind is named when it is `LEAST_ODDS` times as probable as everything else together.

Then the facts: a copy with a label that fits goes first, since nothing is inferred in it; one without, and a landmark
outside, come after the explanations, which say how it came about. Where none of these says anything, the label is hard
if it would not be flagged with the spread of the networks counted, and otherwise shifted or off.

**What is suggested** is the right label as far as it is known, and its uncertainty is how far a right label would lie
from the suggestion. For a prediction that is the standard deviation of right labels' residuals, with the spread between
networks added. A label that was put right *is* the right label if the explanation is true: only its rounding is left,
and as much more as the explanation is doubtful. What another annotator would not repeat, the noise that right labels
have themselves, is in the first and not in the second.
"""

from deepgum.audit.reasons.case import Case
from deepgum.audit.reasons.choice import LEAST_ODDS, Posterior, weigh
from deepgum.audit.reasons.explain import explain
from deepgum.audit.reasons.finding import Explanation, Finding

__all__ = ["LEAST_ODDS", "Case", "Explanation", "Finding", "Posterior", "explain", "weigh"]
