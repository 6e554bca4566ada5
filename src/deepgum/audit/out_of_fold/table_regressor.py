"""The default regressor of an audit of a table: gradient boosting on numbers, categories and texts, with gaps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.multioutput import MultiOutputRegressor

from deepgum.data.feature_columns import FeatureColumn
from deepgum.errors import InvalidDataError

__all__ = ["TableInputs", "TableRegressor", "default_regressor", "inputs_of"]

Values = NDArray[np.float64]

MOST_NATIVE = 255
"""Largest number of categories that gradient boosting takes as they are."""

FEW = 20
"""Strings with at most this number of values are always categories, even in a table of few rows."""

PARTS = 30
"""Number of columns that stand for a text."""

FOLDS, SMOOTHING = 5, 5.0
"""Number of folds of target encoding, and number of rows with the mean of all labels that each category is given."""

MOST_TERMS = 5000
"""Largest number of groups of letters that are counted in a text."""


class TableInputs(NamedTuple):
    """The inputs of `TableRegressor`.

    Attributes
    ----------
    matrix : array (n, q)
        Numbers, numbers of categories, and parts of texts; NaN is a gap.
    native : tuple of int
        The columns with at most 255 categories.
    many : tuple of int
        The columns with more categories. Each is replaced by the mean label of the category (target encoding).
    """

    matrix: Values
    native: tuple[int, ...]
    many: tuple[int, ...]


def inputs_of(columns: Sequence[FeatureColumn]) -> TableInputs:
    """Return the inputs of the default regressor, from columns as users have them. No label is used.

    Strings are categories if the same strings come again and again. Otherwise they are texts: their groups of 3 and 4
    letters are counted, weighted by rarity, and reduced to 30 columns.

    Raises
    ------
    InvalidDataError
        If there is no column, or a column has nearly only numbers, but some other cells.

    Examples
    --------
    >>> city = FeatureColumn("city", np.array([1.0, 0.0, np.nan]), ("oslo", "rome"))
    >>> inputs_of([FeatureColumn("area", np.array([50.0, 60.0, np.nan])), city]).native
    (1,)
    """
    parts: list[Values] = []
    native: list[int] = []
    many: list[int] = []
    for column in columns:
        if column.odd:
            raise InvalidDataError(
                f"Column {column.name!r} of the features has nearly only numbers, but also {column.odd!r}. If that "
                "means a missing number, put NaN in its place. If the column holds categories, make its type "
                "categorical: `frame.astype({...: 'category'})`."
            )
        values = column.values
        if column.categories is not None:
            seen, count = int((~np.isnan(values)).sum()), len(column.categories)
            if count > max(FEW, seen / 2):
                parts += list(_text_parts(column).T)
                continue
            (native if count <= MOST_NATIVE else many).append(len(parts))
        parts.append(values)
    if not parts:
        raise InvalidDataError("`X` should have at least one column of features. Found none.")
    return TableInputs(np.stack(parts, axis=1), tuple(native), tuple(many))


def default_regressor(inputs: TableInputs, targets: int, random_state: int) -> Any:
    """Return the default regressor for these inputs and this number of targets; one model per target."""
    one = TableRegressor(native=inputs.native, many=inputs.many, random_state=random_state)
    return one if targets == 1 else MultiOutputRegressor(one)


class TableRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Gradient boosting on the matrix of `TableInputs`; gaps and categories need no other treatment.

    A column may have only gaps, in the whole table or in the rows of a training. Then it says nothing.

    Parameters
    ----------
    native, many : tuple of int
        See `TableInputs`.
    random_state : int or None

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> city = rng.integers(300, size=3000)
    >>> y = rng.normal(size=300)[city]
    >>> model = TableRegressor(many=(0,), random_state=0).fit(city[:2000, None], y[:2000])
    >>> model.score(city[2000:, None], y[2000:]) > 0.9
    True
    """

    def __init__(
        self, native: tuple[int, ...] = (), many: tuple[int, ...] = (), random_state: int | None = None
    ) -> None:
        self.native = native
        self.many = many
        self.random_state = random_state

    def fit(self, X: Values, y: Values, sample_weight: Values | None = None) -> Self:
        """Fit the means of the many categories, and then the trees.

        A mean counts each label with its weight. The mean of a category for a row of the training does not contain the
        label of this row: it comes from the rows of the other folds.
        """
        X, y = np.array(X, dtype=np.float64), np.asarray(y, dtype=np.float64)
        X[:, np.isnan(X).all(axis=0)] = 0.0  # the trees refuse a column of numbers without any number
        weights = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        self.means_ = {place: CategoryMeans.of(X[:, place], y, weights) for place in self.many}
        fold = np.random.default_rng(self.random_state).permutation(len(X)) % FOLDS
        for place in self.many:
            codes = X[:, place].copy()
            for held_out in range(FOLDS):
                rows, others = fold == held_out, fold != held_out
                X[rows, place] = CategoryMeans.of(codes[others], y[others], weights[others]).at(codes[rows])
        self.trees_ = HistGradientBoostingRegressor(
            categorical_features=list(self.native) or None, random_state=self.random_state
        )
        self.trees_.fit(X, y, sample_weight=sample_weight)
        return self

    def predict(self, X: Values) -> Values:
        """Return predictions (n,). A category that `fit` has not seen is a gap, or has the mean of all labels."""
        X = np.array(X, dtype=np.float64)
        for place, means in self.means_.items():
            X[:, place] = means.at(X[:, place])
        predicted: Values = self.trees_.predict(X)
        return predicted


class CategoryMeans(NamedTuple):
    """The mean label of each category, and of all rows. A category of few rows is drawn to the mean of all rows.

    Examples
    --------
    >>> means = CategoryMeans.of(np.array([0.0] * 995 + [1.0] * 5), np.array([0.0] * 995 + [2.0] * 5), np.ones(1000))
    >>> means.at(np.array([0.0, 1.0, 7.0, np.nan])).round(2)
    array([0.  , 1.01, 0.01, 0.01])
    """

    known: Values
    overall: float

    @classmethod
    def of(cls, codes: Values, labels: Values, weights: Values) -> CategoryMeans:
        """Return the means of the labels (n,) of each category. A gap (NaN) is no category."""
        overall = float(np.average(labels, weights=weights if weights.sum() > 0 else None))
        seen = ~np.isnan(codes)
        places = codes[seen].astype(np.int64)
        mass = np.bincount(places, weights[seen])
        sums = np.bincount(places, (weights * labels)[seen])
        return cls((sums + SMOOTHING * overall) / (mass + SMOOTHING), overall)

    def at(self, codes: Values) -> Values:
        """Return the mean of each category in `codes` (n,)."""
        known = codes < len(self.known)  # false for a gap
        result = np.full(len(codes), self.overall)
        result[known] = self.known[codes[known].astype(np.int64)]
        return result


def _text_parts(column: FeatureColumn) -> Values:
    """Return the parts (n, at most 30) of a column of texts; NaN where there is no text."""
    assert column.categories is not None
    gaps = np.isnan(column.values)
    texts = [column.categories[int(place)] for place in column.values[~gaps]]
    try:
        counted = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4), max_features=MOST_TERMS).fit_transform(texts)
    except ValueError:  # all texts are shorter than three letters
        return np.empty((len(gaps), 0))
    width = min(PARTS, *counted.shape) - 1
    if width < 1:
        return np.empty((len(gaps), 0))
    parts = np.full((len(gaps), width), np.nan)
    parts[~gaps] = TruncatedSVD(width, random_state=0).fit_transform(counted)
    return parts
