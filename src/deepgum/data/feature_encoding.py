"""The columns of features of a table: which are numbers, which have categories, which have gaps.

The inputs of a network are one float32 matrix (n, p): a number, or the place of a category, or NaN for a gap. A column
of free text becomes several columns of numbers (`deepgum.data.text_parts`). The encoding says which is which. It is
part of a run, in `network.json`, so that new tables are read in the same way. The network itself turns places into
columns of 0 and 1 (`deepgum.models.TableInputs`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from deepgum.data.columns import Columns
from deepgum.data.feature_columns import FeatureColumn, feature_column
from deepgum.data.text_parts import is_free_text, text_parts
from deepgum.errors import InvalidDataError, InvalidParameterError, listing

__all__ = ["MOST_CATEGORIES", "FeatureEncoding", "read_features"]

MOST_CATEGORIES = 255
"""Largest number of categories in a column. A column with more is probably an id or a free text."""

FEW_CATEGORIES = 20
"""Number of categories that a column may have even if most rows have one of their own."""


@dataclass(frozen=True)
class FeatureEncoding:
    """The columns of the features of a table, p in all.

    Attributes
    ----------
    names : tuple of str, length p
    categories : tuple of tuples of str, length p
        The values of each column of categories; empty for a column of numbers.
    gaps : tuple of bool, length p
        Whether cells of the column may be empty.
    texts : tuple of str, length p, or empty
        For each column that is a part of a column of texts, the name of that column; otherwise an empty string. An
        empty tuple says that there are no texts.

    Raises
    ------
    InvalidParameterError
        If the lengths differ, or a category occurs twice.
    """

    names: tuple[str, ...]
    categories: tuple[tuple[str, ...], ...]
    gaps: tuple[bool, ...]
    texts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("categories", "gaps"):
            if len(getattr(self, name)) != len(self.names):
                raise InvalidParameterError(name, f"a list of {len(self.names)} values, one per column", len(self.gaps))
        if self.texts and len(self.texts) != len(self.names):
            expected = f"a list of {len(self.names)} names, one per column, or an empty list"
            raise InvalidParameterError("texts", expected, len(self.texts))
        for name, values in zip(self.names, self.categories, strict=True):
            if len(set(values)) < len(values) or len(values) > MOST_CATEGORIES:
                expected = f"at most {MOST_CATEGORIES} categories of column {name!r}, each once"
                raise InvalidParameterError("categories", expected, values)

    @classmethod
    def of(cls, columns: Sequence[FeatureColumn]) -> Self | None:
        """Return the encoding of columns; None if all of them are numbers without gaps.

        Examples
        --------
        >>> FeatureEncoding.of([feature_column("city", ["oslo", "", "rome"]), feature_column("area", [50, 60, 70])])
        FeatureEncoding(names=('city', 'area'), categories=(('oslo', 'rome'), ()), gaps=(True, False), texts=())
        """
        found = cls(
            tuple(column.name for column in columns),
            tuple(column.categories or () for column in columns),
            tuple(bool(np.isnan(column.values).any()) for column in columns),
            tuple(column.text for column in columns) if any(column.text for column in columns) else (),
        )
        return found if any(found.categories) or any(found.gaps) or found.texts else None

    @property
    def table_columns(self) -> tuple[str, ...]:
        """The columns of the table that are read, each once.

        Examples
        --------
        >>> FeatureEncoding(("area", "note 1", "note 2"), ((),) * 3, (False,) * 3, ("", "note", "note")).table_columns
        ('area', 'note')
        """
        texts = self.texts or ("",) * len(self.names)
        return tuple(dict.fromkeys(text or name for name, text in zip(self.names, texts, strict=True)))

    def matrix(self, table: Columns) -> NDArray[np.float64]:
        """Return the features of a table (n, p), with the categories of this encoding.

        A category that this encoding does not have becomes -1, and so does a gap if the column had none.

        Raises
        ------
        InvalidDataError
            If a cell of a column of numbers is not a number, or is empty although the column had no gaps.
        """
        parts: list[NDArray[np.float64]] = []
        texts = self.texts or ("",) * len(self.names)
        columns = {text: iter(text_columns(text, _texts(table, text))) for text in dict.fromkeys(texts) if text}
        for name, categories, gaps, text in zip(self.names, self.categories, self.gaps, texts, strict=True):
            if text:
                parts.append(next(columns[text]).values)
                continue
            if not categories:
                parts.append(_numbers(table, name, missing=gaps))
                continue
            place = {text: float(number) for number, text in enumerate(categories)}
            cells = _texts(table, name)
            parts.append(np.array([place.get(cell, -1.0) if cell or not gaps else math.nan for cell in cells]))
        return np.stack(parts, axis=1)

    def columns(self, matrix: NDArray[Any]) -> list[FeatureColumn]:
        """Return the columns of a matrix (n, p) that this encoding describes."""
        values = np.asarray(matrix, dtype=np.float64)
        texts = self.texts or ("",) * len(self.names)
        return [
            FeatureColumn(name, values[:, place], categories or None, text=text)
            for place, (name, categories, text) in enumerate(zip(self.names, self.categories, texts, strict=True))
        ]


def read_features(
    table: Columns, names: Sequence[str], encoding: FeatureEncoding | None = None
) -> tuple[NDArray[np.float64], FeatureEncoding | None]:
    """Return the features of a table (n, p), and their encoding: the given one, or one that fits the table.

    Raises
    ------
    InvalidDataError
        If a column has too many different words, or nearly only numbers but also other cells.
    """
    if encoding is not None:
        return encoding.matrix(table), encoding
    columns = [column for name in names for column in _columns(table, name)]
    return np.stack([column.values for column in columns], axis=1), FeatureEncoding.of(columns)


def _numbers(table: Columns, name: str, *, missing: bool) -> NDArray[np.float64]:
    try:
        return table.numbers(name, missing=missing)
    except InvalidDataError:
        column = feature_column(name, table.cells[name])  # dates, and true or false
        if column.categories is not None or (np.isnan(column.values).any() and not missing):
            raise
        return column.values


def text_columns(name: str, texts: Sequence[str]) -> list[FeatureColumn]:
    """Return the columns of numbers that stand for a column of texts.

    Examples
    --------
    >>> [column.name for column in text_columns("note", ["near the park", ""])][:2]
    ['note [text 1]', 'note [text 2]']
    """
    parts = text_parts(texts).T
    return [FeatureColumn(f"{name} [text {place}]", part, text=name) for place, part in enumerate(parts, 1)]


def _texts(table: Columns, name: str) -> list[str]:
    return ["" if table.form.is_missing(cell) else str(cell).strip() for cell in table.cells[name]]


def _columns(table: Columns, name: str) -> list[FeatureColumn]:
    try:
        return [FeatureColumn(name, table.numbers(name, missing=True))]
    except InvalidDataError:
        form = table.form
        column = feature_column(name, [None if form.is_missing(cell) else cell for cell in table.cells[name]])
        if column.odd or _are_numbers(column.categories or (), table):
            raise
    most = min(MOST_CATEGORIES, max(FEW_CATEGORIES, len(table) // 2))
    if column.categories is None or len(column.categories) <= most:
        return [column]
    if is_free_text(column.categories):
        return text_columns(name, _texts(table, name))
    examples = listing([repr(each) for each in column.categories], most=3)
    raise InvalidDataError(
        f"'{table.path}', column {name!r}: a column of categories should have at most {most} different texts. "
        f"Found {len(column.categories):,} in {len(table):,} rows: {examples}. If these are "
        f"ids, leave the column out: '!{name}' beside patterns. Or write a column of groups, or of numbers."
    )


def _are_numbers(texts: Sequence[str], table: Columns) -> bool:
    """Return whether at least half of the texts are numbers in another format, such as 12,5 or $ 12."""
    found = sum(any(map(str.isdigit, text)) and text[0] != "#" and bool(table.form.hint(text)) for text in texts)
    return bool(texts) and found >= len(texts) / 2
