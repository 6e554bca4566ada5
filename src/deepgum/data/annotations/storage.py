"""Numbers as an array of a file can hold them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgum.data.annotations.base import Values
from deepgum.errors import InvalidDataError

__all__ = ["ROUNDED", "stored"]

ROUNDED = "New labels were rounded to whole numbers: {where} can hold no others."
"""What a person should know where a format has only whole numbers; with the place in it."""


def stored(values: Values, dtype: np.dtype[Any], where: str) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return numbers in the type of an array, rounded where it is one of whole numbers, and what to say of that.

    Raises
    ------
    InvalidDataError
        If the type cannot say that a number is missing, or cannot hold one of them.

    Examples
    --------
    >>> stored(np.array([33.4]), np.dtype(np.uint8), "The file")
    (array([33], dtype=uint8), ('New labels were rounded to whole numbers: The file can hold no others.',))
    """
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            made = values.astype(dtype)
        if not (np.isfinite(made) == np.isfinite(values)).all():
            raise InvalidDataError(f"{where} should hold the new labels as {dtype}. Found {values.tolist()}.")
        return made, ()
    if np.isnan(values).any():
        raise InvalidDataError(
            f"{where} should hold numbers with a point, so that a label can be missing. Found {dtype}: convert it to "
            "float32 before labels are dropped."
        )
    whole, limits = np.rint(values), np.iinfo(dtype)
    if (whole < limits.min).any() or (whole > limits.max).any():
        raise InvalidDataError(f"{where} should hold the new labels as {dtype}. Found {values.tolist()}.")
    return whole.astype(dtype), (ROUNDED.format(where=where),) if (whole != values).any() else ()
