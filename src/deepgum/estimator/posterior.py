"""The probability that a label is right, from its out-of-fold residual and its prediction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from deepgum.estimator.prediction_scale import PredictionScale
from deepgum.mixture.fitting import responsibilities_without_verdict
from deepgum.mixture.partition import Groups, Partition, partition
from deepgum.posteriors.inliers import AUTO, Inliers
from deepgum.posteriors.label_mixture import LabelMixture

__all__ = ["LabelPosterior"]

Values = NDArray[np.float64]

COMMON_SHARE = 0.25
"""A value that at least this share of the labels has is common: for example 0 hours of work, or the cap of a scale."""

LEAST_ROWS = 30
"""Minimum number of labels without a common value. With fewer labels, the common value is used like all others."""


@dataclass(frozen=True, eq=False)
class LabelPosterior:
    """A mixture of residuals that are divided by a scale, and this scale as a function of the prediction.

    If many labels have the same value, their residuals are nearly 0 or all equal, and the residuals of the other labels
    would look like those of wrong labels. The mixture is therefore fitted without the labels of a common value.

    Attributes
    ----------
    mixture : LabelMixture
        The mixture of residuals divided by the scale. Its verdict can be that no label is wrong.
    scale : PredictionScale

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> predictions = rng.uniform(size=(1000, 1))
    >>> labels = predictions + 0.1 * rng.normal(size=(1000, 1))
    >>> labels[:200] = rng.uniform(-3, 4, size=(200, 1))
    >>> posterior = LabelPosterior.fit(labels, predictions, "sample")
    >>> flags = posterior.responsibilities(labels - predictions, predictions)[:, 0] < 0.5
    >>> bool(flags[:200].mean() > 0.8), bool(flags[200:].mean() < 0.01)
    (True, True)
    """

    mixture: LabelMixture
    scale: PredictionScale

    @classmethod
    def fit(cls, labels: Values, predictions: Values, groups: Groups, inliers: Inliers = AUTO) -> LabelPosterior:
        """Fit the scale and the mixture to labels (n, d), NaN for missing ones, and out-of-fold predictions (n, d).

        `inliers` are the densities of right labels that are tried; see `LabelMixture.fit`.
        """
        residuals = np.where(_is_common(labels), np.nan, labels - predictions)
        places = partition(groups, labels.shape[1])
        first = PredictionScale.of(residuals, predictions, _without_verdict(residuals, places))
        right = _without_verdict(residuals / first(predictions), places)
        scale = PredictionScale.of(residuals, predictions, right)
        return cls(LabelMixture.fit(residuals / scale(predictions), groups, inliers=inliers, intervals=False), scale)

    def responsibilities(self, residuals: Values, predictions: Values) -> Values:
        """Return the probability (n, g) that each label is right, from its residual and its prediction, both (n, d).

        Where a group has no label, the probability is the prior.
        """
        values = self.mixture.responsibilities(residuals / self.scale(predictions))
        priors = [self.mixture.prior(group) for group in range(values.shape[1])]
        return np.where(np.isnan(values), priors, values)


def _is_common(labels: Values) -> NDArray[np.bool_]:
    """Return a mask (n, d) of the labels that have the most frequent value of their column, if it is common."""
    mask = np.zeros(labels.shape, dtype=bool)
    for column, values in enumerate(labels.T):
        seen = ~np.isnan(values)
        found, counts = np.unique(values[seen], return_counts=True)
        if len(found) and counts.max() >= COMMON_SHARE * seen.sum() and seen.sum() - counts.max() >= LEAST_ROWS:
            mask[:, column] = values == found[counts.argmax()]
    return mask


def _without_verdict(residuals: Values, places: Partition) -> Values:
    """Return the responsibilities (n, d) of eq. 1, repeated for each column of a group; 0 for missing labels."""
    right = np.zeros_like(residuals)
    for group in places:
        values = residuals[:, list(group)]
        seen = ~np.isnan(values).any(axis=1)
        if seen.sum() > len(group):
            found = responsibilities_without_verdict(torch.from_numpy(values[seen])).numpy()
            for column in group:
                right[seen, column] = found
    return right
