"""What is checked of labels and predictions before a mixture is fitted to them, a batch at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deepgum.errors import InvalidDataError, listing

__all__ = ["LEAST", "Survey"]

Values = NDArray[np.float64]

LEAST = 10
"""Samples, fewer than which are refused: one of them is more than a tenth of all."""


class Survey:
    """Counts samples and labels, and knows whether a target's labels differ.

    Parameters
    ----------
    names : sequence of str, length d
        Of the targets.

    Examples
    --------
    >>> survey = Survey(["age"])
    >>> survey.add(np.array([[31.0], [np.nan], [44.0]]), np.array([[30.0], [20.0], [40.0]]), "abc")
    >>> survey.check()
    Traceback (most recent call last):
        ...
    deepgum.errors.InvalidDataError: There should be at least 10 samples to tell wrong labels from right ones. Found 3.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._samples = 0
        self._labels = np.zeros(len(names), dtype=np.int64)
        self._low, self._high = np.full(len(names), np.inf), np.full(len(names), -np.inf)

    @property
    def samples(self) -> int:
        """How many there were."""
        return self._samples

    def add(self, given: Values, predicted: Values, ids: Sequence[str]) -> None:
        """Look at labels and predictions (n, d) of the samples of these ids.

        Raises
        ------
        InvalidDataError
            If one is infinite, or a prediction is missing where there is a label; the message names the samples.
        """
        for what, values in (("labels", given), ("predictions", predicted)):
            self._refuse(np.isinf(values), ids, f"The {what} should be finite, or missing")
        some = ~np.isnan(given)
        self._refuse(some & np.isnan(predicted), ids, "There should be a prediction wherever there is a label")
        self._samples += len(given)
        self._labels += some.sum(axis=0)
        self._low = np.minimum(self._low, np.where(some, given, np.inf).min(axis=0, initial=np.inf))
        self._high = np.maximum(self._high, np.where(some, given, -np.inf).max(axis=0, initial=-np.inf))

    def check(self) -> None:
        """Refuse all of it where nothing could be told.

        Raises
        ------
        InvalidDataError
            If there are too few samples, no labels, or a target whose labels are all the same.
        """
        if self._samples < LEAST:
            raise InvalidDataError(
                f"There should be at least {LEAST} samples to tell wrong labels from right ones. Found {self._samples}."
            )
        if not self._labels.any():
            raise InvalidDataError(f"There should be labels. Found none in {self._samples} samples.")
        same = [
            f"{name} (always {low:g})"
            for name, low, high, labels in zip(self._names, self._low, self._high, self._labels, strict=True)
            if labels > 1 and low == high
        ]
        if same:
            raise InvalidDataError(
                f"The labels of a target should differ from sample to sample. Found the same all through: "
                f"{listing(same)}. Leave such targets out."
            )

    def _refuse(self, wrong: NDArray[np.bool_], ids: Sequence[str], rule: str) -> None:
        if not wrong.any():
            return
        rows = np.flatnonzero(wrong.any(axis=1)).tolist()
        targets = [self._names[place] for place in np.flatnonzero(wrong.any(axis=0))]
        samples = f"{len(rows)} sample{'s' if len(rows) > 1 else ''}"
        raise InvalidDataError(
            f"{rule}. Found {samples} where this is not so: {listing([ids[row] for row in rows])} ({listing(targets)})."
        )
