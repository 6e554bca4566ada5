"""Columns of features as users have them: numbers, categories, texts and dates, with gaps, as arrays of float64.

A category is a whole number, the place of the value among the values of the column. A gap is NaN.
"""

from __future__ import annotations

import datetime
import math
import numbers
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgum.data.cell_format import STANDARD
from deepgum.errors import InvalidDataError

__all__ = ["FeatureColumn", "columns_of", "feature_column"]

Values = NDArray[np.float64]

MOSTLY, OFTEN, FEW = 0.9, 0.5, 20
"""A column of strings that are not all numbers is probably one of numbers if at least the share `MOSTLY` are numbers,
or at least the share `OFTEN`, with more than `FEW` different numbers. Sizes 36, 38, XL are categories."""

WORDS = STANDARD | {"missing", "-", "--", "?", "."}
"""Words for a gap, in a column whose other cells are numbers or dates."""

DAY = 86_400e6
"""Microseconds of a day."""

_EPOCH = datetime.datetime(1970, 1, 1)


@dataclass(frozen=True, eq=False)
class FeatureColumn:
    """One column of features.

    Attributes
    ----------
    name : str
    values : array (n,)
        Numbers, or places in `categories`; NaN is a gap. A date is the number of days since 1970.
    categories : tuple of str or None
        The values of the column, sorted; None for numbers.
    odd : str
        If nearly all cells are numbers, but some are not: the first cell that is no number. Otherwise empty.
    text : str
        If the column is one of several that stand for a column of texts: the name of that column. Otherwise empty.
    """

    name: str
    values: Values
    categories: tuple[str, ...] | None = None
    odd: str = ""
    text: str = ""


def columns_of(X: Any) -> list[FeatureColumn]:
    """Return the columns of a frame, a dense array (n, ...) of numbers, or an array or list of rows.

    Raises
    ------
    InvalidDataError
        If X has another form, or a cell is neither a number, nor a text, nor a date.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"area": [50.0, None], "city": ["rome", "oslo"]})
    >>> [(column.values, column.categories) for column in columns_of(frame)]
    [(array([50., nan]), None), (array([1., 0.]), ('oslo', 'rome'))]
    """
    if hasattr(X, "iloc") and hasattr(X, "columns"):
        return [feature_column(str(name), X.iloc[:, place]) for place, name in enumerate(X.columns)]
    names = getattr(X, "column_names", None) or (X.columns if hasattr(X, "columns") else None)
    if names is not None:
        return [feature_column(str(name), X[name]) for name in names]
    if hasattr(X, "iloc") or (hasattr(X, "to_list") and not hasattr(X, "shape")):  # a series
        return [feature_column(str(getattr(X, "name", None) or "0"), X)]
    array = np.asarray(X) if isinstance(X, np.ndarray) else _rows_as_array(X)
    if array.dtype.kind in "biuf":
        flat = array.astype(np.float64).reshape(len(array), -1)
        return [FeatureColumn(str(place), flat[:, place]) for place in range(flat.shape[1])]
    if array.ndim == 1:
        return [feature_column("0", array)]
    if array.ndim != 2:
        raise InvalidDataError(f"Features that are not numbers should have shape (n, p). Found {array.shape}.")
    return [feature_column(str(place), array[:, place]) for place in range(array.shape[1])]


def feature_column(name: str, cells: Any) -> FeatureColumn:
    """Return a series, an array (n,) or a list of cells as a column of features.

    Strings are numbers if all of them are numbers, and else categories. A column that says itself that it is
    categorical (the type of its values) has categories, even if these are numbers.

    Raises
    ------
    InvalidDataError
        If a cell is neither a number, nor a text, nor a date. The message names the column and the cell.

    Examples
    --------
    >>> feature_column("zip", ["0150", None, "7010"]).values
    array([ 150.,   nan, 7010.])
    >>> feature_column("size", ["S", "", "XL"])
    FeatureColumn(name='size', values=array([ 0., nan,  1.]), categories=('S', 'XL'), odd='', text='')
    >>> feature_column("area", ["50", "n/a", "70"]).values
    array([50., nan, 70.])
    """
    kind = getattr(getattr(cells, "dtype", None), "kind", "O")
    if isinstance(kind, str) and kind in "biufmM" and isinstance(cells, np.ndarray):
        return FeatureColumn(name, _of_plain(cells))
    said = _is_categorical(cells)
    values = [None if _is_gap(cell) else cell for cell in _listed(cells)]
    seen = [cell for cell in values if cell is not None]
    kinds = set(map(type, seen))
    if not said and all(issubclass(each, numbers.Real | Decimal | np.bool_) for each in kinds):
        return FeatureColumn(name, _floats(values))
    if not said and all(issubclass(each, datetime.date | datetime.timedelta) for each in kinds):
        return FeatureColumn(name, _floats([None if cell is None else _days(cell) for cell in values]))
    if any(issubclass(each, np.datetime64 | np.timedelta64) for each in kinds):
        return FeatureColumn(name, _of_plain(np.array(values)))
    wrong = next((cell for cell in seen if not isinstance(cell, _SIMPLE) or isinstance(cell, _COMPLEX)), None)
    if wrong is not None:
        raise InvalidDataError(
            f"Column {name!r} of the features should hold numbers, texts or dates. Found {wrong!r}, of the type "
            f"{type(wrong).__name__}. Turn it into columns of numbers, or leave it out."
        )
    texts = [None if cell is None else str(cell).strip() for cell in values]
    if not said and kinds == {str}:
        known = [None if text is None or text.lower() in WORDS else text for text in texts]
        counted = [_number(text) for text in known if text is not None]
        found = [number for number in counted if number is not None]
        if len(found) == len(counted):
            return FeatureColumn(name, _floats([None if text is None else _number(text) for text in known]))
        days = _iso_days(known)
        if days is not None:
            return FeatureColumn(name, days)
        share = len(found) / len(counted)
        is_odd = share >= MOSTLY or (share >= OFTEN and len(set(found)) > FEW)
        odd = next(text for text in known if text is not None and _number(text) is None) if is_odd else ""
        return _categorical(name, texts, odd)
    return _categorical(name, texts)


_SIMPLE = str | bytes | numbers.Number | np.generic | datetime.date | datetime.time | datetime.timedelta
_COMPLEX = complex | np.complexfloating


def _categorical(name: str, texts: Sequence[str | None], odd: str = "") -> FeatureColumn:
    categories = tuple(sorted({text for text in texts if text is not None}))
    place = {text: float(number) for number, text in enumerate(categories)}
    return FeatureColumn(name, _floats([None if text is None else place[text] for text in texts]), categories, odd)


def _rows_as_array(X: Any) -> NDArray[Any]:
    try:
        rows = list(X)
        widths = {len(row) for row in rows if isinstance(row, Sequence | np.ndarray) and not isinstance(row, str)}
        simple = all(isinstance(row, str | numbers.Number) or row is None for row in rows)
        if not simple and (len(widths) != 1 or any(isinstance(row, dict | str) for row in rows)):
            raise TypeError
        array = np.array(rows, dtype=object)
    except (TypeError, ValueError) as error:
        raise InvalidDataError(
            f"The features should be a frame, an array or a list of rows of equal length. Found {type(X).__name__}."
        ) from error
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError):
        return array


def _is_categorical(cells: Any) -> bool:
    kind = str(getattr(cells, "dtype", getattr(cells, "type", "")))
    return kind.lower().startswith(("category", "categorical", "enum", "dictionary"))


def _listed(cells: Any) -> Iterable[Any]:
    for method in ("to_list", "to_pylist", "tolist"):
        if hasattr(cells, method):
            listed: list[Any] = getattr(cells, method)()
            return listed
    return list(cells)


def _is_gap(cell: Any) -> bool:
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return True
    try:
        return bool(cell != cell)  # NaN and NaT
    except (TypeError, ValueError):  # the missing value of pandas is neither true nor false
        return type(cell).__name__ == "NAType"


def _of_plain(cells: NDArray[Any]) -> Values:
    if cells.dtype.kind not in "mM":
        return cells.astype(np.float64)
    unit = f"{'datetime64' if cells.dtype.kind == 'M' else 'timedelta64'}[us]"
    gaps = np.isnat(cells)
    return np.where(gaps, np.nan, cells.astype(unit).astype(np.int64) / DAY)


def _floats(values: Sequence[Any]) -> Values:
    try:
        return np.array([math.nan if value is None else float(value) for value in values], dtype=np.float64)
    except OverflowError:  # a whole number of hundreds of digits
        return np.array([math.nan if value is None else _large(value) for value in values], dtype=np.float64)


def _large(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value)


def _days(cell: Any) -> float:
    if isinstance(cell, datetime.timedelta):
        return cell.total_seconds() / 86_400
    if not isinstance(cell, datetime.datetime):
        cell = datetime.datetime(cell.year, cell.month, cell.day)
    return float(cell.timestamp() if cell.tzinfo is not None else (cell - _EPOCH).total_seconds()) / 86_400


def _iso_days(texts: Sequence[str | None]) -> Values | None:
    """Return dates written as 2024-01-31, with or without a time, as days since 1970; None if a text is no date."""
    days: list[float | None] = []
    for text in texts:
        if text is None:
            days.append(None)
        elif len(text) >= len("2024-01-31") and text[4] == "-":
            try:
                days.append(_days(datetime.datetime.fromisoformat(text)))
            except ValueError:
                return None
        else:
            return None
    return _floats(days)


def _number(text: str) -> float | None:
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None
