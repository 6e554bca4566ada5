"""One run of SGD, with EM after every epoch. EM uses the residuals that the epoch computed for its training loss."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deepgum.data.batches import Batch
from deepgum.data.target_names import group_names
from deepgum.errors import IdentifiabilityWarning, InvalidParameterError
from deepgum.mixture.fitting import complaint
from deepgum.residuals import compute_residuals
from deepgum.training.history import History
from deepgum.training.job import Training
from deepgum.training.loop.engine import Engine
from deepgum.training.loop.sgd import run_sgd
from deepgum.training.options import DeepGUMOptions
from deepgum.training.result import TrainingResult
from deepgum.training.state.journal import Journal
from deepgum.training.tracker import WARMUP_EPOCHS, ResponsibilityTracker

__all__ = ["fit_interleaved"]

_OWN_PARTS = ("tracker.residuals", "sgd.machinery.random")
"""Parts of a checkpoint that differ between processes."""


def fit_interleaved(
    training: Training[DeepGUMOptions], history: History, checkpoint: Path | None, engine: Engine
) -> TrainingResult:
    """Train in one run of SGD, with EM after every epoch. `fit_deepgum` has already checked the arguments.

    Raises
    ------
    InvalidParameterError
        If the warm-up is longer than the training.
    """
    training = replace(training, settings=_with_warmup(training.settings, training.sgd.epochs_max))
    model, train, options, sgd = training.model, training.train, training.settings, training.sgd
    journal = Journal.of(training, history, checkpoint, engine.processes, _OWN_PARTS)
    tracker = ResponsibilityTracker(
        len(train),
        options=options,
        targets=train.targets,
        sample_weight=train.sample_weight,
        mirror=train.mirror,
        processes=engine.processes,
    )
    state: dict[str, Any] | None = journal.resume("tracker")
    if state is not None:
        tracker.load_state_dict(state)
    journal.register("tracker", tracker.state_dict)

    def update() -> None:
        record = tracker.update()
        if record is not None:
            history.add(record)

    objective = _TrackerObjective(tracker)
    # Patience counts only at a constant learning rate, because the score can still improve while the rate decreases.
    patience = sgd.stops_after if sgd.is_constant else sgd.epochs_max
    run_sgd(
        replace(training, sgd=replace(sgd, patience=patience)),
        lambda _: objective,
        tracker.score,
        torch.Generator().manual_seed(training.seed),
        journal,
        epochs_min=tracker.warmup_epochs,
        keep_last=options.returned_round == "last",
        prefetch=tracker.expect,
        on_epoch=update,
        engine=engine,
    )
    # Compute the final responsibilities with the returned network in evaluation mode.
    residuals = compute_residuals(model, train, device=sgd.device, precision=sgd.precision, index=tracker.index)
    tracker.record(tracker.index, residuals)
    tracker.update()
    assert tracker.mixture is not None
    # Only the status of the last mixture is a reason for a warning; earlier mixtures belong to an unfinished network.
    names = group_names(train.target_names, options.settled_groups)
    message = complaint(tracker.mixture.status_, names, fixed_steps=True)
    if message:
        warnings.warn(message, IdentifiabilityWarning, stacklevel=3)
    return TrainingResult(
        model=model.eval(),
        residuals=residuals,
        responsibilities=tracker.responsibilities,
        flags=tracker.flags,
        mixture=tracker.mixture,
        history=history,
        seconds=journal.seconds,
        index=tracker.index,
        verdict=tracker.verdict,
    )


class _TrackerObjective:
    """The objective of an epoch: the loss of a `ResponsibilityTracker`."""

    def __init__(self, tracker: ResponsibilityTracker) -> None:
        self.tracker = tracker

    @property
    def name(self) -> str:
        return self.tracker.phase

    def __call__(self, batch: Batch, outputs: Tensor) -> Tensor:
        mirrored = None if batch.mirror is None else batch.mirrored
        return self.tracker.loss(outputs, batch.targets, batch.index, mirrored=mirrored)


def _with_warmup(options: DeepGUMOptions, epochs: int) -> DeepGUMOptions:
    """Return the options with a number for `warmup_epochs`. None becomes the default, at most half of all epochs."""
    if options.warmup_epochs is None:
        return replace(options, warmup_epochs=max(1, min(WARMUP_EPOCHS, epochs // 2)))
    if options.warmup_epochs > epochs:
        hint = "The mixture begins when the warm-up ends."
        raise InvalidParameterError("warmup_epochs", f"at most `epochs_max = {epochs}`", options.warmup_epochs, hint)
    return options
