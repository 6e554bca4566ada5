"""The scale in which labels are learned and compared: as they are, their square roots, or their logarithms."""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LabelScale"]

Values = NDArray[np.float64]


class LabelScale(Enum):
    """A scale h of labels. Errors of large labels are often proportional to the label, and equal on a log scale.

    Examples
    --------
    >>> LabelScale.LOG.apply(np.array([1.0, 100.0])).round(1), LabelScale.SQUARE_ROOT.invert(np.array([3.0]))
    (array([0. , 4.6]), array([9.]))
    """

    IDENTITY = "identity"
    SQUARE_ROOT = "square root"
    LOG = "log"

    @property
    def words(self) -> str:
        """Labels in this scale, in words: "logarithms of labels"; empty for the identity."""
        return {LabelScale.LOG: "logarithms of labels", LabelScale.SQUARE_ROOT: "square roots of labels"}.get(self, "")

    def apply(self, labels: Values) -> Values:
        """Return h(labels); NaN or infinite outside the domain of h."""
        with np.errstate(invalid="ignore", divide="ignore"):
            if self is LabelScale.LOG:
                return np.asarray(np.log(labels))
            return np.asarray(np.sqrt(labels)) if self is LabelScale.SQUARE_ROOT else labels

    def invert(self, values: Values) -> Values:
        """Return the labels with these values of h. A negative square root becomes the label 0."""
        if self is LabelScale.LOG:
            return np.asarray(np.exp(values))
        return np.asarray(np.square(np.maximum(values, 0.0))) if self is LabelScale.SQUARE_ROOT else values

    def log_slope(self, labels: Values) -> Values:
        """Return the log of the derivative of h at the labels."""
        with np.errstate(invalid="ignore", divide="ignore"):
            if self is LabelScale.LOG:
                return np.asarray(-np.log(labels))
            if self is LabelScale.SQUARE_ROOT:
                return np.asarray(-np.log(2 * np.sqrt(labels)))
        return np.zeros_like(labels)

    def is_possible(self, labels: Values) -> bool:
        """Return whether h is finite and has a finite slope at all labels (n, d); NaN marks a missing label."""
        seen: Any = labels[~np.isnan(labels)]
        return self is LabelScale.IDENTITY or bool((seen > 0).all())
