"""What is taken from features and labels that lie far from zero, so that float32 keeps what they differ by."""

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

_FAR = 1e3


@dataclass(frozen=True)
class Offsets:
    """Constants in float64, one a column: 0 unless the column is further from zero than a thousand times its spread.

    Where they are 0 nothing is changed, so that the estimator's predictions are those of `fit_deepgum` to the last
    digit. A column that is not so far off keeps four digits of what its values differ by in float32.

    Attributes
    ----------
    features : array (p,), or (1,) of 0 where features are left as they are
    labels : array of the shape of a row of y: () or (d,)

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
        """Return features (n, ...) and labels, without the offsets, as what networks take; NaN where there are none."""
        moved = features - self.features if self.features.any() else features
        targets = np.full((len(features), *self.labels.shape), np.nan) if labels is None else labels - self.labels
        return RegressionData.from_arrays(as_float32(moved), targets, sample_weight=weights)

    @classmethod
    def of(
        cls, module: Any, features: NDArray[Any], labels: NDArray[np.float64], weights: NDArray[np.float64] | None
    ) -> Self:
        """Return the offsets of the rows that have a label and a weight.

        A torch module predicts in the unit of y, and gets its features as they are: both are left alone. Networks that
        are made for the data are moved to where the labels lie, wherever that is; and what a factory expects of its
        features nobody knows, so that only those of the default network are moved.
        """
        none = np.zeros(1), np.zeros(labels.shape[1:])
        if isinstance(module, nn.Module):
            return cls(*none)
        columns = labels.reshape(len(labels), -1)
        taught = ~np.isnan(columns).all(axis=1) & (True if weights is None else weights > 0)
        return cls(
            _far(features[taught]) if module is None else none[0], _far(columns[taught]).reshape(labels.shape[1:])
        )


def _far(values: NDArray[Any]) -> NDArray[np.float64]:
    if len(values) == 0:
        return np.zeros(values.shape[1])
    median, spread = median_and_spread(values)
    # What float32 cannot hold at all is refused further on, as it would be without an offset.
    far = (np.abs(median) > _FAR * spread) & (np.abs(median) < np.finfo(np.float32).max)
    return np.where(far, median, 0.0)
