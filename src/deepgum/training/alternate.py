"""Algorithm 1: SGD and EM in turn, until the validation score no longer improves."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from deepgum.losses import Loss
from deepgum.losses.cross_entropy import CROSS_ENTROPY
from deepgum.training.history import History
from deepgum.training.job import Training
from deepgum.training.loop.label_loss import label_loss, label_spread
from deepgum.training.loop.objective import build_objective
from deepgum.training.loop.sgd import run_sgd
from deepgum.training.many_flags import warn_of_many_flags
from deepgum.training.options import DeepGUMOptions
from deepgum.training.result import TrainingResult
from deepgum.training.rounds import Round, criterion_for
from deepgum.training.schedules import Alternate
from deepgum.training.state.journal import Journal
from deepgum.training.state.weights import Weights
from deepgum.training.weighting import has_label

__all__ = ["fit_alternate"]


def fit_alternate(
    training: Training[DeepGUMOptions], schedule: Alternate, history: History, checkpoint: Path | None
) -> TrainingResult:
    """Run Algorithm 1 on arguments that `fit_deepgum` has checked."""
    model, options = training.model, training.settings
    journal = Journal.of(training, history, checkpoint)
    generator = torch.Generator().manual_seed(training.seed)
    initial_weights = Weights(model)
    weighted_loss = _loss(options.weighted_loss, training)
    progress = _Progress.from_state_dict(journal.resume("alternation"), model)
    journal.register("alternation", progress.state_dict)

    while True:
        if progress.round > 0 and schedule.restart == "fresh":
            initial_weights.restore(model)
        _run_round(training, schedule, progress, generator, journal)
        since, before = time.perf_counter(), progress.best
        trained = Round.of(training, schedule, before)
        # Use the mixture of the previous round, which weighted this round; the new mixture weights the next round.
        criterion = criterion_for(schedule.round_rule, options, weighted_loss, before or trained)
        score = criterion(trained.validation_residuals)
        history.add(trained.record(progress.round, score, since))
        improved = before is None or score < progress.best_score
        if improved:
            progress.improve(trained, score)
        if not improved or progress.round > schedule.rounds_max:
            break

    returned = progress.best if options.returned_round == "best" else trained
    assert returned is not None
    returned.weights.restore(model)
    responsibilities = returned.responsibilities
    labelled = has_label(returned.mixture, returned.residuals)
    warn_of_many_flags(returned.flags, labelled, options.settled_groups, returned.residuals.shape[1], stacklevel=3)
    return TrainingResult(
        model=model.eval(),
        residuals=returned.residuals,
        responsibilities=responsibilities,
        flags=returned.flags,
        mixture=returned.mixture,
        history=history,
        seconds=journal.seconds,
    )


@dataclass
class _Progress:
    """The state of Algorithm 1 during a run of SGD.

    Attributes
    ----------
    round : int
        Number of the current round; 0 is the first fit.
    best : Round or None
        The best round so far. The mixture of this round gives the weights of the current round. The best round is
        always the previous round, because Algorithm 1 ends after a round that is not better. None in the first fit.
    best_score : float
        The validation score of the best round.
    """

    round: int = 0
    best: Round | None = None
    best_score: float = float("inf")

    def improve(self, trained: Round, score: float) -> None:
        self.round, self.best, self.best_score = self.round + 1, trained, score

    def state_dict(self) -> dict[str, Any]:
        best = None if self.best is None else self.best.state_dict()
        return {"round": self.round, "best": best, "best_score": self.best_score}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any] | None, model: nn.Module) -> _Progress:
        """Restore the progress from its `state_dict`; None gives the initial state."""
        if state is None:
            return cls()
        best = None if state["best"] is None else Round.from_state_dict(state["best"], model)
        return cls(state["round"], best, state["best_score"])


def _run_round(
    training: Training[DeepGUMOptions],
    schedule: Alternate,
    progress: _Progress,
    generator: torch.Generator,
    journal: Journal,
) -> None:
    """Run the SGD of one round: the first fit, or a fit weighted by the responsibilities of the best round."""
    options, best = training.settings, progress.best
    loss = _loss(options.first_loss if best is None else options.weighted_loss, training)
    # The weights are constant during the round, so that the scores of its epochs are comparable.
    weights = None if best is None else best.weights_of(best.residuals, options)
    objective = build_objective(loss, training.model, weights)
    warmup = options.warmup_epochs if best is None else None
    run_sgd(
        training,
        lambda _: objective,
        criterion_for(schedule.epoch_rule, options, loss, best),
        generator,
        journal,
        round=progress.round,
        epochs_max=warmup,
        epochs_min=warmup or 0,
        start_counts=best is not None and schedule.start_counts and schedule.restart == "continue",
    )


def _loss(loss: str | Loss, training: Training[DeepGUMOptions]) -> Loss | str:
    if loss == CROSS_ENTROPY:
        return CROSS_ENTROPY
    return label_loss(loss, training.settings, label_spread(training.train.targets))
