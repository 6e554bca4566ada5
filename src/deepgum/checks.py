"""Checks of single arguments.

Numbers have a range in which the arithmetic of this package cannot overflow. The square of a float, and a thousand
times a whole number (for the random generators of a seed), are below the limits of their types.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable

from deepgum.errors import InvalidParameterError, UnknownNameError

__all__ = ["LARGEST", "as_number", "check_choice", "check_count", "check_fraction", "check_positive", "is_storable"]

LARGEST = (2 - 2**-23) * 2.0**127
"""The largest number of float32, 3.4e38. Labels, predictions and features are stored as float32."""
LARGEST_COUNT = 2**53
"""Largest whole number; up to this number, floats and the readers of JSON are exact."""
SMALLEST_POSITIVE, LARGEST_POSITIVE = 1e-30, 1e30
"""Range of positive settings; float32 holds it with room for a product."""


def check_choice(parameter: str, value: object, choices: Iterable[str]) -> str:
    """Return `value` if it is in `choices`; otherwise raise `UnknownNameError`, which shows the most similar name."""
    known = tuple(choices)
    if not isinstance(value, str) or value not in known:
        raise UnknownNameError(parameter, value, known)
    return value


def check_count(parameter: str, value: object, least: int = 1) -> int:
    """Return `value` as an int if it is a whole number from `least` to `LARGEST_COUNT`; otherwise raise an error."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise InvalidParameterError(parameter, f"a whole number of at least {least}", value)
    if int(value) > LARGEST_COUNT:
        raise InvalidParameterError(parameter, f"a whole number from {least} to {LARGEST_COUNT}", value)
    return int(value)


def check_positive(parameter: str, value: object, *, zero: bool = False) -> float:
    """Return `value` as a float if it is finite and above zero; with `zero=True`, zero is also valid.

    A number above zero is valid only from `SMALLEST_POSITIVE` to `LARGEST_POSITIVE`.
    """
    number = as_number(value)
    if not math.isfinite(number) or number < 0 or (number == 0 and not zero):
        raise InvalidParameterError(parameter, f"a finite number {'of at least' if zero else 'above'} 0", value)
    if number and not SMALLEST_POSITIVE <= number <= LARGEST_POSITIVE:
        limits = f"a number from {SMALLEST_POSITIVE:g} to {LARGEST_POSITIVE:g}"
        raise InvalidParameterError(parameter, f"0 or {limits}" if zero else limits, value)
    return number


def check_fraction(parameter: str, value: object, *, open_below: bool = False, open_above: bool = False) -> float:
    """Return `value` as a float if it lies in [0, 1]. `open_below` excludes 0, and `open_above` excludes 1."""
    number = as_number(value)
    if not 0 <= number <= 1 or (open_below and number == 0) or (open_above and number == 1):
        interval = f"{'(' if open_below else '['}0, 1{')' if open_above else ']'}"
        raise InvalidParameterError(parameter, f"a number in {interval}", value)
    return number


def is_storable(value: float) -> bool:
    """Return whether a number is finite in float32, so that it can be a label.

    Examples
    --------
    >>> is_storable(-3.4e38), is_storable(1e300), is_storable(math.nan)
    (True, False, False)
    """
    return abs(value) <= LARGEST


def as_number(value: object) -> float:
    """Return a real number as a float (infinity if it is too large), and any other value (also a bool) as NaN."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf
