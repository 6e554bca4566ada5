"""The scale of residuals as a function of the prediction, because large values often have large errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["PredictionScale"]

Values = NDArray[np.float64]

NEIGHBOURS = 50
"""Number of labels whose residuals give the scale at a prediction: those with the most similar predictions."""

OVERALL = 10
"""Weight of the mean absolute residual of all labels. The weight of each neighbour is 1."""

MOST_KNOTS = 1000
"""Maximum number of predictions at which the scale is stored."""


@dataclass(frozen=True)
class PredictionScale:
    """The mean absolute residual of right labels at each prediction, interpolated between stored predictions.

    Attributes
    ----------
    predictions, scales : tuples of arrays
        For each of d columns, the stored predictions in increasing order, and the scales there, all above 0.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> predictions = rng.uniform(1, 10, size=(4000, 1))
    >>> residuals = predictions * rng.laplace(size=(4000, 1))
    >>> scale = PredictionScale.of(residuals, predictions, np.ones((4000, 1)))
    >>> bool(np.abs(scale(np.array([[4.0], [8.0]])) / [[4.0], [8.0]] - 1).max() < 0.3)
    True
    """

    predictions: tuple[Values, ...]
    scales: tuple[Values, ...]

    @classmethod
    def of(cls, residuals: Values, predictions: Values, right: Values) -> PredictionScale:
        """Estimate the scale from residuals (n, d) with NaN for missing labels, and predictions (n, d).

        `right` (n, d) are the probabilities that the labels are right, which are the weights of the residuals.
        """
        columns = [_running_mean(*each) for each in zip(residuals.T, predictions.T, right.T, strict=True)]
        return cls(tuple(each for each, _ in columns), tuple(each for _, each in columns))

    def __call__(self, predictions: Values) -> Values:
        """Return the scales (n, d) at predictions (n, d)."""
        columns = zip(predictions.T, self.predictions, self.scales, strict=True)
        return np.stack([np.interp(each, known, scales) for each, known, scales in columns], axis=1)


def _running_mean(residuals: Values, predictions: Values, right: Values) -> tuple[Values, Values]:
    seen = np.flatnonzero(~np.isnan(residuals))
    order = seen[np.argsort(predictions[seen], kind="stable")]
    weight = right[order]
    errors = np.abs(residuals[order]) * weight
    overall = errors.sum() / max(weight.sum(), 1e-300)
    if not overall > 0:
        return np.zeros(1), np.ones(1)
    n = len(order)
    near = min(NEIGHBOURS, n)
    first = np.clip(np.arange(n) - near // 2, 0, n - near)
    sums = [np.concatenate([[0.0], np.cumsum(each)]) for each in (errors, weight)]
    error, count = (each[first + near] - each[first] for each in sums)
    scales = (error + OVERALL * overall) / (count + OVERALL)
    kept = np.linspace(0, n - 1, min(n, MOST_KNOTS)).round().astype(np.intp)
    return predictions[order][kept], scales[kept]
