"""Conversions of labels: another unit, a lost or added digit, half or twice the value, the opposite sign."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgum.posteriors.kinds.base import Kind
from deepgum.posteriors.kinds.comparison import Comparison

__all__ = ["POINT_FACTORS", "VALUE_FACTORS", "Factor"]

Values = NDArray[np.float64]

DECOY = math.sqrt(8.0)
"""A factor is compared with the factors that are this number of times larger and smaller."""


@dataclass(frozen=True)
class Factor(Kind):
    """The right label is the label times a factor: 10 if a digit was lost, -1 for the opposite sign.

    Attributes
    ----------
    factor : float
        Any finite number but 0 and 1.
    mistake : str
        The mistake that is undone, in words: "inches for centimetres"; empty if it has no name.

    Examples
    --------
    >>> lost = Factor(10.0)
    >>> lost.name, lost.inverse.name, lost.words, lost.inverse.words
    ('x10', 'x0.1', 'Multiplied by 10', 'Divided by 10')
    """

    factor: float
    mistake: str = ""

    reason = "unit"
    LEAST_TAUGHT = 2.5

    @property
    def name(self) -> str:
        """The factor."""
        return f"x{self.factor:.4g}"

    @property
    def words(self) -> str:
        """The start of a sentence about the undone label: "Multiplied by 10"."""
        size = abs(self.factor)
        if size == 1:
            words = "With the opposite sign"
        else:
            words = f"Multiplied by {size:.4g}" if size > 1 else f"Divided by {1 / size:.4g}"
        return f"{words} ({self.mistake}?)" if self.mistake else words

    def undo(self, labels: Values, comparison: Comparison) -> Values:
        """Return the labels times the factor; NaN for periodic labels, which agree with any prediction after turns."""
        changed = self.factor * labels
        if comparison.periods is None or self.factor == -1:
            return changed
        return np.where(np.asarray(comparison.periods) > 0, np.nan, changed)

    def log_change(self, labels: Values, comparison: Comparison) -> Values:
        """Return the log of the absolute factor."""
        return np.full_like(labels, math.log(abs(self.factor)))

    @property
    def inverse(self) -> Factor:
        """The factor that makes the error."""
        return Factor(1 / self.factor)

    def decoys(self) -> tuple[Factor, ...]:
        """Return the factors that are `DECOY` times larger and smaller. A sign has no decoys."""
        return () if self.factor == -1 else (Factor(self.factor * DECOY), Factor(self.factor / DECOY))

    def applies(self, comparison: Comparison) -> bool:
        """Return whether at least one label has no period, or the sign changes."""
        return comparison.periods is None or self.factor == -1 or not all(comparison.periods)

    @property
    def is_made_by_predictors(self) -> bool:
        """True for half and twice the value: models confuse octaves."""
        return self.factor in (0.5, 2.0)

    @property
    def is_taught(self) -> bool:
        """Whether the factor, or its inverse, is at least 2.5, or the sign changes."""
        return self.factor < 0 or max(self.factor, 1 / self.factor) >= self.LEAST_TAUGHT


def _both(factor: float, multiplied: str = "", divided: str = "") -> tuple[Factor, Factor]:
    return Factor(factor, multiplied), Factor(1 / factor, divided)


_DIGITS = tuple(each for power in (1, 2, 3, 4, 6) for each in _both(10.0**power))
_SIGN = Factor(-1.0)
_HALVES = _both(2.0)

VALUE_FACTORS: tuple[Factor, ...] = (*_DIGITS, _SIGN, *_HALVES)
"""Factors of values."""

POINT_FACTORS: tuple[Factor, ...] = (*_both(10.0), *_both(100.0), _SIGN, *_HALVES)
"""Factors of the coordinates of landmarks."""
