"""Verdicts in words, on the labels of each group and on all labels."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from deepgum.audit.faults import Fault, FaultKind
from deepgum.audit.summary import GroupSummary
from deepgum.errors import listing
from deepgum.mixture import MixtureStatus
from deepgum.posteriors.shares import Share
from deepgum.wording import percent

__all__ = ["FEW_LABELS", "can_judge", "group_verdict", "overall_verdict"]

FEW_LABELS = 30
"""Minimum number of labels in a group for a reliable verdict."""

_MISSED = 0.1
"""A sentence counts the wrong labels without a flag if they are more than this share of those with a flag."""

_MIXTURES = (MixtureStatus.CONVERGED, MixtureStatus.ITERATION_LIMIT)


def can_judge(status: MixtureStatus) -> bool:
    """Return whether a verdict on a group with this status is possible.

    A verdict is possible if the fit of the group is a mixture, or if the group has no outliers.

    Examples
    --------
    >>> can_judge(MixtureStatus.CONVERGED), can_judge(MixtureStatus.NO_INLIERS)
    (True, False)
    """
    return status in _MIXTURES or status is MixtureStatus.NO_OUTLIERS


def group_verdict(
    status: MixtureStatus,
    *,
    labels: int,
    flags: int,
    expected_false_flags: float,
    share: Share | None,
    heavy_tails: bool = False,
    fault: Fault | None = None,
    out_of_fold: bool = False,
    settled: int = 0,
    marked: int = 0,
    remark: str = "",
) -> str:
    """Return the verdict on the labels of one group.

    Parameters
    ----------
    status : MixtureStatus
        Status of the fit of the group.
    labels, flags : int
        Number of labels, and number of flagged labels.
    expected_false_flags : float
        Expected number of flagged labels that are right.
    share : Share or None
        Share of wrong labels; None if this share cannot be estimated.
    heavy_tails : bool
        Whether the residuals of right labels have heavy tails. Then wrong labels cannot be distinguished from hard
        samples. Only used for the status `NO_OUTLIERS`.
    fault : Fault or None
        Fault of the predictions. With a fault, nothing can be told about the labels.
    out_of_fold : bool
        Whether an audit made the predictions; then the reader has inputs and a model, not predictions.
    settled : int
        Number of labels that are right without a density, and that the mixture was not fitted to; see
        `deepgum.posteriors.spikes`.
    marked : int
        Number of further flagged labels, with a value that may mark a missing label.
    remark : str
        Sentence to add.

    Examples
    --------
    >>> group_verdict(
    ...     MixtureStatus.CONVERGED, labels=1000, flags=120, expected_false_flags=3.2, share=Share(0.12, 0.09, 0.15))
    'About 12 % of the labels are wrong (9 to 15 %); 3 of the 120 flagged are expected to be right.'
    >>> group_verdict(
    ...     MixtureStatus.CONVERGED, labels=1000, flags=120, expected_false_flags=3.2, share=Share.at_least(0.09, 0.12))
    'At least 9 % of the labels are wrong; 3 of the 120 flagged are expected to be right.'
    >>> group_verdict(
    ...     MixtureStatus.CONVERGED, labels=3000, flags=243, expected_false_flags=22, share=Share.at_least(0.12, 0.15))
    'At least 12 % of the labels are wrong; 22 of the 243 flagged are expected to be right. About 140 more labels are
    probably wrong, but it cannot be told which.'
    >>> group_verdict(MixtureStatus.TOO_FEW_SAMPLES, labels=2, flags=0, expected_false_flags=0.0, share=None)
    'Nothing can be told: 2 labels are too few for a mixture. Give more labels, or make the groups smaller.'
    """
    if fault is not None:
        return f"Nothing can be told: {fault.sentences(out_of_fold=out_of_fold)}{_unclaimed(flags)}{_marked(marked)}"
    if status in _MIXTURES or (status is MixtureStatus.NO_OUTLIERS and flags and share is not None):
        missed = "" if share is None else _missed(share.low * labels, flags - expected_false_flags)
        words = f"{_share_of_wrong(share)}; {_right_flags(flags, expected_false_flags)}.{missed}"
        if status is MixtureStatus.ITERATION_LIMIT:
            words += " The fit had not converged when it stopped: the numbers are rough."
    elif status is MixtureStatus.NO_OUTLIERS:
        words = f"{_HEAVY_TAILS[flags > 0]} {_BETTER[out_of_fold]}" if heavy_tails else _NONE_FOUND
        if flags:
            words += f" Check the flagged labels anyway: {_right_flags(flags, expected_false_flags)}."
    else:
        words = f"Nothing can be told: {_why_not(status, labels - settled, out_of_fold=out_of_fold)}"
    if remark:
        words += f" {remark}"
    if labels < FEW_LABELS and status is not MixtureStatus.TOO_FEW_SAMPLES:
        words += f" With only {labels} labels, this verdict is a guess."
    return words + _marked(marked)


def overall_verdict(groups: Sequence[GroupSummary], share: Share | None, noun: str = "groups") -> str:
    """Return the verdict on all labels.

    Parameters
    ----------
    groups : sequence of GroupSummary
        At least one.
    share : Share or None
        Share of wrong labels over all groups whose share is known; None if no share is known.
    noun : str
        What the groups are, in the plural.

    Examples
    --------
    >>> same = dict(labels=500, expected_false_flags=1.0, prior=0.9, covariance=((1.0,),), log_uniform_density=0.0)
    >>> tenth = Share.at_least(0.08, 0.1)
    >>> nose = GroupSummary("nose", flags=60, share=tenth, status="CONVERGED", verdict="At least ...", **same)
    >>> none = Share.at_least(0.0, 0.0)
    >>> mouth = GroupSummary("mouth", flags=0, share=none, status="NO_OUTLIERS", verdict="No wrong ...", **same)
    >>> overall_verdict([nose, mouth], Share.at_least(0.04, 0.06))
    'At least 4 % of the labels are wrong; 1 of the 60 flagged is expected to be right. No wrong labels were found in
    mouth.'
    >>> chin = GroupSummary("chin", flags=0, share=None, status="NO_INLIERS", verdict="Nothing ...", **same)
    >>> overall_verdict([nose, chin], tenth, "landmarks")
    'In 1 of 2 landmarks, at least 8 % of the labels are wrong; 1 of the 60 flagged is expected to be right. Nothing can
    be told about the other (chin): the residuals are spread so evenly that no label stands out as right.'
    """
    if len(groups) == 1 or len({group.verdict for group in groups}) == 1:
        return groups[0].verdict
    told = [group for group in groups if _why_untold(group) is None]
    untold = Counter(why for group in groups if (why := _why_untold(group)) is not None)
    with_flags = [group for group in told if group.flags > group.marked or MixtureStatus[group.status] in _MIXTURES]
    without_flags = [group.name for group in told if group not in with_flags]
    words = []
    if with_flags:
        flags = sum(each.flags - each.marked for each in with_flags)
        right = sum(each.expected_false_flags for each in with_flags)
        claim = f"{_share_of_wrong(share)}; {_right_flags(flags, right)}."
        known = sum(each.labels - each.marked for each in told if each.share is not None)
        claim += "" if share is None else _missed(share.low * known, flags - right)
        scope = f"In {len(told):,} of {len(groups):,} {noun}, " if untold else ""
        words.append(f"{scope}{claim[0].lower() if scope else claim[0]}{claim[1:]}")
    if without_flags:
        words.append(f"No wrong labels were found in {listing(without_flags)}.")
    # "the other" follows a sentence on the groups that can be told.
    other = "the other" if with_flags and len(untold) == 1 else ""
    for why, count in untold.most_common():
        names = listing([group.name for group in groups if _why_untold(group) == why])
        which = f"{other}{f' {count:,}' if count > 1 else ''} ({names})" if other else names
        words.append(f"Nothing can be told about {which}: {why}.")
    return " ".join(words) + _marked(sum(group.marked for group in groups))


def _why_untold(group: GroupSummary) -> str | None:
    """Return why nothing can be told about the labels of a group, without numbers; None if something can be told."""
    if group.fault:
        return FaultKind[group.fault].cause
    status = MixtureStatus[group.status]
    if not can_judge(status):
        return _SHORT[status]
    if group.share is None and status is MixtureStatus.NO_OUTLIERS:
        return "the residuals have heavy tails, as if some samples were hard to predict"
    return None


def _share_of_wrong(share: Share | None) -> str:
    if share is None:
        return "Some of the labels are wrong; their number cannot be estimated"
    if not share.is_two_sided:
        if share.low < 0.0005:
            return "Hardly any label is wrong for sure"
        return f"At least {percent(share.low)} % of the labels are wrong"
    between = f" ({percent(share.low)} to {percent(share.high)} %)" if share.low < share.high else ""
    return f"About {percent(share.estimate)} % of the labels are wrong{between}"


def _right_flags(flags: int, expected: float) -> str:
    right = round(expected)
    if not flags:
        return "no label is far enough from its prediction to be flagged"
    if flags == 1:
        return f"the flagged label is right with a probability of {percent(expected)} %"
    if not right:
        return f"hardly any of the {flags:,} flagged is expected to be right"
    return f"{right:,} of the {flags:,} flagged {'is' if right == 1 else 'are'} expected to be right"


def _missed(least: float, found: float) -> str:
    """Return a sentence on the wrong labels that are not flagged, if there are many of them; otherwise "".

    Parameters
    ----------
    least : float
        Number of wrong labels, at least.
    found : float
        Expected number of wrong labels among the flagged labels.
    """
    missed = least - found
    if missed < 1 or missed <= _MISSED * found:
        return ""
    labels = "1 more label is" if round(missed) == 1 else f"{_roughly(missed)} more labels are"
    return f" About {labels} probably wrong, but it cannot be told which."


def _roughly(count: float) -> str:
    """Return a count with two significant digits.

    Examples
    --------
    >>> _roughly(138.7), _roughly(12345.0), _roughly(7.2)
    ('140', '12,000', '7')
    """
    return f"{round(count, min(0, 1 - math.floor(math.log10(count)))):,.0f}"


def _marked(marked: int) -> str:
    if not marked:
        return ""
    have = "1 more flagged label has a value" if marked == 1 else f"{marked:,} more flagged labels have a value"
    return f" {have} that may mark a missing label (see the notice), and count{'s' if marked == 1 else ''} in no share."


def _unclaimed(flags: int) -> str:
    if not flags:
        return ""
    if flags == 1:
        return " The flagged label is only far from most others: look at it."
    return f" The {flags:,} flagged labels are only far from most others: look at them."


def _why_not(status: MixtureStatus, labels: int, *, out_of_fold: bool) -> str:
    if status is MixtureStatus.TOO_FEW_SAMPLES:
        count = f"{labels} label{' is' if labels == 1 else 's are'}"
        return f"{count} too few for a mixture. Give more labels, or make the groups smaller."
    return f"{_SHORT[status]}. {_TO_DO[status, out_of_fold]}"


_NONE_FOUND = "No wrong labels were found: the density of right labels alone describes the residuals well enough."

_HEAVY_TAILS = {
    False: (
        "Nothing can be told: wrong labels, if any, cannot be distinguished from right labels. The largest residuals "
        "are hardly larger than the others, like the residuals of samples that are hard to predict."
    ),
    True: (
        "The number of wrong labels cannot be estimated: residuals have heavy tails, as if some samples were hard to "
        "predict."
    ),
}
"""Verdicts for groups without outliers whose right labels have heavy tails, by whether labels are flagged."""

_BETTER = {
    False: "Better predictions would help.",
    True: "Inputs that say more about the labels, or a better model, would help.",
}

_SHORT = {
    MixtureStatus.TOO_FEW_SAMPLES: "too few labels",
    MixtureStatus.NO_INLIERS: "the residuals are spread so evenly that no label stands out as right",
    MixtureStatus.COLLAPSED_COVARIANCE: "most residuals are almost zero or depend linearly on each other",
}

_TO_DO = {
    (MixtureStatus.NO_INLIERS, False): (
        "The predictions are hardly better than guesses, do not tell groups of labels apart, or belong to other rows. "
        "No label is flagged."
    ),
    (MixtureStatus.NO_INLIERS, True): (
        "The inputs say too little about the labels (a feature that tells groups of labels apart may be missing), or "
        "inputs and labels are not in the same order. No label is flagged."
    ),
    (MixtureStatus.COLLAPSED_COVARIANCE, False): (
        "The network has memorised its labels, or labels are copies. Score predictions for samples that the network "
        "was not trained on."
    ),
    (MixtureStatus.COLLAPSED_COVARIANCE, True): (
        "The inputs give the labels away, samples have copies in other folds (keep_together), or labels follow from "
        "each other."
    ),
}
"""Advice for each status. The second part of the key says whether an audit made the predictions."""
