"""Errors of several methods as cells of a table: the lowest bold, with stars where a test speaks for it."""

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
    "checked_errors",
    "compared",
    "exceeds",
    "lowest",
    "mean",
    "over_folds",
    "significance_notes",
]

Correction = Literal["none", "holm"]
Array = NDArray[np.float64]

_RULE = (
    "Lowest of ours bold. Stars at ours: two-sided Wilcoxon signed-rank test on {what}, of the method of the lowest "
    "MAE against every other of ours; *, **, *** where the largest p-value is below 0.05, 0.01, 0.001 and every test "
    "speaks for the method. Pairs of equal errors are left out of the ranks; equal differences share their mean rank. "
)
CORRECTIONS = {
    "none": "Not corrected for the number of tests, as in the paper.",
    "holm": "Corrected for the number of tests by Holm's method; the paper's are not.",
}


def checked_errors(errors: Mapping[str, ArrayLike], dimensions: int, where: str = "") -> dict[str, Array]:
    """Return the errors as arrays that can be compared entry by entry.

    Parameters
    ----------
    errors : mapping of method to array
        Absolute errors; NaN where there is no label.
    dimensions : int
        Of every array.
    where : str
        To stand before the name in a message.

    Raises
    ------
    InvalidDataError
        There is no method, or no error; or they are not of one shape, negative, infinite, or missing in other places in
        different methods, as they are when a network diverged.

    Examples
    --------
    >>> checked_errors({"l2": [1, 2], "l1": [2, 3]}, 1)["l1"]
    array([2., 3.])
    """
    if not errors:
        raise InvalidDataError("`errors` should hold at least one method. Found none.")
    arrays = {method: np.asarray(values, dtype=np.float64) for method, values in errors.items()}
    first, reference = next(iter(arrays.items()))
    for method, values in arrays.items():
        name = f"{where}`errors[{method!r}]`"
        if values.ndim != dimensions or values.shape != reference.shape:
            raise InvalidDataError(
                f"{name} should be of {dimensions} dimension{'s' if dimensions > 1 else ''} and of the shape of "
                f"{first!r}, {reference.shape}. Found shape {values.shape}."
            )
        if (values < 0).any() or np.isinf(values).any():
            raise InvalidDataError(
                f"{name} should be absolute errors, finite or NaN. "
                f"Found {int((values < 0).sum())} negative and {int(np.isinf(values).sum())} infinite."
            )
        other = int((np.isnan(values) != np.isnan(reference)).sum())
        if other:
            raise InvalidDataError(f"{name} should be missing where {first!r} is. Found {other} that differ.")
    if np.isnan(reference).all():
        raise InvalidDataError(f"{where}`errors` should hold at least one error. Found none, or only missing ones.")
    return arrays


def compared(
    errors: Mapping[str, Array], shown: Mapping[str, float], correction: Correction
) -> tuple[dict[str, Cell], Comparison | None]:
    """Return a cell a method, the lowest bold and starred, and the tests; oracles take no part.

    The lowest of what is shown may not be the lowest mean of what is tested (the mean of folds of unlike sizes): then
    there are no stars.

    Parameters
    ----------
    errors : mapping of method to array (n,)
        What is tested, sample by sample.
    shown : mapping of method to float
        What stands in the table.
    correction : {"none", "holm"}

    Examples
    --------
    >>> n = np.arange(20.0)
    >>> cells, comparison = compared({"l2": n + 2, "deepgum": n + 1}, {"l2": 11.5, "deepgum": 10.5}, "none")
    >>> cells["deepgum"]
    Cell(value=10.5, deviation=None, stars='***', best=True)
    """
    cells = lowest(shown)
    rivals = {method: values for method, values in errors.items() if not is_oracle(method)}
    if len(rivals) < 2 or all(np.isnan(values).all() for values in rivals.values()):
        return cells, None
    comparison = compare_to_best(rivals, correction)
    best = cells[comparison.best]
    if best.best:
        cells[comparison.best] = Cell(best.value, stars=comparison.stars, best=True)
    return cells, comparison


def lowest(shown: Mapping[str, float]) -> dict[str, Cell]:
    """Return a cell a method, the lowest bold; an oracle never is, nor a value that stands alone.

    Examples
    --------
    >>> [method for method, cell in lowest({"oracle": 1.0, "l2": 3.0, "l1": 2.0}).items() if cell.best]
    ['l1']
    """
    rivals = {method: value for method, value in shown.items() if not (is_oracle(method) or np.isnan(value))}
    best = min(rivals, key=rivals.__getitem__) if len(rivals) > 1 else None
    return {method: Cell(value, best=method == best) for method, value in shown.items()}


def significance_notes(comparison: Comparison | None, correction: Correction, what: str) -> list[str]:
    """Return what the stars mean, and each test that stands behind them.

    Examples
    --------
    >>> _, comparison = compared({"l2": np.full(20, 2.0), "l1": np.full(20, 1.0)}, {"l2": 2.0, "l1": 1.0}, "none")
    >>> significance_notes(comparison, "none", "images' errors")[1]
    'L1 (lowest mean) against: L2 p < 0.001.'
    """
    if comparison is None:
        return ["A single method: nothing is tested."]
    tests = [
        f"{_name(method)} {_p(test.p_value)}{'' if test.effect > 0 else ' (not for it)'}"
        for method, test in comparison.tests.items()
    ]
    return [
        _RULE.format(what=what) + CORRECTIONS[correction],
        f"{_name(comparison.best)} (lowest mean) against: {', '.join(tests)}.",
    ]


def mean(values: Array, axis: int | None = None) -> Array:
    """Return the mean of what is not NaN; NaN, without numpy's warning, where there is nothing.

    Examples
    --------
    >>> mean(np.array([[1.0, np.nan], [np.nan, np.nan]]), axis=1)
    array([ 1., nan])
    """
    count = np.asarray((~np.isnan(values)).sum(axis=axis))
    return np.where(count > 0, np.nansum(values, axis=axis) / np.maximum(count, 1), np.nan)


def exceeds(values: Array, threshold: float) -> Array:
    """Return 1 where a value is above the threshold, 0 where it is not, NaN where there is none.

    Examples
    --------
    >>> exceeds(np.array([1.0, 2.0, 3.0, np.nan]), 2.0)
    array([ 0.,  0.,  1., nan])
    """
    return np.where(np.isnan(values), np.nan, values > threshold)


def over_folds(values: Sequence[float]) -> Cell:
    """Return the mean of the folds' values and their standard deviation with n - 1 in the denominator.

    Examples
    --------
    >>> over_folds([1.0, 3.0]), over_folds([1.0])
    (Cell(value=2.0, deviation=1.4142135623730951, stars='', best=False),
     Cell(value=1.0, deviation=None, stars='', best=False))
    """
    return Cell(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None)


def _name(method: str) -> str:
    return method_style(method).plain


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"
