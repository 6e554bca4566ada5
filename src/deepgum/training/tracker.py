"""A tracker for custom training loops: it collects residuals, fits the mixture, and computes weights of labels."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from deepgum.checks import check_count
from deepgum.data.mirror import Mirror
from deepgum.errors import IdentifiabilityWarning, InvalidParameterError, NotFittedError
from deepgum.losses import Loss
from deepgum.losses.cross_entropy import CROSS_ENTROPY
from deepgum.mixture import GaussianUniformMixture
from deepgum.posteriors.label_mixture import LabelMixture
from deepgum.processes import SOLO, Processes
from deepgum.training.history import RoundRecord
from deepgum.training.judgement import Judgement
from deepgum.training.loop.criterion import SCORE_TOL, held_out_log_likelihood
from deepgum.training.loop.label_loss import label_spread
from deepgum.training.options import DeepGUMOptions
from deepgum.training.phase_loss import PhaseLoss
from deepgum.training.samples.batch import (
    check_batch,
    check_finite,
    check_finite_residuals,
    check_index,
    check_targets,
    check_weights,
    check_width,
)
from deepgum.training.samples.epoch import Epoch
from deepgum.training.samples.names import SampleNames
from deepgum.training.samples.owners import Owners
from deepgum.training.samples.weight_table import WeightTable
from deepgum.training.schedules import Interleaved
from deepgum.training.state.tracker_state import FORMAT, check_tracker_state
from deepgum.training.verdict import groups_to_weight, rows_of_all
from deepgum.training.weighting import coordinate_weights, flags_of, mixture_record, with_leniency

__all__ = ["WARMUP_EPOCHS", "ResponsibilityTracker"]

WARMUP_EPOCHS = 5
"""Default number of warm-up epochs; after the warm-up, the residuals separate right labels from wrong labels."""


class ResponsibilityTracker:
    """Estimator, for any training loop, of the probability that each label is right.

    Every sample has an index from 0 to n - 1 (`deepgum.IndexedDataset` adds the index to each item of a data set).
    `loss` returns the loss of a batch from predictions, labels and indices: a robust loss in the warm-up, and later the
    loss of eq. 7, weighted by the probability that each label is right. `update` ends an epoch: it runs EM on the
    residuals that `loss` has stored, without an additional pass over the data, and computes the weights of the next
    epoch.

    Parameters
    ----------
    n_samples : int
        n, the length of the training set.
    options : DeepGUMOptions, optional
        Groups, losses and mixture, with the schedule `Interleaved`. `returned_round` has no effect, because the loop
        itself chooses the epoch whose weights it keeps.
    ids : sequence of length n, optional
        Names of the samples, texts or whole numbers, each once. With `ids`, the methods take ids of samples as `index`.
        Otherwise `index` has the positions of the samples.
    target_names : sequence of str, optional
        Names of the d labels. If the options have no groups and the names come in pairs of x and y, each landmark is
        right or wrong as one unit. Without names, all labels of a sample are.
    targets : Tensor (n, d), optional
        All labels, NaN for missing labels. The spread of the labels gives the scale of the first loss. Without
        `targets`, the spread of the labels in the first batch gives the scale.
    sample_weight : Tensor (n,), optional
        Weight of each sample in the loss and in the mixture; at least 0.
    mirror : Mirror, optional
        Mirroring of the labels, if the loop mirrors samples.
    labels_vary : bool
        Whether a sample may come several times in an epoch with different labels: an augmentation moves the labels, and
        a sampler draws with replacement. By default this is refused, because it mostly means that two samples have one
        index. Each draw counts in the loss. In the mixture each sample counts once, with the residual of its last draw.
        A mean of draws would be wrong: a mirrored wrong label has the opposite error, and the mean of both would be 0.
    processes : Processes, optional
        The processes that train together, for example `deepgum.processes.current()`. All processes must call `loss`
        equally often. Process i modulo P stores the residuals and weights of sample i, where P is the number of
        processes. Default: one process.

    Attributes
    ----------
    epoch : int
        Number of completed epochs.
    index : Tensor (m,) of int64
        The samples that this process stores; 0 to n - 1 if there is one process.
    residuals : Tensor (m, d) or None
        y - phi(x; w) of each stored sample, from the last epoch that had the sample, in the targets' unit. NaN if no
        epoch had the sample.
    mixture : GaussianUniformMixture or None
        The mixture fitted to `residuals`, with the additional tolerance of the current epoch (see `Interleaved`). None
        in the warm-up.

    Raises
    ------
    InvalidDataError
        If targets or weights do not have n rows, or have invalid values.
    InvalidParameterError
        If n is not a positive whole number, the schedule is Algorithm 1, or a loss is not a loss of residuals.

    Examples
    --------
    >>> x = torch.linspace(-1, 1, 400)[:, None]
    >>> y = 3 * x
    >>> y[::10] = 9.0  # every tenth label is wrong
    >>> model = torch.nn.Linear(1, 1)
    >>> optimizer = torch.optim.Adam(model.parameters(), 0.1)
    >>> tracker = ResponsibilityTracker(len(x))
    >>> generator = torch.Generator().manual_seed(0)
    >>> for epoch in range(20):
    ...     for index in torch.randperm(len(x), generator=generator).split(40):
    ...         loss = tracker.loss(model(x[index]), y[index], index)
    ...         optimizer.zero_grad()
    ...         loss.backward()
    ...         optimizer.step()
    ...     record = tracker.update()
    >>> wrong = tracker.responsibilities[:, 0] < 0.5
    >>> int(wrong[::10].sum()), int(wrong.sum())
    (40, 40)
    """

    def __init__(
        self,
        n_samples: int,
        *,
        options: DeepGUMOptions | None = None,
        ids: Sequence[object] | None = None,
        target_names: Sequence[str] = (),
        targets: Tensor | None = None,
        sample_weight: Tensor | None = None,
        mirror: Mirror | None = None,
        labels_vary: bool = False,
        processes: Processes = SOLO,
    ) -> None:
        self.n_samples = check_count("n_samples", n_samples)
        self._names = None if ids is None else SampleNames(ids, self.n_samples)
        self.options = (options or DeepGUMOptions()).for_targets(target_names).with_imported_losses()
        schedule = self.options.schedule
        if self.options.first_loss == CROSS_ENTROPY:
            raise InvalidParameterError("first_loss", "a loss of residuals", CROSS_ENTROPY)
        if not isinstance(schedule, Interleaved):
            hint = "In a custom training loop, EM runs after every epoch."
            raise InvalidParameterError("options.schedule", "`Interleaved(...)`", schedule, hint)
        self._schedule = schedule
        targets = None if targets is None else check_targets(targets, self.n_samples)
        self._given_weight = None if sample_weight is None else check_weights(sample_weight, self.n_samples)
        self.mirror = mirror
        self.labels_vary = labels_vary
        self.epoch = 0
        self.residuals: Tensor | None = None
        self.mixture: GaussianUniformMixture | None = None
        self._fit: GaussianUniformMixture | None = None
        self._is_weighted: Tensor | None = None
        self._judgement: Judgement | None = None
        self._has_warned = False
        self._losses = PhaseLoss(self.options, None if targets is None else label_spread(targets))
        self._has_targets = targets is not None
        self._width = None if targets is None else targets.shape[1]
        self._current = Epoch(n_samples, mirror)
        self.join(processes)

    def join(self, processes: Processes) -> None:
        """Share the samples with other processes. Call this if the tracker was made before the processes started.

        Raises
        ------
        InvalidParameterError
            If the first batch has already been given to `loss` or `record`.
        """
        if self.epoch or self.recorded:
            raise InvalidParameterError("processes", "given before the first batch", processes)
        self._owners = Owners(self.n_samples, processes)
        self.index = self._owners.index
        self._weights = WeightTable(self._owners, self._given_weight, self.mirror)

    @property
    def takes_ids(self) -> bool:
        """Whether the tracker was made with `ids`, so that batches have ids in place of positions."""
        return self._names is not None

    @property
    def recorded(self) -> bool:
        """Whether there are residuals since the last `update`."""
        return self._current.began

    @property
    def warmup_epochs(self) -> int:
        """Number of epochs with the first loss."""
        return WARMUP_EPOCHS if self.options.warmup_epochs is None else self.options.warmup_epochs

    @property
    def phase(self) -> str:
        """Name of the current objective in the history."""
        return self._losses.name(self._weights.has_labels, self._width)

    @property
    def responsibilities(self) -> Tensor:
        """Probability (m, g) that each label is right, from the residuals of the last `update`, in float64.

        These are the verdict on the labels (see `verdict`). The weights of labels in the loss come from `mixture`.

        Raises
        ------
        NotFittedError
            In the warm-up.
        """
        return self._judged().responsibilities

    @property
    def verdict(self) -> LabelMixture | None:
        """The densities of right and wrong labels that describe the residuals of the last `update` best.

        If right labels alone describe them well, the verdict is that no label is wrong: the status of the group is
        `NO_OUTLIERS`, and no label is flagged. None if the options set the densities of eq. 1, which then gives the
        responsibilities.

        Raises
        ------
        NotFittedError
            In the warm-up.
        """
        return self._judged().verdict

    @property
    def flags(self) -> Tensor:
        """Flags (m, g): True for labels with a responsibility below 1/2, and False for missing labels.

        Raises
        ------
        NotFittedError
            In the warm-up.
        """
        return self._judged().flags

    def loss(self, predictions: Any, targets: Any, index: Any = None, *, mirrored: Tensor | None = None) -> Tensor:
        """Return the mean loss of a batch, ready for `backward`, and store the residuals of the batch.

        Parameters
        ----------
        predictions : Tensor (b, d), (b,) or (b, l, 2)
            The network's predictions, in the targets' unit. A dict or an object with one tensor is taken as this
            tensor.
        targets : Tensor or array of the same shape
            The labels; NaN for missing labels.
        index : Tensor (b,) of int, or a list of int
            The positions of the samples of the batch, or their ids if the tracker was made with `ids`.
        mirrored : Tensor (b,) of bool, optional
            True for samples whose inputs and targets are mirrored.

        Raises
        ------
        InvalidDataError
            If there are no indices, if an index is out of range or belongs to two samples of the batch, if shapes
            differ, or if predictions or targets have several tensors.
        NonFiniteLossError
            If a prediction or the loss is not finite; the message names samples and epoch.
        """
        places = self._places(index)
        predictions, targets, index = check_batch(predictions, targets, places, self.n_samples, width=self._width)
        self._width = targets.shape[1]
        residuals = targets - predictions.float()
        loss, weights = self._current_loss(targets), self._weights.of_batch(index, mirrored)
        value = loss(residuals, weights=None if weights is None else weights.to(residuals))
        check_finite(value, predictions, targets, index, loss.name, self.epoch + 1)
        self._current.add(index, residuals.detach(), None if self.labels_vary else targets, mirrored)
        return value

    def expect(self, index: Any) -> None:
        """Fetch the weights of all samples of an epoch from the other processes, in one message.

        With several processes this saves time, because otherwise every `loss` communicates with the other processes.
        All processes must call `expect` after `update` and before the first batch. Each process gives the indices (b,)
        of all samples that it will use until the next `update`.

        Raises
        ------
        InvalidDataError
            If an index is out of range. After this call, `loss` raises the same error for a sample that is not in
            `index`.
        """
        self._weights.expect(check_index(self._places(index), self.n_samples))

    def record(self, index: Any, residuals: Any) -> None:
        """Store the residuals (b, d) of a batch, targets minus predictions, without computing a loss.

        For example, record the residuals of the trained network in evaluation mode; `update` then computes the final
        responsibilities.

        Raises
        ------
        InvalidDataError
            In the same cases as in `loss`, and for residuals of the shape (b, b), which result if predictions (b, 1)
            are subtracted from targets (b,).
        NonFiniteLossError
            If a residual is infinite, or is NaN although the sample has a label.
        """
        places = self._places(index)
        residuals, _, index = check_batch(residuals, residuals, places, self.n_samples, "residuals", self._width)
        residuals, self._width = residuals.detach().float(), residuals.shape[1]
        check_finite_residuals(residuals.cpu(), index, self._last_residuals(index), self.epoch + 1)
        self._current.add(index, residuals)

    def _places(self, index: Any) -> Any:
        return index if self._names is None else self._names.positions(index)

    def _last_residuals(self, index: Tensor) -> Tensor:
        """Return the last residuals (b, d) of samples (b,); NaN for samples of other processes."""
        known = torch.full((len(index), self._width or 1), torch.nan)
        if self.residuals is not None:
            here = index % self._owners.processes.world_size == self._owners.processes.rank
            known[here] = self.residuals[self._owners.rows(index[here])]
        return known

    def update(self) -> RoundRecord | None:
        """End an epoch: fit the mixture to the residuals and compute the weights of the next epoch.

        Returns
        -------
        RoundRecord or None
            The record of the mixture; None after every warm-up epoch except the last one.

        Raises
        ------
        InvalidDataError
            If there are no new residuals since the last call, or one index belongs to several samples.
        """
        since = time.perf_counter()
        self._weights.forget()
        index, residuals = self._current.close(self._owners)
        if self.residuals is None:
            self.residuals = torch.full((len(self.index), residuals.shape[1]), torch.nan)
        self.residuals[self._owners.rows(index)] = residuals
        self.epoch += 1
        self._losses.end_epoch()
        if self.epoch < self.warmup_epochs:
            return None
        if self._fit is None:
            self._fit = self.options.new_mixture().set_params(warm_start=True)
        with warnings.catch_warnings():
            # The record has the status. A single epoch of an unfinished training is no reason for a warning.
            warnings.simplefilter("ignore", IdentifiabilityWarning)
            self._fit.fit(self.residuals, self._weights.sample_weight, processes=self._owners.processes)
        weighted_epochs = max(0, self.epoch - self.warmup_epochs)
        if weighted_epochs & (weighted_epochs - 1) == 0:  # 0 and the powers of 2, because a verdict takes time
            self._is_weighted = groups_to_weight(self._fit, self.residuals, *self._sharing)
        flags = self._set_weights()
        flagged = self._owners.processes.sum(flags.sum(dim=0))
        if self._owners.processes.world_size > 1:
            # All processes judge together here, because one process alone may read the responsibilities later.
            assert self._judgement is not None
            _ = self._judgement.verdict
        assert self.mixture is not None
        return mixture_record(self.mixture, flagged, self.epoch, float("nan"), since)

    def weights(self, index: Tensor) -> Tensor:
        """Return the weights of samples (b,) in the loss: one per coordinate, (b, d), or (b, 1) in the warm-up."""
        return self._weights.of(check_index(self._places(index), self.n_samples))

    def score(self, residuals: Tensor) -> float:
        """Return the score of held-out residuals (m, d), or (m,); lower is better.

        The score is minus the mean log-likelihood per sample, under the mixture that fits these residuals best. Scores
        of different epochs are comparable, even if some held-out labels are wrong.

        Raises
        ------
        InvalidDataError
            If the residuals do not have one column per coordinate of the labels. For example, residuals of the shape
            (b, b) result if predictions (b, 1) are subtracted from targets (b,).
        """
        residuals = check_width(residuals, self._width)
        mixture = self.options.new_mixture(tol=SCORE_TOL)
        return held_out_log_likelihood(mixture, self._owners.processes)(residuals)

    def state_dict(self) -> dict[str, Any]:
        """Return the state as nested plain values and tensors. This can also be called before an epoch has ended."""
        return {
            "format": FORMAT,
            "n_samples": self.n_samples,
            "world_size": self._owners.processes.world_size,
            "options": self.options.to_mapping(),
            "width": self._width,
            "epoch": self.epoch,
            "spread": self._losses.spread,
            "residuals": self.residuals,
            "mixture": None if self._fit is None else self._fit.state_dict(),
            "is_weighted": self._is_weighted,
            "seen": self._current.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load a `state_dict`; the training then continues exactly as without the interruption.

        Raises
        ------
        InvalidDataError
            If the state belongs to a tracker with another number of samples or processes, other options or other
            labels, if the state comes from version 0.1.0, or if it is not the state of a tracker.
        """
        check_tracker_state(state, self.state_dict(), knows_targets=self._has_targets)
        self.epoch, self._width, self._losses.spread = state["epoch"], state["width"], state["spread"]
        self.residuals = None if state["residuals"] is None else state["residuals"].clone()
        self._losses.end_epoch()
        self.mixture = self._fit = self._judgement = None
        self._weights.set_labels(None)
        self._is_weighted = state["is_weighted"]
        if state["mixture"] is not None:
            self._fit = GaussianUniformMixture.from_state_dict(state["mixture"])
            self._set_weights()
        self._current.load_state_dict(state["seen"])

    @property
    def _sharing(self) -> tuple[Tensor | None, Processes]:
        return self._weights.sample_weight, self._owners.processes

    def _set_weights(self) -> Tensor:
        """Compute the weights of the next epoch, and return the flags (m, g) of eq. 1."""
        assert self._fit is not None
        assert self.residuals is not None
        # `_fit` stays without leniency, because the next EM starts from its covariances.
        self.mixture = with_leniency(self._fit, self._schedule, max(0, self.epoch - self.warmup_epochs))
        responsibilities = self.mixture.responsibilities(self.residuals)
        weights = coordinate_weights(self.mixture, responsibilities, self.options, self._is_weighted)
        self._weights.set_labels(weights.float())
        self._judgement = Judgement(self._fit, self.mixture, self.residuals, *self._sharing)
        return flags_of(self.mixture, self.residuals, responsibilities)

    def _judged(self) -> Judgement:
        """Return the judgement of the last `update`. Warn once if most labels are flagged."""
        if self._judgement is None:
            raise NotFittedError(
                f"The responsibilities should be read after the warm-up of {self.warmup_epochs} epochs. Found "
                f"{self.epoch} completed epochs. Call `update` at the end of every epoch."
            )
        if not self._has_warned:
            self._has_warned = self._judgement.warn_of_many_flags(self.options.settled_groups, stacklevel=3)
        return self._judgement

    def _current_loss(self, targets: Tensor) -> Loss:
        return self._losses.of_batch(targets, self._weights.has_labels, self._rows_of_all, self._owners.processes)

    def _rows_of_all(self) -> Tensor | None:
        """Return the last residuals (n, d) of all processes; None in the first epoch."""
        return None if self.residuals is None else torch.from_numpy(rows_of_all(self.residuals, *self._sharing))
