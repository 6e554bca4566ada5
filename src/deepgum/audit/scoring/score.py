"""Scores of arrays: find wrong labels with the predictions of any model, without training."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepgum.audit.labels import ScoredLabels
from deepgum.audit.reasons.base import Reason
from deepgum.audit.reasons.registry import all_reasons
from deepgum.audit.scoring.arrays import as_named_array, check_same_rows, names_are_whole, row_names
from deepgum.audit.scoring.pipeline import ArrayPredictions, Batch, score_predictions, the_only
from deepgum.audit.scoring.survey import check_samples
from deepgum.audit.scoring.tally import Flag, Provenance
from deepgum.audit.summary import AuditSummary, DataSource
from deepgum.audit.targets import Targets
from deepgum.data.cell_format import MissingMarks
from deepgum.data.swap_pairs import Swap
from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.mixture.partition import Groups
from deepgum.posteriors.inliers import AUTO, Inliers, candidates
from deepgum.posteriors.runs.run_names import Runs
from deepgum.progress import Progress

__all__ = ["Scored", "score_labels"]


@dataclass(frozen=True, eq=False)
class Scored:
    """Scored labels and their summary.

    Attributes
    ----------
    labels : ScoredLabels
        All labels in the order of the samples.
    summary : AuditSummary
        The estimated share of wrong labels, and a verdict in words.
    worst : tuple of Flag
        The flagged labels with the lowest responsibilities, at most ten, from the lowest up. Groups without a verdict
        are left out.
    """

    labels: ScoredLabels
    summary: AuditSummary
    worst: tuple[Flag, ...]

    def __str__(self) -> str:
        lines = [f"Notice: {notice}" for notice in self.summary.notices]
        lines += [f"{self.summary.samples:,} samples, {self.summary.labels:,} labels. {self.summary.verdict}"]
        if len(self.summary.groups) > 1:
            lines += [f"  {group.name}: {group.verdict}" for group in self.summary.shown_groups]
        if self.summary.other_groups:
            lines += [f"  {self.summary.other_groups} `summary.groups` has all."]
        return "\n".join(lines)


def score_labels(
    predictions: Any,
    targets: Any,
    *,
    groups: Groups | None = None,
    ids: Sequence[object] | None = None,
    runs: Sequence[object] | None = None,
    target_names: Sequence[str] | None = None,
    periods: Mapping[str, float] | Sequence[float] | None = None,
    unit: str = "",
    missing: Any = (),
    swap_pairs: Swap = (),
    inliers: Inliers = AUTO,
    seed: int = 0,
    reasons: Sequence[Reason | type[Reason] | str] = (),
    on_progress: Progress | None = None,
) -> Scored:
    """Return the probability that each label is right, given the predictions of any model.

    Nothing is trained. The model should not have been trained on the samples: a model that has memorised its labels
    also predicts the wrong labels. `sklearn.model_selection.cross_val_predict` makes suitable predictions for a whole
    data set.

    Parameters
    ----------
    predictions, targets : array, tensor, list, series or frame, (n, d) or (n,)
        Predictions and labels. NaN, None or null marks a missing label. The prediction of a missing label may be
        missing too. In a frame of landmarks, columns of visibilities beside x and y (v1, nose_visibility) are no labels
        if `predictions` lacks them: a landmark with visibility 0 is missing.
    groups : {"sample", "landmark", "coordinate"} or list of lists of int, optional
        Labels that are right or wrong together. "sample": all labels of a sample. "landmark": the x and y of each
        landmark, in two consecutive columns. "coordinate": each label alone. By default "landmark" if the names of all
        targets come in pairs of x and y, otherwise "coordinate".
    ids : sequence, length n, optional
        Unique names of the samples. By default, the index of `targets` if the index has no repeated value, otherwise
        numbers from 0.
    runs : sequence, length n, optional
        One value per sample. Samples with the same value are a run, whose labels may be wrong together: a day, a batch,
        a sensor, an annotator or a source. The summary then counts the flags of each run.
    target_names : sequence of str, length d, optional
        Names of the targets. By default, the columns of `targets` if `targets` is a frame, otherwise y0, y1 ...
    periods : mapping of str to float, or sequence of float, optional
        Periods of periodic labels: ``{"yaw": 360}``.
    unit : str
        Unit of the labels, for messages and reports: "px", "years".
    missing : number, str, point, or list of them
        Values that mark a missing label, in addition to NaN, None, null and masked values: ``-9999``, or for landmarks
        a point ``(0, 0)``. Several numbers are a list: ``[0, -1]``.
    swap_pairs : sequence of (int, int) or str
        Pairs of left and right landmarks. The first landmark has the number 0. "auto" stands for the pairs whose names
        differ in left and right, "300w-68" and "coco-17" for the pairs of these schemes.
    inliers : {"auto", "gaussian", "student-t"}, Density, its class or its path "package.module:name"
        The density of the residuals of right labels; by default the density with the highest held-out likelihood. See
        `Density` for your own density.
    seed : int
        Seed of the bootstrap that gives the intervals.
    reasons : sequence of Reason, class or str
        Reasons in addition to the built-in reasons: objects, classes, or paths "package.module:name" to objects or
        classes. See `deepgum.audit.Reason`.
    on_progress : callable, optional
        Called as ``on_progress(done, 100)`` with the finished percentage of the work.

    Returns
    -------
    Scored

    Raises
    ------
    InvalidDataError
        If the arrays have different shapes or rows, hold strings or infinite numbers, or lack the prediction of a
        label. Also if an id is repeated, there are fewer than 10 samples, or all labels of a target are the same.
    InvalidParameterError
        If a parameter does not fit the targets, or a reason lacks a part of its contract.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> ages = rng.uniform(20, 60, size=500)
    >>> predictions = ages + rng.normal(0, 2, size=500)
    >>> ages[:50] = rng.uniform(20, 60, size=50)
    >>> scored = score_labels(predictions, ages, target_names=["age"], unit="years")
    >>> flags = scored.labels.flags[:, 0]
    >>> bool(flags[:50].mean() > 0.6), bool(flags[50:].mean() < 0.01)
    (True, True)
    >>> scored.summary.groups[0].status, scored.worst[0].kind
    ('CONVERGED', 'off')
    """
    begun = time.perf_counter()
    candidates(inliers)
    rules = all_reasons(reasons)
    marks = MissingMarks.of(missing)
    predicted = as_named_array("predictions", predictions)
    wider = len(getattr(targets, "columns", ())) > predicted.values.shape[1]
    given = as_named_array("targets", targets, marks, visibilities=wider)
    check_same_rows(predicted, given)
    n, d = given.values.shape
    names = tuple(map(str, target_names)) if target_names is not None else given.names or predicted.names
    if names is None:
        names = tuple(f"y{column}" for column in range(d))
    if len(names) != d:
        raise InvalidParameterError("target_names", f"{d} names, one per target", names)
    sample_ids = row_names(n, ids, given)
    described = Targets.of(names, groups, periods=periods, unit=unit, swap_pairs=swap_pairs)
    check_samples(names, sample_ids, given.values, predicted.values)
    if runs is not None and len(runs) != n:
        raise InvalidDataError(f"`runs` should have length {n}, one value per sample. Found {len(runs)}.")
    batch = Batch(
        sample_ids,
        given.values,
        predicted.values,
        described.comparison(given.values, predicted.values),
        runs=None if runs is None else Runs.of(runs),
        whole_ids=names_are_whole(ids, targets),
    )
    data = DataSource("arrays", landmarks=described.landmarks, unit=unit, swap_pairs=described.swap_pairs)
    outcome = score_predictions(
        ArrayPredictions(batch, described, inliers, seed),
        described,
        rules,
        Provenance(data, seed, begun, notices=given.notices),
        the_only,
        on_progress,
    )
    return Scored(*outcome)
