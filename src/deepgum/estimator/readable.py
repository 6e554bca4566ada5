"""X for a network: sparse features are made dense, and columns that a network cannot take are named with a remedy."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from deepgum.data.feature_columns import FeatureColumn, columns_of
from deepgum.errors import InvalidDataError, listing

__all__ = ["dense", "explained"]

MOST_CELLS = 250_000_000
"""Largest number of cells that are made dense: 2 GB of float64."""


def dense(X: Any) -> Any:
    """Return sparse features as an array or a frame; other features are returned unchanged.

    Raises
    ------
    InvalidDataError
        If the dense features would not fit into memory.

    Examples
    --------
    >>> import scipy.sparse
    >>> dense(scipy.sparse.csr_matrix([[0, 2]]))
    array([[0, 2]])
    """
    is_matrix = hasattr(X, "toarray") and hasattr(X, "tocsr")
    if not is_matrix and not hasattr(X, "sparse"):  # a frame has the attribute only if all its columns are sparse
        return X
    if math.prod(X.shape) > MOST_CELLS:
        raise InvalidDataError(
            f"A network takes dense features, at most {MOST_CELLS:,} cells. Found a sparse X of shape {X.shape}. "
            "Reduce its columns first, for example by `TruncatedSVD(100)` in the pipeline, or by `OneHotEncoder("
            "max_categories=...)`."
        )
    return X.toarray() if is_matrix else X.sparse.to_dense()


@contextmanager
def explained(X: Any) -> Iterator[None]:
    """Say which columns of X are texts or have gaps, if the checks of scikit-learn in the `with` block refuse X.

    Raises
    ------
    InvalidDataError
        In place of the error of scikit-learn, with the names of the columns and a remedy.
    """
    try:
        yield
    except (TypeError, ValueError) as error:
        explanation = _explanation(X, str(error))
        if explanation:
            raise InvalidDataError(explanation) from error
        raise


def _explanation(X: Any, reason: str) -> str:
    try:
        columns = columns_of(X)
    except InvalidDataError:
        return ""
    texts = [column for column in columns if column.categories is not None]
    dates = _dates(X)
    if texts:
        first = texts[0]
        values = listing([repr(each) for each in first.categories or ()], most=3)
        place = first.name if _is_frame(X) else int(first.name)
        return (
            f"X should hold numbers. Found texts in {_named(texts, X)}; {_named([first], X)} has the values {values}. "
            f"Encode them in a pipeline: `make_pipeline(make_column_transformer((OneHotEncoder(), [{place!r}]), "
            "remainder='passthrough'), DeepGUMRegressor())`."
        )
    if dates:
        return f"X should hold numbers. Found dates in {listing(dates)}. Turn them into numbers, for example days."
    gaps = [column for column in columns if np.isnan(column.values).any()]
    if gaps and "NaN" in reason:
        return (
            f"X should have no gaps. Input X contains NaN in {_named(gaps, X)}. Fill them in a pipeline: "
            "`make_pipeline(SimpleImputer(add_indicator=True), DeepGUMRegressor())`. NaN for a missing label "
            "belongs into y."
        )
    return ""


def _named(columns: list[FeatureColumn], X: Any) -> str:
    names = [repr(column.name) if _is_frame(X) else column.name for column in columns]
    return f"column{'s' if len(names) > 1 else ''} {listing(names)}"


def _is_frame(X: Any) -> bool:
    return hasattr(X, "columns")


def _dates(X: Any) -> list[str]:
    kinds = getattr(X, "dtypes", None)
    if not _is_frame(X) or kinds is None:
        return []
    named = zip(X.columns, kinds, strict=True)
    return [repr(str(name)) for name, kind in named if str(kind).lower().startswith(("datetime", "timedelta", "date"))]
