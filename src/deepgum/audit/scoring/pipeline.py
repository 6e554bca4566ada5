"""The scoring pipeline: posterior, scores, reasons, tally and summary, for arrays, tables, streams and audits.

A driver (a caller of the pipeline) prepares `Predictions` and passes a function that consumes the scored labels. Arrays
are one batch, and a long table is many batches. An audit is one batch with a posterior that the cross-fit has fitted.
`Survey` checks the data before the pipeline starts, while the driver reads the data, because an audit trains networks
before the pipeline starts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.duplicates import at_most_one_right
from deepgum.audit.labels import ScoredLabels
from deepgum.audit.notices.aside import Aside
from deepgum.audit.predictions import check_predictions, rows_to_check
from deepgum.audit.reasons.base import Reason
from deepgum.audit.reasons.case import Case
from deepgum.audit.reasons.evidence import Evidence
from deepgum.audit.reasons.explain import explain
from deepgum.audit.reasons.known_errors import KnownErrors
from deepgum.audit.scoring.put_back import put_back
from deepgum.audit.scoring.tally import Flag, Provenance, Tally
from deepgum.audit.summary import AuditSummary
from deepgum.audit.targets import Targets
from deepgum.audit.verdict import can_judge
from deepgum.mixture import MixtureStatus
from deepgum.posteriors.inliers import AUTO, Inliers
from deepgum.posteriors.kinds.comparison import Comparison
from deepgum.posteriors.kinds.kind_mixture import KindMixture, KindPosterior
from deepgum.posteriors.runs.run_level import RunLevel
from deepgum.posteriors.runs.run_names import Runs
from deepgum.posteriors.spikes import Spikes
from deepgum.progress import Progress, part_of

__all__ = ["ArrayPredictions", "Batch", "Outcome", "Predictions", "score_predictions", "the_only"]

Values = NDArray[np.float64]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Batch:
    """Labels, predictions and further evidence of n samples.

    Attributes
    ----------
    ids : sequence of str, length n
    given, predicted : arrays (n, d)
        Labels (NaN marks a missing label), and predictions in the unit of the labels.
    comparison : Comparison
        The same labels and predictions, with residuals in the unit of the posterior. Labels that are set aside are
        missing here; see `Aside`.
    unit : array (n, d) or float
        Factor that converts residuals to the unit of the labels.
    spread : array (n, g) or None
        See `ScoredLabels`.
    evidence : Evidence
    runs : Runs or None
        The runs of the samples; see `deepgum.posteriors.runs`. Only a batch with all samples may have runs.
    whole_ids : bool
        See `ScoredLabels`.
    """

    ids: Sequence[str]
    given: Values
    predicted: Values
    comparison: Comparison
    unit: Values | float = 1.0
    spread: Values | None = None
    evidence: Evidence = field(default_factory=Evidence)
    runs: Runs | None = None
    whole_ids: bool = False

    def without(self, aside: Aside) -> Batch:
        """Return the batch with a comparison in which the labels that are set aside are missing."""
        if not aside:
            return self
        kept = aside.without(self.given, self.predicted)
        return replace(self, comparison=self.comparison.with_labels(kept))


class Predictions(Protocol):
    """Labels and predictions of all samples in batches, and the posterior that is fitted to them."""

    @property
    def unit(self) -> float:
        """Factor that converts residuals to the unit of the labels, for a typical sample; for the summary."""
        ...

    @property
    def n_batches(self) -> int:
        """Number of batches."""
        ...

    @property
    def fit_share(self) -> int:
        """Percentage of the work that `posterior` does: about one half, or 0 if the mixture is already fitted."""
        ...

    @property
    def spikes(self) -> Spikes | None:
        """Labels that are right without a density, and that the mixture is not fitted to; None if there are none."""
        ...

    @property
    def aside(self) -> Aside:
        """Labels that are set aside: the mixture is not fitted to them, and the summary has a notice on them."""
        ...

    def sample(self) -> tuple[Values, Values]:
        """Return labels and predictions (n, d) of evenly spread rows, for the check of the predictions."""
        ...

    def posterior(self, on_progress: Progress | None = None) -> KindMixture:
        """Return the mixture of all residuals. `on_progress` is called as ``on_progress(done, total)``."""
        ...

    def batches(self) -> Iterable[Batch]:
        """Return the batches in the order of the samples."""
        ...


@dataclass(frozen=True, eq=False)
class ArrayPredictions:
    """All samples in one batch; see `Predictions`.

    Attributes
    ----------
    batch : Batch
    targets : Targets
    inliers, seed
        See `LabelMixture.fit`.
    """

    batch: Batch
    targets: Targets
    inliers: Inliers = AUTO
    seed: int = 0

    unit = 1.0
    n_batches, fit_share = 1, 50

    @cached_property
    def aside(self) -> Aside:
        """Labels that are set aside."""
        rows = rows_to_check(*self.batch.given.shape)
        return Aside.of(self.batch.given[rows], self.batch.predicted[rows], self.targets)

    @cached_property
    def _kept(self) -> Batch:
        return self.batch.without(self.aside)

    @cached_property
    def spikes(self) -> Spikes:
        """Labels that are right without a density."""
        return Spikes.of(self._kept.comparison.given, self.batch.predicted, self.targets.periods)

    def sample(self) -> tuple[Values, Values]:
        """Return labels and predictions of evenly spread rows."""
        rows = rows_to_check(*self.batch.given.shape)
        return self._kept.comparison.given[rows], self.batch.predicted[rows]

    def posterior(self, on_progress: Progress | None = None) -> KindMixture:
        """Return the mixture of all residuals, fitted in memory."""
        comparison = self._kept.comparison
        return KindMixture.fit(
            comparison,
            residuals=self.spikes.others(
                comparison.residuals, comparison.given, comparison.predicted, self.targets.partition
            ),
            inliers=self.inliers,
            seed=self.seed,
            on_progress=on_progress,
        )

    def batches(self) -> Iterable[Batch]:
        """Return the only batch."""
        return (self._kept,)


class Outcome(NamedTuple, Generic[T]):
    """The result of the pipeline.

    Attributes
    ----------
    labels : T
        The result of the function `deliver` of `score_predictions`.
    summary : AuditSummary
    worst : tuple of Flag
        The flagged labels with the lowest responsibilities.
    """

    labels: T
    summary: AuditSummary
    worst: tuple[Flag, ...]


def score_predictions(
    predictions: Predictions,
    targets: Targets,
    reasons: Sequence[Reason],
    provenance: Provenance,
    deliver: Callable[[Iterator[ScoredLabels]], T],
    on_progress: Progress | None = None,
) -> Outcome[T]:
    """Score all labels, find the reason of each flagged label, and summarise scores and reasons.

    Parameters
    ----------
    predictions : Predictions
    targets : Targets
    reasons : sequence of Reason
        All reasons, from the lowest rank up; see `all_reasons`.
    provenance : Provenance
        Origin of the labels and predictions, for the summary.
    deliver : callable
        Function that takes an iterator over batches of scored labels. The function keeps the labels in memory or writes
        the labels to a file.
    on_progress : callable, optional
        Called as ``on_progress(done, 100)`` with the finished percentage of the work.
    """
    fit = predictions.fit_share
    if on_progress is not None:
        on_progress(0, 100)
    faults = check_predictions(*predictions.sample(), targets)
    posterior = predictions.posterior(part_of(on_progress, 0, fit))
    spikes, aside = predictions.spikes, predictions.aside
    # Predictions that cannot judge labels flag none, like a group without a verdict.
    is_blind = np.array([fault is not None and not fault.kind.keeps_flags for fault in faults])
    tally = Tally(targets, posterior, reasons, faults=faults, spikes=spikes, aside=aside, unit=predictions.unit)

    def parts() -> Iterator[ScoredLabels]:
        share = (100 - fit) / max(predictions.n_batches, 1)
        for number, batch in enumerate(predictions.batches()):
            progress = part_of(on_progress, fit + share * number, share)
            settled = None
            if spikes is not None and spikes.any:
                settled = spikes.settled(batch.comparison.given, batch.predicted, targets.partition)
            probabilities, status, level = posterior.posterior(batch.comparison), posterior.status, None
            if settled is not None:
                probabilities = replace(probabilities, right=np.where(settled, 1.0, probabilities.right))
            if batch.runs is not None:
                told = [place for place, each in enumerate(status) if can_judge(each) and not is_blind[place]]
                level = RunLevel.fit(posterior, batch.comparison, probabilities, batch.runs, told)
                probabilities, status = level.posterior, level.status
                batch = replace(batch, evidence=replace(batch.evidence, runs=level))
            scored = _scored(batch, targets, posterior, probabilities.right, status, is_blind)
            labels = _with_reasons(scored, batch, targets, posterior, probabilities, reasons, progress)
            if progress is not None:
                progress(1, 1)
            marked = None
            if aside:
                whole = batch.comparison.with_labels(batch.given)
                labels, marked = put_back(labels, whole, aside, posterior.base, reasons, batch.evidence)
            tally.add(labels, settled, level, marked)
            yield labels

    labels = deliver(parts())
    return Outcome(labels, tally.summary(provenance), tally.worst)


def the_only(parts: Iterator[ScoredLabels]) -> ScoredLabels:
    """Return the scored labels of the only batch."""
    (labels,) = parts
    return labels


def _scored(
    batch: Batch,
    targets: Targets,
    posterior: KindMixture,
    right: Values,
    status: Sequence[MixtureStatus],
    is_blind: NDArray[np.bool_],
) -> ScoredLabels:
    """Return the labels of a batch with their scores, without suggestions."""
    residuals, given, predicted = batch.comparison.residuals, batch.comparison.given, batch.predicted
    right = np.where(is_blind & ~np.isnan(right), 0.5, right)
    judgeable = np.array([can_judge(each) for each in status]) & ~is_blind
    copies = batch.evidence.copies
    right = np.where(judgeable, at_most_one_right(right, given, targets.partition, copies, targets.periods), right)
    nothing = np.broadcast_to(np.nan, given.shape)
    return ScoredLabels(
        ids=tuple(batch.ids),
        target_names=targets.names,
        group_names=targets.group_names,
        partition=targets.partition,
        given=given,
        predicted=predicted,
        responsibilities=right,
        mahalanobis=posterior.base.mahalanobis(residuals),
        suggested=nothing,
        uncertainty=nothing,
        spread=batch.spread,
        periods=targets.periods,
        whole_ids=batch.whole_ids,
    )


def _with_reasons(
    labels: ScoredLabels,
    batch: Batch,
    targets: Targets,
    posterior: KindMixture,
    probabilities: KindPosterior,
    reasons: Sequence[Reason],
    on_progress: Progress | None,
) -> ScoredLabels:
    """Return the labels with a reason for each flag."""
    if not labels.flags.any():
        return labels
    # If the posterior has another unit, the case estimates the densities from the labels.
    same_unit = bool(np.all(np.asarray(batch.unit) == 1))
    # No name holds the case, so that `explain` can free its arrays.
    return explain(
        Case.of(
            labels,
            landmarks=targets.landmarks,
            swap_pairs=targets.swap_pairs,
            unit=targets.unit,
            covariances=posterior.base.covariances if same_unit else None,
            log_densities=np.asarray(posterior.base.mixture.log_uniform_density_).tolist() if same_unit else None,
            evidence=batch.evidence,
            known=KnownErrors(posterior, batch.comparison, probabilities) if posterior.admitted else None,
        ),
        reasons,
        on_progress,
    )
