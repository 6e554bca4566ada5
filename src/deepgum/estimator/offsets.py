"""Offsets of features and labels that lie far from zero, so that float32 keeps the differences between their values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from torch import nn

from deepgum.data import RegressionData
from deepgum.data.precision import median_and_spread
from deepgum.estimator.rows import as_float32

__all__ = ["Offsets"]

_FAR_RATIO = 1e3
"""Ratio of median and spread above which a column gets an offset."""


@dataclass(frozen=True)
class Offsets:
    """Constants in float64 that are subtracted from the columns of features and labels.

    The offset of a column is the median of the column if this median is more than a thousand times the spread of the
    column, and 0 otherwise. With the offset 0, the values do not change, so the predictions are exactly the same as
    with `fit_deepgum`, and float32 keeps at least four digits of the differences between the values.

    Attributes
    ----------
    features : array (p,) or (1,)
        Offsets of the features. If the features do not change, the array is (1,) and contains 0.
    labels : array () or (d,)
        Offsets of the labels, in the shape of one row of y.

    Examples
    --------
    >>> y = 1.7e9 + np.array([1.0, 2.0, 3.0])
    >>> offsets = Offsets.of(None, np.array([[1.0], [2.0], [3.0]]), y, None)
    >>> offsets.features, offsets.labels
    (array([0.]), array(1.7e+09))
    >>> y - offsets.labels
    array([-1.,  0.,  1.])
    """

    features: NDArray[np.float64]
    labels: NDArray[np.float64]

    def data(
        self,
        features: NDArray[Any],
        labels: NDArray[np.float64] | None = None,
        weights: NDArray[np.float64] | None = None,
    ) -> RegressionData:
        """Return the data, in float32: features (n, ...) and labels, minus the offsets. Missing labels give NaN."""
        shifted = features - self.features if self.features.any() else features
        targets = np.full((len(features), *self.labels.shape), np.nan) if labels is None else labels - self.labels
        return RegressionData.from_arrays(as_float32(shifted), targets, sample_weight=weights)

    @classmethod
    def of(
        cls, module: Any, features: NDArray[Any], labels: NDArray[np.float64], weights: NDArray[np.float64] | None
    ) -> Self:
        """Return the offsets, computed from the rows that have a label and a positive weight.

        For a torch module all offsets are 0, because the module gets the features of the caller and predicts in the
        unit of y. For a factory only the offsets of the features are 0, because its network may expect any features.
        For the default network, features and labels have offsets.
        """
        none = np.zeros(1), np.zeros(labels.shape[1:])
        if isinstance(module, nn.Module):
            return cls(*none)
        columns = labels.reshape(len(labels), -1)
        usable = ~np.isnan(columns).all(axis=1) & (True if weights is None else weights > 0)
        return cls(
            _large_offsets(features[usable]) if module is None else none[0],
            _large_offsets(columns[usable]).reshape(labels.shape[1:]),
        )


def _large_offsets(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the offset of each column: the median if the column lies far from zero, and 0 otherwise."""
    if len(values) == 0:
        return np.zeros(values.shape[1])
    median, spread = median_and_spread(values)
    # Values beyond the range of float32 get no offset, so that a later check refuses them.
    far = (np.abs(median) > _FAR_RATIO * spread) & (np.abs(median) < np.finfo(np.float32).max)
    return np.where(far, median, 0.0)
