"""Agreement of a method's outlier flags and scores with the true outliers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from deepgum.checks import check_positive
from deepgum.errors import InvalidDataError
from deepgum.evaluation.arrays import Array, as_array, as_mask, check_same_shape

__all__ = ["DetectionScores", "detection_scores"]

Values = torch.Tensor | ArrayLike


@dataclass(frozen=True)
class DetectionScores:
    """Scores of the outlier class, as fractions; None where a score is undefined.

    Attributes
    ----------
    precision : float or None
        Share of true outliers among the flagged groups; None if nothing is flagged.
    recall : float or None
        Share of flagged groups among the true outliers; None if there are no true outliers.
    average_precision : float or None
        Mean precision over all thresholds on the scores, weighted by the recall that each threshold adds; None if there
        are no true outliers or no scores.
    recall_moved : float or None
        Recall among the outliers that were moved by more than the threshold, because an outlier close to the correct
        label cannot be detected. None if there are no such outliers, or if no displacements are given.
    """

    precision: float | None = None
    recall: float | None = None
    average_precision: float | None = None
    recall_moved: float | None = None


def detection_scores(
    scores: Values | None,
    flags: Values | None,
    true_outlier: Values,
    displacement: Values | None = None,
    threshold: float = 0.05,
) -> DetectionScores:
    """Compare flags and scores with the true outliers.

    Parameters
    ----------
    scores : array or Tensor of shape (n, g), optional
        A higher score means a more likely outlier: `1 - responsibilities`, or a norm of the residual. An entry whose
        score is NaN (its label is missing) is left out of all results.
    flags : array or Tensor of bool of shape (n, g), optional
        True where the method flags the group as an outlier. None for a method without a flag rule (L2, L1).
    true_outlier : array or Tensor of bool of shape (n, g)
        True where the label was corrupted.
    displacement : array or Tensor of shape (n, g), optional
        Distance by which each label was moved, in the unit of the threshold.
    threshold : float, default 0.05
        Minimum displacement, exclusive, for `recall_moved`. The default is 5 % of the image's width for landmarks in
        fractions of the width.

    Returns
    -------
    DetectionScores

    Raises
    ------
    InvalidDataError
        If the shapes differ, a mask is not bool, or a score is infinite.
    InvalidParameterError
        If the threshold is not a finite number of at least 0.

    Examples
    --------
    >>> responsibilities = np.array([[0.9], [0.1], [0.4], [0.8]])
    >>> truth = np.array([[False], [True], [False], [True]])
    >>> moved = [[0.0], [0.3], [0.0], [0.01]]
    >>> detection_scores(1 - responsibilities, responsibilities < 0.5, truth, moved)
    DetectionScores(precision=0.5, recall=0.5, average_precision=0.8333333333333333, recall_moved=1.0)
    """
    check_positive("threshold", threshold, zero=True)
    truth = as_mask("true_outlier", true_outlier)
    ranking = None if scores is None else as_array(scores)
    flagged = None if flags is None else as_mask("flags", flags)
    distance = None if displacement is None else as_array(displacement)
    for name, values in (("scores", ranking), ("flags", flagged), ("displacement", distance)):
        if values is not None:
            check_same_shape(name, values.shape, "true_outlier", truth.shape)

    known = np.ones(truth.shape, dtype=bool) if ranking is None else ~np.isnan(ranking)
    outlier = truth & known
    precision = recall = recall_moved = None
    if flagged is not None:
        precision = _share(outlier, flagged & known)
        recall = _share(flagged, outlier)
        if distance is not None:
            recall_moved = _share(flagged, outlier & (distance > threshold))
    average_precision = None if ranking is None else _average_precision(ranking[known], truth[known])
    return DetectionScores(precision, recall, average_precision, recall_moved)


def _share(of: NDArray[np.bool_], among: NDArray[np.bool_]) -> float | None:
    return float(of[among].mean()) if among.any() else None


def _average_precision(scores: Array, truth: NDArray[np.bool_]) -> float | None:
    if np.isinf(scores).any():
        raise InvalidDataError(
            f"`scores` should be finite, or NaN. Found {int(np.isinf(scores).sum())} infinite scores."
        )
    if not truth.any():
        return None
    # Imported late: scikit-learn takes a second to import, and the help of the command line does not need it.
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(truth, scores))
