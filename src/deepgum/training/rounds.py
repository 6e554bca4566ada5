"""The result of one round of Algorithm 1, and the validation score for each rule of the schedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from deepgum.losses import Loss
from deepgum.mixture import GaussianUniformMixture
from deepgum.residuals import compute_residuals
from deepgum.training.history import RoundRecord
from deepgum.training.job import Training
from deepgum.training.loop.criterion import SCORE_TOL, Criterion, held_out_log_likelihood, mean_loss, trimmed_loss
from deepgum.training.loop.objective import residual_loss
from deepgum.training.options import DeepGUMOptions
from deepgum.training.schedules import Alternate
from deepgum.training.state.snapshot import restore_weights
from deepgum.training.state.weights import Weights
from deepgum.training.weighting import coordinate_weights, flags_of, has_label, mixture_record, with_leniency

__all__ = ["Round", "criterion_for", "em_rows"]


@dataclass(frozen=True)
class Round:
    """The network after a run of SGD, and the mixture that is fitted to the training residuals.

    Attributes
    ----------
    weights : Weights
        Weights of the network.
    residuals : Tensor (n, d)
        Residuals of the training set.
    validation_residuals : Tensor (m, d)
        Residuals of the validation set.
    mixture : GaussianUniformMixture
        The mixture, fitted to the first `em_rows` training residuals.
    """

    weights: Weights
    residuals: Tensor
    validation_residuals: Tensor
    mixture: GaussianUniformMixture

    @classmethod
    def of(cls, training: Training[DeepGUMOptions], schedule: Alternate, previous: Round | None = None) -> Round:
        """Compute the residuals of the network after a run of SGD, and fit the mixture to the training residuals."""
        model, options, sgd = training.model, training.settings, training.sgd
        residuals, validation_residuals = (
            compute_residuals(model, data, device=sgd.device, precision=sgd.precision)
            for data in (training.train, training.validation)
        )
        mixture, rows = options.new_mixture(), em_rows(len(residuals), schedule)
        start = None
        if schedule.em_start == "responsibilities":
            groups = len(mixture.resolve(residuals.shape[1]))
            start = torch.ones(len(residuals), groups) if previous is None else previous.responsibilities
        counts = training.train.sample_weight
        mixture.fit(
            residuals[:rows],
            sample_weight=None if counts is None else counts[:rows],
            responsibilities=None if start is None else start[:rows],
        )
        return cls(Weights(model), residuals, validation_residuals, with_leniency(mixture, schedule))

    @property
    def responsibilities(self) -> Tensor:
        """Responsibilities (n, g) of the training set."""
        return self.mixture.responsibilities(self.residuals)

    @property
    def flags(self) -> Tensor:
        """Flags (n, g) of the training set: True for labels that are probably wrong."""
        return flags_of(self.mixture, self.residuals, self.responsibilities)

    def weights_of(self, residuals: Tensor, options: DeepGUMOptions) -> Tensor:
        """Return the weights (n, d) of labels in the loss, given the residuals (n, d) of the labels."""
        return coordinate_weights(self.mixture, self.mixture.responsibilities(residuals), options)

    def flagged_shares(self) -> Tensor:
        """Return the shares (g,) of flagged samples: for each group, among the samples with a label in this group."""
        return self.flags.sum(dim=0) / has_label(self.mixture, self.residuals).sum(dim=0).clamp(min=1)

    def record(self, round: int, score: float, since: float) -> RoundRecord:
        """Return the record of the round; `since` is the time at which the computation of the residuals began."""
        return mixture_record(self.mixture, self.flags.sum(dim=0), round, score, since)

    def state_dict(self) -> dict[str, Any]:
        """Return the round as nested plain values and tensors."""
        return {
            "weights": self.weights.copies,
            "residuals": self.residuals,
            "validation_residuals": self.validation_residuals,
            "mixture": self.mixture.state_dict(),
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any], model: nn.Module) -> Round:
        """Restore a round from its `state_dict`; the model must have the structure of the saved model."""
        return cls(
            restore_weights(model, state["weights"]),
            state["residuals"],
            state["validation_residuals"],
            GaussianUniformMixture.from_state_dict(state["mixture"]),
        )


def em_rows(n_samples: int, schedule: Alternate) -> int:
    """Return the number of training samples that EM uses."""
    return round(schedule.em_rows * n_samples)


def criterion_for(rule: str, options: DeepGUMOptions, loss: Loss | str, current: Round | None = None) -> Criterion:
    """Return the function that computes the validation score for a rule of `Alternate`, for example "weighted".

    If `current`, the current round, is None, the rules "weighted" and "trimmed" give the unweighted score.
    """
    if rule == "log-likelihood":
        return held_out_log_likelihood(options.new_mixture(tol=SCORE_TOL))
    scored_loss = residual_loss(loss)
    if rule == "unweighted" or current is None:
        return mean_loss(scored_loss)
    if rule == "weighted":
        return mean_loss(scored_loss, current.weights_of(current.validation_residuals, options))
    return trimmed_loss(scored_loss, current.flagged_shares(), current.mixture.partition_)
