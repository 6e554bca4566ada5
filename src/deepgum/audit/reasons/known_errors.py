"""`KnownErrors`: the kinds of wrong labels that the data prove, with the probabilities of the labels of a case."""

from __future__ import annotations

from dataclasses import dataclass

from deepgum.posteriors.kinds.comparison import Comparison
from deepgum.posteriors.kinds.kind_mixture import KindMixture, KindPosterior

__all__ = ["KnownErrors"]


@dataclass(frozen=True, eq=False)
class KnownErrors:
    """The posterior of a case, by kinds of wrong labels.

    Attributes
    ----------
    mixture : KindMixture
    comparison : Comparison
    posterior : KindPosterior
    """

    mixture: KindMixture
    comparison: Comparison
    posterior: KindPosterior
