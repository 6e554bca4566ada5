"""Compute the scores and the tables of a training from its result and its network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from deepgum.data.regression import RegressionData
from deepgum.data.sets.measure import Measure
from deepgum.data.target_names import group_names
from deepgum.errors import InvalidDataError
from deepgum.evaluation import detection_scores, failure_rate, mae, nme, rmse
from deepgum.evaluation.metrics import Score, Unit
from deepgum.experiments.runs.cells import Cell
from deepgum.experiments.runs.tables import Posteriors, Predictions
from deepgum.mixture import Partition, partition
from deepgum.mixture.partition import Groups
from deepgum.residuals import predict
from deepgum.training import SGDOptions, TrainingResult

__all__ = ["Scores", "posteriors_of", "score_run"]

PLAIN = Measure()


@dataclass(frozen=True)
class Scores:
    """The scores of a training; see `deepgum.experiments.paper.records.RunRecord`. None marks an undefined score."""

    failure_rate: float | None
    nme: float | None
    mae: float | None
    rmse: float | None
    precision: float | None
    recall: float | None
    average_precision: float | None
    recall_moved: float | None
    flagged: float | None


def score_run(
    result: TrainingResult, cell: Cell, groups: str, sgd: SGDOptions, measure: Measure = PLAIN
) -> tuple[Scores, Posteriors, Predictions]:
    """Compute the scores of a training: of the network on the test set, and of the flags on the training set.

    If the targets are not landmarks, an error is the error of a single coordinate, and there is no failure rate.
    Missing labels are ignored. If no test sample has a label, the errors are None.

    For the average precision, groups are ranked by their posteriors. For a method without a mixture, groups are ranked
    by the lengths of their residuals. If no label is wrong, precision and recall are None.

    Returns
    -------
    scores : Scores
        Scores of the training. Errors are in the unit of the measure.
    posteriors : Posteriors
        Posteriors of the training set.
    predictions : Predictions
        Predictions for the test set, in the unit of the measure.
    """
    resolved = partition(groups, cell.train.targets.shape[1])
    posteriors = posteriors_of(
        result, cell.train, groups, true_outliers=by_group(cell.corruption.outlier, resolved).astype(bool)
    )
    predictions = predict(result.model, cell.test, device=sgd.device, precision=sgd.precision)
    labels, width = cell.test.targets, cell.test.normaliser
    unit: Unit = "landmark" if measure.landmarks else "coordinate"
    found = _detection(result, cell, resolved, posteriors, measure.moved)
    scores = Scores(
        failure_rate=_known(failure_rate(predictions, labels, width)) if measure.landmarks else None,
        nme=_known(nme(predictions, labels, width)) if measure.landmarks else None,
        mae=_known(mae(predictions, labels, unit), measure.factor),
        rmse=_known(rmse(predictions, labels, unit), measure.factor),
        flagged=None if result.flags is None else float(result.flags.cpu().numpy()[posteriors.observed].mean()),
        **found,
    )
    return scores, posteriors, Predictions.of(predictions, cell.test, measure.factor)


def posteriors_of(
    result: TrainingResult,
    data: RegressionData,
    groups: Groups = "sample",
    *,
    true_outliers: NDArray[np.bool_] | None = None,
) -> Posteriors:
    """Return the residuals, posteriors and flags of a training, with one value per sample and group.

    Parameters
    ----------
    result : TrainingResult
    data : RegressionData
        The training set, with the given labels. In a training with several processes, it must have only the samples of
        this process: `data.subset(result.index)`.
    groups : {"sample", "landmark", "coordinate"} or sequence of sequences of int
        Which labels are right or wrong as one unit. If the result has a mixture, the groups of the mixture are used
        instead.
    true_outliers : array (n, g) of bool, optional
        True for groups with a wrong label. None if the wrong labels are not known.

    Raises
    ------
    InvalidDataError
        If the result belongs to other samples or to other groups.
    """
    if result.residuals.shape != data.targets.shape:
        several = len(data) > len(result.index) > 0 and int(result.index[-1]) != len(result.index) - 1
        hint = " Each of several processes has its own samples: give `data.subset(result.index)`." if several else ""
        raise InvalidDataError(
            f"`data` should be the training set of the result, with targets of shape {tuple(result.residuals.shape)}. "
            f"Found {tuple(data.targets.shape)}.{hint}"
        )
    groups = groups if result.mixture is None else result.mixture.groups
    return Posteriors(
        sample_ids=data.ids,
        whole_ids=data.whole_ids,
        group_names=group_names(data.target_names, groups),
        residual_norms=residual_norms(result.residuals, partition(groups, data.targets.shape[1])),
        responsibilities=None if result.responsibilities is None else result.responsibilities.cpu().numpy(),
        true_outliers=true_outliers,
        flagged=None if result.flags is None else result.flags.cpu().numpy(),
    )


def _detection(
    result: TrainingResult, cell: Cell, groups: Partition, posteriors: Posteriors, moved: float
) -> dict[str, float | None]:
    names = ("precision", "recall", "average_precision", "recall_moved")
    truth = posteriors.true_outliers
    assert truth is not None
    if not truth.any():
        return dict.fromkeys(names)
    norms, r = posteriors.residual_norms, posteriors.responsibilities
    ranking = norms if r is None else _ranking(r, norms)
    displacement = by_group(cell.corruption.displacement, groups)
    scores = detection_scores(ranking, result.flags, truth, displacement, moved)
    return {name: getattr(scores, name) for name in names}


def _ranking(responsibilities: NDArray[np.float64], norms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ranks (n, g), the highest for the label that is most probably wrong; NaN for groups without labels.

    Labels of the same probability are ranked by the length of the residual.
    """
    order = np.lexsort((norms.ravel(), -responsibilities.ravel()))
    ranks = np.empty(norms.size)
    ranks[order] = np.arange(norms.size)
    return np.where(np.isnan(norms), np.nan, ranks.reshape(norms.shape))


def _known(score: Score, factor: float = 1.0) -> float | None:
    return None if np.isnan(score.overall) else factor * score.overall


def residual_norms(residuals: Tensor, groups: Partition) -> NDArray[np.float64]:
    """Return the length (n, g) of each group's residual over the observed coordinates of the group.

    The length is NaN if no coordinate of the group is observed.
    """
    values = residuals.double().cpu().numpy()
    norms = []
    for group in groups:
        part = values[:, list(group)]
        norms.append(np.where(np.isnan(part).all(axis=1), np.nan, np.sqrt(np.nansum(part**2, axis=1))))
    return np.stack(norms, axis=1)


def by_group(per_unit: Tensor, groups: Partition) -> NDArray[np.float64]:
    """Return an array (n, g). For each group, it has the largest value of the units that have a coordinate in the
    group.

    The array `per_unit` (n, u) has one value per unit. A unit is what a corruption moves as a whole: each of the u
    units has d / u of the d coordinates.
    """
    values = per_unit.double().cpu().numpy()
    each = sum(map(len, groups)) // values.shape[1]
    return np.stack([values[:, sorted({index // each for index in group})].max(axis=1) for group in groups], axis=1)
