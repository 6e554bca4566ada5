"""Estimates of the densities of residuals, from scored labels, for callers that do not pass these densities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.labels import ScoredLabels
from deepgum.errors import InvalidParameterError

__all__ = ["check_covariances", "label_covariance", "label_scale", "label_uniform"]

Values = NDArray[np.float64]


def label_scale(given: Values) -> Values:
    """Return, for each column, the typical variation (d,) of labels (n, d). Rounding errors are much smaller."""
    scale = np.ones(given.shape[1])
    seen = ~np.isnan(given).all(axis=0)
    values = given[:, seen]
    # `nanmedian` is much slower than `median`.
    median = np.nanmedian if np.isnan(values).any() else np.median
    spread = median(np.abs(values - median(values, axis=0)), axis=0)
    size, largest = median(np.abs(values), axis=0), np.nanmax(np.abs(values), axis=0)
    choices = [spread, size, largest, np.ones_like(spread)]
    scale[seen] = np.select([choice > 0 for choice in choices], choices)
    return scale


def label_covariance(labels: ScoredLabels, group: int) -> Values:
    """Return the covariance (k, k) of the residuals of unflagged labels in a group, around 0 instead of the mean.

    Correlations are shrunk towards 0, as if k + 1 uncorrelated residuals were added. So the covariance can be computed
    even if there are few labels or some coordinates are missing. If a coordinate has fewer than two unflagged labels,
    the standard deviation of this coordinate is derived from Mahalanobis distances.
    """
    columns = list(labels.partition[group])
    unflagged = ~labels.flags[:, group] & ~np.isnan(labels.responsibilities[:, group])
    residuals = labels.residuals[unflagged][:, columns]
    seen = ~np.isnan(residuals)
    counts = seen.sum(axis=0)
    if counts.min() < 2:
        return np.asarray(_usual_deviation(labels, group) ** 2 * np.eye(len(columns)))
    values = np.where(seen, residuals, 0.0)
    pair_counts = seen.T.astype(np.float64) @ seen
    moments = values.T @ values / np.maximum(pair_counts, 1.0)
    deviation = np.sqrt(moments.diagonal())
    product = np.outer(deviation, deviation)
    correlation = np.clip(moments / np.where(product > 0, product, 1.0), -1, 1)
    correlation *= pair_counts / (pair_counts + len(columns) + 1)
    np.fill_diagonal(correlation, 1.0)
    values, vectors = np.linalg.eigh(correlation)  # may be indefinite with missing coordinates
    positive = (vectors * np.maximum(values, 1e-6)) @ vectors.T
    root = np.sqrt(positive.diagonal())
    return np.asarray(product * positive / np.outer(root, root))


def check_covariances(labels: ScoredLabels, covariances: Sequence[Values]) -> list[Values]:
    """Check covariances, one per group, and return them with the rounding errors of labels added to the variances.

    Raises
    ------
    InvalidParameterError
        If the number or shape of the covariances does not fit, or a covariance is not symmetric, finite and positive.
    """
    if len(covariances) != len(labels.partition):
        raise InvalidParameterError("covariances", f"{len(labels.partition)} arrays, one per group", covariances)
    floor = np.square(1e-6 * label_scale(labels.given))
    checked = []
    for name, columns, covariance in zip(labels.group_names, labels.partition, covariances, strict=True):
        matrix = np.asarray(covariance, dtype=np.float64)
        k = len(columns)
        valid = matrix.shape == (k, k) and bool(np.isfinite(matrix).all()) and _is_symmetric(matrix)
        if valid:
            matrix = matrix + np.diag(floor[list(columns)])
            valid = bool((matrix if k == 1 else np.linalg.eigvalsh(matrix)).min() > 0)
        if not valid:
            expected = f"symmetric, finite and positive, of shape {(k, k)} for the group '{name}'"
            raise InvalidParameterError("covariances", expected, np.asarray(covariance).tolist())
        checked.append(matrix)
    return checked


def _is_symmetric(matrix: Values) -> bool:
    return np.array_equal(matrix, matrix.T) or np.allclose(matrix, matrix.T)


def _usual_deviation(labels: ScoredLabels, group: int) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        deviations = labels.residual_norms[:, group] / labels.mahalanobis[:, group]
    deviations = deviations[np.isfinite(deviations) & (deviations > 0)]
    return float(np.median(deviations)) if len(deviations) else 0.0


def label_uniform(labels: ScoredLabels, group: int, covariance: Values) -> float:
    """Return the log density inside a uniform box that is fitted to the residuals of flagged labels in a group.

    Along each coordinate, the width of the box is four times the median absolute residual. For residuals that are
    uniform around 0, this is the right width. A few labels that are wrong by a factor of a thousand hardly change it.
    """
    deviation = np.sqrt(covariance.diagonal())
    residuals = np.abs(labels.residuals[labels.flags[:, group]][:, labels.partition[group]])
    widths = deviation * np.sqrt(12.0)
    for column, values in enumerate(residuals.T):
        values = values[~np.isnan(values)]
        if len(values):
            widths[column] = max(widths[column], 4 * float(np.median(values)))
    return -float(np.log(widths).sum())
