"""Metrics of prediction errors: MAE, RMSE, the normalised mean error and the failure rate.

Every metric is a `Score`: one number for each landmark (or coordinate), and one overall number. A missing label (NaN
in the targets) is ignored. A landmark is missing if one of its two coordinates is missing. If there is no label, the
score is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike

from deepgum.checks import check_choice, check_positive
from deepgum.errors import InvalidDataError
from deepgum.evaluation.arrays import Array, as_array, check_same_shape

__all__ = [
    "Score",
    "Unit",
    "coordinate_errors",
    "failure_rate",
    "image_errors",
    "landmark_errors",
    "mae",
    "nme",
    "rmse",
]

#: Unit of one error: the distance of a landmark, or the absolute difference of a coordinate.
Unit = Literal["landmark", "coordinate"]

Values = torch.Tensor | ArrayLike


@dataclass(frozen=True)
class Score:
    """A metric over a data set.

    Attributes
    ----------
    overall : float
        The metric over all observed landmarks (or coordinates) of all samples. If no label is missing, the overall
        metric is the mean of `each`, except that the overall RMSE is the root of the mean of all squared errors. NaN if
        there is no label.
    each : tuple of float
        The metric of each landmark (or coordinate).
    """

    overall: float
    each: tuple[float, ...]


def coordinate_errors(predictions: Values, targets: Values) -> Array:
    """Return the absolute errors, shape (n, d); NaN where the label is missing.

    Raises
    ------
    InvalidDataError
        If predictions and targets are not matrices of the same shape, a prediction is not finite, or a label is
        infinite.

    Examples
    --------
    >>> coordinate_errors([[1.0, 2.0]], [[3.0, float("nan")]])
    array([[ 2., nan]])
    """
    predicted, labels = as_array(predictions), as_array(targets)
    if labels.ndim != 2:
        raise InvalidDataError(f"`targets` should have shape (n, d). Found shape {labels.shape}.")
    check_same_shape("predictions", predicted.shape, "targets", labels.shape)
    # Do not ignore NaN predictions: a network that diverged would score well.
    if not np.isfinite(predicted).all():
        raise InvalidDataError(
            f"`predictions` should be finite. Found {int((~np.isfinite(predicted)).sum())} that are infinite or NaN."
        )
    if np.isinf(labels).any():
        raise InvalidDataError(
            f"`targets` should be finite, or NaN. Found {int(np.isinf(labels).sum())} infinite targets."
        )
    return np.abs(predicted - labels)


def landmark_errors(predictions: Values, targets: Values) -> Array:
    """Return the Euclidean error of each landmark, shape (n, d / 2), from coordinates in the order x1 y1 x2 y2 ...

    Raises
    ------
    InvalidDataError
        In the same cases as in `coordinate_errors`, and if the number of coordinates is odd.

    Examples
    --------
    >>> landmark_errors([[0.0, 0.0, 1.0, 1.0]], [[3.0, 4.0, 1.0, 1.0]])
    array([[5., 0.]])
    """
    errors = coordinate_errors(predictions, targets)
    if errors.shape[1] % 2:
        raise InvalidDataError(
            f"`targets` should have two coordinates per landmark. Found {errors.shape[1]} coordinates. "
            'For targets that are not landmarks, use `unit="coordinate"`.'
        )
    return np.hypot(errors[:, 0::2], errors[:, 1::2])


def image_errors(predictions: Values, targets: Values, unit: Unit = "landmark") -> Array:
    """Return the mean error of each sample (image), shape (n,), for the Wilcoxon test; NaN if a sample has no label.

    Examples
    --------
    >>> image_errors([[0.0, 0.0, 1.0, 1.0]], [[3.0, 4.0, 1.0, 1.0]])
    array([2.5])
    """
    return _mean(_errors(predictions, targets, unit), axis=1)


def mae(predictions: Values, targets: Values, unit: Unit = "landmark") -> Score:
    """Return the mean absolute error, in the unit of the targets.

    Parameters
    ----------
    predictions, targets : array or Tensor of shape (n, d)
        NaN in the targets marks a missing label.
    unit : {"landmark", "coordinate"}, default "landmark"
        Average the Euclidean distances of landmarks, or the absolute differences of single coordinates.

    Raises
    ------
    InvalidDataError
        See `landmark_errors`.
    UnknownNameError
        If the unit is unknown.

    Examples
    --------
    >>> mae([[0.0, 0.0, 1.0, 1.0]], [[3.0, 4.0, 1.0, 1.0]])
    Score(overall=2.5, each=(5.0, 0.0))
    """
    return _score(_errors(predictions, targets, unit))


def rmse(predictions: Values, targets: Values, unit: Unit = "landmark") -> Score:
    """Return the root of the mean squared error. The parameters and errors are the same as in `mae`.

    Examples
    --------
    >>> rmse([[1.0], [7.0]], [[0.0], [0.0]], unit="coordinate")
    Score(overall=5.0, each=(5.0,))
    """
    square = _score(_errors(predictions, targets, unit) ** 2)
    return Score(float(np.sqrt(square.overall)), tuple(float(np.sqrt(value)) for value in square.each))


def nme(predictions: Values, targets: Values, normaliser: Values) -> Score:
    """Return the normalised mean error: the mean distance of landmarks, divided by (for example) the face's width.

    Parameters
    ----------
    predictions, targets : array or Tensor of shape (n, d)
        NaN in the targets marks a missing label.
    normaliser : float, or array or Tensor of shape (n,)
        Divisor of each sample's distances, in the unit of the targets.

    Raises
    ------
    InvalidDataError
        In the same cases as in `landmark_errors`, and if the normaliser is neither a positive number nor one positive
        number per sample.

    Examples
    --------
    >>> nme([[0.0, 0.0, 1.0, 1.0]], [[3.0, 4.0, 1.0, 1.0]], normaliser=[100.0]).overall
    0.025
    """
    return _score(_normalised(predictions, targets, normaliser))


def failure_rate(predictions: Values, targets: Values, normaliser: Values, threshold: float = 0.05) -> Score:
    """Return the fraction of landmarks whose normalised distance is above (not at) the threshold.

    The default threshold, 5 % of the face's width, is from section 4.4 of the paper and from Sun et al. (CVPR 2013).
    The other parameters and errors are the same as in `nme`.

    Raises
    ------
    InvalidParameterError
        If the threshold is not a finite number of at least 0.

    Examples
    --------
    >>> failure_rate([[0.0, 0.0, 1.0, 1.0]], [[3.0, 4.0, 1.0, 1.0]], normaliser=[10.0])
    Score(overall=0.5, each=(1.0, 0.0))
    """
    check_positive("threshold", threshold, zero=True)
    errors = _normalised(predictions, targets, normaliser)
    return _score(np.where(np.isnan(errors), np.nan, errors > threshold))


def _errors(predictions: Values, targets: Values, unit: Unit) -> Array:
    check_choice("unit", unit, ("landmark", "coordinate"))
    return (landmark_errors if unit == "landmark" else coordinate_errors)(predictions, targets)


def _normalised(predictions: Values, targets: Values, normaliser: Values) -> Array:
    errors, width = landmark_errors(predictions, targets), as_array(normaliser)
    if width.shape not in ((), errors.shape[:1]):
        raise InvalidDataError(
            f"`normaliser` should be one number, or one number per sample, shape ({len(errors)},). Found shape "
            f"{width.shape}."
        )
    usable = np.isfinite(width) & (width > 0)
    if not usable.all():
        raise InvalidDataError(f"`normaliser` should be finite and above 0. Found {int((~usable).sum())} other values.")
    return np.asarray(errors / np.broadcast_to(width, errors.shape[:1])[:, None])


def _score(errors: Array) -> Score:
    return Score(float(_mean(errors)), tuple(_mean(errors, axis=0).tolist()))


def _mean(errors: Array, axis: int | None = None) -> Array:
    """Return the mean of the values that are not NaN. If all values are NaN, return NaN, without a warning of NumPy."""
    observed = ~np.isnan(errors)
    count = observed.sum(axis=axis)
    total = np.where(observed, errors, 0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
