"""Out-of-fold predictions in the form that the scoring pipeline needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.notices.aside import Aside
from deepgum.audit.out_of_fold.cross_fit import CrossFit
from deepgum.audit.out_of_fold.label_units import LabelUnits
from deepgum.audit.predictions import rows_to_check
from deepgum.audit.reasons.evidence import Evidence
from deepgum.audit.scoring.pipeline import Batch
from deepgum.audit.targets import Targets
from deepgum.posteriors.kinds.comparison import Comparison
from deepgum.posteriors.kinds.kind_mixture import KindMixture
from deepgum.posteriors.runs.run_names import Runs
from deepgum.posteriors.spikes import Spikes
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
        All labels, also those that no learner was taught, because they are set aside.
    units : LabelUnits
        The labels, in the unit of the data set and in the unit in which learners are taught.
    crossfit : CrossFit
        The result of cross-fitting, with predictions in the unit in which learners are taught.
    evidence : Evidence
    unit : float
        Factor that converts residuals to the unit of the labels, for a typical sample.
    runs : Runs or None
        The runs of the samples.
    untaught : Aside or None
        What was set aside before the training.
    whole_ids : bool
        See `ScoredLabels`.
    """

    targets: Targets
    ids: Sequence[str]
    given: Values
    units: LabelUnits
    crossfit: CrossFit
    evidence: Evidence = field(default_factory=Evidence)
    unit: float = 1.0
    runs: Runs | None = None
    untaught: Aside | None = None
    whole_ids: bool = False

    @cached_property
    def comparison(self) -> Comparison:
        """The labels and predictions, with residuals divided by `crossfit.scale`, to which the mixture was fitted."""
        compared = self.units.comparison(self.crossfit.predictions, self.crossfit.scale)
        return compared.with_labels(self.aside.without(compared.given, compared.predicted))

    @cached_property
    def aside(self) -> Aside:
        """Labels that are set aside, before the training or after it."""
        found = [each for each in (self.untaught, self.crossfit.aside) if each is not None]
        return Aside(self.targets) if not found else found[0].joined(found[1]) if len(found) > 1 else found[0]

    n_batches, fit_share = 1, 0

    @property
    def spikes(self) -> Spikes | None:
        """Labels that are right without a density."""
        return self.crossfit.spikes

    def sample(self) -> tuple[Values, Values]:
        """Return labels and predictions of evenly spread rows, in the unit of the learners.

        The unit of the data set may differ from sample to sample (pixels of image files), which would look like a
        relation between labels and predictions.
        """
        taught = self.units.taught(self.comparison.given)
        rows = rows_to_check(*taught.shape)
        return taught[rows], self.crossfit.predictions[rows]

    def posterior(self, on_progress: Progress | None = None) -> KindMixture:
        """Return the mixture of the cross-fit."""
        return self.crossfit.mixture

    def batches(self) -> Iterable[Batch]:
        """Return one batch with all samples."""
        crossfit, comparison = self.crossfit, self.comparison
        # The factor from the unit of learners to the unit of labels, at the predictions.
        factor = np.exp(-self.units.log_slope(comparison.predicted))
        group_factor = factor[:, [group[0] for group in self.targets.partition]]
        return (
            Batch(
                self.ids,
                self.given,
                comparison.predicted,
                comparison,
                unit=factor * crossfit.scale,
                spread=None if np.isnan(crossfit.spread).all() else crossfit.spread * group_factor,
                evidence=self.evidence,
                runs=self.runs,
                whole_ids=self.whole_ids,
            ),
        )
