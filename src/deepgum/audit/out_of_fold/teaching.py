"""The probabilities that labels are right, for the learners of the next round."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from deepgum.audit.out_of_fold.label_units import LabelUnits
from deepgum.mixture.fitting import responsibilities_without_verdict
from deepgum.mixture.partition import Partition
from deepgum.posteriors.kinds.comparison import Comparison
from deepgum.posteriors.kinds.kind_mixture import KindMixture
from deepgum.posteriors.kinds.trust import trust_of_values

__all__ = ["Teaching", "weights_without_verdict"]

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Teaching:
    """Probabilities (n, g) that labels are right; NaN where a group has no label.

    Attributes
    ----------
    responsibilities : array
        Posteriors under the chosen densities. They are close to 1 if no label seems wrong. A label with a posterior
        below one half is flagged.
    weights : array
        Responsibilities under the mixture of eq. 1 to which EM converges, even if the verdict on the fit is that there
        is no mixture. Some unflagged labels have small weights too. The reason: to train on a wrong label does more
        harm than to lose a right label.
    labels : array (n, d) or None
        The labels that learners are taught, in the unit in which they are taught: the expected right labels. None if no
        label is wrong in a known way; the labels themselves are then taught.
    convertible : array (n, g) or None
        Probability that each label is right, or wrong in a known way; None like `labels`.
    """

    responsibilities: Values
    weights: Values
    labels: Values | None = None
    convertible: Values | None = None

    @property
    def usable(self) -> Values:
        """Probability (n, g) that the taught label is right."""
        return self.responsibilities if self.convertible is None else self.convertible

    @classmethod
    def of(cls, kinds: KindMixture, compared: Comparison, units: LabelUnits, weights: Values) -> Teaching:
        """Return what learners are taught if some labels are wrong in known ways.

        Parameters
        ----------
        kinds : KindMixture
        compared : Comparison
            The labels and the predictions of the last round.
        units : LabelUnits
        weights : array (n, g)
            The weights without kinds.
        """
        posterior = kinds.posterior(compared)
        usable = posterior.right + posterior.known
        labels, known = kinds.expected(compared, posterior, units.taught), posterior.known
        trust = trust_of_values(units.given, posterior, compared)
        return cls(posterior.right, (weights * (1 - known) + known) * trust, labels, usable)


def weights_without_verdict(residuals: Values, partition: Partition) -> Values:
    """Return the responsibilities (n, g) under the mixture of eq. 1 to which EM converges. The fit is not judged.

    A responsibility is NaN where a group has no label. A partly observed group counts as missing. In a group with too
    few labels, all responsibilities are 1.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> weights = weights_without_verdict(rng.normal(size=(500, 1)), ((0,),))
    >>> weights.shape, bool(weights.min() < 0.5)
    ((500, 1), True)
    """
    weights = np.full((len(residuals), len(partition)), np.nan)
    for place, columns in enumerate(partition):
        values = residuals[:, list(columns)]
        seen = ~np.isnan(values).any(axis=1)
        if seen.sum() <= len(columns):
            weights[seen, place] = 1.0
            continue
        weights[seen, place] = responsibilities_without_verdict(torch.from_numpy(values[seen])).numpy()
    return weights
