"""The leniency of a fitted mixture, and the flags, weights and records that the mixture gives.

Leniency: in the first epochs with EM, the mixture tolerates larger residuals (see `Interleaved`).
"""

from __future__ import annotations

import math
import time

import torch
from torch import Tensor

from deepgum.mixture import GaussianUniformMixture, MixtureStatus
from deepgum.training.history import RoundRecord
from deepgum.training.options import DeepGUMOptions
from deepgum.training.schedules import Schedule

__all__ = [
    "HALVED_IN",
    "coordinate_weights",
    "flags_of",
    "has_label",
    "leniency_left",
    "mixture_record",
    "with_leniency",
]

HALVED_IN = 5
"""Number of epochs after which one half of the leniency is left."""

_UNUSABLE = (MixtureStatus.NO_INLIERS, MixtureStatus.TOO_FEW_SAMPLES)
"""Statuses of a group whose responsibilities do not separate right labels from wrong labels."""


def leniency_left(epochs: int) -> float:
    """Return the share of the leniency that remains, from the number of epochs since EM began.

    Examples
    --------
    >>> leniency_left(0), leniency_left(5), leniency_left(15)
    (1.0, 0.5, 0.25)
    """
    return HALVED_IN / (HALVED_IN + epochs)


def with_leniency(mixture: GaussianUniformMixture, schedule: Schedule, epochs: int = 0) -> GaussianUniformMixture:
    """Return the fitted mixture with the leniency of this epoch. If there is no leniency, return `mixture` itself.

    The factor on the inliers' standard deviations decays from `schedule.widening` to 1. The degrees of freedom of the
    tails of the inlier density grow from `schedule.degrees_of_freedom` to infinity, which gives the Gaussian.

    Parameters
    ----------
    mixture : GaussianUniformMixture
    schedule : Interleaved or Alternate
    epochs : int
        Number of epochs since EM began.

    Examples
    --------
    >>> from deepgum.training.schedules import Interleaved
    >>> mixture = GaussianUniformMixture().fit(torch.linspace(-1, 1, 9)[:, None] ** 3)
    >>> later = with_leniency(mixture, Interleaved(widening=2.0, degrees_of_freedom=4.0), epochs=5)
    >>> float(later.covariances_[0] / mixture.covariances_[0]), later.degrees_of_freedom
    (2.25, 8.0)
    """
    left = leniency_left(epochs)
    widening, freedom = 1 + (schedule.widening - 1) * left, schedule.degrees_of_freedom / left
    if widening == 1 and freedom == math.inf:
        return mixture
    state = mixture.state_dict()
    tails = None if freedom == math.inf else freedom
    return GaussianUniformMixture.from_state_dict(
        state | {"covariances": widening**2 * state["covariances"], "degrees_of_freedom": tails}
    )


def has_label(mixture: GaussianUniformMixture, residuals: Tensor) -> Tensor:
    """Return a mask (n, g) that is True where the sample has at least one label in the group."""
    return torch.stack([~residuals[:, list(group)].isnan().all(dim=1) for group in mixture.partition_], dim=1)


def flags_of(mixture: GaussianUniformMixture, residuals: Tensor, responsibilities: Tensor) -> Tensor:
    """Return flags (n, g) that are True for labels that are probably wrong.

    Missing labels are never flagged, although their responsibility, which is the prior, can be below 1/2.
    """
    return (responsibilities < 0.5) & has_label(mixture, residuals)


def coordinate_weights(
    mixture: GaussianUniformMixture,
    responsibilities: Tensor,
    options: DeepGUMOptions,
    is_weighted: Tensor | None = None,
) -> Tensor:
    """Return the weights (n, d) of labels in the loss, from the responsibilities (n, g).

    All weights of a group are 1 if the mask `is_weighted` (g,) is False for the group.

    All weights of a group are 1 if EM finds no inliers in the group, if the group has too few labels, or if even a
    residual of 0 would be flagged. The network has then not yet learned the labels of the group, and with weights near
    0 the network could never learn these labels.
    """
    d = mixture.n_features_in_
    group_of = torch.empty(d, dtype=torch.int64)
    for group, coordinates in enumerate(mixture.partition_):
        group_of[list(coordinates)] = group
    at_zero = mixture.responsibilities(responsibilities.new_zeros(1, d))[0]
    unusable = torch.tensor([status in _UNUSABLE for status in mixture.status_], device=at_zero.device)
    if is_weighted is not None:
        unusable = unusable | ~is_weighted.to(unusable.device)
    usable = torch.where(unusable | (at_zero < 0.5), 1.0, responsibilities)
    weights = usable[:, group_of] ** options.responsibility_power
    least = options.least_weight
    return weights if least == 0 else least + (1 - least) * weights


def mixture_record(
    mixture: GaussianUniformMixture, flagged: Tensor, round: int, score: float, since: float
) -> RoundRecord:
    """Return the `RoundRecord` of a fitted mixture.

    Parameters
    ----------
    mixture : GaussianUniformMixture
    flagged : Tensor (g,)
        Number of flagged labels in each group.
    round : int
        Number of the round.
    score : float
        Score of the round.
    since : float
        Start of the time that the record measures, from `time.perf_counter`.
    """
    return RoundRecord(
        round=round,
        inlier_prior=tuple(mixture.inlier_prior_.tolist()),
        log_uniform_density=tuple(mixture.log_uniform_density_.tolist()),
        covariances=tuple(tuple(map(tuple, matrix.tolist())) for matrix in mixture.covariances_),
        flagged=tuple(flagged.tolist()),
        status=tuple(status.name.lower() for status in mixture.status_),
        em_iterations=mixture.n_iter_,
        round_score=score,
        seconds=time.perf_counter() - since,
    )
