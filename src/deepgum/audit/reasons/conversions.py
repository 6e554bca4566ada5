"""The table of wrong units, signs and scales that are tried, and how a label of each is made right."""

from __future__ import annotations

import math
from typing import NamedTuple

__all__ = ["OF_POINTS", "OF_VALUES", "Conversion"]


class Conversion(NamedTuple):
    """The right value is `scale` times the label, plus `offset`; `words` begin a sentence that goes on "it fits".

    The `usual` ones, slips of the decimal point and of the sign, are together as probable beforehand as all others.
    """

    words: str
    scale: float
    offset: float = 0.0
    usual: bool = False


def _both(
    factor: float, text: str, multiplied: str = "", divided: str = "", usual: bool = False
) -> tuple[Conversion, Conversion]:
    """The conversion by a factor and by its inverse, with what each of them may come from."""

    def words(verb: str, guess: str) -> str:
        return f"{verb} by {text}" + (f" ({guess}?)" if guess else "")

    return (
        Conversion(words("Multiplied", multiplied), factor, usual=usual),
        Conversion(words("Divided", divided), 1 / factor, usual=usual),
    )


_DECIMALS = (
    *_both(10.0, "10", usual=True),
    *_both(100.0, "100", "a fraction for a percentage", "a percentage for a fraction", usual=True),
    *_both(1000.0, "1000"),
)
_SIGN = Conversion("With the opposite sign", -1.0, usual=True)
_HALVES = _both(2.0, "2")
_INCHES = _both(2.54, "2.54", "inches for centimetres", "centimetres for inches")

OF_VALUES: tuple[Conversion, ...] = (
    *_DECIMALS,
    _SIGN,
    *_HALVES,
    *_INCHES,
    *_both(25.4, "25.4", "inches for millimetres", "millimetres for inches"),
    *_both(0.3048, "0.3048", "feet for metres", "metres for feet"),
    *_both(1.609344, "1.609", "miles for kilometres", "kilometres for miles"),
    *_both(0.45359237, "0.4536", "pounds for kilograms", "kilograms for pounds"),
    *_both(180 / math.pi, "57.3", "radians for degrees", "degrees for radians"),
    *_both(7.0, "7", "weeks for days", "days for weeks"),
    *_both(12.0, "12", "years for months", "months for years"),
    *_both(24.0, "24", "days for hours", "hours for days"),
    *_both(60.0, "60", "hours for minutes", "minutes for hours"),
    *_both(365.25, "365.25", "years for days", "days for years"),
    Conversion("From degrees Fahrenheit to Celsius", 1 / 1.8, -32 / 1.8),
    Conversion("From degrees Celsius to Fahrenheit", 1.8, 32.0),
)
"""Of numbers of any kind."""

OF_POINTS: tuple[Conversion, ...] = (*_DECIMALS, _SIGN, *_HALVES, *_INCHES)
"""Of landmarks, which are in pixels or in fractions; by 2 where an image was labelled at another size."""
