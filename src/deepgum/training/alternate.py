"""Algorithm 1: SGD and EM in turn, until the validation set says that it no longer helps."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from deepgum.losses import Loss
from deepgum.losses.kinds import CROSS_ENTROPY
from deepgum.training.history import History
from deepgum.training.job import Training
from deepgum.training.loop.named_loss import label_spread, named_loss
from deepgum.training.loop.objective import minimised
from deepgum.training.loop.sgd import run_sgd
from deepgum.training.options import DeepGUMOptions
from deepgum.training.result import TrainingResult
from deepgum.training.rounds import Round, criterion_for, restore_round, round_state
from deepgum.training.state.journal import Journal
from deepgum.training.state.weights import Weights

__all__ = ["fit_alternate"]


@dataclass
class _Standing:
    """Where the alternation stands while a run of SGD lasts.

    Attributes
    ----------
    round : int
        Which SGD is in; 0 is the first fit.
    best : Round or None
        The round before, by whose mixture this one is trained, and the best so far: after another, Algorithm 1 ends.
        None in the first fit.
    best_score : float
    """

    round: int = 0
    best: Round | None = None
    best_score: float = float("inf")

    def improve(self, trained: Round, score: float) -> None:
        self.round, self.best, self.best_score = self.round + 1, trained, score

    def state_dict(self) -> dict[str, Any]:
        best = None if self.best is None else round_state(self.best)
        return {"round": self.round, "best": best, "best_score": self.best_score}

    @classmethod
    def of(cls, state: Mapping[str, Any] | None, model: nn.Module) -> _Standing:
        """Undo `state_dict`; the beginning where there is none."""
        if state is None:
            return cls()
        best = None if state["best"] is None else restore_round(state["best"], model)
        return cls(state["round"], best, state["best_score"])


def fit_alternate(training: Training[DeepGUMOptions], history: History, checkpoint: Path | None) -> TrainingResult:
    """Run Algorithm 1 on what `fit_deepgum`, which describes the parameters, has checked."""
    model, options = training.model, training.how
    journal = Journal.of(training, history, checkpoint)
    generator = torch.Generator().manual_seed(training.seed)
    initial_weights = Weights(model)
    weighted_loss = _loss(options.weighted_loss, training)
    standing = _Standing.of(journal.resume("alternation"), model)
    journal.register("alternation", standing.state_dict)

    while True:
        if standing.round > 0 and options.restart == "fresh":
            initial_weights.restore(model)
        _train(training, standing, generator, history, journal)
        since, before = time.perf_counter(), standing.best
        trained = Round.of(training, before)
        # By the mixture that the round was trained with; the one of its own residuals is the next round's.
        criterion = criterion_for(options.round_rule, options, weighted_loss, before or trained)
        score = criterion(trained.validation_residuals)
        history.add(trained.record(standing.round, score, since))
        improved = before is None or score < standing.best_score
        if improved:
            standing.improve(trained, score)
        if not improved or standing.round > options.rounds_max:
            break

    returned = standing.best if options.returned_round == "best" else trained
    assert returned is not None
    returned.weights.restore(model)
    responsibilities = returned.responsibilities
    return TrainingResult(
        model=model.eval(),
        residuals=returned.residuals,
        responsibilities=responsibilities,
        flags=returned.flags,
        mixture=returned.mixture,
        history=history,
        seconds=journal.seconds,
    )


def _train(
    training: Training[DeepGUMOptions],
    standing: _Standing,
    generator: torch.Generator,
    history: History,
    journal: Journal,
) -> None:
    """Run the SGD of a round: the first fit, or one that the best round's responsibilities weight."""
    options, best = training.how, standing.best
    loss = _loss(options.first_loss if best is None else options.weighted_loss, training)
    # Fixed while the round lasts, so that its epochs compare like with like.
    weights = None if best is None else best.weights_of(best.residuals, options)
    objective = minimised(loss, training.model, weights)
    warmup = options.warmup_epochs if best is None else None
    run_sgd(
        training.model,
        training.train,
        training.validation,
        lambda _: objective,
        criterion_for(options.epoch_rule, options, loss, best),
        training.sgd,
        generator,
        history,
        round=standing.round,
        epochs_max=warmup,
        least_epochs=warmup or 0,
        start_counts=best is not None and options.start_counts and options.restart == "continue",
        journal=journal,
    )


def _loss(name: str, training: Training[DeepGUMOptions]) -> Loss | str:
    return name if name == CROSS_ENTROPY else named_loss(name, training.how, label_spread(training.train.targets))
