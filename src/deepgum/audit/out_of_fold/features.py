"""The features of an audit of a table: as the user has them for the regressor, and as numbers for our mathematics."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from deepgum.audit.duplicates import rows_of_equal
from deepgum.data.feature_columns import FeatureColumn, columns_of, feature_column
from deepgum.errors import InvalidDataError

__all__ = ["Features", "points_of", "standardised"]

Values = NDArray[np.float64]

MOST_CATEGORIES = 50
"""A category column with more values says little about which rows are near, and does not count for neighbours."""

MOST_DENSE = 10_000_000
"""Sparse features with more cells than this are reduced to a few columns before neighbours are looked for."""

REDUCED = 30
"""Number of columns to which sparse features are reduced."""


class Features:
    """The rows of X, in any form that a regressor of the user takes.

    Parameters
    ----------
    X : frame, array, sparse matrix, tensor, list or series, n rows
        Kept as it is, with three exceptions: a tensor becomes an array, numbers (n,) become one column, and a masked
        cell becomes NaN.

    Attributes
    ----------
    X : object
        What the regressor gets.
    rows : tuple of str or None
        The index of a frame or series.

    Examples
    --------
    >>> import pandas as pd
    >>> features = Features(pd.DataFrame({"area": [50.0, None, 75.0], "city": ["rome", "oslo", "rome"]}))
    >>> len(features), features.take(np.array([2]))["city"].to_list(), features.points.shape
    (3, ['rome'], (3, 4))
    """

    def __init__(self, X: Any) -> None:
        self.X = _as_given(X)
        index = getattr(self.X, "index", None)
        self.rows: tuple[str, ...] | None
        self.rows = None if index is None or callable(index) else tuple(map(str, index))  # a list has a method `index`

    def __len__(self) -> int:
        return int(self.X.shape[0]) if hasattr(self.X, "shape") else len(self.X)

    def take(self, rows: NDArray[np.int64]) -> Any:
        """Return the rows at these places, in the form of X."""
        # Imported late, because it takes a second.
        from sklearn.utils import _safe_indexing

        return _safe_indexing(self.X, rows)

    @cached_property
    def columns(self) -> list[FeatureColumn]:
        """The columns of X as numbers and categories.

        Raises
        ------
        InvalidDataError
            If X has no columns that can be read, for example dictionaries. The message says what was found.
        """
        if _is_sparse(self.X):
            if np.prod(self.X.shape) > MOST_DENSE * 10:
                raise InvalidDataError(
                    f"The default regressor makes sparse features dense. Found {self.X.shape} of them, too many for "
                    "memory. Pass a regressor that takes sparse features, for example `Ridge()`."
                )
            return columns_of(np.asarray(self.X.toarray()))
        return columns_of(self.X)

    @cached_property
    def copies(self) -> tuple[tuple[int, ...], ...]:
        """The rows with equal features: one tuple for each set of equal rows. Empty if X has no readable columns."""
        if _is_sparse(self.X):
            matrix = self.X.tocsr().copy()
            matrix.sum_duplicates()
            matrix.eliminate_zeros()
            ends = zip(matrix.indptr, matrix.indptr[1:], strict=False)
            keys = [matrix.indices[a:b].tobytes() + b" " + matrix.data[a:b].tobytes() for a, b in ends]
            return rows_of_equal([hashlib.sha256(key).digest() for key in keys])
        columns = self._readable
        if not columns:
            return ()
        values = np.stack([column.values for column in columns], axis=1) + 0.0  # -0 becomes 0
        values[np.isnan(values)] = np.nan  # there are several NaN
        return rows_of_equal([hashlib.sha256(row.tobytes()).digest() for row in values])

    @cached_property
    def points(self) -> Values | None:
        """The rows as points (n, q): near points have similar features. None if the features give no such points.

        A column of numbers has the standard deviation 1. Two different categories have the squared distance 2, which is
        the mean squared distance in a column of numbers. A gap is at the mean, and adds a column.
        """
        if _is_sparse(self.X):
            return _points_of_sparse(self.X)
        return points_of(self._readable)

    @cached_property
    def _readable(self) -> Sequence[FeatureColumn]:
        try:
            return self.columns
        except InvalidDataError:
            return ()


def points_of(columns: Sequence[FeatureColumn]) -> Values | None:
    """Return the rows of columns as points (n, q); see `Features.points`. None if no column gives a place."""
    parts = [part for column in columns for part in _points_of(column)]
    return np.stack(parts, axis=1) if parts else None


def standardised(values: NDArray[np.generic]) -> Values:
    """Return columns (n, p) with mean 0 and standard deviation 1. A column of equal values becomes 0.

    Examples
    --------
    >>> standardised(np.array([[1.0, 5.0], [3.0, 5.0]]))
    array([[-1.,  0.],
           [ 1.,  0.]])
    """
    values = np.asarray(values, dtype=np.float64)
    deviation = values.std(axis=0)
    scaled: Values = (values - values.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    return scaled


def _points_of(column: FeatureColumn) -> list[Values]:
    if column.categories is not None:
        if len(column.categories) > MOST_CATEGORIES:
            return []
        places = [*range(len(column.categories)), *([np.nan] if np.isnan(column.values).any() else [])]
        return [(column.values == each if each == each else np.isnan(column.values)) + 0.0 for each in places]
    gaps = ~np.isfinite(column.values)
    if gaps.all():
        return []
    if not gaps.any():
        return [standardised(column.values)]
    filled = np.zeros(len(gaps))
    filled[~gaps] = standardised(column.values[~gaps])
    return [filled, gaps + 0.0]


def _points_of_sparse(matrix: Any) -> Values | None:
    if np.prod(matrix.shape) <= MOST_DENSE:
        dense = np.asarray(matrix.toarray(), dtype=np.float64)
        return points_of([FeatureColumn("", dense[:, place]) for place in range(dense.shape[1])])
    # Imported late, because it takes a second.
    from sklearn.decomposition import TruncatedSVD

    if not np.isfinite(matrix.tocsr().data).all() or min(matrix.shape) <= REDUCED:
        return None
    return standardised(TruncatedSVD(REDUCED, random_state=0).fit_transform(matrix))


def _is_sparse(X: Any) -> bool:
    return hasattr(X, "tocsr") and hasattr(X, "toarray")


def _as_given(X: Any) -> Any:
    if isinstance(X, torch.Tensor):
        X = X.detach().cpu()
        X = (X.double() if X.is_floating_point() else X).numpy()
    if _is_sparse(X):
        return X.tocsr()  # other forms have no rows
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        is_number, gaps = X.dtype.kind in "biuf", np.ma.getmaskarray(X)
        X = X.data.astype(np.float64 if is_number else object)
        X[gaps] = np.nan if is_number else None
    if isinstance(X, list | tuple):
        try:
            X = np.array(X, dtype=np.float64)
        except (TypeError, ValueError):
            X = list(X)
    if (
        (not hasattr(X, "__len__") and not hasattr(X, "shape"))
        or isinstance(X, str | bytes | dict)
        or getattr(X, "ndim", 1) == 0
    ):
        raise InvalidDataError(
            f"`X` should be a frame, an array, a sparse matrix or a list, with one row per label. Found "
            f"{type(X).__name__}."
        )
    if getattr(X, "ndim", 2) == 1 and getattr(getattr(X, "dtype", None), "kind", "O") in tuple("biuf"):
        return feature_column("", X).values[:, None]
    return X
