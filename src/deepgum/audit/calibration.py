"""Calibration of posteriors: among labels that are right with a probability of 80 %, eight in ten should be right.

Calibration can be measured only if the wrong labels are known. So some labels are first made wrong on purpose.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepgum.errors import InvalidDataError
from deepgum.storage.decoding import decoding, read_json
from deepgum.storage.disk import write_atomically
from deepgum.storage.nested import build

__all__ = ["BINS", "Calibration", "Reliability", "reliability"]

BINS = 15


@dataclass(frozen=True)
class Reliability:
    """The posteriors that labels are wrong, and the observed shares of wrong labels, in equal bins from 0 to 1.

    Attributes
    ----------
    error : float
        Expected calibration error: the absolute difference between `predicted` and `observed`, averaged over bins with
        the weights `counts`.
    counts : tuple of int
        Number of labels in each bin.
    predicted, observed : tuple of float or None
        Mean posterior in each bin, and share of wrong labels in each bin; None for an empty bin.
    """

    error: float
    counts: tuple[int, ...]
    predicted: tuple[float | None, ...]
    observed: tuple[float | None, ...]


def reliability(posteriors: ArrayLike, wrong: ArrayLike, bins: int = BINS) -> Reliability:
    """Compare the posteriors that labels are wrong with the truth (`wrong`), in equal bins. Leave out NaN posteriors.

    Raises
    ------
    InvalidDataError
        If the lengths differ, all posteriors are NaN, or a posterior is outside of [0, 1].

    Examples
    --------
    >>> reliability([0.1, 0.1, 0.9, 0.9], [False, False, True, False], bins=2)
    Reliability(error=0.25, counts=(2, 2), predicted=(0.1, 0.9), observed=(0.0, 0.5))
    """
    p, truth = np.asarray(posteriors, dtype=np.float64).ravel(), np.asarray(wrong, dtype=bool).ravel()
    if p.shape != truth.shape:
        raise InvalidDataError(f"`wrong` should have as many values as `posteriors`, {len(p)}. Found {len(truth)}.")
    known = ~np.isnan(p)
    p, truth = p[known], truth[known]
    if not len(p):
        raise InvalidDataError("`posteriors` should hold at least one number. Found none.")
    if p.min() < 0 or p.max() > 1:
        raise InvalidDataError(f"`posteriors` should lie between 0 and 1. Found {p.min():g} to {p.max():g}.")
    bin_numbers = np.minimum((p * bins).astype(int), bins - 1)
    counts = np.bincount(bin_numbers, minlength=bins)
    sums, wrongs = np.bincount(bin_numbers, p, bins), np.bincount(bin_numbers, truth, bins)
    error = float(np.abs(sums - wrongs).sum() / len(p))

    def means(totals: NDArray[Any]) -> tuple[float | None, ...]:
        return tuple(float(t / c) if c else None for t, c in zip(totals, counts, strict=True))

    return Reliability(error, tuple(counts.tolist()), means(sums), means(wrongs))


@dataclass(frozen=True)
class Calibration:
    """Quality of an audit on labels that were made wrong on purpose.

    Attributes
    ----------
    share : float
        True share of wrong labels.
    average_precision : float or None
        Average precision of the ranking of labels by the posterior that they are wrong; None if no label is wrong.
    precision, recall : float or None
        Precision and recall of the flags.
    before, after : Reliability
        Reliability of the posteriors of eq. 1 (`before`) and of the posteriors of the chosen densities (`after`).
    """

    share: float
    average_precision: float | None
    precision: float | None
    recall: float | None
    before: Reliability
    after: Reliability

    @classmethod
    def of(cls, after: NDArray[np.float64], before: NDArray[np.float64], wrong: NDArray[np.bool_]) -> Calibration:
        """Compare responsibilities (n, g) with the truth: `wrong` (n, g) tells which labels are wrong.

        `before` holds the responsibilities of eq. 1, and `after` holds the final responsibilities.
        """
        from deepgum.evaluation import detection_scores

        scores = detection_scores(1 - after, after < 0.5, wrong)
        known = ~np.isnan(after)
        return cls(
            share=float(wrong[known].mean()),
            average_precision=scores.average_precision,
            precision=scores.precision,
            recall=scores.recall,
            before=reliability(1 - before, wrong),
            after=reliability(1 - after, wrong),
        )

    def write(self, path: Path) -> None:
        """Write a JSON file atomically."""
        with write_atomically(path) as temporary:
            temporary.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Calibration:
        """Read a file that `write` wrote.

        Raises
        ------
        InvalidDataError
            If the file does not exist or is no calibration.
        """
        values = read_json(path, "a calibration")
        with decoding(path, "a calibration"):
            calibration: Calibration = build(cls, values)
            return calibration
