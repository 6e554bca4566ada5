"""The contract of a kind of wrong label."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

import numpy as np
from numpy.typing import NDArray

from deepgum.posteriors.kinds.comparison import Comparison

__all__ = ["Kind"]

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Kind(ABC):
    """A way in which a label goes wrong, that can be undone: T(label) is the right label.

    A subclass defines `name`, `reason`, `words` and `undo`. Objects must be immutable and hashable, like frozen
    dataclasses.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """A short name of the kind that differs from the names of all other kinds."""

    @property
    @abstractmethod
    def reason(self) -> str:
        """Name of the reason that flags of this kind get; see `deepgum.audit.reasons`."""

    @property
    @abstractmethod
    def words(self) -> str:
        """The start of a sentence that continues with "it fits": "Multiplied by 10"."""

    @abstractmethod
    def undo(self, labels: Values, comparison: Comparison) -> Values:
        """Return T(labels) (n, d): the labels that are right if all labels (n, d) have this error.

        NaN where the error is impossible, for example where a label is not part of a pair.
        """

    def log_change(self, labels: Values, comparison: Comparison) -> Values:
        """Return the log (n, d) of |T'|, the absolute derivative of T by the label. By default 0."""
        return np.zeros_like(labels)

    @property
    def inverse(self) -> Kind:
        """The kind that makes the error again: inverse(T(label)) is the label. By default, the kind itself."""
        return self

    def decoys(self) -> tuple[Self, ...]:
        """Return similar errors that nobody makes. A kind is believed only if it explains far more than its decoys."""
        return ()

    def applies(self, comparison: Comparison) -> bool:
        """Return whether the kind is possible for such labels. By default, it is."""
        return True

    @property
    def is_made_by_predictors(self) -> bool:
        """Whether models make this error too, so that the prediction may be wrong instead of the label."""
        return False

    @property
    def is_taught(self) -> bool:
        """Whether a learner may be taught labels in which this error is undone.

        If not, the kind is only used for given predictions. A kind that changes labels little must not be taught: a
        learner that was taught changed labels would predict changed labels, which would prove the kind.
        """
        return True
