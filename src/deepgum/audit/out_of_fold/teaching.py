"""The probabilities that labels are right, for the learners of the next round."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from deepgum.mixture.fitting import responsibilities_without_verdict
from deepgum.mixture.partition import Partition

__all__ = ["Teaching", "weights_without_verdict"]

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Teaching:
    """Probabilities (n, g) that labels are right; NaN where a group has no label.

    Attributes
    ----------
    responsibilities : array
        Posteriors under the chosen densities, close to 1 if no label seems wrong. A label below one half is flagged.
    weights : array
        Responsibilities of the mixture of eq. 1 to which EM converges, whatever the verdict on the mixture. These
        weights are also small for some unflagged labels, because training on a wrong label costs more than the loss of
        a right label.
    """

    responsibilities: Values
    weights: Values


def weights_without_verdict(residuals: Values, partition: Partition) -> Values:
    """Return the responsibilities (n, g) of the mixture of eq. 1 to which EM converges, whatever the verdict.

    A value is NaN where a group has no label. A partly observed group counts as missing. In a group with too few
    labels, all labels have the weight 1.

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
