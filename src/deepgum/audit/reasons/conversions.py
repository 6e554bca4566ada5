"""The conversions of units, signs and scales that the reason `unit` tries, with their words."""

from __future__ import annotations

import math
from typing import NamedTuple

__all__ = ["POINT_CONVERSIONS", "VALUE_CONVERSIONS", "Conversion"]


class Conversion(NamedTuple):
    """A conversion: the right value is `scale` times the label, plus `offset`.

    `words` is the start of a sentence that continues with "it fits". `usual` is True for a shifted decimal point or a
    wrong sign. All conversions with `usual` together have the prior probability one half.
    """

    words: str
    scale: float
    offset: float = 0.0
    usual: bool = False


def _by_factor(
    factor: float, text: str, multiplied: str = "", divided: str = "", usual: bool = False
) -> tuple[Conversion, Conversion]:
    """Return two conversions: the label times a factor, and the label divided by the factor.

    `text` is the factor in words. `multiplied` names the mistake that the first conversion corrects, and `divided`
    names the mistake that the second conversion corrects; empty if the mistake has no name.
    """

    def words(verb: str, mistake: str) -> str:
        return f"{verb} by {text}" + (f" ({mistake}?)" if mistake else "")

    return (
        Conversion(words("Multiplied", multiplied), factor, usual=usual),
        Conversion(words("Divided", divided), 1 / factor, usual=usual),
    )


_DECIMALS = (
    *_by_factor(10.0, "10", usual=True),
    *_by_factor(100.0, "100", "a fraction for a percentage", "a percentage for a fraction", usual=True),
    *_by_factor(1000.0, "1000"),
)
_SIGN = Conversion("With the opposite sign", -1.0, usual=True)
_HALVES = _by_factor(2.0, "2")
_INCHES = _by_factor(2.54, "2.54", "inches for centimetres", "centimetres for inches")

VALUE_CONVERSIONS: tuple[Conversion, ...] = (
    *_DECIMALS,
    _SIGN,
    *_HALVES,
    *_INCHES,
    *_by_factor(25.4, "25.4", "inches for millimetres", "millimetres for inches"),
    *_by_factor(0.3048, "0.3048", "feet for metres", "metres for feet"),
    *_by_factor(1.609344, "1.609", "miles for kilometres", "kilometres for miles"),
    *_by_factor(0.45359237, "0.4536", "pounds for kilograms", "kilograms for pounds"),
    *_by_factor(180 / math.pi, "57.3", "radians for degrees", "degrees for radians"),
    *_by_factor(7.0, "7", "weeks for days", "days for weeks"),
    *_by_factor(12.0, "12", "years for months", "months for years"),
    *_by_factor(24.0, "24", "days for hours", "hours for days"),
    *_by_factor(60.0, "60", "hours for minutes", "minutes for hours"),
    *_by_factor(365.25, "365.25", "years for days", "days for years"),
    Conversion("From degrees Fahrenheit to Celsius", 1 / 1.8, -32 / 1.8),
    Conversion("From degrees Celsius to Fahrenheit", 1.8, 32.0),
)
"""Conversions of values."""

POINT_CONVERSIONS: tuple[Conversion, ...] = (*_DECIMALS, _SIGN, *_HALVES, *_INCHES)
"""Conversions of landmarks, in pixels or fractions. The factor 2 is for images that were labelled at another size."""
