"""The cells of a table as numbers: marks of missing values, and decimal and thousands separators.

The names of the options are those of pandas: `decimal` and `thousands`. No separator is guessed: "1.234" is a number
with three decimals unless the user says otherwise.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgum.checks import LARGEST, is_storable
from deepgum.errors import InvalidParameterError

__all__ = ["STANDARD", "CellFormat", "MissingMarks"]

Values = NDArray[np.float64]

STANDARD = frozenset(
    {
        "", "na", "n/a", "#n/a", "#n/a n/a", "#na", "<na>", "null", "#null!", "none", "nan", "-nan", "nat", "\\n",
        "-1.#ind", "1.#ind", "-1.#qnan", "1.#qnan",
    }
)  # fmt: skip
"""Words that mark a missing value in every table, in lower case: those of pandas, R, Excel, SQL and Python."""

SEPARATORS = ("", ",", ".", "'", " ", "_")
_SIGNS = "$€£¥%"
_GROUPED = re.compile(r"[+-]?[0-9]{1,3}(?:([.,' \u00a0\u202f])[0-9]{3})(?:\1[0-9]{3})*(?:([.,])[0-9]+)?")
_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")
_EXPONENT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class MissingMarks:
    """Marks of a missing label that the user names, in addition to the words that every table may have.

    Attributes
    ----------
    words : frozenset of str
        Words in lower case.
    numbers : tuple of float
    points : tuple of (float, float)
        Points x, y that mark a missing landmark.

    Examples
    --------
    >>> marks = MissingMarks.of(["?", -9999, "0,0"])
    >>> marks.numbers, marks.points
    ((-9999.0,), ((0.0, 0.0),))
    >>> marks.removed(np.array([[0.0, 0.0, 0.0, -9999.0]]))
    array([[nan, nan,  0., nan]])
    >>> MissingMarks.of((0, 0)).points, MissingMarks.of([0, -1]).numbers
    (((0.0, 0.0),), (0.0, -1.0))
    """

    words: frozenset[str] = frozenset()
    numbers: tuple[float, ...] = ()
    points: tuple[tuple[float, float], ...] = ()

    @classmethod
    def of(cls, values: Any, parameter: str = "missing") -> MissingMarks:
        """Return the marks in a number, a word, a point, or a list of them.

        "-9999" is a number, "0,0" is a point. A tuple of two numbers is a point; a list of two numbers is two marks.

        Raises
        ------
        InvalidParameterError
            If a value is none of these. The message names `parameter`.
        """
        if values is None:
            return cls()
        if not isinstance(values, Sequence | set | frozenset) or isinstance(values, str | bytes) or _is_point(values):
            values = [values]
        words, numbers, points = set[str](), dict[float, None](), dict[tuple[float, float], None]()
        for value in values:
            parts = value.split(",") if isinstance(value, str) else value
            if isinstance(value, str) and _EXPONENT.fullmatch(value.strip()):
                numbers[float(value)] = None
            elif isinstance(value, str) and not all(_EXPONENT.fullmatch(part.strip()) for part in parts):
                words.add(value.strip().lower())
            elif isinstance(value, int | float | np.number) and not isinstance(value, bool):
                numbers[float(value)] = None
            elif isinstance(parts, Sequence) and len(parts) == 2 and not isinstance(parts, bytes):
                points[_point(parts, parameter, value)] = None
            else:
                raise InvalidParameterError(parameter, "numbers, words, or points such as (0, 0)", value)
        return cls(frozenset(words), tuple(numbers), tuple(points))

    def __bool__(self) -> bool:
        return bool(self.words or self.numbers or self.points)

    def removed(self, labels: Values, parameter: str = "missing") -> Values:
        """Return the labels (n, d), with NaN where they are marked as missing. A point is x y in two columns of 2 k.

        Raises
        ------
        InvalidParameterError
            If there are points, and the labels have an odd number of columns.
        """
        marked = np.isin(labels, self.numbers) if self.numbers else np.zeros(labels.shape, dtype=bool)
        if self.points and labels.shape[1] % 2:
            hint = (
                "A tuple of two numbers is a point, the x and y of a missing landmark. For labels of single numbers, "
                f"give a number, or a list of numbers: {list(self.points[0])}."
            )
            raise InvalidParameterError(parameter, "numbers or words", self.points[0], hint)
        for point in self.points:
            equal = (labels.reshape(len(labels), -1, 2) == point).all(axis=2)
            marked |= np.repeat(equal, 2, axis=1)
        return np.where(marked, np.nan, labels) if self else labels


def _is_point(value: Any) -> bool:
    kinds = [isinstance(each, int | float | np.number) for each in value] if isinstance(value, tuple) else []
    return kinds == [True, True]


def _point(parts: Sequence[Any], parameter: str, value: Any) -> tuple[float, float]:
    try:
        x, y = (float(part) for part in parts)
    except (TypeError, ValueError):
        raise InvalidParameterError(parameter, "numbers, words, or points such as (0, 0)", value) from None
    return x, y


@dataclass(frozen=True)
class CellFormat:
    """How cells are read as numbers.

    Attributes
    ----------
    missing : MissingMarks
    decimal : str
        The decimal separator, "." or ",".
    thousands : str
        The separator of thousands; empty if there is none.

    Examples
    --------
    >>> CellFormat(decimal=",", thousands=".").number("1.234,5")
    1234.5
    >>> CellFormat().number("N/A"), CellFormat().number("about 30")
    (nan, None)
    """

    missing: MissingMarks = field(default_factory=MissingMarks)
    decimal: str = "."
    thousands: str = ""

    def __post_init__(self) -> None:
        if self.decimal not in (".", ","):
            raise InvalidParameterError("decimal", "'.' or ','", self.decimal)
        if self.thousands not in SEPARATORS or self.thousands == self.decimal:
            expected = "one of , . ' _ or a blank, and another character than the decimal separator"
            raise InvalidParameterError("thousands", expected, self.thousands)

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> CellFormat:
        """Return the format in the options `missing`, `decimal` and `thousands` of a table."""
        marks = MissingMarks.of(options.get("missing") or None)
        return cls(marks, options.get("decimal") or ".", options.get("thousands") or "")

    @property
    def options(self) -> dict[str, Any]:
        """The options of a table from which `of` makes this format; without those that have the default."""
        marks = self.missing
        found: dict[str, Any] = {"missing": [*sorted(marks.words), *marks.numbers, *map(list, marks.points)]}
        found |= {"decimal": self.decimal if self.decimal != "." else "", "thousands": self.thousands}
        return {name: value for name, value in found.items() if value}

    def is_missing(self, cell: Any) -> bool:
        """Return whether a cell is empty, or a word that marks a missing value."""
        if cell is None or cell != cell:  # NaN, and the missing times of Parquet files
            return True
        if not isinstance(cell, str):
            return False
        word = cell.strip().lower()
        return word in STANDARD or word in self.missing.words

    def numbers(self, cells: Sequence[Any]) -> Values | None:
        """Return all cells as numbers at once; None if the cells must be looked at one by one."""
        kinds = set(map(type, cells))
        if kinds == {str} and self.decimal == "." and not self.thousands:
            if "_" in "".join(cells):
                return None
            if self.missing.words:
                cells = ["nan" if cell.strip().lower() in self.missing.words else cell for cell in cells]
        elif not kinds <= {float, int}:
            return None
        try:
            values = np.array(list(map(float, cells)), dtype=np.float64)
        except (ValueError, OverflowError):
            return None
        return None if (np.abs(values) > LARGEST).any() else values

    def number(self, cell: Any) -> float | None:
        """Return a cell as a number: NaN if it is missing, None if it is not a number that float32 can hold."""
        try:
            if self.is_missing(cell):
                return math.nan
            # Python reads True as 1 and 1_000 as 1000. In a table, such cells are probably mistakes.
            if isinstance(cell, bool):
                return None
            value = float(self._plain(cell) if isinstance(cell, str) else cell)
        except (TypeError, ValueError, OverflowError):
            return None
        if not is_storable(value) and value in self.missing.numbers:
            return math.nan
        return value if math.isnan(value) or is_storable(value) else None

    def plain(self, cell: str) -> str:
        """Return a cell with a decimal point and without separators of thousands, if it is a number."""
        try:
            return self._plain(cell)
        except ValueError:
            return cell.strip()

    def _plain(self, cell: str) -> str:
        text = cell.strip()
        if self.thousands:
            blanks = "[ \u00a0\u202f]" if self.thousands == " " else re.escape(self.thousands)
            whole, point, rest = text.partition(self.decimal)
            text = re.sub(rf"(?<=[0-9]){blanks}(?=[0-9]{{3}}(?![0-9]))", "", whole) + point + rest
        if "_" in text or (self.decimal == "," and "." in text):
            raise ValueError(text)
        return text.replace(self.decimal, ".")

    def written(self, text: str) -> str:
        """Return a number that was written with a decimal point, with the decimal separator of the table."""
        return text.replace(".", self.decimal)

    def hint(self, cell: Any) -> str:
        """Return what to do about a cell that is not a number."""
        text = cell.strip() if isinstance(cell, str) else ""
        plain = text.strip(_SIGNS + " \u00a0")
        number = re.sub(r"^[A-Z]{3} ?| ?[A-Z]{3}$", "", plain)
        if text and number != text and any(character.isdigit() for character in number) and _is_number(number):
            return f"Remove the sign beside the number: write {number!r} in place of {text!r}."
        match = _GROUPED.fullmatch(text)
        if match and (match[2] or match[1] != "."):
            group, point = match[1].replace("\u00a0", " ").replace("\u202f", " "), match[2] or "."
            if point != group:
                options = [f"--thousands {_typed(group)}"] + (["--decimal ,"] if point == "," else [])
                words = f"{group!r} seems to separate thousands: give {' '.join(options)}"
                also = ", or --decimal , if it is a decimal comma" if group == "," and not match[2] else ""
                return f"{words} (in Python and files: thousands, decimal){also}."
        if _COMMA.fullmatch(text):
            return "If ',' is the decimal separator, give --decimal , (decimal = \",\" in Python and files)."
        if text.startswith("#"):
            return f"A spreadsheet writes this word for an error. Mend the cell, or give --missing '{text}'."
        if text and not any(character.isdigit() for character in text):
            return f"If it marks a missing value, give --missing {_typed(text)} (missing = [{text!r}] in Python)."
        return ""


def _is_number(text: str) -> bool:
    return bool(_EXPONENT.fullmatch(text) or _GROUPED.fullmatch(text) or _COMMA.fullmatch(text))


def _typed(text: str) -> str:
    """Return a text as it is typed in a shell."""
    return text if re.fullmatch(r"[\w,.@%+=:/-]+", text, re.ASCII) else f'"{text}"' if "'" in text else f"'{text}'"
