"""Checks of labels and predictions, batch by batch, before a mixture is fitted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.scoring.ids import check_ids
from deepgum.errors import InvalidDataError, listing

__all__ = ["LEAST_SAMPLES", "Survey", "check_samples"]

Values = NDArray[np.float64]

LEAST_SAMPLES = 10
"""Minimum number of samples. With fewer samples, one sample is more than a tenth of the data."""


class Survey:
    """A check of the data in batches: counts samples and labels, and keeps the range of the labels of each target.

    Parameters
    ----------
    names : sequence of str, length d
        Names of the targets.

    Examples
    --------
    >>> survey = Survey(["age"])
    >>> survey.add(np.array([[31.0], [np.nan], [44.0]]), np.array([[30.0], [20.0], [40.0]]), "abc")
    >>> survey.check()
    Traceback (most recent call last):
        ...
    deepgum.errors.InvalidDataError: There should be at least 10 samples to find wrong labels among them. Found 3.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._samples = 0
        self._labels = np.zeros(len(names), dtype=np.int64)
        self._low, self._high = np.full(len(names), np.inf), np.full(len(names), -np.inf)

    def add(self, given: Values, predicted: Values | None, ids: Sequence[str]) -> None:
        """Check and count the labels (n, d) of n samples. If there are predictions (n, d), check the predictions too.

        Raises
        ------
        InvalidDataError
            If a value is infinite, or a label has no prediction. The message names the samples.
        """
        labelled = ~np.isnan(given)
        self._refuse(np.isinf(given), ids, "The labels should be finite, or missing")
        if predicted is not None:
            self._refuse(np.isinf(predicted), ids, "The predictions should be finite, or missing")
            unpredicted = labelled & np.isnan(predicted)
            self._refuse(unpredicted, ids, "There should be a prediction wherever there is a label")
        self._samples += len(given)
        self._labels += labelled.sum(axis=0)
        self._low = np.minimum(self._low, np.where(labelled, given, np.inf).min(axis=0, initial=np.inf))
        self._high = np.maximum(self._high, np.where(labelled, given, -np.inf).max(axis=0, initial=-np.inf))

    def check(self) -> None:
        """Refuse data in which wrong labels cannot be found.

        Raises
        ------
        InvalidDataError
            If there are too few samples, there are no labels, or all labels of a target are the same.
        """
        if self._samples < LEAST_SAMPLES:
            raise InvalidDataError(
                f"There should be at least {LEAST_SAMPLES} samples to find wrong labels among them. "
                f"Found {self._samples}."
            )
        if not self._labels.any():
            raise InvalidDataError(f"There should be labels. Found no label in {self._samples} samples.")
        constant = [
            f"{name} (always {low:g})"
            for name, low, high, labels in zip(self._names, self._low, self._high, self._labels, strict=True)
            if labels > 1 and low == high
        ]
        if constant:
            raise InvalidDataError(
                f"The labels of a target should differ from sample to sample. Found constant targets: "
                f"{listing(constant)}. Leave such targets out."
            )

    def _refuse(self, wrong: NDArray[np.bool_], ids: Sequence[str], rule: str) -> None:
        if not wrong.any():
            return
        rows = np.flatnonzero(wrong.any(axis=1)).tolist()
        targets = [self._names[column] for column in np.flatnonzero(wrong.any(axis=0))]
        samples = f"{len(rows)} sample{'s' if len(rows) > 1 else ''}"
        raise InvalidDataError(
            f"{rule}. Found {samples} with invalid values: {listing([ids[row] for row in rows])} ({listing(targets)})."
        )


def check_samples(names: Sequence[str], ids: Sequence[str], given: Values, predicted: Values | None = None) -> None:
    """Check all samples at once, with a `Survey`.

    Parameters
    ----------
    names : sequence of str, length d
        Names of the targets.
    ids : sequence of str, length n
    given : array (n, d)
        Labels.
    predicted : array (n, d), optional
        Predictions; None if there are no predictions yet.

    Raises
    ------
    InvalidDataError
        If ids are repeated, or `Survey` refuses the data.
    """
    check_ids(ids)
    survey = Survey(names)
    survey.add(given, predicted, ids)
    survey.check()
