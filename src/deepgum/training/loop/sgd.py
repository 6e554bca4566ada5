"""One run of SGD to an early stop: the inner loop of Algorithm 1, and all that a baseline does."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, OneCycleLR

from deepgum.data.regression import RegressionData
from deepgum.residuals import compute_residuals
from deepgum.training.history import EpochRecord, History
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
    """Return the optimiser that the options name, over the parameters that are trained."""
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


_APART = 1_000_003
"""Between the seeds of two processes."""


@dataclass(frozen=True)
class SGDRun:
    """What one run of SGD came to.

    Attributes
    ----------
    best_score : float
        The validation score of the weights that the model was left with.
    best_epoch : int
        The epoch that gave them; 0 where no epoch was better than the start.
    epochs : int
        Epochs trained.
    """

    best_score: float
    best_epoch: int
    epochs: int


def run_sgd(
    model: nn.Module,
    train: RegressionData,
    validation: RegressionData,
    objective: Callable[[int], Minimised],
    criterion: Criterion,
    options: SGDOptions,
    generator: torch.Generator,
    history: History,
    *,
    round: int = 0,
    epochs_max: int | None = None,
    least_epochs: int = 0,
    start_counts: bool = False,
    keep_last: bool = False,
    ahead: Callable[[Tensor], None] | None = None,
    on_epoch: Callable[[], None] | None = None,
    journal: Journal | None = None,
    engine: Engine = LOCAL,
) -> SGDRun:
    """Train until the validation score has not improved for `options.patience` epochs; keep the best weights.

    Parameters
    ----------
    model : nn.Module
        Trained in place; left with the weights of the best epoch. What is frozen (`requires_grad` False) is left as it
        is, and a module that is frozen throughout stays in evaluation mode.
    train, validation : RegressionData
        The score is taken on the second: by each of several processes on its share.
    objective : callable
        From the epoch (from 1) to what that epoch minimises.
    criterion : Criterion
        From validation residuals to a score, lower is better. It must not change from epoch to epoch. Where there are
        several processes, it gives all of them the same.
    options : SGDOptions
        Optimiser, schedule, patience; device and precision as the engine has them.
    generator : torch.Generator
        Order of the samples, and mirroring.
    history : History
        Gets a record an epoch.
    round : int
        For the records.
    epochs_max : int, optional
        Instead of `options.epochs_max`.
    least_epochs : int
        Epochs before which patience does not count: a warm-up.
    start_counts : bool
        Whether the weights at the start are a candidate, too.
    keep_last : bool
        Leave the model with the weights of the last epoch instead.
    ahead : callable, optional
        Where there are several processes: told before each epoch's first step which samples this one will see.
    on_epoch : callable, optional
        Called after each epoch's steps, before its score is taken.
    journal : Journal, optional
        Keeps, as its part "sgd", where the run stands after each epoch; one that has such a part is gone on with.
    engine : Engine
        Takes the steps.

    Raises
    ------
    NonFiniteLossError
        As soon as a loss is not finite, before the step that would spoil the weights.
    ProcessLostError
        If another process is gone.
    """
    device, processes = torch.device(options.device), engine.processes
    journal = journal or Journal(history)
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
        epoch, best = kept["epoch"], _Best.of(kept["best"], model)
    journal.register("sgd", lambda: {"epoch": epoch, "best": best.state_dict(), "machinery": machinery.state_dict()})

    # Dropout differs from process to process; order and mirroring do not.
    with seeded(generator.initial_seed() + round + _APART * processes.rank, device):
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
            history.add(EpochRecord(phase, round, epoch, total / seen, current, seconds, improved))
            journal.save()
    if not keep_last:
        best.weights.restore(model)
    return SGDRun(best.score, best.epoch, epoch)


@dataclass
class _Best:
    """The best epoch so far; 0 is the start."""

    weights: Weights
    score: float
    epoch: int = 0

    def take(self, model: nn.Module, score: float, epoch: int) -> bool:
        """Take over an epoch that is better, and return whether it is."""
        improved = score < self.score
        if improved:
            self.score, self.epoch = score, epoch
            self.weights.take(model)
        return improved

    def state_dict(self) -> dict[str, Any]:
        return {"weights": self.weights.copies, "score": self.score, "epoch": self.epoch}

    @classmethod
    def of(cls, state: Mapping[str, Any], model: nn.Module) -> _Best:
        """Undo `state_dict`."""
        return cls(restore_weights(model, state["weights"]), state["score"], state["epoch"])


def training_mode(model: nn.Module) -> None:
    """Put a model in training mode, all but the modules whose parameters are all frozen.

    Those stay in evaluation mode: batch normalisation would change their running statistics, and dropout what the
    trained part is given.
    """
    model.train()
    for module in model.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()
