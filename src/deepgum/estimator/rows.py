"""From what scikit-learn's users pass to what training takes: rows checked, weighed and split."""

from __future__ import annotations

import numbers
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, check_consistent_length, check_random_state
from sklearn.utils.validation import validate_data

from deepgum.checks import check_count, check_fraction
from deepgum.data import RegressionData, split_validation
from deepgum.errors import InvalidDataError
from deepgum.training import DeepGUMOptions

__all__ = [
    "as_float32",
    "as_inputs",
    "as_inputs_and_labels",
    "as_labels",
    "as_seed",
    "as_weights",
    "split",
    "that_teach",
]

_LABELS = {"dtype": np.float64, "ensure_2d": False, "ensure_all_finite": "allow-nan"}


def as_inputs(estimator: BaseEstimator, X: ArrayLike) -> NDArray[Any]:
    """Return X as floats or images, if it has the columns of `fit`; its features may be of any shape with a module.

    Raises
    ------
    ValueError
        Scikit-learn's, for anything else.
    """
    return np.asarray(validate_data(estimator, X, reset=False, **_rules(estimator)))


def as_inputs_and_labels(
    estimator: BaseEstimator, X: ArrayLike, y: ArrayLike | None, *, fitting: bool = False
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return X, and y as float64 of the shape that it has, NaN where a label is missing.

    Raises
    ------
    ValueError
        Scikit-learn's, for anything else; in `fit` for a single row, too.
    """
    rules = _rules(estimator) | {"ensure_min_samples": 2 if fitting else 1}
    inputs, labels = validate_data(estimator, X, y, reset=fitting, validate_separately=(rules, _LABELS))
    check_consistent_length(inputs, labels)
    return np.asarray(inputs), np.asarray(labels)


def _rules(estimator: BaseEstimator) -> dict[str, Any]:
    # For the default network in all their digits, until `Offsets` are taken from them.
    kinds = [np.float64, np.float32, np.uint8] if estimator.module is None else [np.float32, np.uint8]
    return {"dtype": kinds, "allow_nd": estimator.module is not None}


def as_float32(X: NDArray[Any]) -> NDArray[Any]:
    """Return features as float32, and images as they are."""
    if X.ndim == 4 and X.dtype == np.uint8:
        return X
    # Torch warns of arrays that may not be written to, as joblib's are.
    return np.require(X, np.float32, ["C", "W"])


def as_labels(y: ArrayLike) -> NDArray[np.float64]:
    """Return y alone as float64 of the shape that it has, NaN where a label is missing."""
    return np.asarray(check_array(y, **_LABELS, input_name="y"))


def as_weights(sample_weight: ArrayLike | None, n: int) -> NDArray[np.float64] | None:
    """Return the weights of n rows as float64, or None where there are none.

    Raises
    ------
    InvalidDataError
        If there are more or fewer.
    """
    if sample_weight is None:
        return None
    rules = {"dtype": np.float64, "ensure_2d": False, "input_name": "sample_weight"}
    weights = np.asarray(check_array(sample_weight, **rules))
    if weights.shape != (n,):
        raise InvalidDataError(
            f"`sample_weight` should have shape ({n},), one weight a row. Found shape {weights.shape}."
        )
    return weights


def as_seed(random_state: Any) -> int:
    """Return an int as it is, and a number drawn from anything else that scikit-learn takes."""
    if isinstance(random_state, numbers.Integral):
        return check_count("random_state", random_state, least=0)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def that_teach(data: RegressionData) -> RegressionData:
    """Return the rows that have a label and a weight, with weights of mean 1: their scale is no learning rate.

    Raises
    ------
    InvalidDataError
        If there is none.
    """
    rows = data.targets.isfinite().any(dim=1)
    if data.sample_weight is not None:
        rows &= data.sample_weight > 0
    if not rows.any():
        raise InvalidDataError(f"`y` should have a label in a row of weight above 0. Found none in {len(data)} rows.")
    taught = data if rows.all() else data.subset(rows.nonzero().flatten())
    if taught.sample_weight is None:
        return taught
    return replace(taught, sample_weight=taught.sample_weight / taught.sample_weight.mean())


def split(
    data: RegressionData, fraction: float, options: DeepGUMOptions, seed: int
) -> tuple[RegressionData, RegressionData]:
    """Return what is trained on and what is held out; all of it as both, where two parts would be too small for EM."""
    check_fraction("validation_fraction", fraction, open_above=True)
    largest = max(map(len, options.new_mixture().resolve(data.targets.shape[1])))
    held_out = max(round(fraction * len(data)), largest + 1)
    if fraction == 0 or len(data) - held_out <= largest:
        return data, data
    train, validation = split_validation(len(data), held_out / len(data), seed)
    return data.subset(train), data.subset(validation)
