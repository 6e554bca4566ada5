"""`Evidence`: the facts about samples that a driver knows and that are neither labels nor predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgum.posteriors.runs.run_level import RunLevel

__all__ = ["Evidence", "Sizes"]

Values = NDArray[np.float64]

Sizes = Callable[[list[int]], Values]
"""A function of the rows of flagged samples. It returns the width and height (n, 2) of each image, in pixels or another
unit of the labels; NaN in all other rows, and where a size is unknown."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """Facts on n samples in addition to the labels and predictions.

    A rule reads these facts from `Case.evidence`, unchanged. A new kind of evidence needs a new attribute of this class
    and a driver that sets the attribute.

    Attributes
    ----------
    copies : sequence of sequences of int
        Rows of identical samples, one sequence for each group of identical samples. If such samples have different
        labels, at most one of these labels is right; see `deepgum.audit.duplicates`.
    conflicts : sequence of sequences of str
        Ids of samples with identical content and different labels.
    sizes : callable or None
        A function that returns image sizes in the unit of the labels, given the rows of flagged samples; see `Sizes`.
    runs : RunLevel or None
        The runs of the samples, and what they tell; None if the runs are unknown.
    marks : array (n, d) of bool or None
        Labels with a value that may mark a missing label; see `deepgum.audit.notices`.
    """

    copies: Sequence[Sequence[int]] = ()
    conflicts: Sequence[Sequence[str]] = ()
    sizes: Sizes | None = None
    runs: RunLevel | None = None
    marks: NDArray[np.bool_] | None = None
