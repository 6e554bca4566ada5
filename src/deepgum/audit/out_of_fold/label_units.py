"""The units of labels in an audit: the unit of the data set, and the unit in which learners are taught."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.predictions import check_predictions, rows_to_check
from deepgum.audit.targets import Targets
from deepgum.label_scale import LabelScale
from deepgum.periods import unrolled, wrapped
from deepgum.posteriors.kinds.comparison import Comparison

__all__ = ["LabelUnits"]

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LabelUnits:
    """Labels in the unit of the data set, and the conversion to the unit in which learners are taught.

    Learners are taught ``h((label - offset) / factor)``. For images, `offset` and `factor` belong to the crop of the
    sample; h is the scale of the labels, for example the logarithm.

    Attributes
    ----------
    given : array (n, d)
        Labels; NaN marks a missing label.
    targets : Targets
    offset, factor : arrays (n, d) or float
    scale : LabelScale
        h.

    Examples
    --------
    >>> units = LabelUnits(np.array([[10.0], [1000.0]]), Targets.of(["price"]), scale=LabelScale.LOG)
    >>> units.taught(units.given).ravel().round(1), units.given_of(np.array([[0.0]])).ravel()
    (array([2.3, 6.9]), array([1.]))
    """

    given: Values
    targets: Targets
    offset: Values | float = 0.0
    factor: Values | float = 1.0
    scale: LabelScale = LabelScale.IDENTITY

    def taught(self, labels: Values) -> Values:
        """Return labels in the unit in which learners are taught."""
        return self.scale.apply(unrolled((labels - self.offset) / self.factor, self.targets.periods))

    def given_of(self, taught: Values) -> Values:
        """Return labels in the unit of the data set."""
        return np.asarray(self.offset + self.factor * self.scale.invert(taught))

    def log_slope(self, labels: Values) -> Values:
        """Return the log (n, d) of the derivative of `taught` by the label."""
        inner = (labels - self.offset) / self.factor
        return np.asarray(self.scale.log_slope(inner) - np.log(np.abs(self.factor)))

    def is_predicted_by(self, predicted: Values) -> bool:
        """Return whether predictions (n, d), in the unit of learners, have no fault; see `check_predictions`."""
        taught = self.taught(self.given)
        rows = rows_to_check(*taught.shape)
        return not any(check_predictions(taught[rows], predicted[rows], self.targets))

    def comparison(self, predicted: Values, noise: Values) -> Comparison:
        """Return the comparison of the labels with predictions.

        Parameters
        ----------
        predicted : array (n, d)
            Predictions in the unit in which learners are taught.
        noise : array (n, d)
            Scale of the residuals of right labels in this unit. Residuals are divided by it.
        """
        periods = self.targets.periods

        def residuals_of(labels: Values) -> Values:
            return wrapped(self.taught(labels) - predicted, periods) / noise

        def log_slope_of(labels: Values) -> Values:
            return self.log_slope(labels) - np.log(noise)

        return Comparison(
            self.given,
            self.given_of(predicted),
            self.targets.partition,
            residuals_of,
            log_slope_of,
            self.targets.landmarks,
            self.targets.swap_pairs,
            periods,
        )
