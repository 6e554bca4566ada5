"""Scores of predictions against labels some of which are missing."""

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
    """Score a fitted estimator by minus the median absolute error of the labels that are there; higher is better.

    For `scoring=` of searches and cross-validation. Wrong labels hardly move it as long as they are fewer than half;
    scikit-learn's own scorer of that name is the same, but has no score for a y with NaN.

    Parameters
    ----------
    estimator : fitted regressor or pipeline
        Anything with `predict`.
    X : array or frame
        What `predict` takes.
    y : (n,) or (n, d) array or frame
        NaN where a label is missing.

    Returns
    -------
    float
        In the unit of y: minus the mean over its columns, without those that have no label. NaN, with scikit-learn's
        `UndefinedMetricWarning`, where no column has any.

    Raises
    ------
    InvalidDataError
        If y has not as many columns as the predictions.

    Examples
    --------
    >>> from sklearn.dummy import DummyRegressor
    >>> zero = DummyRegressor(strategy="constant", constant=0).fit([[0.0]], [0.0])
    >>> neg_median_absolute_error(zero, [[1.0], [2.0], [3.0], [4.0]], [1.0, np.nan, 2.0, 1000.0])
    -2.0
    """
    labels, predictions = _as_columns(as_labels(y), np.asarray(estimator.predict(X), dtype=np.float64))
    errors = np.abs(labels - predictions)
    there = ~np.isnan(labels).all(axis=0)
    if not there.any():
        return _undefined("The median absolute error", "a label")
    return -float(np.nanmedian(errors[:, there], axis=0).mean())


def mean_r2(
    labels: NDArray[np.float64], predictions: NDArray[np.float64], weights: NDArray[np.float64] | None = None
) -> float:
    """Return the mean over columns (n,) or (n, d) of R^2 over the labels that are there, and that have a weight.

    A column with fewer than two has no R^2 and no part in the mean. Where none has two the mean is NaN, and
    scikit-learn's `UndefinedMetricWarning` says so.

    Examples
    --------
    >>> labels = np.array([[1.0, np.nan], [2.0, 7.0], [3.0, np.nan]])
    >>> mean_r2(labels, np.array([[1.0, 0.0], [2.0, 0.0], [4.0, 0.0]]))
    0.5
    """
    labels, predictions = _as_columns(labels, predictions)
    weights = np.ones(len(labels)) if weights is None else weights
    there = ~np.isnan(labels) & (weights > 0)[:, None]
    scores = [
        r2_score(y[seen], p[seen], sample_weight=weights[seen])
        for y, p, seen in zip(labels.T, predictions.T, there.T, strict=True)
        if seen.sum() >= 2
    ]
    return float(np.mean(scores)) if scores else _undefined("R^2", "two labels")


def _as_columns(
    labels: NDArray[np.float64], predictions: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both as (n, d)."""
    both = [values.reshape(len(values), -1) for values in (labels, predictions)]
    if both[0].shape != both[1].shape:
        raise InvalidDataError(f"`y` should have shape {both[1].shape}, as the predictions. Found {both[0].shape}.")
    return both[0], both[1]


def _undefined(score: str, needed: str) -> float:
    warnings.warn(f"{score} is not defined: no column of `y` has {needed}.", UndefinedMetricWarning, stacklevel=3)
    return float("nan")
