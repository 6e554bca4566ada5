"""`Comparison`: labels beside predictions, so that a kind of wrong label can be undone and compared again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgum.mixture.partition import Partition

__all__ = ["Comparison"]

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Labels and predictions of n samples, and the residuals that other labels of the same samples would have.

    Attributes
    ----------
    given, predicted : arrays (n, d)
        Labels (NaN marks a missing label) and predictions, in the unit of the labels.
    partition : tuple of tuples of int
        Coordinates that are right or wrong together.
    residuals_of : callable
        ``residuals_of(labels)`` returns the residuals (n, d) of any labels (n, d) of these samples, in the unit of the
        posterior. For example, the residual is divided by the noise of the sample.
    log_slope_of : callable
        ``log_slope_of(labels)`` returns the log (n, d) of the derivative of the residual by the label.
    landmarks : bool
        Whether labels are coordinates of landmarks, x y x y ...
    swap_pairs : tuple of (int, int)
        Pairs of left and right landmarks.
    periods : sequence of float, length d, or None
        Period of each label; 0 for a label without a period.

    Examples
    --------
    >>> given, predicted = np.array([[3.0], [40.0]]), np.array([[2.0], [4.0]])
    >>> comparison = Comparison.of(given, predicted, ((0,),))
    >>> comparison.residuals.ravel(), comparison.residuals_of(given / 10).ravel().round(1)
    (array([ 1., 36.]), array([-1.7,  0. ]))
    """

    given: Values
    predicted: Values
    partition: Partition
    residuals_of: Callable[[Values], Values]
    log_slope_of: Callable[[Values], Values]
    landmarks: bool = False
    swap_pairs: tuple[tuple[int, int], ...] = ()
    periods: Sequence[float] | None = None

    @classmethod
    def of(cls, given: Values, predicted: Values, partition: Partition) -> Comparison:
        """Return the comparison whose residuals are labels minus predictions."""
        return cls(given, predicted, partition, lambda labels: labels - predicted, np.zeros_like)

    @classmethod
    def of_residuals(cls, residuals: Values, partition: Partition) -> Comparison:
        """Return the comparison of residuals with predictions of 0."""
        return cls.of(residuals, np.zeros_like(residuals), partition)

    @cached_property
    def residuals(self) -> Values:
        """The residuals (n, d) of the labels."""
        return self.residuals_of(self.given)

    @cached_property
    def labelled(self) -> NDArray[np.bool_]:
        """Array (n, g): whether at least one coordinate of a group has a label."""
        seen = ~np.isnan(self.residuals)
        return np.stack([seen[:, list(columns)].any(axis=1) for columns in self.partition], axis=1)

    def by_column(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values (n, g) of groups, repeated for each column of a group: (n, d)."""
        owners = np.empty(self.given.shape[1], dtype=np.intp)
        for place, columns in enumerate(self.partition):
            owners[list(columns)] = place
        return values[:, owners]

    def by_group(self, values: Values) -> Values:
        """Return the sums (n, g) of values (n, d) over the coordinates of each group that have a label."""
        values = np.where(np.isnan(self.given), 0.0, values)
        return np.stack([values[:, list(columns)].sum(axis=1) for columns in self.partition], axis=1)

    def with_labels(self, given: Values) -> Comparison:
        """Return the comparison of other labels with the same predictions."""
        return replace(self, given=given)
