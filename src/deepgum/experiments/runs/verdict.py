"""The verdict on a training, in words: what is known of the labels and of the network, and what to try next."""

from __future__ import annotations

from collections.abc import Sequence

from deepgum.audit.faults import Fault, FaultKind
from deepgum.errors import listing
from deepgum.mixture import MixtureStatus
from deepgum.wording import percent

__all__ = ["training_verdict"]


def training_verdict(
    status: Sequence[MixtureStatus] | None,
    names: Sequence[str],
    flagged: float | None,
    fault: Fault | None = None,
) -> str:
    """Return the verdict on a training.

    Parameters
    ----------
    status : sequence of MixtureStatus, one per group, or None
        Outcome of the last fit of the mixture; None for a method without a mixture.
    names : sequence of str
        Names of the groups.
    flagged : float or None
        Share of the training labels that are flagged; None for a method that flags no label.
    fault : Fault or None
        Fault of the predictions for the test samples. Test samples that are predicted exactly are no fault here.

    Examples
    --------
    >>> training_verdict([MixtureStatus.CONVERGED], ["age"], 0.12).partition(". ")[0]
    '12 % of the training labels are flagged'
    >>> training_verdict([MixtureStatus.NO_OUTLIERS], ["age"], 0.0)
    'No wrong labels stand out among the training labels.'
    >>> training_verdict(None, ["age"], None, Fault(FaultKind.CONSTANT, "")).partition(". ")[0]
    'The network has learned little, by its test samples: the predictions are the same for all samples'
    """
    words = []
    if fault is not None and fault.kind is not FaultKind.BY_HEART:
        words.append(
            f"The network has learned little, by its test samples: {fault.kind.cause}. Try more epochs, another "
            "learning rate, or other inputs, and compare with method.name=l1."
        )
    if status is None:
        return " ".join(words)
    several = len(status) > 1
    for each in dict.fromkeys(status):
        if each in _TELLING:
            continue
        groups = [name for name, found in zip(names, status, strict=True) if found is each]
        about = f" about {listing(groups)}" if several else ""
        words.append(f"Nothing can be told{about}: {_WHY[each]}")
    if _TELLING & set(status) and flagged:
        words.append(
            f"{percent(flagged)} % of the training labels are flagged. A network learns some wrong labels by heart, so "
            "check labels with predictions of other networks: deepgum audit."
        )
    elif set(status) <= _TELLING:
        words.append("No wrong labels stand out among the training labels.")
    return " ".join(words)


_TELLING = {MixtureStatus.CONVERGED, MixtureStatus.ITERATION_LIMIT, MixtureStatus.NO_OUTLIERS}

_WHY = {
    MixtureStatus.NO_INLIERS: (
        "the residuals are spread so evenly that no training label stands out as right. Train the network better "
        "first: more epochs, another learning rate, or other inputs."
    ),
    MixtureStatus.COLLAPSED_COVARIANCE: (
        "most training residuals are almost zero. The network has learned its labels by heart, or labels are copies. "
        "Train for fewer epochs (training.epochs_max), or use a smaller network."
    ),
    MixtureStatus.TOO_FEW_SAMPLES: "there are too few training labels for a mixture.",
}
