"""One run of SGD to an early stop: the inner loop of Algorithm 1, and all of a training with one loss."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, OneCycleLR

from deepgum.residuals import compute_residuals
from deepgum.training.history import EpochRecord
from deepgum.training.job import Training
from deepgum.training.loop.criterion import Criterion
from deepgum.training.loop.engine import LOCAL, Engine
from deepgum.training.loop.objective import Minimised
from deepgum.training.samples.owners import shares
from deepgum.training.sgd_options import SGDOptions
from deepgum.training.state.journal import Journal
from deepgum.training.state.snapshot import Machinery, restore_weights, seeded
from deepgum.training.state.weights import Weights

__all__ = ["SGDRun", "build_optimizer", "build_schedule", "run_sgd", "training_mode"]


def build_optimizer(model: nn.Module, options: SGDOptions) -> torch.optim.Optimizer:
    """Return the optimiser that the options name, for the parameters that are trained."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    rate, decay = options.learning_rate, options.weight_decay
    if options.optimizer == "sgd":
        return torch.optim.SGD(parameters, rate, momentum=0.9, nesterov=True, weight_decay=decay)
    optimizers: dict[str, type[torch.optim.Adam]] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    return optimizers[options.optimizer](parameters, rate, weight_decay=decay)


def build_schedule(optimizer: torch.optim.Optimizer, options: SGDOptions, total: int) -> LRScheduler:
    """Return the schedule that the options name over `total` steps, to be stepped after every batch."""
    if options.schedule == "cosine":
        return CosineAnnealingLR(optimizer, total)
    if options.schedule == "one-cycle":
        return OneCycleLR(optimizer, options.learning_rate, total_steps=total)
    return LambdaLR(optimizer, lambda _: 1.0)


_SEED_STEP = 1_000_003
"""Difference between the seeds of two processes."""


@dataclass(frozen=True)
class SGDRun:
    """The outcome of one run of SGD.

    Attributes
    ----------
    best_score : float
        The best validation score.
    best_epoch : int
        The epoch that had it; 0 if no epoch was better than the start.
    epochs : int
        Number of epochs trained.
    """

    best_score: float
    best_epoch: int
    epochs: int


def run_sgd(
    training: Training[Any],
    objective: Callable[[int], Minimised],
    criterion: Criterion,
    generator: torch.Generator,
    journal: Journal,
    *,
    round: int = 0,
    epochs_max: int | None = None,
    least_epochs: int = 0,
    start_counts: bool = False,
    keep_last: bool = False,
    ahead: Callable[[Tensor], None] | None = None,
    on_epoch: Callable[[], None] | None = None,
    engine: Engine = LOCAL,
) -> SGDRun:
    """Train until the validation score has not improved for `patience` epochs, and keep the best weights.

    Parameters
    ----------
    training : Training
        Its network is trained in place and left with the weights of the best epoch. Frozen parameters (`requires_grad`
        False) are left as they are, and a module whose parameters are all frozen stays in evaluation mode. Each of
        several processes takes the validation score on its share. `how` and `seed` are not used.
    objective : callable
        Maps the epoch (from 1) to the objective of that epoch.
    criterion : Criterion
        Maps validation residuals to a score; lower is better. It must not change from epoch to epoch. With several
        processes, it gives all of them the same score.
    generator : torch.Generator
        Draws the order of the samples, and mirroring.
    journal : Journal
        Its history gets a record per epoch. It keeps the state of the run after each epoch, as its part "sgd"; if it
        has such a part, the run goes on from it.
    round : int
        For the records.
    epochs_max : int, optional
        Replaces `epochs_max` of the SGD options.
    least_epochs : int
        Number of epochs before which patience does not count: a warm-up.
    start_counts : bool
        Whether the weights at the start are a candidate for the best ones.
    keep_last : bool
        Whether the network is left with the weights of the last epoch instead.
    ahead : callable, optional
        With several processes, called before each epoch's first step with the samples that this process will see.
    on_epoch : callable, optional
        Called after each epoch's steps, before its score is taken.
    engine : Engine
        Takes the steps.

    Raises
    ------
    NonFiniteLossError
        As soon as a loss is not finite, before the step that would spoil the weights.
    ProcessLostError
        If another process has died.
    """
    model, train, validation, options = training.model, training.train, training.validation, training.sgd
    device, processes = torch.device(options.device), engine.processes
    judged = shares(len(validation), processes)

    def score() -> float:
        residuals = compute_residuals(model, validation, device=device, precision=options.precision, index=judged)
        return criterion(residuals)

    model.to(device)
    optimizer = build_optimizer(model, options)
    steps = engine.setup(model, optimizer, options)
    most = epochs_max or options.epochs_max
    schedule = build_schedule(optimizer, options, most * -(-len(train) // options.batch_size))
    machinery = Machinery(model, optimizer, schedule, generator, device)
    kept = journal.resume("sgd")
    if kept is None:
        epoch, best = 0, _Best(Weights(model), score() if start_counts else float("inf"))
    else:
        epoch, best = kept["epoch"], _Best.from_state_dict(kept["best"], model)
    journal.register("sgd", lambda: {"epoch": epoch, "best": best.state_dict(), "machinery": machinery.state_dict()})

    # Dropout differs between processes; order and mirroring do not.
    with seeded(generator.initial_seed() + round + _SEED_STEP * processes.rank, device):
        if kept is not None:
            machinery.load_state_dict(kept["machinery"])
        while epoch < most and epoch - max(best.epoch, least_epochs) < options.patience:
            epoch += 1
            began = time.perf_counter()
            minimised = objective(epoch)
            phase = minimised.name
            training_mode(model)
            total, seen = 0.0, 0
            for batch in engine.batches(train, options, generator, ahead):
                loss = minimised(batch, steps.forward(batch.inputs))
                steps.step(loss)
                schedule.step()
                total, seen = total + loss.item() * len(batch.index), seen + len(batch.index)
            steps.settle()
            if on_epoch is not None:
                on_epoch()
            current = score()
            improved = best.take(model, current, epoch)
            total, seen = processes.sum(torch.tensor([total, seen], dtype=torch.float64)).tolist()
            seconds = time.perf_counter() - began
            journal.history.add(EpochRecord(phase, round, epoch, total / seen, current, seconds, improved))
            journal.save()
    if not keep_last:
        best.weights.restore(model)
    return SGDRun(best.score, best.epoch, epoch)


@dataclass
class _Best:
    """The best epoch so far, with its weights and score; epoch 0 is the start."""

    weights: Weights
    score: float
    epoch: int = 0

    def take(self, model: nn.Module, score: float, epoch: int) -> bool:
        """Replace the best epoch if this one is better, and return whether it is."""
        improved = score < self.score
        if improved:
            self.score, self.epoch = score, epoch
            self.weights.take(model)
        return improved

    def state_dict(self) -> dict[str, Any]:
        return {"weights": self.weights.copies, "score": self.score, "epoch": self.epoch}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any], model: nn.Module) -> _Best:
        """Undo `state_dict`."""
        return cls(restore_weights(model, state["weights"]), state["score"], state["epoch"])


def training_mode(model: nn.Module) -> None:
    """Put a model in training mode, except the modules whose parameters are all frozen.

    Those stay in evaluation mode: otherwise batch normalisation would change their running statistics, and dropout the
    inputs of the trained part.
    """
    model.train()
    for module in model.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()
