"""What people have predictions and labels in, as float64 arrays: arrays, tensors, lists, series and frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from deepgum.errors import InvalidDataError, listing

__all__ = ["Given", "as_given", "check_same_index", "check_same_rows", "row_names"]


class Given(NamedTuple):
    """Numbers (n, d), NaN where there is none; the names of their columns, and of their rows, where they have some."""

    values: NDArray[np.float64]
    names: tuple[str, ...] | None
    rows: tuple[str, ...] | None


def as_given(parameter: str, values: Any) -> Given:
    """Return an array, tensor, list, series or frame as numbers; what has one dimension is one column.

    Raises
    ------
    InvalidDataError
        About `parameter`, if it is not (n, d) or (n,), or holds anything but numbers.

    Examples
    --------
    >>> import pandas as pd
    >>> as_given("targets", pd.DataFrame({"age": [31, None]}, index=["a", "b"]))
    Given(values=array([[31.], [nan]]), names=('age',), rows=('a', 'b'))
    """
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        values = (values.double() if values.is_floating_point() else values).numpy()
    index = getattr(values, "index", None)
    rows = None if index is None or callable(index) else tuple(map(str, index))  # a list has a method of that name
    if hasattr(values, "columns") and hasattr(values, "to_numpy"):
        names = tuple(map(str, values.columns))
        if len(set(names)) < len(names):
            raise InvalidDataError(f"`{parameter}` should have each column once. Found {listing(names, most=20)}.")
        columns = [_numbers(parameter, values[name], f" in column {name!r}") for name in values.columns]
        return Given(np.stack(columns, axis=1) if columns else np.empty((len(values), 0)), names, rows)
    name = getattr(values, "name", None)
    numbers = _numbers(parameter, values, "")
    if numbers.ndim == 1:
        numbers = numbers[:, None]
    if numbers.ndim != 2:
        raise InvalidDataError(f"`{parameter}` should have shape (n, d) or (n,). Found shape {numbers.shape}.")
    return Given(numbers, (str(name),) if name is not None and hasattr(values, "to_numpy") else None, rows)


def check_same_rows(predictions: Given, targets: Given) -> None:
    """Refuse predictions and labels that are not of the same rows and columns.

    Raises
    ------
    InvalidDataError
        If they are not of one shape, or are frames that say that they are of other rows or in another order.
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
            f"`predictions` and `targets` should have their columns in the same order. Found {listing(ours)}, and "
            f"{listing(theirs)}."
        )


def check_same_index(first: str, one: Given, second: str, other: Given) -> None:
    """Refuse frames that say that they are of other rows, or in another order.

    Raises
    ------
    InvalidDataError
        About the parameters `first` and `second`.
    """
    if None not in (one.rows, other.rows) and one.rows != other.rows:
        raise InvalidDataError(
            f"`{first}` and `{second}` should be of the same rows in the same order. Found two indices that differ. "
            "Where only the indices do, give arrays: `frame.to_numpy()`."
        )


def row_names(n: int, ids: Sequence[object] | None, *tables: Given) -> tuple[str, ...]:
    """Return names for n rows: the ids, or the first index there is if no name in it comes twice, or numbers.

    Raises
    ------
    InvalidDataError
        If there are not n ids.

    Examples
    --------
    >>> row_names(2, None, Given(np.zeros((2, 1)), None, ("a", "b"))), row_names(2, None), row_names(2, [7, 8])
    (('a', 'b'), ('0', '1'), ('7', '8'))
    """
    if ids is not None:
        if len(ids) != n:
            raise InvalidDataError(f"`ids` should have length {n}, as there are labels. Found {len(ids)}.")
        return tuple(map(str, ids))
    index = next((table.rows for table in tables if table.rows is not None), ())
    return index if len(set(index)) == n else tuple(map(str, range(n)))


def _numbers(parameter: str, values: Any, where: str) -> NDArray[np.float64]:
    try:
        if getattr(getattr(values, "dtype", None), "kind", "O") in "cmM":
            raise TypeError(str(values.dtype))  # which NumPy would turn into numbers without a word
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        found = next((f"{cell!r} in row {row}" for row, cell in _cells(values) if not _is_number(cell)), str(error))
        raise InvalidDataError(
            f"`{parameter}` should hold numbers, or nothing where a label is missing. Found {found}{where}."
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
