"""Verdicts in words, on the labels of each group and on all labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from deepgum.audit.summary import GroupSummary
from deepgum.errors import listing
from deepgum.mixture import MixtureStatus
from deepgum.posteriors.shares import Share
from deepgum.wording import percent

__all__ = ["FEW_LABELS", "can_judge", "group_verdict", "overall_verdict"]

FEW_LABELS = 30
"""Minimum number of labels in a group for a reliable verdict."""

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

    Examples
    --------
    >>> group_verdict(
    ...     MixtureStatus.CONVERGED, labels=1000, flags=120, expected_false_flags=3.2, share=Share(0.12, 0.09, 0.15))
    'About 12 % of the labels are wrong (9 to 15 %); 3 of the 120 flagged are expected to be right.'
    >>> group_verdict(MixtureStatus.TOO_FEW_SAMPLES, labels=2, flags=0, expected_false_flags=0.0, share=None)
    'No verdict is possible: 2 labels are too few for a mixture. Give more labels, or make the groups smaller.'
    """
    if status in _MIXTURES:
        words = f"{_share_of_wrong(share, '')}; {_right_flags(flags, expected_false_flags)}."
        if status is MixtureStatus.ITERATION_LIMIT:
            words += " The fit had not converged when it stopped: the numbers are rough."
    elif status is MixtureStatus.NO_OUTLIERS:
        words = _WITHOUT_OUTLIERS[heavy_tails, flags > 0]
        if flags:
            words += f" Check the flagged labels anyway: {_right_flags(flags, expected_false_flags)}."
    else:
        words = f"No verdict is possible: {_why_not(status, labels)}"
    if labels < FEW_LABELS and status is not MixtureStatus.TOO_FEW_SAMPLES:
        words += f" With only {labels} labels, this verdict is a guess."
    return words


def overall_verdict(groups: Sequence[GroupSummary], share: Share | None) -> str:
    """Return the verdict on all labels.

    Parameters
    ----------
    groups : sequence of GroupSummary
        At least one.
    share : Share or None
        Share of wrong labels over all groups; None if this share cannot be estimated.

    Examples
    --------
    >>> same = dict(labels=500, expected_false_flags=1.0, prior=0.9, covariance=((1.0,),), log_uniform_density=0.0)
    >>> tenth = Share(0.1, 0.1, 0.1)
    >>> nose = GroupSummary("nose", flags=60, share=tenth, status="CONVERGED", verdict="About ...", **same)
    >>> none = Share(0.0, 0.0, 0.01)
    >>> mouth = GroupSummary("mouth", flags=0, share=none, status="NO_OUTLIERS", verdict="No wrong ...", **same)
    >>> overall_verdict([nose, mouth], Share(0.06, 0.04, 0.08))
    'About 6 % of all labels are wrong (4 to 8 %); 2 of the 60 flagged are expected to be right. No wrong labels were
    found in mouth.'
    """
    if len(groups) == 1 or len({group.verdict for group in groups}) == 1:
        return groups[0].verdict
    status = [MixtureStatus[group.status] for group in groups]
    judgeable = [group for group, each in zip(groups, status, strict=True) if can_judge(each)]
    words = []
    if any(each in _MIXTURES for each in status):
        flags, right = sum(group.flags for group in judgeable), sum(group.expected_false_flags for group in judgeable)
        words.append(f"{_share_of_wrong(share, 'all ')}; {_right_flags(flags, right)}.")
    without_outliers = [group for group, each in zip(groups, status, strict=True) if each is MixtureStatus.NO_OUTLIERS]
    without_flags = [group.name for group in without_outliers if group.share is not None and not group.flags]
    with_flags = [group.name for group in without_outliers if group.share is not None and group.flags]
    without_share = [group.name for group in without_outliers if group.share is None]
    if with_flags:
        words.append(f"Few wrong labels in {listing(with_flags)}: only the flagged labels.")
    if without_flags:
        words.append(f"No wrong labels were found in {listing(without_flags)}.")
    if without_share:
        words.append(
            f"The number of wrong labels in {listing(without_share)} cannot be estimated: residuals have heavy tails."
        )
    for fault, _ in Counter(each for each in status if not can_judge(each)).most_common():
        names = [group.name for group, each in zip(groups, status, strict=True) if each is fault]
        words.append(f"No verdict is possible on {listing(names)} ({fault.name.lower().replace('_', ' ')}).")
    return " ".join(words)


def _share_of_wrong(share: Share | None, scope: str) -> str:
    if share is None:
        return f"Some of {scope or 'the '}labels are wrong; their number cannot be estimated"
    between = f" ({percent(share.low)} to {percent(share.high)} %)" if share.low < share.high else ""
    return f"About {percent(share.estimate)} % of {scope or 'the '}labels are wrong{between}"


def _right_flags(flags: int, expected: float) -> str:
    right = round(expected)
    if not flags:
        return "no label is far enough from its prediction to be flagged"
    if flags == 1:
        return f"the flagged label is right with a probability of {percent(expected)} %"
    if not right:
        return f"hardly any of the {flags:,} flagged is expected to be right"
    return f"{right:,} of the {flags:,} flagged {'is' if right == 1 else 'are'} expected to be right"


def _why_not(status: MixtureStatus, labels: int) -> str:
    if status is MixtureStatus.TOO_FEW_SAMPLES:
        count = f"{labels} label{' is' if labels == 1 else 's are'}"
        return f"{count} too few for a mixture. Give more labels, or make the groups smaller."
    return _WHY_NOT[status]


_WITHOUT_OUTLIERS = {
    (
        False,
        False,
    ): "No wrong labels were found: the density of right labels alone describes the residuals well enough.",
    (False, True): "Few labels are wrong: the density of right labels alone describes nearly all residuals.",
    (True, False): (
        "Wrong labels, if any, cannot be distinguished from right labels: the largest residuals are hardly larger than "
        "the others, like the residuals of samples that are hard to predict. Better predictions would help."
    ),
    (True, True): (
        "The number of wrong labels cannot be estimated: residuals have heavy tails, as if some samples were hard to "
        "predict. Better predictions would help."
    ),
}
"""Verdicts for groups without outliers. A key is a pair: whether tails are heavy, and whether labels are flagged."""

_WHY_NOT = {
    MixtureStatus.NO_INLIERS: (
        "the residuals are spread so evenly that no label stands out as right. The predictions are hardly better than "
        "guesses, or the predictions belong to other rows. No label is flagged."
    ),
    MixtureStatus.COLLAPSED_COVARIANCE: (
        "most residuals are almost zero or depend linearly on each other. The network has memorised its labels, or "
        "labels are copies. Score predictions for samples that the network was not trained on."
    ),
}
