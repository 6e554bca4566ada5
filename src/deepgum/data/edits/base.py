"""The labels of a data set as its files have them, and what it takes to write others in their place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from deepgum.errors import InvalidDataError, listing

__all__ = ["ROUNDED", "Annotations", "Changes", "Values", "stored"]

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


Values = NDArray[np.float64]

Changes = Mapping[str, Values]
"""The labels (d,) that samples are to have, by their ids; NaN where a label is to be missing."""


@dataclass(frozen=True, eq=False)
class Annotations(ABC):
    """n samples of d labels, as they stand in files; each format is a class of its own.

    Parameters
    ----------
    source : Path
        The folder or the table that they were read from.
    ids : tuple of str, length n
        Each once; as the data set's loader names them. A loader may leave some out: images that are not there.
    names : tuple of str, length d
        Of the targets.
    values : array (n, d)
        In the file's own unit, landmarks in pixels of the image file; NaN where a label is missing.

    Attributes
    ----------
    keeps_missing : bool
        Whether the format can say that a label is missing. Where it cannot, a sample that loses a label is left out.
    is_folder : bool
        Whether what is written is a folder, with all that it takes to train on it; otherwise it is one file.

    Raises
    ------
    InvalidDataError
        If an id comes twice.
    """

    keeps_missing: ClassVar[bool]
    is_folder: ClassVar[bool] = True

    source: Path
    ids: tuple[str, ...]
    names: tuple[str, ...]
    values: Values

    def __post_init__(self) -> None:
        if len(set(self.ids)) < len(self.ids):
            twice = [name for name, count in Counter(self.ids).items() if count > 1]
            raise InvalidDataError(
                f"'{self.source}' should name each sample once, so that it is known whose label is meant. "
                f"Found more than once: {listing(twice)}."
            )

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def rows(self) -> Mapping[str, int]:
        """Where each sample stands."""
        return {name: row for row, name in enumerate(self.ids)}

    def image_file(self, name: str) -> str:
        """Return the image file of a sample, relative to the folder of the images; by default the sample's name."""
        return name

    def left_out(self, changes: Changes) -> tuple[str, ...]:
        """Return the samples that lose a label and are left out, since the format cannot say that it is missing."""
        if self.keeps_missing:
            return ()
        return tuple(name for name in self.ids if name in changes and self._loses(changes[name], self.rows[name]))

    def _loses(self, labels: Values, row: int) -> bool:
        return bool((np.isnan(labels) & ~np.isnan(self.values[row])).any())

    @abstractmethod
    def write(self, changes: Changes, out: Path) -> tuple[str, ...]:
        """Write the data set with other labels of some samples; all else stays as it is, byte for byte where it can.

        Parameters
        ----------
        changes : mapping of str to array (d,)
            Of ids that are known.
        out : Path
            A new folder or file; not a way back to the source.

        Returns
        -------
        tuple of str
            What a person should know of the result, a sentence each.

        Raises
        ------
        InvalidDataError
            If the format cannot hold what is asked for.
        """
