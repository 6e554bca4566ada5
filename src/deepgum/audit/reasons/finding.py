"""What a rule says: of one label for certain, or of many labels with a likelihood that is weighed against others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.labels import Reason

__all__ = ["Explanation", "Finding"]

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Finding:
    """What is said of one flagged label, at a row and a group of k coordinates.

    Attributes
    ----------
    reason : Reason
    why : str
        A sentence.
    suggested, uncertainty : arrays (k,)
        NaN where nothing is suggested. The uncertainty is the standard deviation of a right label about the suggestion.
    log_odds : float
        Of this against a label that is wrong anyhow; infinite for a fact.
    """

    reason: Reason
    why: str
    suggested: Values
    uncertainty: Values
    log_odds: float = np.inf


@dataclass(frozen=True, eq=False)
class Explanation:
    """One way in which labels go wrong, and how well it accounts for the labels of m samples.

    Attributes
    ----------
    reason : Reason
    mechanism : str
        What may recur from sample to sample; explanations of the same mechanism are counted together.
    weight : float
        How many cases of the mechanism are taken to have been seen before there are any.
    rows : array (m,) of int
        The samples.
    covers : array (m, g) of bool
        The groups that it accounts for.
    log_likelihood : array (m,)
        Log density of the covered labels if it is true.
    suggest : callable
        Gives, for a place in `rows` and a group of k coordinates, what the label should be if it is true, (k,), and the
        variance of a right label about that, (k,).
    why : callable
        Gives the sentence for a place in `rows` and a group.
    """

    reason: Reason
    mechanism: str
    weight: float
    rows: NDArray[np.intp]
    covers: NDArray[np.bool_]
    log_likelihood: Values
    suggest: Callable[[int, int], tuple[Values, Values]]
    why: Callable[[int, int], str]
