"""Significance tests between the errors of two methods: Wilcoxon's test and the stars of the paper's section 4."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike

from deepgum.checks import check_choice, check_fraction
from deepgum.errors import InvalidDataError
from deepgum.evaluation.arrays import Array, as_array, check_same_shape

__all__ = ["Comparison", "PairedTest", "compare_to_best", "holm", "paired_wilcoxon", "stars"]

Values = torch.Tensor | ArrayLike


@dataclass(frozen=True)
class PairedTest:
    """The outcome of a paired Wilcoxon signed-rank test.

    Attributes
    ----------
    p_value : float
        Two-sided p-value: the probability of a rank sum at least as extreme if the differences are symmetric about 0.
    effect : float
        Matched-pairs rank-biserial correlation, in [-1, 1]: above 0 if the first method's errors are smaller.
    n_pairs : int
        Number of pairs without NaN, including pairs of equal errors.
    """

    p_value: float
    effect: float
    n_pairs: int


@dataclass(frozen=True)
class Comparison:
    """The method with the lowest mean error, and the tests between this method and each of the other methods.

    Attributes
    ----------
    best : str
        The method with the lowest mean error. If several methods have this mean error, the first of these methods.
    mean_errors : dict of str to float
        Mean error of each method over the samples for which every method has an error.
    tests : dict of str to PairedTest
        Test of the best method against each other method; the p-values include the correction, if there is one.
    stars : str
        Stars to print after the name of the best method, for the largest p-value. The string is empty if a test does
        not favour the best method: the method with the lowest *mean* error can have the larger error in most pairs.
    """

    best: str
    mean_errors: dict[str, float]
    tests: dict[str, PairedTest]
    stars: str


def paired_wilcoxon(first: Values, second: Values) -> PairedTest:
    """Test whether two methods' errors on the same samples differ (two-sided).

    Pairs with a NaN are dropped. Pairs of equal errors are left out of the ranks, as Wilcoxon proposed (scipy's
    `zero_method="wilcox"`). If the errors are equal in all pairs, there is no evidence of a difference, and `p_value`
    is 1.

    Parameters
    ----------
    first, second : array or Tensor of shape (n,)
        Errors of the samples with each of the two methods (`image_errors`).

    Raises
    ------
    InvalidDataError
        If `first` and `second` are not vectors of the same length, or an error is infinite.

    Examples
    --------
    >>> paired_wilcoxon([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.5, 3.0, 4.5, 6.0, 7.5, 9.0])
    PairedTest(p_value=0.03125, effect=1.0, n_pairs=6)
    """
    mine, other = _vector("first", first), _vector("second", second)
    check_same_shape("first", mine.shape, "second", other.shape)
    gain = other - mine
    gain = gain[~np.isnan(gain)]
    unequal = gain[gain != 0]
    if unequal.size == 0:
        return PairedTest(1.0, 0.0, gain.size)
    # Imported late, as scikit-learn is: both are slow to import.
    from scipy.stats import rankdata, wilcoxon

    ranks = rankdata(np.abs(unequal))
    effect = float((np.sign(unequal) * ranks).sum() / ranks.sum())
    return PairedTest(float(wilcoxon(unequal).pvalue), effect, gain.size)


def stars(p_value: float) -> str:
    """Return the paper's stars: `*`, `**`, `***` for a p-value below 0.05, 0.01, 0.001, otherwise an empty string.

    Raises
    ------
    InvalidParameterError
        If `p_value` is not a number in [0, 1].

    Examples
    --------
    >>> stars(0.0004), stars(0.03), stars(0.05)
    ('***', '*', '')
    """
    p_value = check_fraction("p_value", p_value)
    return "*" * sum(p_value < level for level in (0.05, 0.01, 0.001))


def holm(p_values: Values) -> Array:
    """Return Holm's (1979) adjusted p-values, which bound the probability of any false positive among all tests.

    Raises
    ------
    InvalidDataError
        If `p_values` is not a vector of numbers in [0, 1].

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    p = _vector("p_values", p_values)
    if not ((p >= 0) & (p <= 1)).all():
        raise InvalidDataError(f"`p_values` should lie in [0, 1]. Found {p[~((p >= 0) & (p <= 1))].tolist()}.")
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted


def compare_to_best(errors: Mapping[str, Values], correction: Literal["none", "holm"] = "none") -> Comparison:
    """Test the method with the lowest mean error against each other method, as in the paper's tables.

    Parameters
    ----------
    errors : mapping of method to array or Tensor of shape (n,)
        Error of each sample (`image_errors`), for the same samples in the same order; NaN for a sample without a label.
    correction : {"none", "holm"}, default "none"
        Correction for the number of tests. The paper uses none.

    Raises
    ------
    InvalidDataError
        If there are fewer than two methods, the vectors have different lengths, or no sample has an error from every
        method.
    UnknownNameError
        If the correction is unknown.

    Examples
    --------
    >>> result = compare_to_best({"l2": [3.0, 4.0, 5.0, 6.0, 7.0, 8.0], "gum": [1.0, 2.0, 2.5, 2.0, 1.0, 0.0]})
    >>> result.best, result.stars
    ('gum', '*')
    """
    check_choice("correction", correction, ("none", "holm"))
    if len(errors) < 2:
        raise InvalidDataError(f"`errors` should hold at least two methods. Found {list(errors)}.")
    vectors = {name: _vector(f"errors[{name!r}]", values) for name, values in errors.items()}
    first = next(iter(vectors))
    for name, vector in vectors.items():
        check_same_shape(f"errors[{name!r}]", vector.shape, f"errors[{first!r}]", vectors[first].shape)
    known = ~np.isnan(np.stack(list(vectors.values()))).any(axis=0)
    if not known.any():
        raise InvalidDataError("`errors` should hold at least one sample with an error from every method. Found none.")

    means = {name: float(vector[known].mean()) for name, vector in vectors.items()}
    best = min(means, key=means.__getitem__)
    tests = {name: paired_wilcoxon(vectors[best][known], vectors[name][known]) for name in vectors if name != best}
    if correction == "holm":
        adjusted = holm([test.p_value for test in tests.values()])
        tests = {
            name: PairedTest(float(p), test.effect, test.n_pairs)
            for (name, test), p in zip(tests.items(), adjusted, strict=True)
        }
    all_for_best = all(test.effect > 0 for test in tests.values())
    return Comparison(best, means, tests, stars(max(test.p_value for test in tests.values())) if all_for_best else "")


def _vector(name: str, values: Values) -> Array:
    vector = as_array(values)
    if vector.ndim != 1:
        raise InvalidDataError(f"`{name}` should have shape (n,). Found shape {vector.shape}.")
    if np.isinf(vector).any():
        raise InvalidDataError(
            f"`{name}` should be finite, or NaN. Found {int(np.isinf(vector).sum())} infinite values."
        )
    return vector
