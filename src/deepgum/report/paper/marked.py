"""Errors of several methods as cells of a table. The lowest error is bold. It has stars if it is significantly lower
than the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepgum.errors import InvalidDataError
from deepgum.evaluation.significance import Comparison, compare_to_best
from deepgum.report.paper.paper_table import Cell
from deepgum.report.style import is_oracle, method_style

__all__ = [
    "CORRECTIONS",
    "Correction",
    "check_errors",
    "compare_errors",
    "exceeds",
    "mark_lowest",
    "mean",
    "significance_notes",
    "summarise_folds",
]

Correction = Literal["none", "holm"]
Array = NDArray[np.float64]

_RULE = (
    "Bold: the lowest of our values. Stars at our values: two-sided Wilcoxon signed-rank tests on {errors}, of our "
    "method with the lowest MAE against each of our other methods; *, **, *** mean that the largest p-value is below "
    "0.05, 0.01, 0.001 and every test favours the method. Pairs of equal errors have no rank; equal differences share "
    "their mean rank. "
)
CORRECTIONS = {
    "none": "The p-values are not corrected for the number of tests, as in the paper.",
    "holm": "The p-values are corrected for the number of tests by Holm's method; those of the paper are not.",
}


def check_errors(errors: Mapping[str, ArrayLike], dimensions: int, where: str = "") -> dict[str, Array]:
    """Check the errors of several methods, and return them as arrays of equal shape: method -> array.

    Parameters
    ----------
    errors : mapping of method to array
        Absolute errors; NaN marks a missing label.
    dimensions : int
        Number of dimensions of each array.
    where : str
        String that stands before the name of an array in a message.

    Raises
    ------
    InvalidDataError
        If there is no method, or an array is empty; if the arrays differ in shape; if an error is negative or infinite;
        or if the arrays have NaN in different places, for example because a network diverged.

    Examples
    --------
    >>> check_errors({"l2": [1, 2], "l1": [2, 3]}, 1)["l1"]
    array([2., 3.])
    """
    if not errors:
        raise InvalidDataError("`errors` should hold at least one method. Found no method.")
    arrays = {method: np.asarray(values, dtype=np.float64) for method, values in errors.items()}
    first, reference = next(iter(arrays.items()))
    for method, values in arrays.items():
        name = f"{where}`errors[{method!r}]`"
        if values.ndim != dimensions or values.shape != reference.shape:
            raise InvalidDataError(
                f"{name} should have {dimensions} dimension{'s' if dimensions > 1 else ''} and the shape of "
                f"{first!r}, {reference.shape}. Found shape {values.shape}."
            )
        if (values < 0).any() or np.isinf(values).any():
            raise InvalidDataError(
                f"{name} should be absolute errors, finite or NaN. "
                f"Found {int((values < 0).sum())} negative and {int(np.isinf(values).sum())} infinite values."
            )
        differences = int((np.isnan(values) != np.isnan(reference)).sum())
        if differences:
            raise InvalidDataError(
                f"{name} should have missing values in the same places as {first!r}. Found {differences} differences."
            )
    if np.isnan(reference).all():
        raise InvalidDataError(f"{where}`errors` should hold at least one error. Found none, or only missing errors.")
    return arrays


def compare_errors(
    errors: Mapping[str, Array], shown: Mapping[str, float], correction: Correction
) -> tuple[dict[str, Cell], Comparison | None]:
    """Return the pair (cells, tests): one cell per method, and the tests. The lowest cell is bold. It has stars if it
    is significantly lower.

    Oracles are not compared: they have a cell, but they are neither bold nor tested.

    There are no stars if the method with the lowest value in the table is not the method with the lowest mean error.
    This can happen if the table shows means over folds of different sizes.

    Parameters
    ----------
    errors : mapping of method to array (n,)
        The errors to test, one per sample.
    shown : mapping of method to float
        The values that the table shows.
    correction : {"none", "holm"}

    Examples
    --------
    >>> n = np.arange(20.0)
    >>> cells, comparison = compare_errors({"l2": n + 2, "deepgum": n + 1}, {"l2": 11.5, "deepgum": 10.5}, "none")
    >>> cells["deepgum"]
    Cell(value=10.5, deviation=None, stars='***', best=True)
    """
    cells = mark_lowest(shown)
    rivals = {method: values for method, values in errors.items() if not is_oracle(method)}
    if len(rivals) < 2 or all(np.isnan(values).all() for values in rivals.values()):
        return cells, None
    comparison = compare_to_best(rivals, correction)
    best = cells[comparison.best]
    if best.best:
        cells[comparison.best] = Cell(best.value, stars=comparison.stars, best=True)
    return cells, comparison


def mark_lowest(shown: Mapping[str, float]) -> dict[str, Cell]:
    """Return one cell per method. The lowest value is bold. Values of oracles are ignored, and a value without another
    value to compare is never bold.

    Examples
    --------
    >>> [method for method, cell in mark_lowest({"oracle": 1.0, "l2": 3.0, "l1": 2.0}).items() if cell.best]
    ['l1']
    """
    rivals = {method: value for method, value in shown.items() if not (is_oracle(method) or np.isnan(value))}
    best = min(rivals, key=rivals.__getitem__) if len(rivals) > 1 else None
    return {method: Cell(value, best=method == best) for method, value in shown.items()}


def significance_notes(comparison: Comparison | None, correction: Correction, errors: str) -> list[str]:
    """Return notes that explain the stars and list the p-value of each test. The string `errors` names the errors in
    the notes.

    Examples
    --------
    >>> _, comparison = compare_errors({"l2": np.full(20, 2.0), "l1": np.full(20, 1.0)}, {"l2": 2.0, "l1": 1.0}, "none")
    >>> significance_notes(comparison, "none", "images' errors")[1]
    'L1 (lowest mean) against: L2 p < 0.001.'
    """
    if comparison is None:
        return ["There is a single method, so there are no tests."]
    tests = [
        f"{_name(method)} {_p(test.p_value)}{'' if test.effect > 0 else ' (against it)'}"
        for method, test in comparison.tests.items()
    ]
    return [
        _RULE.format(errors=errors) + CORRECTIONS[correction],
        f"{_name(comparison.best)} (lowest mean) against: {', '.join(tests)}.",
    ]


def mean(values: Array, axis: int | None = None) -> Array:
    """Return the mean of the values that are not NaN. If all values are NaN, return NaN without a warning of NumPy.

    Examples
    --------
    >>> mean(np.array([[1.0, np.nan], [np.nan, np.nan]]), axis=1)
    array([ 1., nan])
    """
    count = np.asarray((~np.isnan(values)).sum(axis=axis))
    return np.where(count > 0, np.nansum(values, axis=axis) / np.maximum(count, 1), np.nan)


def exceeds(values: Array, threshold: float) -> Array:
    """Return 1 where a value is above the threshold, 0 where it is not, and NaN where the value is NaN.

    Examples
    --------
    >>> exceeds(np.array([1.0, 2.0, 3.0, np.nan]), 2.0)
    array([ 0.,  0.,  1., nan])
    """
    return np.where(np.isnan(values), np.nan, values > threshold)


def summarise_folds(values: Sequence[float]) -> Cell:
    """Return a cell with the mean and the standard deviation (n - 1 in the denominator) of n values, one per fold.

    Examples
    --------
    >>> summarise_folds([1.0, 3.0]), summarise_folds([1.0])
    (Cell(value=2.0, deviation=1.4142135623730951, stars='', best=False),
     Cell(value=1.0, deviation=None, stars='', best=False))
    """
    return Cell(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None)


def _name(method: str) -> str:
    return method_style(method).plain


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"
