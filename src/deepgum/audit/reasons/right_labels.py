"""What right labels look like, where nobody says: how far they lie from what is predicted, and how they are rounded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.labels import ScoredLabels
from deepgum.errors import InvalidParameterError

__all__ = ["checked_covariances", "label_covariance", "label_scale", "label_uniform"]

Values = NDArray[np.float64]


def label_scale(given: Values) -> Values:
    """Return the order of magnitude (d,) of how much labels (n, d) vary: what a rounding error is small against."""
    scale = np.ones(given.shape[1])
    for column, values in enumerate(given.T):
        values = values[~np.isnan(values)]
        if len(values):
            spread, size = np.median(np.abs(values - np.median(values))), np.median(np.abs(values))
            scale[column] = spread or size or np.abs(values).max() or 1.0
    return scale


def label_covariance(labels: ScoredLabels, group: int) -> Values:
    """Return the covariance (k, k) about 0 of the residuals of a group's unflagged labels.

    Correlations are shrunk towards 0 as if k + 1 uncorrelated residuals had been seen, too: few labels, or missing
    coordinates, then still give a covariance. Where fewer than two labels are unflagged, their mahalanobis distances
    say how large a standard deviation is.
    """
    columns = list(labels.partition[group])
    kept = ~labels.flags[:, group] & ~np.isnan(labels.responsibilities[:, group])
    residuals = labels.residuals[kept][:, columns]
    seen = ~np.isnan(residuals)
    counts = seen.sum(axis=0)
    if counts.min() < 2:
        return np.asarray(_usual_deviation(labels, group) ** 2 * np.eye(len(columns)))
    values = np.where(seen, residuals, 0.0)
    together = seen.T.astype(np.float64) @ seen
    moments = values.T @ values / np.maximum(together, 1.0)
    deviation = np.sqrt(moments.diagonal())
    product = np.outer(deviation, deviation)
    correlation = np.clip(moments / np.where(product > 0, product, 1.0), -1, 1)
    correlation *= together / (together + len(columns) + 1)
    np.fill_diagonal(correlation, 1.0)
    values, vectors = np.linalg.eigh(correlation)  # of pairs with different rows missing it may not be positive
    positive = (vectors * np.maximum(values, 1e-6)) @ vectors.T
    root = np.sqrt(positive.diagonal())
    return np.asarray(product * positive / np.outer(root, root))


def checked_covariances(labels: ScoredLabels, covariances: Sequence[Values]) -> list[Values]:
    """Return covariances, one a group, with a floor that is a rounding error of the labels.

    Raises
    ------
    InvalidParameterError
        If their number or a shape does not fit, or one is not symmetric, finite and positive.
    """
    if len(covariances) != len(labels.partition):
        raise InvalidParameterError("covariances", f"{len(labels.partition)} arrays, one a group", covariances)
    floor = np.square(1e-6 * label_scale(labels.given))
    checked = []
    for name, columns, covariance in zip(labels.group_names, labels.partition, covariances, strict=True):
        matrix = np.asarray(covariance, dtype=np.float64)
        k = len(columns)
        valid = matrix.shape == (k, k) and bool(np.isfinite(matrix).all()) and np.allclose(matrix, matrix.T)
        if valid:
            matrix = matrix + np.diag(floor[list(columns)])
            valid = bool(np.linalg.eigvalsh(matrix)[0] > 0)
        if not valid:
            expected = f"symmetric, finite and positive, of shape {(k, k)} for the group '{name}'"
            raise InvalidParameterError("covariances", expected, np.asarray(covariance).tolist())
        checked.append(matrix)
    return checked


def _usual_deviation(labels: ScoredLabels, group: int) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        deviations = labels.residual_norms[:, group] / labels.mahalanobis[:, group]
    deviations = deviations[np.isfinite(deviations) & (deviations > 0)]
    return float(np.median(deviations)) if len(deviations) else 0.0


def label_uniform(labels: ScoredLabels, group: int, covariance: Values) -> float:
    """Return the log density of a box for the residuals of a group's flagged labels, over all its coordinates.

    Four times the median distance is the width of a uniform about 0; a few labels that are wrong by a factor of a
    thousand do not move it.
    """
    deviation = np.sqrt(covariance.diagonal())
    residuals = np.abs(labels.residuals[labels.flags[:, group]][:, labels.partition[group]])
    widths = deviation * np.sqrt(12.0)
    for column, values in enumerate(residuals.T):
        values = values[~np.isnan(values)]
        if len(values):
            widths[column] = max(widths[column], 4 * float(np.median(values)))
    return -float(np.log(widths).sum())
