"""The kinds of wrong labels that are tried."""

from __future__ import annotations

from deepgum.posteriors.kinds.base import Kind
from deepgum.posteriors.kinds.comparison import Comparison
from deepgum.posteriors.kinds.conversions import POINT_FACTORS, VALUE_FACTORS
from deepgum.posteriors.kinds.exchanges import ExchangedAxes, ExchangedSides

__all__ = ["kinds_for"]


def kinds_for(comparison: Comparison, *, taught: bool = False) -> tuple[Kind, ...]:
    """Return the kinds that are possible for these labels.

    Parameters
    ----------
    comparison : Comparison
    taught : bool
        Whether the predictions come from a learner that was taught labels in which these errors are undone. Then only
        the kinds with `Kind.is_taught` are possible.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.zeros((3, 1))
    >>> [kind.name for kind in kinds_for(Comparison.of(labels, labels, ((0,),)))][-3:]
    ['x-1', 'x2', 'x0.5']
    """
    kinds: tuple[Kind, ...] = (
        (ExchangedSides(), ExchangedAxes(), *POINT_FACTORS) if comparison.landmarks else VALUE_FACTORS
    )
    return tuple(kind for kind in kinds if kind.applies(comparison) and (kind.is_taught or not taught))
