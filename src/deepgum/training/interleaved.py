"""The mixture in one run of SGD: EM after every epoch, on the residuals that the epoch itself has made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from deepgum.data.batches import Batch
from deepgum.data.regression import RegressionData
from deepgum.errors import InvalidParameterError
from deepgum.residuals import compute_residuals
from deepgum.training.checkpoint import Checkpoint
from deepgum.training.engine import LOCAL, Engine
from deepgum.training.history import History
from deepgum.training.identity import identity_of
from deepgum.training.journal import Journal
from deepgum.training.options import DeepGUMOptions
from deepgum.training.result import TrainingResult
from deepgum.training.sgd import run_sgd
from deepgum.training.sgd_options import SGDOptions
from deepgum.training.shared_checkpoint import SharedCheckpoint
from deepgum.training.tracker import WARMUP_EPOCHS, ResponsibilityTracker

__all__ = ["fit_interleaved"]

_OWN = ("tracker.residuals", "sgd.machinery.random")
"""What a checkpoint holds of each process; the rest is the same on all."""


class _Tracked:
    """The tracker's loss, as what an epoch of SGD minimises."""

    def __init__(self, tracker: ResponsibilityTracker) -> None:
        self.tracker = tracker

    @property
    def name(self) -> str:
        return self.tracker.phase

    def __call__(self, batch: Batch, outputs: Tensor) -> Tensor:
        mirrored = None if batch.mirror is None else batch.mirrored
        return self.tracker.loss(outputs, batch.targets, batch.index, mirrored=mirrored)


def _with_warmup(options: DeepGUMOptions, epochs: int) -> DeepGUMOptions:
    """Spell the warm-up out: in a short training at most half of it."""
    if options.warmup_epochs is None:
        return replace(options, warmup_epochs=max(1, min(WARMUP_EPOCHS, epochs // 2)))
    if options.warmup_epochs > epochs:
        hint = "The mixture begins when the warm-up ends."
        raise InvalidParameterError("warmup_epochs", f"at most `epochs_max = {epochs}`", options.warmup_epochs, hint)
    return options


def fit_interleaved(
    model: nn.Module,
    train: RegressionData,
    validation: RegressionData,
    *,
    options: DeepGUMOptions,
    sgd: SGDOptions,
    seed: int,
    history: History,
    checkpoint: Path | None = None,
    engine: Engine = LOCAL,
) -> TrainingResult:
    """Train in one run of SGD on what `fit_deepgum`, which describes the parameters, has checked.

    Raises
    ------
    InvalidParameterError
        If the warm-up is longer than the training.
    """
    options = _with_warmup(options, sgd.epochs_max)
    kept: Checkpoint | SharedCheckpoint | None = None
    processes = engine.processes
    if checkpoint is not None:
        known = identity_of(model, train, validation, trains="interleaved", options=options, sgd=sgd, seed=seed)
        known["processes"] = processes.world_size
        several = processes.world_size > 1
        kept = SharedCheckpoint(checkpoint, known, processes, _OWN) if several else Checkpoint(checkpoint, known)
    journal = Journal(history, kept)
    tracker = ResponsibilityTracker(
        len(train),
        options=options,
        targets=train.targets,
        sample_weight=train.sample_weight,
        mirror=train.mirror,
        processes=processes,
    )
    state: dict[str, Any] | None = journal.resume("tracker")
    if state is not None:
        tracker.load_state_dict(state)
    journal.register("tracker", tracker.state_dict)

    def update() -> None:
        record = tracker.update()
        if record is not None:
            history.add(record)

    objective = _Tracked(tracker)
    run_sgd(
        model,
        train,
        validation,
        lambda _: objective,
        tracker.score,
        # A learning rate on its way down is no place to stop.
        sgd if sgd.schedule == "constant" else replace(sgd, patience=sgd.epochs_max),
        torch.Generator().manual_seed(seed),
        history,
        least_epochs=tracker.warmup_epochs,
        keep_last=options.returned_round == "last",
        ahead=tracker.expect,
        on_epoch=update,
        journal=journal,
        engine=engine,
    )
    # The posteriors are those of the network that is returned, in evaluation mode.
    residuals = compute_residuals(model, train, device=sgd.device, precision=sgd.precision, index=tracker.index)
    tracker.record(tracker.index, residuals)
    tracker.update()
    return TrainingResult(
        model=model.eval(),
        residuals=residuals,
        responsibilities=tracker.responsibilities,
        flags=tracker.flags,
        mixture=tracker.mixture,
        history=history,
        seconds=journal.seconds,
        index=tracker.index,
    )
