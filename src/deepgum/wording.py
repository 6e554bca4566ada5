"""Functions that write numbers into sentences, with few digits and with units."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["amount", "counted", "deviations", "distance", "duration", "exact", "number", "percent", "values"]


def number(value: float, digits: int = 3) -> str:
    """Return a number as a string with `digits` significant digits, without an exponent.

    Examples
    --------
    >>> number(1234.5), number(0.04567), number(20.0), number(23.46)
    ('1234', '0.0457', '20', '23.5')
    """
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def amount(value: float, unit: str, digits: int = 3) -> str:
    """Return a number as a string with its unit.

    Examples
    --------
    >>> amount(23.0, "px"), amount(0.5, "")
    ('23 px', '0.5')
    """
    return f"{number(value, digits)} {unit}".rstrip()


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, whose plural ends in s.

    Examples
    --------
    >>> counted(1, "round"), counted(1200, "label")
    ('1 round', '1,200 labels')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def distance(residual: NDArray[np.float64], unit: str) -> str:
    """Return the Euclidean norm of a residual (k,) as a string with its unit. Missing coordinates (NaN) are left out.

    Examples
    --------
    >>> distance(np.array([-3.0, 4.0]), "px"), distance(np.array([-3.0, np.nan]), "px")
    ('5 px', '3 px')
    """
    return amount(float(np.sqrt(np.nansum(np.square(residual)))), unit)


def deviations(count: float) -> str:
    """Return the string "COUNT standard deviations of right labels", with few digits.

    Examples
    --------
    >>> deviations(31.26)
    '31 standard deviations of right labels'
    """
    return f"{number(count, 2)} standard deviations of right labels"


def values(label: NDArray[np.float64], unit: str) -> str:
    """Return a label as a string: a number with its unit, or several numbers in brackets. A missing number is a dash.

    Examples
    --------
    >>> values(np.array([30.0]), "years"), values(np.array([12.25, np.nan]), "px")
    ('30 years', '(12.25, -) px')
    """
    texts = ["-" if value != value else number(value, 6) for value in label.tolist()]
    text = texts[0] if len(texts) == 1 else f"({', '.join(texts)})"
    return f"{text} {unit}".rstrip()


def exact(value: Sequence[float]) -> str:
    """Return a number, or several numbers in brackets, as a string with all digits.

    Examples
    --------
    >>> exact([-9999.0]), exact([0.0, 0.5]), exact([9.969209968386869e36])
    ('-9999', '(0, 0.5)', '9.969209968386869e+36')
    """
    texts = [str(int(v)) if v == v // 1 and abs(v) < 1e15 else repr(float(v)) for v in value]
    return texts[0] if len(texts) == 1 else f"({', '.join(texts)})"


def percent(fraction: float) -> str:
    """Return a fraction in percent as a string: without decimals from 10 %, with one decimal below, two below 0.1 %.

    Examples
    --------
    >>> [percent(value) for value in (0.1234, 0.0234, 0.002, 0.0004, 1e-7, 0.0, 1.0)]
    ['12', '2.3', '0.2', '0.04', '< 0.01', '0', '100']
    """
    if 0 < fraction < 0.00005:
        return "< 0.01"
    decimals = 0 if fraction >= 0.0995 else 1 if fraction >= 0.00095 else 2
    return f"{100 * fraction:.{decimals}f}".removesuffix(".0").removesuffix(".00")


def duration(seconds: float) -> str:
    """Return a duration in hours, minutes and seconds.

    Examples
    --------
    >>> duration(42.4), duration(125), duration(7500)
    ('42 s', '2 min 5 s', '2 h 5 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
