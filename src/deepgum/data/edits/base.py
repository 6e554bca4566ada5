"""The labels in the files of a data set, and the writing of corrected labels in the same format."""

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
"""Note for the user of a format of whole numbers; `where` is the place."""


def stored(values: Values, dtype: np.dtype[Any], where: str) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return numbers in the type of an array, rounded for integer types, and notes for the user.

    Raises
    ------
    InvalidDataError
        If the type cannot hold NaN where a number is missing, or cannot hold one of the numbers.

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
            f"{where} should hold floating-point numbers, so that a label can be missing. Found {dtype}: convert it to "
            "float32 before labels are dropped."
        )
    whole, limits = np.rint(values), np.iinfo(dtype)
    if (whole < limits.min).any() or (whole > limits.max).any():
        raise InvalidDataError(f"{where} should hold the new labels as {dtype}. Found {values.tolist()}.")
    return whole.astype(dtype), (ROUNDED.format(where=where),) if (whole != values).any() else ()


Values = NDArray[np.float64]

Changes = Mapping[str, Values]
"""New labels (d,) of samples, by their ids; NaN for a label that becomes missing."""


@dataclass(frozen=True, eq=False)
class Annotations(ABC):
    """Labels of n samples at d targets in the files of a data set; each format is a subclass.

    Parameters
    ----------
    source : Path
        The folder or the table of the labels.
    ids : tuple of str, length n
        Unique names of the samples, the same as the loader's. The loader may leave out samples without an image.
    names : tuple of str, length d
        Names of the targets.
    values : array (n, d)
        Labels in the file's own unit, landmarks in pixels of the image file; NaN where a label is missing.

    Attributes
    ----------
    keeps_missing : bool
        Whether the format can mark a label as missing. Otherwise `write` leaves out samples that lose a label.
    is_folder : bool
        Whether `write` makes a folder for training; otherwise it makes one file.

    Raises
    ------
    InvalidDataError
        If two samples have the same id.
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
                f"'{self.source}' should name each sample once, so that each label belongs to one sample. "
                f"Found more than once: {listing(twice)}."
            )

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def rows(self) -> Mapping[str, int]:
        """Row of each sample."""
        return {name: row for row, name in enumerate(self.ids)}

    def image_file(self, name: str) -> str:
        """Return the image file of a sample, relative to the folder of the images; by default the sample's name."""
        return name

    def left_out(self, changes: Changes) -> tuple[str, ...]:
        """Return the samples that `write` leaves out: they lose a label, and the format has no missing labels."""
        if self.keeps_missing:
            return ()
        return tuple(name for name in self.ids if name in changes and self._loses(changes[name], self.rows[name]))

    def _loses(self, labels: Values, row: int) -> bool:
        return bool((np.isnan(labels) & ~np.isnan(self.values[row])).any())

    @abstractmethod
    def write(self, changes: Changes, out: Path) -> tuple[str, ...]:
        """Write the data set with new labels of some samples. Everything else stays, byte for byte where possible.

        Parameters
        ----------
        changes : mapping of str to array (d,)
            New labels by ids; all ids are known.
        out : Path
            An empty folder, or a file that does not exist; never the source.

        Returns
        -------
        tuple of str
            Notes for the user, one sentence each.

        Raises
        ------
        InvalidDataError
            If the format cannot hold the new labels.
        """
