"""The features of flagged samples, as the user's table has them, so that a person can judge a label by them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from deepgum.storage.decoding import decoding, json_object
from deepgum.storage.disk import write_atomically

__all__ = ["MOST", "SampleFeatures", "unusualness"]

MOST = 100
"""Largest number of features that are kept for a sample, the most unusual ones."""

_LONGEST = 200
"""Largest number of characters of a value."""


@dataclass(frozen=True)
class SampleFeatures:
    """The features of m samples. Each sample has at most `MOST` features, from the most unusual value to the least.

    Attributes
    ----------
    names : tuple of str, length p
        Names of all features, in the order of the table.
    ids : tuple of str, length m
    columns : tuple of tuples of int, length m
        Places of the features of each sample in `names`.
    values : tuple of tuples of str
        The values of these features as text; an empty string if the value is missing.
    shares : tuple of tuples of float
        Share of all samples whose value of this feature is at least as unusual; see `unusualness`.

    Examples
    --------
    >>> cells = {"rooms": ["2", "3", "2", "40"], "city": ["oslo", "rome", "oslo", "oslo"]}
    >>> found = SampleFeatures.of(cells, ("a", "b", "c", "d"), [3, 1])
    >>> found.columns, found.values, found.shares
    (((0, 1), (1, 0)), (('40', 'oslo'), ('rome', '3')), ((0.5, 1.0), (0.25, 1.0)))
    """

    names: tuple[str, ...]
    ids: tuple[str, ...]
    columns: tuple[tuple[int, ...], ...]
    values: tuple[tuple[str, ...], ...]
    shares: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, cells: Mapping[str, Sequence[Any]], ids: Sequence[str], rows: Sequence[int]) -> SampleFeatures:
        """Return the features of some of n samples.

        Parameters
        ----------
        cells : mapping of str to sequence of length n
            The cells of each column of features.
        ids : sequence of str, length n
        rows : sequence of int
            The rows of the samples.
        """
        texts, shares = [], []
        for column in cells.values():
            texts.append([_text(column[row]) for row in rows])
            shares.append(unusualness(column)[rows])
        share = np.array(shares, dtype=np.float64).reshape(len(cells), len(rows)).T
        order = np.argsort(share, axis=1, kind="stable")[:, :MOST]
        return cls(
            names=tuple(cells),
            ids=tuple(ids[row] for row in rows),
            columns=tuple(tuple(places) for places in order.tolist()),
            values=tuple(tuple(texts[place][m] for place in places) for m, places in enumerate(order.tolist())),
            shares=tuple(tuple(row) for row in np.take_along_axis(share, order, axis=1).tolist()),
        )

    def write(self, path: Path) -> None:
        """Write a Parquet file atomically."""
        table = pa.table(
            {
                "id": pa.array(self.ids, pa.string()),
                "feature": pa.array(map(list, self.columns), pa.list_(pa.int32())),
                "value": pa.array(map(list, self.values), pa.list_(pa.string())),
                "share": pa.array(map(list, self.shares), pa.list_(pa.float64())),
            }
        ).replace_schema_metadata({"deepgum": json.dumps({"names": list(self.names)})})
        with write_atomically(path) as temporary:
            pq.write_table(table, temporary, compression="zstd")

    @classmethod
    def read(cls, path: Path) -> SampleFeatures:
        """Read a file that `write` wrote.

        Raises
        ------
        InvalidDataError
            If the file does not exist or is no file of features.
        """
        with decoding(path, "the features of flagged samples"):
            table = pq.read_table(path)
            names = json_object(table.schema.metadata[b"deepgum"])["names"]
            ids, *lists = (table.column(name).to_pylist() for name in ("id", "feature", "value", "share"))
            columns, values, shares = (tuple(map(tuple, each)) for each in lists)
            texts = [*names, *ids, *(text for row in values for text in row)]
            if not all(isinstance(text, str) for text in texts):
                raise ValueError("its names, ids and values should be text")
            if not all(len(a) == len(b) == len(c) for a, b, c in zip(columns, values, shares, strict=True)):
                raise ValueError("each sample should have one value and one share per feature")
            if not all(0 <= place < len(names) for row in columns for place in row):
                raise ValueError(f"a feature should be a place in its {len(names)} names")
            return cls(tuple(names), tuple(ids), columns, values, shares)


def unusualness(column: Sequence[Any]) -> NDArray[np.float64]:
    """Return for each value (n,) the share of all values that are at least as unusual. Small shares are unusual values.

    A number is as unusual as the tail in which it lies: the smaller one of the shares of values that are at most as
    large, and at least as large, times two. A word is as unusual as it is rare. Missing values are one word.

    Examples
    --------
    >>> unusualness([1.0, 2.0, 3.0, 100.0]).tolist(), unusualness(["a", "a", "a", "b"]).tolist()
    ([0.5, 1.0, 1.0, 0.5], [1.0, 1.0, 1.0, 0.25])
    """
    numbers = _numbers(column)
    if numbers is None:
        return _rarity(np.array([_text(cell) for cell in column], dtype=object))
    n, known = len(numbers), ~np.isnan(numbers)
    result = np.full(n, (~known).mean())
    values = np.sort(numbers[known])
    below = np.searchsorted(values, numbers[known], "right")
    above = len(values) - np.searchsorted(values, numbers[known], "left")
    result[known] = np.minimum(1.0, 2 * np.minimum(below, above) / n)
    return result


def _rarity(words: NDArray[Any]) -> NDArray[np.float64]:
    _, which, counts = np.unique(words.astype(str), return_inverse=True, return_counts=True)
    order = np.argsort(counts, kind="stable")
    rare = np.cumsum(counts[order]) / len(words)
    # Words with equal counts are equally unusual.
    last = np.searchsorted(counts[order], counts, "right") - 1
    return np.asarray(rare[last][which], dtype=np.float64)


def _numbers(column: Sequence[Any]) -> NDArray[np.float64] | None:
    """Return a column as floating-point numbers, NaN where a value is missing, or None if it holds words."""
    try:
        return np.array([np.nan if cell is None or cell == "" else float(cell) for cell in column], dtype=np.float64)
    except (TypeError, ValueError):
        return None


def _text(cell: Any) -> str:
    if cell is None or cell != cell:
        return ""
    text = f"{cell:.6g}" if isinstance(cell, float) else str(cell).strip()
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
