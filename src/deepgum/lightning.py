"""DeepGUM for Lightning: a callback for any `LightningModule` whose `training_step` calls the tracker's loss.

This is the only module that needs Lightning's `Trainer`: `pip install "deepgum[lightning]"`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from deepgum.data.indexed import EpochSampler
from deepgum.errors import InvalidDataError, MissingDependencyError
from deepgum.processes import current
from deepgum.training.tracker import ResponsibilityTracker

if TYPE_CHECKING:
    from lightning.pytorch import Callback, LightningModule, Trainer
else:
    try:
        from lightning.pytorch import Callback
    except ImportError:
        try:
            from pytorch_lightning import Callback
        except ImportError as error:
            raise MissingDependencyError("`deepgum.lightning`", "lightning", extra="lightning") from error

__all__ = ["DeepGUMCallback"]

_PARTS = ("residuals", "seen")
"""Entries of a tracker's state that differ between processes."""


class DeepGUMCallback(Callback):
    """Callback that runs EM after every epoch of a Lightning `Trainer`, and saves the tracker in the checkpoints.

    The module's `training_step` returns `tracker.loss(predictions, targets, index)`, with the indices that
    `IndexedDataset` adds to the batch. If `validation_step` returns `{"residuals": targets - predictions}`, (b, d), the
    held-out score is computed from these residuals. Return residuals only for the loaders that the score should use.

    The callback logs these values, for loggers and for callbacks that monitor a value:

    - `held_out_score`: minus the mean log-likelihood per sample of the held-out residuals, at the end of every
      validation. Lower is better, and scores of different epochs are comparable.
    - `inlier_prior`: the estimated share of right labels (the mean over the groups of the mixture), at the end of every
      epoch after the warm-up.
    - `flagged_share`: the share of labels that are probably wrong, at the end of every epoch after the warm-up.

    Parameters
    ----------
    tracker : ResponsibilityTracker
        The tracker whose `loss` the module calls.
    sampler : EpochSampler, optional
        The sampler of the training loader. The checkpoints then include the state of the sampler, so that a resumed
        training has the same order of samples as an uninterrupted training.

    Raises
    ------
    MissingDependencyError
        When this module is imported, if Lightning is not installed.
    InvalidDataError
        If the first training batch has no indices, if no training step of an epoch calls the loss, or if the validation
        returns `residuals` of a wrong shape or with infinite values.

    Examples
    --------
    >>> import lightning
    >>> from torch.utils.data import DataLoader, TensorDataset
    >>> from deepgum.data.indexed import IndexedDataset
    >>> class Line(lightning.LightningModule):
    ...     def __init__(self, tracker):
    ...         super().__init__()
    ...         self.network, self.tracker = torch.nn.Linear(1, 1), tracker
    ...
    ...     def training_step(self, batch, _):
    ...         x, y, index = batch
    ...         return self.tracker.loss(self.network(x), y, index)
    ...
    ...     def configure_optimizers(self):
    ...         return torch.optim.Adam(self.parameters(), 0.1)
    >>> x = torch.linspace(-1, 1, 400)[:, None]
    >>> y = 3 * x
    >>> y[::10] = 9.0  # every tenth label is wrong
    >>> tracker = ResponsibilityTracker(len(x), targets=y)
    >>> loader = DataLoader(IndexedDataset(TensorDataset(x, y)), 40, sampler=EpochSampler(len(x)))
    >>> quiet = dict.fromkeys(["logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"], False)
    >>> trainer = lightning.Trainer(max_epochs=20, accelerator="cpu", callbacks=[DeepGUMCallback(tracker)], **quiet)
    >>> trainer.fit(Line(tracker), loader)
    >>> wrong = tracker.responsibilities[:, 0] < 0.5
    >>> int(wrong[::10].sum()), int(wrong.sum())
    (40, 40)
    """

    def __init__(self, tracker: ResponsibilityTracker, *, sampler: EpochSampler | None = None) -> None:
        self.tracker, self.sampler = tracker, sampler
        self._held_out: list[Tensor] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Connect the tracker to the other processes. Before this call, Lightning has not started the processes."""
        processes = current()
        if processes.world_size > 1 and self.tracker.epoch == 0:
            self.tracker.join(processes)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Raise an error for a batch without indices; otherwise the module would raise a less helpful error."""
        if batch_idx == 0 and not self.tracker.takes_ids and not _may_hold_indices(batch):
            raise InvalidDataError(
                "The batches should contain the index of each sample, as whole numbers. Found none. Wrap the data set: "
                "`DataLoader(IndexedDataset(dataset), ...)`. A batch `(x, y)` becomes `(x, y, index)`, and "
                "`training_step` returns `tracker.loss(predictions, y, index)`."
            )

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Discard the residuals of an unfinished validation."""
        self._held_out = []

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Store the residuals if `validation_step` returned residuals."""
        if isinstance(outputs, Mapping) and "residuals" in outputs:
            self._held_out.append(outputs["residuals"].detach().float().cpu())

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the held-out score, before other callbacks read the score after the validation or the epoch."""
        residuals, self._held_out = self._held_out, []
        if residuals and not trainer.sanity_checking:
            pl_module.log("held_out_score", self.tracker.score(torch.cat(residuals)), sync_dist=True)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Run EM on the epoch's residuals, and log the results of EM before other callbacks read these results."""
        if not self.tracker.recorded:
            raise InvalidDataError(
                "`training_step` should return `tracker.loss(predictions, targets, index)`, with the same tracker as "
                "`DeepGUMCallback`. Found an epoch in which the loss was never called."
            )
        record = self.tracker.update()
        if record is not None:
            labels = len(record.flagged) * self.tracker.n_samples
            pl_module.log("inlier_prior", sum(record.inlier_prior) / len(record.inlier_prior), sync_dist=True)
            pl_module.log("flagged_share", sum(record.flagged) / labels, sync_dist=True)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the tracker and the sampler, as plain values and tensors.

        Every process must call this method. The first process receives the parts of the other processes, and writes the
        checkpoint.
        """
        processes, state = current(), self.tracker.state_dict()

        def collect(rows: Tensor) -> list[Tensor]:
            return processes.exchange([rows if rank == 0 else rows[:0] for rank in range(processes.world_size)])

        parts = {name: _map_values(state.pop(name), Tensor, collect) for name in _PARTS if name in state}
        return {
            "tracker": state,
            "parts": parts,
            "sampler": None if self.sampler is None else self.sampler.state_dict(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state from a checkpoint.

        Raises
        ------
        InvalidDataError, InvalidParameterError
            If the checkpoint has another number of samples or processes, or another order of samples.
        """
        rank = current().rank
        # If there are more processes than in the checkpoint, the tracker refuses the state, so any part will do.
        parts = _map_values(state_dict["parts"], list, lambda rows: rows[rank] if rank < len(rows) else rows[0])
        self.tracker.load_state_dict({**state_dict["tracker"], **parts})
        if self.sampler is not None and state_dict["sampler"] is not None:
            self.sampler.load_state_dict(state_dict["sampler"])


def _map_values(value: Any, kind: type, change: Callable[[Any], Any]) -> Any:
    """Return a nested mapping in which the function `change` is applied to every value of the type `kind`."""
    if isinstance(value, Mapping):
        return {name: _map_values(inner, kind, change) for name, inner in value.items()}
    return change(value) if isinstance(value, kind) else value


def _may_hold_indices(batch: Any) -> bool:
    """Return whether a batch contains a vector of integers, or an object that may contain such a vector."""
    if isinstance(batch, Tensor):
        return batch.ndim == 1 and not (batch.is_floating_point() or batch.is_complex() or batch.dtype == torch.bool)
    if isinstance(batch, Mapping):
        return any(map(_may_hold_indices, batch.values()))
    if isinstance(batch, (list, tuple)):
        return any(map(_may_hold_indices, batch))
    if dataclasses.is_dataclass(batch):
        return any(_may_hold_indices(getattr(batch, field.name)) for field in dataclasses.fields(batch))
    return not isinstance(batch, (str, bytes, float, bool, type(None)))
