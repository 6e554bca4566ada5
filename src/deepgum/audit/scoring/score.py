"""Wrong labels from the predictions of any model: `score_labels`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.labels import ScoredLabels
from deepgum.audit.reasons.explain import Sizes, with_reasons
from deepgum.audit.scoring.arrays import as_given, check_same_rows, row_names
from deepgum.audit.scoring.ids import check_ids
from deepgum.audit.scoring.survey import Survey
from deepgum.audit.scoring.tally import Flag, Tally
from deepgum.audit.summary import AuditSummary, DataSource
from deepgum.audit.targets import Targets
from deepgum.errors import InvalidParameterError
from deepgum.mixture.partition import Groups
from deepgum.posteriors.inliers import AUTO, Inliers, candidates
from deepgum.posteriors.label_mixture import LabelMixture

__all__ = ["Scored", "score_labels", "score_targets"]


@dataclass(frozen=True, eq=False)
class Scored:
    """What a mixture says of labels.

    Attributes
    ----------
    labels : ScoredLabels
        All of them, in the order in which they came.
    summary : AuditSummary
        The estimated share of wrong labels, and what can be told and what not, in words.
    worst : tuple of Flag
        The least probable labels, at most ten, the least probable first; none of groups of which nothing can be told.
    """

    labels: ScoredLabels
    summary: AuditSummary
    worst: tuple[Flag, ...]

    def __str__(self) -> str:
        lines = [f"{self.summary.samples:,} samples, {self.summary.labels:,} labels. {self.summary.verdict}"]
        if len(self.summary.groups) > 1:
            lines += [f"  {group.name}: {group.verdict}" for group in self.summary.groups]
        return "\n".join(lines)


def score_labels(
    predictions: Any,
    targets: Any,
    *,
    groups: Groups | None = None,
    ids: Sequence[object] | None = None,
    target_names: Sequence[str] | None = None,
    periods: Mapping[str, float] | Sequence[float] | None = None,
    unit: str = "",
    swap_pairs: Sequence[tuple[int, int]] = (),
    inliers: Inliers = AUTO,
    seed: int = 0,
) -> Scored:
    """Return how probable each label is, given what a model predicts; no training, and of no matter what framework.

    The predictions should be of samples that the model was not trained on: one that has learned its labels by heart
    predicts the wrong ones, too. `sklearn.model_selection.cross_val_predict` makes such predictions for a whole data
    set.

    Parameters
    ----------
    predictions, targets : array, tensor, list, series or frame, (n, d) or (n,)
        NaN, None or null where a label is missing; there, a prediction may be missing too.
    groups : {"sample", "landmark", "coordinate"} or list of lists of int, optional
        Which labels of a sample are right or wrong together: all; the x and y of each landmark, pair after pair; none.
        By default landmarks where the names of all targets come in pairs of x and y, and otherwise none.
    ids : sequence, length n, optional
        Names of the samples, each once; by default the index of `targets`, if it has one with each label once, or else
        numbers from 0.
    target_names : sequence of str, length d, optional
        By default the columns of `targets` where it is a frame, and y0, y1 ...
    periods : mapping of str to float, or sequence of float, optional
        After how much labels come round again: ``{"yaw": 360}``.
    unit : str
        What labels are in, for people: "px", "years".
    swap_pairs : sequence of (int, int)
        Landmarks that are each other's left and right, counted from 0.
    inliers : {"auto", "gaussian", "student-t"}, Density, its class or its path "package.module:name"
        Density of right labels' residuals; by default the one that describes them best. See `Density` for one of your
        own.
    seed : int
        Of what is drawn at random for intervals.

    Returns
    -------
    Scored

    Raises
    ------
    InvalidDataError
        Arrays of different shapes or rows, text, infinite values, labels without a prediction, ids that come twice,
        fewer than 10 samples, a target whose labels are all the same.
    InvalidParameterError
        A parameter that does not fit the targets.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> ages = rng.uniform(20, 60, size=500)
    >>> predictions = ages + rng.normal(0, 2, size=500)
    >>> ages[:50] = rng.uniform(20, 60, size=50)
    >>> scored = score_labels(predictions, ages, target_names=["age"], unit="years")
    >>> flags = scored.labels.flags[:, 0]
    >>> bool(flags[:50].mean() > 0.6), bool(flags[50:].mean() < 0.01)
    (True, True)
    >>> scored.summary.groups[0].status, scored.worst[0].kind.value
    ('CONVERGED', 'off')
    """
    candidates(inliers)
    predicted, given = as_given("predictions", predictions), as_given("targets", targets)
    check_same_rows(predicted, given)
    n, d = given.values.shape
    names = tuple(map(str, target_names)) if target_names is not None else given.names or predicted.names
    if names is None:
        names = tuple(f"y{place}" for place in range(d))
    if len(names) != d:
        raise InvalidParameterError("target_names", f"{d} names, one a target", names)
    of_rows = row_names(n, ids, given)
    what = Targets.of(names, groups, periods=periods, unit=unit, swap_pairs=swap_pairs)
    data = DataSource("arrays", landmarks=what.landmarks, unit=unit, swap_pairs=what.swap_pairs)
    return score_targets(what, data, of_rows, given.values, predicted.values, inliers=inliers, seed=seed)


def score_targets(
    targets: Targets,
    data: DataSource,
    ids: Sequence[str],
    given: NDArray[np.float64],
    predicted: NDArray[np.float64],
    *,
    sizes: Sizes | None = None,
    inliers: Inliers = AUTO,
    seed: int = 0,
) -> Scored:
    """Return the same for labels and predictions (n, d) whose names and groups are known.

    Parameters
    ----------
    targets : Targets
    data : DataSource
        For the summary.
    ids : sequence of str, length n
    given, predicted : arrays (n, d)
    sizes : callable, optional
        Of images; see `deepgum.audit.reasons.explain`.
    inliers, seed
        As of `score_labels`.
    """
    started = time.perf_counter()
    check_ids(ids)
    survey = Survey(targets.names)
    survey.add(given, predicted, ids)
    survey.check()
    residuals = targets.residuals(given, predicted)
    mixture = LabelMixture.fit(residuals, targets.partition, inliers=inliers, seed=seed)
    labels = with_reasons(targets.scored(mixture, ids, given, predicted), targets, mixture, sizes)
    tally = Tally(targets, mixture)
    tally.add(labels)
    summary = tally.summary(data, seed=seed, seconds=time.perf_counter() - started)
    return Scored(labels, summary, tally.worst)
