"""Faults of predictions that cannot judge labels, and what to do about each, in words for two readers.

A reader of scores has predictions, and can change them. A reader of an audit has inputs and a model; the predictions
are made by the audit, in another unit. This reader gets the cause without an amount, and advice on inputs and model.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

__all__ = ["Fault", "FaultKind"]


class FaultKind(Enum):
    """Faults of predictions.

    `BY_HEART`: the labels themselves. `CONSTANT`: one value for all samples. `UNINFORMATIVE`: no better than one value.
    `OTHER_ROWS`: worse than one value, without relation to the labels. `WORSE`: worse than one value, with a relation.
    `SIGN`: the sign is turned. `OFFSET`: an offset. `BETWEEN`: the middle of two groups of labels. `UNIT`: another
    unit. `TRANSFORMED`: a logarithm, or the like.
    """

    BY_HEART = "by heart"
    CONSTANT = "constant"
    UNINFORMATIVE = "uninformative"
    OTHER_ROWS = "other rows"
    WORSE = "worse than a constant"
    SIGN = "sign"
    OFFSET = "offset"
    BETWEEN = "between two groups"
    UNIT = "unit"
    TRANSFORMED = "transformed"

    @property
    def cause(self) -> str:
        """The fault in words, without numbers: a part of a sentence."""
        return _KINDS[self].cause

    @property
    def keeps_flags(self) -> bool:
        """Whether flagged labels are still worth a look, because they are far from all predictions and labels."""
        return self in (FaultKind.CONSTANT, FaultKind.UNINFORMATIVE, FaultKind.OTHER_ROWS, FaultKind.WORSE)


@dataclass(frozen=True)
class Fault:
    """A reason why the predictions of a target cannot judge labels.

    Attributes
    ----------
    kind : FaultKind
    words : str
        What was found, and what to do, for a reader who has the predictions: sentences.
    where : str
        Names of the targets, if the group has other targets too.

    Examples
    --------
    >>> fault = Fault(FaultKind.CONSTANT, "the predictions are all 5. Give the predictions of a trained model.")
    >>> fault.sentences()
    'the predictions are all 5. Give the predictions of a trained model.'
    >>> fault.sentences(out_of_fold=True)
    'the predictions are the same for all samples. Give inputs that differ between samples, or a model that learns more
    from them.'
    """

    kind: FaultKind
    words: str
    where: str = ""

    def sentences(self, *, out_of_fold: bool = False) -> str:
        """Return what was found, and what to do; with `out_of_fold` for a reader who has inputs and a model."""
        words = self.words
        if out_of_fold:
            words = f"{self.kind.cause}. {_KINDS[self.kind].for_audits}"
        return f"{self.where}: {words}" if self.where else words


class _Words(NamedTuple):
    cause: str
    for_audits: str


_KINDS = {
    FaultKind.BY_HEART: _Words(
        "the predictions repeat the labels",
        "An input gives the label away, or samples have copies in other folds. Leave out this input, and keep copies "
        "together (keep_together). If labels do follow exactly from the inputs, no label differs from its prediction.",
    ),
    FaultKind.CONSTANT: _Words(
        "the predictions are the same for all samples",
        "Give inputs that differ between samples, or a model that learns more from them.",
    ),
    FaultKind.UNINFORMATIVE: _Words(
        "the predictions are no better than one constant for all samples",
        "Give inputs that say something about the labels, or a better model, and check that inputs and labels are in "
        "the same order.",
    ),
    FaultKind.OTHER_ROWS: _Words(
        "the predictions have no relation to the labels, and miss them by more than one constant would",
        "Check that inputs and labels are in the same order. If they are, give inputs that say something about the "
        "labels, or a better model.",
    ),
    FaultKind.WORSE: _Words(
        "the predictions miss most labels by more than one constant would",
        "Give inputs that say more about the labels, or a better model.",
    ),
    FaultKind.SIGN: _Words(
        "the predictions fall where the labels rise",
        "The model learned from other samples what does not hold for these. Give inputs that say something about new "
        "samples, or a better model.",
    ),
    FaultKind.OFFSET: _Words(
        "most predictions are too high, or most are too low, by the same amount",
        "Far labels or a skew draw a model that minimises squared errors, and a model without an intercept may miss "
        "all labels. Give a model with an intercept that minimises absolute errors, or audit the logarithms of labels.",
    ),
    FaultKind.BETWEEN: _Words(
        "the predictions lie between two groups of labels, which the inputs do not tell apart",
        "Give an input that does, such as the place, the device or the unit of the label, or audit each group alone.",
    ),
    FaultKind.UNIT: _Words(
        "the predictions have another scale than the labels",
        "The model learned the direction but not the size. Give a model with less regularisation or more steps.",
    ),
    FaultKind.TRANSFORMED: _Words(
        "the predictions have another unit than the labels, such as a logarithm",
        "Give a model that predicts the labels themselves, for example with TransformedTargetRegressor.",
    ),
}
