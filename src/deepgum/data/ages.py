"""What the data sets of ages have in common: file names that begin with an age, and targets in years."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from deepgum.data.mirror import Mirror

__all__ = ["AGE", "MIRROR", "OLDEST", "ages_in_names", "plausible"]

AGE = ("age",)
"""The name of the one target."""

MIRROR = Mirror(permutation=(0,), sign=(1.0,), offset=(0.0,))
"""A mirrored face is as old as it was."""

OLDEST = 120
"""An age beyond is a slip of a name or a table. Ages that are wrong and possible are for the mixture to find."""


def ages_in_names(names: Iterable[str]) -> NDArray[np.float64]:
    """Return the whole number before the first underscore of each name, in years, or NaN where there is none.

    Examples
    --------
    >>> ages_in_names(["26_1_0_20170117.jpg.chip.jpg", "39_1.jpg", "face_26.jpg", "26.jpg", "-3_0.jpg"])
    array([26., 39., nan, nan, nan])
    """
    matches = (re.match(r"([0-9]+)_", name) for name in names)
    return np.array([float(match[1]) if match else np.nan for match in matches])


def plausible(ages: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which ages are numbers from 0 to `OLDEST`.

    Examples
    --------
    >>> plausible(np.array([0.0, 120.0, 121.0, -1.0, np.nan])).tolist()
    [True, True, False, False, False]
    """
    within: NDArray[np.bool_] = (ages >= 0) & (ages <= OLDEST)
    return within
