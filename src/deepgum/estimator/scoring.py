"""Scores of predictions. Missing labels are ignored."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import r2_score

from deepgum.errors import InvalidDataError
from deepgum.estimator.rows import as_labels

__all__ = ["mean_r2", "neg_median_absolute_error"]


def neg_median_absolute_error(estimator: Any, X: ArrayLike, y: ArrayLike) -> float:
    """Return minus the median absolute error of a fitted estimator; higher is better. Missing labels are ignored.

    Use this function as `scoring=` in searches and cross-validation. The score hardly depends on wrong labels if fewer
    than half of the labels are wrong. Scikit-learn's scorer of the same name gives the same score, but refuses a y with
    NaN.

    Parameters
    ----------
    estimator : fitted regressor or pipeline
        An object with the method `predict`.
    X : array or frame
        The argument of `predict`.
    y : (n,) or (n, d) array or frame
        Labels; NaN for missing labels.

    Returns
    -------
    float
        The mean over the columns of y that have a label, in the unit of y. If no column has a label, the score is NaN,
        with an `UndefinedMetricWarning` of scikit-learn.

    Raises
    ------
    InvalidDataError
        If y and the predictions have different numbers of columns.

    Examples
    --------
    >>> from sklearn.dummy import DummyRegressor
    >>> zero = DummyRegressor(strategy="constant", constant=0).fit([[0.0]], [0.0])
    >>> neg_median_absolute_error(zero, [[1.0], [2.0], [3.0], [4.0]], [1.0, np.nan, 2.0, 1000.0])
    -2.0
    """
    labels, predictions = _as_columns(as_labels(y), np.asarray(estimator.predict(X), dtype=np.float64))
    errors = np.abs(labels - predictions)
    observed = ~np.isnan(labels).all(axis=0)
    if not observed.any():
        return _undefined("The median absolute error", "a label")
    return -float(np.nanmedian(errors[:, observed], axis=0).mean())


def mean_r2(
    labels: NDArray[np.float64], predictions: NDArray[np.float64], weights: NDArray[np.float64] | None = None
) -> float:
    """Return the mean of R^2 over the columns of labels (n,) or (n, d).

    Missing labels and labels of weight 0 are ignored. A column with fewer than two remaining labels is ignored too. If
    every column is ignored, the mean is NaN, with an `UndefinedMetricWarning` of scikit-learn.

    Examples
    --------
    >>> labels = np.array([[1.0, np.nan], [2.0, 7.0], [3.0, np.nan]])
    >>> mean_r2(labels, np.array([[1.0, 0.0], [2.0, 0.0], [4.0, 0.0]]))
    0.5
    """
    labels, predictions = _as_columns(labels, predictions)
    weights = np.ones(len(labels)) if weights is None else weights
    observed = ~np.isnan(labels) & (weights > 0)[:, None]
    scores = [
        r2_score(y[seen], p[seen], sample_weight=weights[seen])
        for y, p, seen in zip(labels.T, predictions.T, observed.T, strict=True)
        if seen.sum() >= 2
    ]
    return float(np.mean(scores)) if scores else _undefined("R^2", "two labels")


def _as_columns(
    labels: NDArray[np.float64], predictions: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return labels and predictions as (n, d)."""
    both = [values.reshape(len(values), -1) for values in (labels, predictions)]
    if both[0].shape != both[1].shape:
        raise InvalidDataError(
            f"`y` should have shape {both[1].shape}, the shape of the predictions. Found {both[0].shape}."
        )
    return both[0], both[1]


def _undefined(score: str, needed: str) -> float:
    warnings.warn(f"{score} is not defined: no column of `y` has {needed}.", UndefinedMetricWarning, stacklevel=3)
    return float("nan")
