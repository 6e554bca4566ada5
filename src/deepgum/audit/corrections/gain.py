"""The gain of corrections: errors on the same test samples before and after, with a test of significance."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepgum.errors import InvalidDataError
from deepgum.evaluation import paired_wilcoxon
from deepgum.storage.disk import write_atomically

__all__ = ["Difference", "Gain", "difference", "differences_of"]

Values = NDArray[np.float64]

REPLICATES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Difference:
    """The mean error before and after corrections, and the difference. Means are over test samples and trainings.

    Attributes
    ----------
    name : str
        Name of the landmark or target; empty for all labels together.
    before, after : float
        Mean errors.
    lower, low, high : float
        `lower` is ``before - after``: how much lower the error is after the corrections. The interval from `low` to
        `high` contains the true difference with a probability of 95 %. If the interval is above 0, the corrections
        help.
    p_value : float
        p-value of a two-sided Wilcoxon signed-rank test of the paired errors of test samples.
    samples : int
        Number of test samples.
    """

    name: str
    before: float
    after: float
    lower: float
    low: float
    high: float
    p_value: float
    samples: int


def difference(name: str, before: Values, after: Values, seed: int = 0) -> Difference:
    """Compare the errors (n,) of test samples before and after corrections.

    Each error is a mean over trainings. NaN marks a sample without a label. The 95 % interval of the difference comes
    from a bootstrap over test samples.

    Raises
    ------
    InvalidDataError
        If no sample has an error before and an error after.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> before = rng.uniform(1, 2, size=100)
    >>> found = difference("nose", before, before - 0.1 + 0.05 * rng.normal(size=100))
    >>> round(found.lower, 1), found.low > 0, found.p_value < 0.001
    (0.1, True, True)
    """
    known = ~np.isnan(before) & ~np.isnan(after)
    if not known.any():
        raise InvalidDataError(f"There should be a test sample with a label of '{name or 'any target'}'. Found none.")
    before, after = before[known], after[known]
    rng = np.random.default_rng(seed)
    draws = rng.integers(len(before), size=(REPLICATES, len(before)))
    low, high = np.quantile((before - after)[draws].mean(axis=1), ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Difference(
        name=name,
        before=float(before.mean()),
        after=float(after.mean()),
        lower=float((before - after).mean()),
        low=float(low),
        high=float(high),
        p_value=paired_wilcoxon(before, after).p_value,
        samples=len(before),
    )


@dataclass(frozen=True)
class Gain:
    """The gain of a patch: the errors of networks trained on the labels before and after the patch.

    Attributes
    ----------
    method : str
        Training method, the same before and after the patch.
    seeds : tuple of int
        Seeds of the trainings.
    train, test : int
        Number of training samples and number of test samples.
    fixed, dropped : int
        Numbers of groups of labels that the patch fixes and drops.
    unit : str
        Unit of the errors.
    errors : tuple of Difference
        Mean errors: first of all labels together, then of each landmark or target.
    failures : Difference or None
        Share of landmarks with an error above 5 % of the distance by which errors are divided; None if labels are not
        landmarks.
    official : bool
        Whether the test samples are the official test part of the data set. If not, the test samples are held out from
        the samples that the patch does not change.
    """

    method: str
    seeds: tuple[int, ...]
    train: int
    test: int
    fixed: int
    dropped: int
    unit: str
    errors: tuple[Difference, ...]
    failures: Difference | None
    official: bool

    @property
    def verdict(self) -> str:
        """The conclusion, in one sentence."""
        difference = self.failures or self.errors[0]
        quantity = "share of failures" if self.failures else "error"
        if difference.low > 0:
            return f"The corrections help: the {quantity} on the test set falls by more than chance explains."
        if difference.high < 0:
            return f"The corrections hurt: the {quantity} on the test set rises. Check the decisions again."
        return f"No difference beyond chance: the interval of the {quantity} contains 0."

    def write(self, path: Path) -> None:
        """Write a JSON file atomically."""
        with write_atomically(path) as temporary:
            temporary.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def differences_of(names: Sequence[str], before: Values, after: Values) -> tuple[Difference, ...]:
    """Compare errors (n, g): first the mean of each row, then each column that has errors before and after."""
    with np.errstate(invalid="ignore"):
        whole = difference("", _row_means(before), _row_means(after))
    columns = zip(names, before.T, after.T, strict=True)
    return (whole, *(difference(name, a, b) for name, a, b in columns if not np.isnan(a + b).all()))


def _row_means(values: Values) -> Values:
    counts = (~np.isnan(values)).sum(axis=1)
    return np.where(counts > 0, np.nansum(values, axis=1) / np.maximum(counts, 1), np.nan)
