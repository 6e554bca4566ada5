"""Out-of-fold predictions in the form that the scoring pipeline needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.out_of_fold.cross_fit import CrossFit
from deepgum.audit.predictions import rows_to_check
from deepgum.audit.reasons.evidence import Evidence
from deepgum.audit.scoring.pipeline import Batch
from deepgum.audit.targets import Targets
from deepgum.posteriors.label_mixture import LabelMixture
from deepgum.progress import Progress

__all__ = ["OutOfFoldPredictions"]

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class OutOfFoldPredictions:
    """Out-of-fold predictions for all samples of an audit, in one batch, with the fitted mixture; see `Predictions`.

    Attributes
    ----------
    targets : Targets
    ids : sequence of str, length n
    given : array (n, d)
        The labels, in the unit of the data set.
    training_labels : array (n, d)
        The same labels, in the unit that the networks or regressors are trained with.
    crossfit : CrossFit
        The result of cross-fitting, with predictions of `training_labels`.
    offset, scale : arrays (n, d) or float
        Conversion from the unit of `training_labels` to the unit of `given`: ``offset + scale * label``.
    evidence : Evidence
    unit : float
        Factor that converts `residuals` to the unit of `given`, for a typical sample.
    """

    targets: Targets
    ids: Sequence[str]
    given: Values
    training_labels: Values
    crossfit: CrossFit
    offset: Values | float = 0.0
    scale: Values | float = 1.0
    evidence: Evidence = field(default_factory=Evidence)
    unit: float = 1.0

    @property
    def residuals(self) -> Values:
        """Residuals (n, d) divided by `crossfit.scale`, like the residuals to which the mixture was fitted."""
        return self.targets.residuals(self.training_labels, self.crossfit.predictions) / self.crossfit.scale

    n_batches, fit_share = 1, 0
    spikes = None

    def sample(self) -> tuple[Values, Values]:
        """Return labels and predictions of evenly spread rows, in the unit of the learners.

        The unit of the data set may differ from sample to sample (pixels of image files), which would look like a
        relation between labels and predictions.
        """
        rows = rows_to_check(*self.training_labels.shape)
        return self.training_labels[rows], self.crossfit.predictions[rows]

    def posterior(self, on_progress: Progress | None = None) -> LabelMixture:
        """Return the mixture of the cross-fit."""
        return self.crossfit.mixture

    def batches(self) -> Iterable[Batch]:
        """Return one batch with all samples."""
        crossfit = self.crossfit
        scale = np.broadcast_to(np.asarray(self.scale, dtype=np.float64), self.given.shape)
        group_scale = scale[:, [group[0] for group in self.targets.partition]]
        return (
            Batch(
                self.ids,
                self.given,
                self.offset + self.scale * crossfit.predictions,
                self.residuals,
                unit=scale * crossfit.scale,
                spread=None if np.isnan(crossfit.spread).all() else crossfit.spread * group_scale,
                evidence=self.evidence,
            ),
        )
