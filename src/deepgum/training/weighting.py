"""From a fitted mixture to what a training uses of it: the lenient mixture, the flags and the weights of labels."""

from __future__ import annotations

import math
import time

import torch
from torch import Tensor

from deepgum.mixture import GaussianUniformMixture, MixtureStatus
from deepgum.training.history import RoundRecord
from deepgum.training.options import DeepGUMOptions
from deepgum.training.schedules import Schedule

__all__ = ["HALVED_IN", "coordinate_weights", "flags_of", "labelled", "leniency", "lenient", "mixture_record"]

HALVED_IN = 5
"""Epochs after which half of the leniency is left."""

_UNUSABLE = (MixtureStatus.NO_INLIERS, MixtureStatus.TOO_FEW_SAMPLES)
"""Statuses of a group whose responsibilities do not tell right labels from wrong ones."""


def leniency(epochs: int) -> float:
    """Return the share of the leniency that is left a number of epochs after EM began.

    Examples
    --------
    >>> leniency(0), leniency(5), leniency(15)
    (1.0, 0.5, 0.25)
    """
    return HALVED_IN / (HALVED_IN + epochs)


def lenient(mixture: GaussianUniformMixture, schedule: Schedule, epochs: int = 0) -> GaussianUniformMixture:
    """Return a fitted mixture with the leniency of this epoch; the mixture itself if that changes nothing.

    The inliers' standard deviations are multiplied by a factor that begins at `schedule.widening` and falls to 1, and
    the degrees of freedom of their tails begin at `schedule.degrees_of_freedom` and rise to the Gaussian's.

    Parameters
    ----------
    mixture : GaussianUniformMixture
    schedule : Interleaved or Alternate
    epochs : int
        Epochs since EM began.

    Examples
    --------
    >>> from deepgum.training.schedules import Interleaved
    >>> mixture = GaussianUniformMixture().fit(torch.linspace(-1, 1, 9)[:, None] ** 3)
    >>> later = lenient(mixture, Interleaved(widening=2.0, degrees_of_freedom=4.0), epochs=5)
    >>> float(later.covariances_[0] / mixture.covariances_[0]), later.degrees_of_freedom
    (2.25, 8.0)
    """
    left = leniency(epochs)
    widening, freedom = 1 + (schedule.widening - 1) * left, schedule.degrees_of_freedom / left
    if widening == 1 and freedom == math.inf:
        return mixture
    state = mixture.state_dict()
    tails = None if freedom == math.inf else freedom
    return GaussianUniformMixture.from_state_dict(
        state | {"covariances": widening**2 * state["covariances"], "degrees_of_freedom": tails}
    )


def labelled(mixture: GaussianUniformMixture, residuals: Tensor) -> Tensor:
    """Return whether each group of each sample (n, g) has any label."""
    return torch.stack([~residuals[:, list(group)].isnan().all(dim=1) for group in mixture.partition_], dim=1)


def flags_of(mixture: GaussianUniformMixture, residuals: Tensor, responsibilities: Tensor) -> Tensor:
    """Return which labels (n, g) are probably wrong; a missing label, whose responsibility is the prior, is not."""
    return (responsibilities < 0.5) & labelled(mixture, residuals)


def coordinate_weights(mixture: GaussianUniformMixture, responsibilities: Tensor, options: DeepGUMOptions) -> Tensor:
    """Return the weights (n, d) of labels, from the least weight to 1, by the responsibility (n, g) of their group.

    A group has weight 1 throughout if no inliers are found, if it has too few labels, or if not even a residual of 0
    would be called right. In such a group the network has not learned enough yet to tell labels apart, and with weights
    of nearly 0 it never would.
    """
    d = mixture.n_features_in_
    group_of = torch.empty(d, dtype=torch.int64)
    for group, coordinates in enumerate(mixture.partition_):
        group_of[list(coordinates)] = group
    at_zero = mixture.responsibilities(responsibilities.new_zeros(1, d))[0]
    unusable = torch.tensor([status in _UNUSABLE for status in mixture.status_], device=at_zero.device)
    usable = torch.where(unusable | (at_zero < 0.5), 1.0, responsibilities)
    certain = usable[:, group_of] ** options.responsibility_power
    least = options.least_weight
    return certain if least == 0 else least + (1 - least) * certain


def mixture_record(
    mixture: GaussianUniformMixture, flagged: Tensor, round: int, score: float, since: float
) -> RoundRecord:
    """Return the record of a mixture.

    Parameters
    ----------
    mixture : GaussianUniformMixture
    flagged : Tensor (g,)
        Number of flagged labels in each group.
    round : int
    score : float
        The score that decides whether to go on.
    since : float
        When the fit began, by `time.perf_counter`.
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
