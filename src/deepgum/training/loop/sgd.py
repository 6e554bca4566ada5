"""One run of SGD with an early stop: one round of Algorithm 1, or a whole training in one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, OneCycleLR

from deepgum.errors import InvalidDataError
from deepgum.outputs import as_predictions
from deepgum.residuals import compute_residuals
from deepgum.training.history import EpochRecord
from deepgum.training.job import Training
from deepgum.training.loop.criterion import Criterion
from deepgum.training.loop.engine import LOCAL, Engine
from deepgum.training.loop.objective import BatchLoss
from deepgum.training.samples.owners import own_samples
from deepgum.training.sgd_options import SGDOptions
from deepgum.training.state.journal import Journal
from deepgum.training.state.snapshot import Machinery, restore_weights, seeded
from deepgum.training.state.weights import Weights

__all__ = ["SGDRun", "build_optimizer", "build_schedule", "run_sgd", "training_mode"]


def build_optimizer(model: nn.Module, options: SGDOptions, *, fused: bool = False) -> torch.optim.Optimizer:
    """Return the optimiser that the options name, for the parameters that are not frozen.

    If `fused` is True, one kernel updates all values of a parameter, which saves time with small networks.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    rate, decay = options.learning_rate, options.weight_decay
    if options.optimizer == "sgd":
        return torch.optim.SGD(parameters, rate, momentum=0.9, nesterov=True, weight_decay=decay, fused=fused)
    optimizers: dict[str, type[torch.optim.Adam]] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    return optimizers[options.optimizer](parameters, rate, weight_decay=decay, fused=fused)


def build_schedule(optimizer: torch.optim.Optimizer, options: SGDOptions, total: int) -> LRScheduler:
    """Return the schedule of the learning rate over `total` steps; the caller calls `step` after every batch."""
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
        The epoch with the best score; 0 if no epoch was better than the start.
    epochs : int
        Number of epochs of the run.
    """

    best_score: float
    best_epoch: int
    epochs: int


def run_sgd(
    training: Training[Any],
    objective: Callable[[int], BatchLoss],
    criterion: Criterion,
    generator: torch.Generator,
    journal: Journal,
    *,
    round: int = 0,
    epochs_max: int | None = None,
    epochs_min: int = 0,
    start_counts: bool = False,
    keep_last: bool = False,
    prefetch: Callable[[Tensor], None] | None = None,
    on_epoch: Callable[[], None] | None = None,
    engine: Engine = LOCAL,
) -> SGDRun:
    """Train until the validation score has not improved for `patience` epochs, and keep the best weights.

    Parameters
    ----------
    training : Training
        The arguments of the training. The network is trained in place and ends with the weights of the best epoch.
        Frozen parameters (`requires_grad` False) do not change, and a module whose parameters are all frozen stays in
        evaluation mode. The run does not use `settings` and `seed`.
    objective : callable
        Function that maps the number of an epoch (the first is 1) to the objective of that epoch.
    criterion : Criterion
        Function that maps validation residuals to a score; lower is better. The function must be the same in all
        epochs. With several processes, the function gets the residuals of this process's share of the validation set,
        and returns the same score on all processes.
    generator : torch.Generator
        Generator of the order of the samples and of mirroring.
    journal : Journal
        Journal whose history gets one record per epoch. The journal saves the state of the run after each epoch as the
        part "sgd". If the journal already has this part, the run resumes from the saved state.
    round : int
        Number of the round in the records.
    epochs_max : int, optional
        Replacement for `epochs_max` of the SGD options.
    epochs_min : int
        Number of warm-up epochs at the start. The early stop ignores these epochs.
    start_counts : bool
        Whether the weights at the start can be the best weights.
    keep_last : bool
        Whether the network ends with the weights of the last epoch instead of the best epoch.
    prefetch : callable, optional
        With several processes, called before the first step of each epoch. The argument is the tensor of the indices of
        all samples that this process gets in the epoch.
    on_epoch : callable, optional
        Called after the steps of each epoch, before the validation score is computed.
    engine : Engine
        The engine that runs the steps.

    Raises
    ------
    NonFiniteLossError
        As soon as a loss is not finite; the weights do not change.
    ProcessLostError
        If another process has died.
    """
    model, train, validation, options = training.model, training.train, training.validation, training.sgd
    device, processes = torch.device(options.device), engine.processes
    own_rows = own_samples(len(validation), processes)

    def score() -> float:
        residuals = compute_residuals(model, validation, device=device, precision=options.precision, index=own_rows)
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

    # Dropout draws different numbers in each process; the order of the samples and mirroring are the same.
    with seeded(generator.initial_seed() + round + _SEED_STEP * processes.rank, device):
        if kept is not None:
            machinery.load_state_dict(kept["machinery"])
        while epoch < most and epoch - max(best.epoch, epochs_min) < options.stops_after:
            epoch += 1
            began = time.perf_counter()
            batch_loss = objective(epoch)
            phase = batch_loss.name
            training_mode(model)
            total, seen = 0.0, 0
            for batch in engine.batches(train, options, generator, prefetch):
                outputs = as_predictions(steps.forward(batch.inputs), (len(batch.targets), batch.targets.shape[1]))
                if not outputs.requires_grad:
                    raise InvalidDataError(
                        "The network's outputs should depend on its parameters. Found outputs without a gradient: they "
                        "are detached, or computed under `torch.no_grad`."
                    )
                loss = batch_loss(batch, outputs)
                steps.step(loss)
                schedule.step()
                total, seen = total + loss.item() * len(batch.index), seen + len(batch.index)
            steps.synchronise()
            if on_epoch is not None:
                on_epoch()
            current = score()
            improved = best.update(model, current, epoch)
            total, seen = processes.sum(torch.tensor([total, seen], dtype=torch.float64)).tolist()
            seconds = time.perf_counter() - began
            journal.history.add(EpochRecord(phase, round, epoch, total / seen, current, seconds, improved))
            journal.save()
    if not keep_last:
        best.weights.restore(model)
    return SGDRun(best.score, best.epoch, epoch)


@dataclass
class _Best:
    """The best epoch so far, with its weights and score. Epoch 0 stands for the start of the run."""

    weights: Weights
    score: float
    epoch: int = 0

    def update(self, model: nn.Module, score: float, epoch: int) -> bool:
        """If the score is better than the best score, store this epoch as the best one, and return True."""
        improved = score < self.score
        if improved:
            self.score, self.epoch = score, epoch
            self.weights.update(model)
        return improved

    def state_dict(self) -> dict[str, Any]:
        return {"weights": self.weights.copies, "score": self.score, "epoch": self.epoch}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any], model: nn.Module) -> _Best:
        """Restore the best epoch from its `state_dict`."""
        return cls(restore_weights(model, state["weights"]), state["score"], state["epoch"])


def training_mode(model: nn.Module) -> None:
    """Put a model in training mode, except the modules whose parameters are all frozen.

    In training mode, batch normalisation would change the running statistics of the frozen modules, and dropout would
    change the inputs of the trained part.
    """
    model.train()
    for module in model.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()
