"""Summary of the records of several seeds: mean, standard deviation and range."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from deepgum.experiments.paper.records import RunRecord

__all__ = ["Spread", "distinct", "spread"]

T = TypeVar("T")


@dataclass(frozen=True)
class Spread:
    """Summary of one value over several seeds.

    Attributes
    ----------
    mean, deviation : float
        Mean and sample standard deviation (ddof = 1; NaN for a single seed).
    lowest, highest : float
    count : int
    """

    mean: float
    deviation: float
    lowest: float
    highest: float
    count: int


def spread(values: Iterable[float | None]) -> Spread | None:
    """Return the summary of the values that are not None. Return None if all values are None.

    Examples
    --------
    >>> spread([0.1, 0.3, None])
    Spread(mean=0.2, deviation=0.1414..., lowest=0.1, highest=0.3, count=2)
    """
    known = [value for value in values if value is not None]
    if not known:
        return None
    mean = math.fsum(known) / len(known)
    squares = math.fsum((value - mean) ** 2 for value in known)
    deviation = math.sqrt(squares / (len(known) - 1)) if len(known) > 1 else math.nan
    return Spread(mean, deviation, min(known), max(known), len(known))


def distinct(records: Sequence[RunRecord], value: Callable[[RunRecord], T]) -> list[T]:
    """Return the different results of `value` for the records, in the order of their first appearance.

    The function `value` takes a record and returns one value, for example the name of the method.
    """
    return list(dict.fromkeys(value(record) for record in records))
