"""How far labels are trusted as training labels, given the other labels of the same size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deepgum.posteriors.kinds.comparison import Comparison
from deepgum.posteriors.kinds.kind_mixture import KindPosterior

__all__ = ["trust_of_values"]

Values = NDArray[np.float64]

SAME_SIZE = 50
"""Number of labels that count as labels of the same size."""

CAUTION = 3
"""Power of the share of right labels among labels of the same size, in the weight of a label."""


def trust_of_values(given: Values, posterior: KindPosterior, compared: Comparison) -> Values:
    """Return factors (n, g) of the weights: small where most labels of the same size are wrong.

    A learner that has learned a wrong label predicts this label, so that nothing is to be seen. But if most of the
    labels of this size are wrong, then this one is doubtful too, and is not taught. Labels that are wrong in a known
    way keep the factor 1, because they are taught after the error is undone.

    Parameters
    ----------
    given : array (n, d)
        Labels; NaN marks a missing label.
    posterior : KindPosterior
        The probabilities of these labels.
    compared : Comparison
        The comparison to which the posterior belongs. Groups of several coordinates have the factor 1.

    Examples
    --------
    >>> labels = np.concatenate([np.full(60, 1.0), np.full(60, 10.0)])[:, None]
    >>> right = np.concatenate([np.full(60, 1.0), np.full(60, 0.5)])[:, None]  # half of the larger labels are wrong
    >>> posterior = KindPosterior(right, np.zeros((0, 120, 1)))
    >>> trust_of_values(labels, posterior, Comparison.of(labels, labels, ((0,),)))[[0, 119]].ravel()
    array([1.   , 0.125])
    """
    trust = np.ones_like(posterior.right)
    for place, columns in enumerate(compared.partition):
        if len(columns) > 1:
            continue
        wrong = 1 - posterior.right[:, place]
        rows = np.flatnonzero(~np.isnan(wrong))
        order = rows[np.argsort(given[rows, columns[0]], kind="stable")]
        values, sums = given[order, columns[0]], np.concatenate([[0.0], np.cumsum(wrong[order])])
        first = np.clip(np.arange(len(order)) - SAME_SIZE // 2, 0, max(len(order) - SAME_SIZE, 0))
        last = np.minimum(first + SAME_SIZE, len(order))
        # Equal labels are of the same size, however many they are.
        first = np.minimum(first, np.searchsorted(values, values, "left"))
        last = np.maximum(last, np.searchsorted(values, values, "right"))
        share = (sums[last] - sums[first]) / (last - first)
        trust[order, place] = np.where(posterior.known[order, place] > 0.5, 1.0, (1 - share) ** CAUTION)
    return trust
