"""Copies of one sample under different labels: at most one of these is right, whatever the predictions say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.conflicts import differ, label_size
from deepgum.mixture.partition import Partition

__all__ = ["contradicted"]

Values = NDArray[np.float64]


def contradicted(
    responsibilities: Values,
    given: Values,
    partition: Partition,
    copies: Sequence[Sequence[int]],
    periods: Sequence[float] | None = None,
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
    periods : sequence of float, length d, optional
        After how much a label comes round again; 0 where it never does.

    Examples
    --------
    >>> right = np.array([[0.9], [0.9], [0.5], [0.8]])
    >>> contradicted(right, np.array([[30.0], [44.0], [44.0], [7.0]]), ((0,),), [(0, 1)]).round(2).ravel()
    array([0.47, 0.47, 0.5 , 0.8 ])
    """
    result, scale = responsibilities.copy(), label_size(given)
    for rows in copies:
        for place, columns in enumerate(partition):
            labelled = [row for row in rows if not np.isnan(responsibilities[row, place])]
            labels = given[np.ix_(labelled, list(columns))]
            if len(labelled) < 2:
                continue
            of = list(columns)
            which = _classes(labels, scale[of], None if periods is None else [periods[column] for column in of])
            if not which.any():
                continue
            right = np.clip(responsibilities[labelled, place], 1e-12, 1 - 1e-12)
            odds = np.zeros(which.max() + 1)
            np.maximum.at(odds, which, right / (1 - right))
            result[labelled, place] = (odds / (1 + odds.sum()))[which]
    return result


def _classes(labels: Values, scale: Values, periods: Sequence[float] | None) -> NDArray[np.int64]:
    """Return a number for each label (m, k), the same for those that say the same; see `deepgum.audit.conflicts`."""
    which = np.full(len(labels), -1, dtype=np.int64)
    firsts: list[int] = []
    for row in range(len(labels)):
        alike = [place for place, first in enumerate(firsts) if not differ(labels[row], labels[first], scale, periods)]
        if not alike:
            firsts.append(row)
        which[row] = alike[0] if alike else len(firsts) - 1
    return which
