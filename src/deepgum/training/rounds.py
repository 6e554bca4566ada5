"""One round of Algorithm 1 seen from its end: residuals, mixture, weights for the next round, and its score."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from deepgum.losses import Loss
from deepgum.mixture import GaussianUniformMixture, MixtureStatus
from deepgum.residuals import compute_residuals
from deepgum.training.history import RoundRecord
from deepgum.training.job import Training
from deepgum.training.loop.criterion import Criterion, held_out_log_likelihood, mean_loss, trimmed_loss
from deepgum.training.loop.objective import residual_loss
from deepgum.training.options import DeepGUMOptions
from deepgum.training.state.snapshot import restore_weights
from deepgum.training.state.weights import Weights

__all__ = [
    "HALVED_IN",
    "SCORE_TOL",
    "Round",
    "coordinate_weights",
    "criterion_for",
    "em_rows",
    "flags_of",
    "leniency",
    "lenient",
    "mixture_record",
    "restore_round",
    "round_state",
    "unfitted_mixture",
]

HALVED_IN = 5
"""Epochs after which half of the leniency is left."""


def leniency(epochs: int) -> float:
    """Return how much of the leniency is left so many epochs after EM began: 1, and less and less.

    Examples
    --------
    >>> leniency(0), leniency(5), leniency(15)
    (1.0, 0.5, 0.25)
    """
    return HALVED_IN / (HALVED_IN + epochs)


def lenient(mixture: GaussianUniformMixture, options: DeepGUMOptions, epochs: int = 0) -> GaussianUniformMixture:
    """Return a fitted mixture as it judges so many epochs after EM began; the mixture itself where that is the same.

    The inliers' standard deviations are multiplied by a factor that begins at `options.widening` and comes down to 1,
    and their tails have degrees of freedom that begin at `options.degrees_of_freedom` and go up to the Gaussian's.

    Examples
    --------
    >>> import torch
    >>> mixture = GaussianUniformMixture().fit(torch.linspace(-1, 1, 9)[:, None] ** 3)
    >>> later = lenient(mixture, DeepGUMOptions(widening=2.0, degrees_of_freedom=4.0), epochs=5)
    >>> float(later.covariances_[0] / mixture.covariances_[0]), later.degrees_of_freedom
    (2.25, 8.0)
    """
    left = leniency(epochs)
    widening, freedom = 1 + (options.widening - 1) * left, options.degrees_of_freedom / left
    if widening == 1 and freedom == math.inf:
        return mixture
    state = mixture.state_dict()
    tails = None if freedom == math.inf else freedom
    return GaussianUniformMixture.from_state_dict(
        state | {"covariances": widening**2 * state["covariances"], "degrees_of_freedom": tails}
    )


SCORE_TOL = 1e-3
"""EM's tolerance where only the likelihood is wanted: it is flat at its maximum, and a score is due every epoch."""


UNTOLD = (MixtureStatus.NO_INLIERS, MixtureStatus.TOO_FEW_SAMPLES)
"""What becomes of a group of whose labels the mixture cannot say which are right."""


@dataclass(frozen=True)
class Round:
    """The network after a run of SGD, and the mixture of its training residuals.

    Attributes
    ----------
    weights : Weights
        Of the network.
    residuals : Tensor (n, d)
        Of the training set.
    validation_residuals : Tensor (m, d)
    mixture : GaussianUniformMixture
        Fitted to the training residuals, all or the first of them.
    """

    weights: Weights
    residuals: Tensor
    validation_residuals: Tensor
    mixture: GaussianUniformMixture

    @classmethod
    def of(cls, training: Training[DeepGUMOptions], previous: Round | None = None) -> Round:
        """Take stock of the network after a run of SGD: its residuals, and the mixture that explains them."""
        model, options, sgd = training.model, training.how, training.sgd
        residuals, validation_residuals = (
            compute_residuals(model, data, device=sgd.device, precision=sgd.precision)
            for data in (training.train, training.validation)
        )
        mixture, rows = unfitted_mixture(options), em_rows(residuals, options)
        start = None
        if options.em_start == "responsibilities":
            groups = len(mixture.resolve(residuals.shape[1]))
            start = torch.ones(len(residuals), groups) if previous is None else previous.responsibilities
        counts = training.train.sample_weight
        mixture.fit(
            residuals[:rows],
            sample_weight=None if counts is None else counts[:rows],
            responsibilities=None if start is None else start[:rows],
        )
        return cls(Weights(model), residuals, validation_residuals, lenient(mixture, options))

    @property
    def responsibilities(self) -> Tensor:
        """Of the training set, (n, g)."""
        return self.mixture.responsibilities(self.residuals)

    @property
    def flags(self) -> Tensor:
        """Which labels of the training set (n, g) are probably wrong."""
        return flags_of(self.mixture, self.residuals, self.responsibilities)

    def weights_of(self, residuals: Tensor, options: DeepGUMOptions) -> Tensor:
        """Weights (n, d) of residuals (n, d): the group's responsibility, to the power that the options say."""
        return coordinate_weights(self.mixture, self.mixture.responsibilities(residuals), options)

    def flagged_shares(self) -> Tensor:
        """Share (g,) of each group's observed training samples whose responsibility is below 1/2."""
        return self.flags.sum(dim=0) / labelled(self.mixture, self.residuals).sum(dim=0).clamp(min=1)

    def record(self, round: int, score: float, since: float) -> RoundRecord:
        """Return the record of the round; `since` is when taking stock began."""
        return mixture_record(self.mixture, self.flags.sum(dim=0), round, score, since)


def labelled(mixture: GaussianUniformMixture, residuals: Tensor) -> Tensor:
    """Return where a group (n, g) has any label at all."""
    return torch.stack([~residuals[:, list(group)].isnan().all(dim=1) for group in mixture.partition_], dim=1)


def flags_of(mixture: GaussianUniformMixture, residuals: Tensor, responsibilities: Tensor) -> Tensor:
    """Return which labels (n, g) are probably wrong; one that is missing, whose responsibility is the prior, is not."""
    return (responsibilities < 0.5) & labelled(mixture, residuals)


def mixture_record(
    mixture: GaussianUniformMixture, flagged: Tensor, round: int, score: float, since: float
) -> RoundRecord:
    """Return the record of a mixture that flags so many labels (g,)."""
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


def coordinate_weights(mixture: GaussianUniformMixture, responsibilities: Tensor, options: DeepGUMOptions) -> Tensor:
    """Return weights (n, d) of labels: from the least weight to 1, by the responsibility (n, g) of their group.

    A group in which no inliers are found, or too few labels, or of which not even a residual of 0 would be called
    right, has weight 1 throughout: if the network has not learned enough yet to tell labels apart, a weight of nearly 0
    for all of them would see to it that it never does.
    """
    d = mixture.n_features_in_
    group_of = torch.empty(d, dtype=torch.int64)
    for group, coordinates in enumerate(mixture.partition_):
        group_of[list(coordinates)] = group
    at_zero = mixture.responsibilities(responsibilities.new_zeros(1, d))[0]
    unknown = torch.tensor([status in UNTOLD for status in mixture.status_], device=at_zero.device) | (at_zero < 0.5)
    told = torch.where(unknown, 1.0, responsibilities)
    certain = told[:, group_of] ** options.responsibility_power
    least = options.least_weight
    return certain if least == 0 else least + (1 - least) * certain


def em_rows(residuals: Tensor, options: DeepGUMOptions) -> int:
    """Return how many of the residuals (n, d) EM is run on."""
    return round(options.em_rows * len(residuals))


def unfitted_mixture(options: DeepGUMOptions, tol: float | None = None) -> GaussianUniformMixture:
    """Return the mixture that the options describe, with another tolerance where one is given."""
    return GaussianUniformMixture(
        groups=options.groups,
        covariance_type=options.covariance_type,
        uniform=options.uniform,
        inlier_prior=options.inlier_prior,
        separation=options.separation,
        tol=options.em_tol if tol is None else tol,
        max_iter=options.em_max_iter,
    )


def criterion_for(rule: str, options: DeepGUMOptions, loss: Loss | str, current: Round | None = None) -> Criterion:
    """What a rule measures, by the mixture of a round; before the first one all weights are 1."""
    if rule == "log-likelihood":
        return held_out_log_likelihood(unfitted_mixture(options, tol=SCORE_TOL))
    judged = residual_loss(loss)
    if rule == "unweighted" or current is None:
        return mean_loss(judged)
    if rule == "weighted":
        return mean_loss(judged, current.weights_of(current.validation_residuals, options))
    return trimmed_loss(judged, current.flagged_shares(), current.mixture.partition_)


def round_state(round: Round) -> dict[str, Any]:
    """Return a round of Algorithm 1 as nested plain values and tensors."""
    return {
        "weights": round.weights.copies,
        "residuals": round.residuals,
        "validation_residuals": round.validation_residuals,
        "mixture": round.mixture.state_dict(),
    }


def restore_round(state: Mapping[str, Any], model: nn.Module) -> Round:
    """Undo `round_state`, for the model that it was a round of."""
    return Round(
        restore_weights(model, state["weights"]),
        state["residuals"],
        state["validation_residuals"],
        GaussianUniformMixture.from_state_dict(state["mixture"]),
    )
