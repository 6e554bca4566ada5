"""Conversion of predictions and labels to float64 arrays, from arrays, tensors, lists, series and frames."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from deepgum.data.cell_format import MissingMarks
from deepgum.data.target_names import landmark_order
from deepgum.data.visibility import says_labelled, visibility_columns, visibility_notice
from deepgum.errors import InvalidDataError, listing
from deepgum.missing import with_nan
from deepgum.storage.id_column import are_whole

__all__ = ["NamedArray", "as_named_array", "check_same_index", "check_same_rows", "names_are_whole", "row_names"]


class NamedArray(NamedTuple):
    """Numbers (n, d), with names of columns and rows. NaN is a missing number. Names are None if there are no names.

    `notices` has sentences for the user, on columns that are no numbers of their own.
    """

    values: NDArray[np.float64]
    names: tuple[str, ...] | None
    rows: tuple[str, ...] | None
    notices: tuple[str, ...] = ()


def as_named_array(
    parameter: str, values: Any, marks: MissingMarks | None = None, *, visibilities: bool = False
) -> NamedArray:
    """Convert an array, tensor, list, series or frame to numbers (n, d). An input (n,) becomes one column.

    Masked values, `pandas.NA` and `NaT` are missing, and so are the values that `marks` names. With `visibilities`,
    columns of visibilities (v1, nose_visibility) in a frame of landmarks are no labels: a landmark with visibility 0 is
    missing.

    Raises
    ------
    InvalidDataError
        If the shape is not (n, d) or (n,), or a value is not a number. The message names `parameter`.

    Examples
    --------
    >>> import pandas as pd
    >>> as_named_array("targets", pd.DataFrame({"age": [31, None]}, index=["a", "b"]))
    NamedArray(values=array([[31.], [nan]]), names=('age',), rows=('a', 'b'), notices=())
    """
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        values = (values.double() if values.is_floating_point() else values).numpy()
    words = frozenset() if marks is None else marks.words
    index = getattr(values, "index", None)
    rows = None if index is None or callable(index) else tuple(map(str, index))  # a list has a method `index`
    if hasattr(values, "columns") and hasattr(values, "to_numpy"):
        names = tuple(map(str, values.columns))
        if len(set(names)) < len(names):
            raise InvalidDataError(f"`{parameter}` should have each column once. Found {listing(names, most=20)}.")
        columns = [_numbers(parameter, values[name], f" in column {name!r}", words) for name in values.columns]
        numbers = np.stack(columns, axis=1) if columns else np.empty((len(values), 0))
        seen = _visibilities(names) if visibilities else {}
        kept = [place for place, name in enumerate(names) if name not in seen]
        labels = numbers[:, kept] if marks is None else marks.removed(numbers[:, kept])
        named, zero = tuple(names[place] for place in kept), 0
        for column, xy in seen.items():
            hidden = (numbers[:, names.index(column)] == 0) & says_labelled(column)
            labels[np.ix_(hidden, [named.index(axis) for axis in xy])] = np.nan
            zero += int(hidden.sum())
        notices = (visibility_notice(list(seen), zero, labels.size // 2),) if seen else ()
        return NamedArray(labels, named, rows, notices)
    name = getattr(values, "name", None)
    numbers = _numbers(parameter, values, "", words)
    if numbers.ndim == 1:
        numbers = numbers[:, None]
    if numbers.ndim != 2:
        raise InvalidDataError(f"`{parameter}` should have shape (n, d) or (n,). Found shape {numbers.shape}.")
    numbers = numbers if marks is None else marks.removed(numbers)
    return NamedArray(numbers, (str(name),) if name is not None and hasattr(values, "to_numpy") else None, rows)


def _visibilities(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return the columns of visibilities with the columns of their x and y, if all other columns are landmarks."""
    seen = visibility_columns(names)
    return seen if landmark_order([name for name in names if name not in seen]) else {}


def check_same_rows(predictions: NamedArray, targets: NamedArray) -> None:
    """Refuse predictions and labels with different rows or columns.

    Raises
    ------
    InvalidDataError
        If the shapes differ, or both are frames with different indices or columns.
    """
    if predictions.values.shape != targets.values.shape or not targets.values.shape[1]:
        raise InvalidDataError(
            "`predictions` and `targets` should have the same shape (n, d), d at least 1. "
            f"Found {predictions.values.shape} and {targets.values.shape}."
        )
    check_same_index("predictions", predictions, "targets", targets)
    ours, theirs = predictions.names, targets.names
    if ours is not None and theirs is not None and ours != theirs and set(ours) == set(theirs):
        raise InvalidDataError(
            f"`predictions` and `targets` should have the same columns in the same order. Found {listing(ours)}, and "
            f"{listing(theirs)}."
        )


class Indexed(Protocol):
    """Data with the names of their rows, or None if the rows have no names."""

    @property
    def rows(self) -> tuple[str, ...] | None: ...


def check_same_index(first: str, one: Indexed, second: str, other: Indexed) -> None:
    """Refuse two frames with different indices, because the rows or the order of the rows may differ.

    Raises
    ------
    InvalidDataError
        If the indices differ. The message calls the two parameters `first` and `second`.
    """
    if None not in (one.rows, other.rows) and one.rows != other.rows:
        raise InvalidDataError(
            f"`{first}` and `{second}` should have the same rows in the same order. Found two different indices. "
            "If only the indices differ, pass arrays: `frame.to_numpy()`."
        )


def names_are_whole(ids: Sequence[object] | None, *tables: Any) -> bool:
    """Return whether the names of rows, see `row_names`, are whole numbers of the user: of `ids` or of an index."""
    if ids is None:
        indices = [getattr(table, "index", None) for table in tables]
        found = next((index for index in indices if index is not None and not callable(index)), None)
        return found is not None and len(set(found)) == len(found) and are_whole(found)
    return are_whole(ids)


def row_names(n: int, ids: Sequence[object] | None, *tables: Indexed) -> tuple[str, ...]:
    """Return names for n rows: `ids` if not None, else the first index of the `tables` if unique, else numbers from 0.

    Raises
    ------
    InvalidDataError
        If the number of ids is not n.

    Examples
    --------
    >>> row_names(2, None, NamedArray(np.zeros((2, 1)), None, ("a", "b"))), row_names(2, None), row_names(2, [7, 8])
    (('a', 'b'), ('0', '1'), ('7', '8'))
    """
    if ids is not None:
        if len(ids) != n:
            raise InvalidDataError(f"`ids` should have length {n}, one per sample. Found {len(ids)}.")
        return tuple(map(str, ids))
    index = next((table.rows for table in tables if table.rows is not None), ())
    return index if len(set(index)) == n else tuple(map(str, range(n)))


def _numbers(parameter: str, values: Any, where: str, words: Collection[str] = ()) -> NDArray[np.float64]:
    try:
        if getattr(getattr(values, "dtype", None), "kind", "O") in "cmM":
            raise TypeError(str(values.dtype))  # NumPy would convert complex numbers and dates silently
        known = with_nan(values)
        if words:
            cells = np.array(known, dtype=object)
            marked = [isinstance(cell, str) and cell.strip().lower() in words for cell in cells.flat]
            known = np.where(np.reshape(marked, cells.shape), np.nan, cells) if any(marked) else known
        return np.array(known, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        found = next((f"{cell!r} in row {row}" for row, cell in _cells(values) if not _is_number(cell)), str(error))
        raise InvalidDataError(
            f"`{parameter}` should hold numbers, and NaN, None or null where a label is missing. Found {found}{where}."
        ) from error


def _cells(values: Any) -> Iterator[tuple[int, Any]]:
    cells = np.array(values, dtype=object)
    return ((index[0] if index else 0, cell) for index, cell in np.ndenumerate(cells))


def _is_number(cell: Any) -> bool:
    try:
        float(0.0 if cell is None else cell)
    except (TypeError, ValueError, OverflowError):
        return False
    return True
