"""Checks and conversion of X, y and `sample_weight`, and the split into training and held-out rows."""

from __future__ import annotations

import numbers
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, check_consistent_length, check_random_state
from sklearn.utils.validation import validate_data
from torch import Tensor

from deepgum.checks import check_count, check_fraction
from deepgum.data import RegressionData, split_validation
from deepgum.errors import InvalidDataError
from deepgum.estimator.readable import dense, explained
from deepgum.missing import with_nan
from deepgum.training import DeepGUMOptions

__all__ = [
    "as_float32",
    "as_inputs",
    "as_inputs_and_labels",
    "as_labels",
    "as_seed",
    "as_weights",
    "is_usable",
    "split",
    "usable_rows",
]

_LABELS = {"dtype": np.float64, "ensure_2d": False, "ensure_all_finite": "allow-nan"}


def as_inputs(estimator: BaseEstimator, X: ArrayLike) -> NDArray[Any]:
    """Return X as floats or images; with a module, X can have more than two dimensions.

    Raises
    ------
    ValueError
        If the checks of scikit-learn refuse X, for example because its columns are not the columns in `fit`.
    InvalidDataError
        If columns of X are texts or have gaps; the message names them.
    """
    X = dense(with_nan(X))
    with explained(X):
        return np.asarray(validate_data(estimator, X, reset=False, **_rules(estimator)))


def as_inputs_and_labels(
    estimator: BaseEstimator, X: ArrayLike, y: ArrayLike | None, *, fitting: bool = False
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return X as floats or images, and y as float64 without a change of its shape; NaN marks missing labels.

    Raises
    ------
    ValueError
        If the checks of scikit-learn refuse X or y, or `fit` gets a single row.
    """
    rules = _rules(estimator) | {"ensure_min_samples": 2 if fitting else 1}
    X, y = dense(with_nan(X)), with_nan(y)
    with explained(X):
        inputs, labels = validate_data(estimator, X, y, reset=fitting, validate_separately=(rules, _LABELS))
    check_consistent_length(inputs, labels)
    return np.asarray(inputs), np.asarray(labels)


def _rules(estimator: BaseEstimator) -> dict[str, Any]:
    # Keep float64 for the default network, because its `Offsets` are subtracted before the conversion to float32.
    kinds = [np.float64, np.float32, np.uint8] if estimator.module is None else [np.float32, np.uint8]
    return {"dtype": kinds, "allow_nd": estimator.module is not None}


def as_float32(X: NDArray[Any]) -> NDArray[Any]:
    """Return features as float32. Return images (uint8) unchanged."""
    if X.ndim == 4 and X.dtype == np.uint8:
        return X
    # Copy read-only arrays, such as those of joblib, because torch warns about them.
    return np.require(X, np.float32, ["C", "W"])


def as_labels(y: ArrayLike) -> NDArray[np.float64]:
    """Return y as float64 without a change of its shape; NaN marks missing labels."""
    return np.asarray(check_array(with_nan(y), **_LABELS, input_name="y"))


def as_weights(sample_weight: ArrayLike | None, n: int) -> NDArray[np.float64] | None:
    """Return the weights of n rows as float64, or None if there are none.

    Raises
    ------
    InvalidDataError
        If the number of weights is not n.
    """
    if sample_weight is None:
        return None
    rules = {"dtype": np.float64, "ensure_2d": False, "input_name": "sample_weight"}
    weights = np.asarray(check_array(sample_weight, **rules))
    if weights.shape != (n,):
        raise InvalidDataError(
            f"`sample_weight` should have shape ({n},), one weight per row. Found shape {weights.shape}."
        )
    return weights


def as_seed(random_state: Any) -> int:
    """Return the seed: `random_state` itself if it is an int, else a number that scikit-learn draws from it."""
    if isinstance(random_state, numbers.Integral):
        return check_count("random_state", random_state, least=0)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def is_usable(data: RegressionData) -> Tensor:
    """Return a mask (n,) that is True for rows that have a label and a positive weight."""
    rows = data.targets.isfinite().any(dim=1)
    return rows if data.sample_weight is None else rows & (data.sample_weight > 0)


def usable_rows(data: RegressionData) -> RegressionData:
    """Return the rows that have a label and a positive weight.

    The weights are scaled to mean 1, so that their scale does not change the learning rate.

    Raises
    ------
    InvalidDataError
        If no row has a label and a positive weight.
    """
    rows = is_usable(data)
    if not rows.any():
        raise InvalidDataError(f"`y` should have a label in a row of weight above 0. Found none in {len(data)} rows.")
    usable = data if rows.all() else data.subset(rows.nonzero().flatten())
    if usable.sample_weight is None:
        return usable
    return replace(usable, sample_weight=usable.sample_weight / usable.sample_weight.mean())


def split(
    data: RegressionData, fraction: float, options: DeepGUMOptions, seed: int
) -> tuple[RegressionData, RegressionData]:
    """Return the pair (training rows, held-out rows). If a part would be too small for EM, both have all rows."""
    check_fraction("validation_fraction", fraction, open_above=True)
    largest = max(map(len, options.new_mixture().resolve(data.targets.shape[1])))
    held_out = max(round(fraction * len(data)), largest + 1)
    if fraction == 0 or len(data) - held_out <= largest:
        return data, data
    train, validation = split_validation(len(data), held_out / len(data), seed)
    return data.subset(train), data.subset(validation)
