"""The labels in the files of a data set, and the writing of corrected labels in the same format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from deepgum.errors import InvalidDataError, listing

__all__ = ["ROUNDED", "Annotations", "Changes", "Values", "stored"]

ROUNDED = "New labels were rounded to whole numbers: {where} can hold only whole numbers."
"""Note for the user of a format that can hold only whole numbers. `where` is the name of the file or column."""


def stored(values: Values, dtype: np.dtype[Any], where: str) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Convert numbers to the type of a stored array. Return the pair (converted numbers, notes for the user).

    For an integer type, the numbers are rounded. `where` is the name of the file or column, for messages.

    Raises
    ------
    InvalidDataError
        If the type cannot hold one of the numbers, or if a number is NaN (missing) and the type cannot hold NaN.

    Examples
    --------
    >>> stored(np.array([33.4]), np.dtype(np.uint8), "The file")
    (array([33], dtype=uint8), ('New labels were rounded to whole numbers: The file can hold only whole numbers.',))
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
"""The new labels (d,) of each changed sample, by the id of the sample. NaN means that the label becomes missing."""


@dataclass(frozen=True, eq=False)
class Annotations(ABC):
    """Labels in the files of a data set: n samples with d targets. Each format of label files has a subclass.

    Parameters
    ----------
    source : Path
        The folder or the table that holds the labels.
    ids : tuple of str, length n
        Unique names of the samples. A loader of the same files gives the samples the same names, but may leave out
        samples without an image.
    names : tuple of str, length d
        Names of the targets.
    values : array (n, d)
        Labels in the unit of the files; landmarks are in pixels of the image file. NaN marks a missing label.

    Attributes
    ----------
    keeps_missing : bool
        Whether the format can mark a label as missing. If it cannot, `write` leaves out samples that lose a label.
    is_folder : bool
        Whether `write` makes a folder. If false, `write` makes one file.

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
                f"'{self.source}' should have each sample once, so that each label belongs to one sample. "
                f"Found more than once: {listing(twice)}."
            )

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def rows(self) -> Mapping[str, int]:
        """The id of each sample, mapped to the row of the sample in `values`."""
        return {name: row for row, name in enumerate(self.ids)}

    def columns(self, names: Sequence[str]) -> list[int]:
        """Return the columns of some targets in `values`, by their names. A loader may leave out targets.

        Raises
        ------
        InvalidDataError
            If there is no target of one of the names.
        """
        unknown = [name for name in names if name not in self.names]
        if unknown:
            raise InvalidDataError(
                f"'{self.source}' should have the targets {listing(names, 12)}. Found {listing(self.names, 12)}."
            )
        return [self.names.index(name) for name in names]

    def image_file(self, name: str) -> str:
        """Return the image file of the sample with this id, relative to the folder of the images.

        By default, the id is the name of the image file.
        """
        return name

    def left_out(self, changes: Changes) -> tuple[str, ...]:
        """Return the ids of the samples that `write` leaves out.

        If the format cannot mark a label as missing, these are the samples with a label that `changes` replaces by NaN.
        Otherwise no sample is left out.
        """
        if self.keeps_missing:
            return ()
        return tuple(name for name in self.ids if name in changes and self._loses(changes[name], self.rows[name]))

    def _loses(self, labels: Values, row: int) -> bool:
        return bool((np.isnan(labels) & ~np.isnan(self.values[row])).any())

    @abstractmethod
    def write(self, changes: Changes, out: Path) -> tuple[str, ...]:
        """Write the data set with new labels for some samples.

        Everything else stays unchanged. Where possible, it is copied byte for byte.

        Parameters
        ----------
        changes : mapping of str to array (d,)
            The new labels of each changed sample, by the id of the sample. All ids must be in `ids`.
        out : Path
            An empty folder, or a file that does not exist. It must not be `source`.

        Returns
        -------
        tuple of str
            Notes for the user, one sentence each.

        Raises
        ------
        InvalidDataError
            If the format cannot hold the new labels.
        """
