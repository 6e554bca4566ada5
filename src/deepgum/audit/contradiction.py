"""Copies of one sample under different labels: at most one of these is right, whatever the predictions say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deepgum.mixture.partition import Partition

__all__ = ["contradicted"]

Values = NDArray[np.float64]


def contradicted(
    responsibilities: Values, given: Values, partition: Partition, copies: Sequence[Sequence[int]]
) -> Values:
    """Return the responsibilities, given that of different labels of one content at most one is right.

    Labels j of the same content, apart from that right with the odds o_j, are right with the probability
    o_j / (1 + sum o): one of them is, or none. Copies that agree share one label. Two labels that fit equally well are
    both a little more likely wrong than right, and both are flagged: somebody has to look.

    Parameters
    ----------
    responsibilities : array (n, g)
        NaN where a group has no label.
    given : array (n, d)
    partition : tuple of tuples of int
    copies : sequence of sequences of int
        Rows of the same content.

    Examples
    --------
    >>> right = np.array([[0.9], [0.9], [0.5], [0.8]])
    >>> contradicted(right, np.array([[30.0], [44.0], [44.0], [7.0]]), ((0,),), [(0, 1)]).round(2).ravel()
    array([0.47, 0.47, 0.5 , 0.8 ])
    """
    result = responsibilities.copy()
    for rows in copies:
        for place, columns in enumerate(partition):
            labelled = [row for row in rows if not np.isnan(responsibilities[row, place])]
            labels = given[np.ix_(labelled, list(columns))]
            if len(labelled) < 2:
                continue
            values, which = np.unique(labels, axis=0, return_inverse=True, equal_nan=True)
            if len(values) < 2:
                continue
            right = np.clip(responsibilities[labelled, place], 1e-12, 1 - 1e-12)
            odds = np.zeros(len(values))
            np.maximum.at(odds, which.ravel(), right / (1 - right))
            result[labelled, place] = (odds / (1 + odds.sum()))[which.ravel()]
    return result
