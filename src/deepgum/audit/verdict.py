"""What a mixture can tell about labels and what it cannot, in words: a sentence or two a group, and one for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from deepgum.audit.summary import GroupSummary
from deepgum.errors import listing
from deepgum.mixture import MixtureStatus
from deepgum.posteriors.shares import Share
from deepgum.wording import percent

__all__ = ["FEW", "can_tell", "group_verdict", "overall_verdict"]

FEW = 30
"""Labels of a group, fewer than which are no ground to stand on, whatever the fit says."""

_MIXTURES = (MixtureStatus.CONVERGED, MixtureStatus.ITERATION_LIMIT)


def can_tell(status: MixtureStatus) -> bool:
    """Whether flags of a group mean something: its fit is a mixture, or has no outliers.

    Examples
    --------
    >>> can_tell(MixtureStatus.CONVERGED), can_tell(MixtureStatus.NO_INLIERS)
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
    """Return what is to be made of the labels of one group.

    Parameters
    ----------
    status : MixtureStatus
        Of its fit.
    labels, flags : int
        How many it has, and how many of those are flagged.
    expected_false_flags : float
        How many of the flagged are right.
    share : Share or None
        Of wrong labels, if that can be told.
    heavy_tails : bool
        Where the status is `NO_OUTLIERS`: whether there are large residuals after all, though not far enough out to be
        told from hard samples.

    Examples
    --------
    >>> group_verdict(
    ...     MixtureStatus.CONVERGED, labels=1000, flags=120, expected_false_flags=3.2, share=Share(0.12, 0.09, 0.15))
    'About 12 % of the labels are wrong (9 to 15 %); 3 of the 120 flagged are expected to be right.'
    >>> group_verdict(MixtureStatus.TOO_FEW_SAMPLES, labels=2, flags=0, expected_false_flags=0.0, share=None)
    'Nothing can be told: 2 labels are too few for a mixture. Give more, or put them in smaller groups.'
    """
    if status in _MIXTURES:
        words = f"{_about(share, '')}; {_of_the_flagged(flags, expected_false_flags)}."
        if status is MixtureStatus.ITERATION_LIMIT:
            words += " The fit was still moving when it was stopped: the numbers are rough."
    elif status is MixtureStatus.NO_OUTLIERS:
        words = _WHERE_NONE_IS_FOUND[heavy_tails, flags > 0]
        if flags:
            told = _of_the_flagged(flags, expected_false_flags)
            words += f" Look at what is flagged all the same: {told}."
    else:
        words = f"Nothing can be told: {_why_not(status, labels)}"
    if labels < FEW and status is not MixtureStatus.TOO_FEW_SAMPLES:
        words += f" With {labels} labels this is no more than a guess."
    return words


def overall_verdict(groups: Sequence[GroupSummary], share: Share | None) -> str:
    """Return what is to be made of all labels.

    Parameters
    ----------
    groups : sequence of GroupSummary
        At least one.
    share : Share or None
        Of wrong labels, over all groups.

    Examples
    --------
    >>> of = dict(labels=500, expected_false_flags=1.0, prior=0.9, covariance=(), log_uniform_density=0.0)
    >>> nose = GroupSummary("nose", flags=60, share=Share(0.1, 0.1, 0.1), status="CONVERGED", verdict="About ...", **of)
    >>> none = Share(0.0, 0.0, 0.01)
    >>> mouth = GroupSummary("mouth", flags=0, share=none, status="NO_OUTLIERS", verdict="No wrong ...", **of)
    >>> overall_verdict([nose, mouth], Share(0.06, 0.04, 0.08))
    'About 6 % of all labels are wrong (4 to 8 %); 2 of the 60 flagged are expected to be right. None found in mouth.'
    """
    if len(groups) == 1 or len({group.verdict for group in groups}) == 1:
        return groups[0].verdict
    status = [MixtureStatus[group.status] for group in groups]
    told = [group for group, each in zip(groups, status, strict=True) if can_tell(each)]
    words = []
    if any(each in _MIXTURES for each in status):
        flags = sum(group.flags for group in told)
        words.append(f"{_about(share, 'all ')}; {_of_the_flagged(flags, sum(g.expected_false_flags for g in told))}.")
    without = [group for group, each in zip(groups, status, strict=True) if each is MixtureStatus.NO_OUTLIERS]
    none = [group.name for group in without if group.share is not None and not group.flags]
    few = [group.name for group in without if group.share is not None and group.flags]
    hidden = [group.name for group in without if group.share is None]
    if few:
        words.append(f"Few wrong labels in {listing(few)}: only those that are flagged.")
    if none:
        words.append(f"{'None' if words else 'No wrong labels'} found in {listing(none)}.")
    if hidden:
        words.append(f"How many are wrong in {listing(hidden)} cannot be told, as residuals have heavy tails there.")
    for fault, _ in Counter(each for each in status if not can_tell(each)).most_common():
        names = [group.name for group, each in zip(groups, status, strict=True) if each is fault]
        words.append(f"Nothing can be told of {listing(names)} ({fault.name.lower().replace('_', ' ')}).")
    return " ".join(words)


def _about(share: Share | None, which: str) -> str:
    if share is None:
        return f"Some of {which or 'the '}labels are wrong; how many cannot be told"
    between = f" ({percent(share.low)} to {percent(share.high)} %)" if share.low < share.high else ""
    return f"About {percent(share.estimate)} % of {which or 'the '}labels are wrong{between}"


def _of_the_flagged(flags: int, expected: float) -> str:
    right = round(expected)
    if not flags:
        return "none of them is far enough out to be flagged"
    if flags == 1:
        return f"the one that is flagged is right with a probability of {percent(expected)} %"
    if not right:
        return f"hardly any of the {flags:,} flagged is expected to be right"
    return f"{right:,} of the {flags:,} flagged {'is' if right == 1 else 'are'} expected to be right"


def _why_not(status: MixtureStatus, labels: int) -> str:
    if status is MixtureStatus.TOO_FEW_SAMPLES:
        count = f"{labels} label{' is' if labels == 1 else 's are'}"
        return f"{count} too few for a mixture. Give more, or put them in smaller groups."
    return _WHY_NOT[status]


_WHERE_NONE_IS_FOUND = {
    (False, False): "No wrong labels were found: the density of right labels alone describes the residuals as well.",
    (False, True): "Few labels are wrong: the density of right labels alone describes nearly all residuals as well.",
    (True, False): (
        "Wrong labels, if there are any, cannot be told from right ones: the largest residuals are hardly wider spread "
        "than the others, as those of samples are that are hard to predict. Better predictions would tell."
    ),
    (True, True): (
        "How many labels are wrong cannot be told: residuals have heavy tails, as where some samples are hard to "
        "predict. Better predictions would tell."
    ),
}
"""By whether tails are heavy, and whether labels are flagged."""

_WHY_NOT = {
    MixtureStatus.NO_INLIERS: (
        "the residuals are spread so evenly that no label stands out as right. The predictions are little better than "
        "guesses, or belong to other rows. No label is flagged."
    ),
    MixtureStatus.COLLAPSED_COVARIANCE: (
        "most residuals are all but zero, or all but depend on one another, as where a network has learned its labels "
        "by heart or labels are copies. Score predictions for samples that the network was not trained on."
    ),
}
