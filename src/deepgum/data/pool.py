"""All samples of a data set in the order of the data set, with the parts and clusters that every split must respect."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from deepgum.data.pictures import Pictures
from deepgum.data.regression import RegressionData
from deepgum.errors import DataNotice, InvalidDataError

__all__ = ["PARTS", "Pool"]

PARTS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Pool:
    """All samples that a loader has read.

    Parameters
    ----------
    data : RegressionData
        The n samples.
    keep_together : tuple of str, length n, optional
        One value for each sample, for example the person, the video or a hash of the image. Samples with the same value
        stay in the same part of every split.
    parts : tuple of str, length n, optional
        The part of each sample, one of `PARTS`; None if the data set defines no parts.
    notices : tuple of str
        Sentences on what the loader found, which a reader must know before any result: each says what was found, and
        the option to type.

    Raises
    ------
    InvalidDataError
        If a length is not n, or a part is not one of `PARTS`.

    Examples
    --------
    >>> data = RegressionData.from_arrays([[0.0], [1.0], [2.0]], [[1.0], [2.0], [3.0]])
    >>> Pool(data, parts=("train", "test", "train")).part("train").ids
    ('0', '2')
    """

    data: RegressionData
    keep_together: tuple[str, ...] | None = None
    parts: tuple[str, ...] | None = None
    notices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("keep_together", "parts"):
            values = getattr(self, name)
            if values is not None and len(values) != len(self.data):
                raise InvalidDataError(f"`{name}` should have length {len(self.data)}. Found {len(values)}.")
        unknown = sorted(set(self.parts or ()) - set(PARTS))
        if unknown:
            raise InvalidDataError(f"`parts` should each be one of {', '.join(PARTS)}. Found {unknown[0]!r}.")

    @classmethod
    def of_parts(cls, train: RegressionData, test: RegressionData) -> Pool:
        """Return the pool of an official training part and an official test part, with the training samples first."""
        pictures = None
        if train.pictures is not None and test.pictures is not None:
            one, other = train.pictures, test.pictures
            pictures = Pictures(
                Path(one.folder), one.names + other.names, one.squares + other.squares, reading=one.reading
            )
        data = replace(
            train,
            inputs=np.concatenate([np.asarray(train.inputs), np.asarray(test.inputs)]),
            targets=torch.cat([train.targets, test.targets]),
            ids=train.ids + test.ids,
            normaliser=torch.cat([train.normaliser, test.normaliser]),
            pictures=pictures,
        )
        return cls(data, parts=("train",) * len(train) + ("test",) * len(test))

    def __len__(self) -> int:
        return len(self.data)

    def with_notices(self, notices: Sequence[str], stacklevel: int = 2) -> Pool:
        """Return the pool with further notices. Each of them is also given as a `DataNotice`, a warning.

        `stacklevel` is that of `warnings.warn`; 2 is the caller of this method.
        """
        for notice in notices:
            warnings.warn(notice, DataNotice, stacklevel=stacklevel)
        return replace(self, notices=(*self.notices, *notices))

    def subset(self, indices: Sequence[int] | Tensor) -> Pool:
        """Return the pool of the samples at these positions, in the order of `indices`."""
        rows = torch.as_tensor(indices).tolist()
        values = self.keep_together, self.parts
        keep_together, parts = (None if v is None else tuple(v[row] for row in rows) for v in values)
        return replace(self, data=self.data.subset(rows), keep_together=keep_together, parts=parts)

    def part(self, name: str) -> RegressionData:
        """Return the samples of the part `name`, one of `PARTS`.

        Raises
        ------
        InvalidDataError
            If the part is empty, or the data set defines no parts.
        """
        rows = [row for row, part in enumerate(self.parts or ()) if part == name]
        if not rows:
            raise InvalidDataError(f"The data set should have samples of the part {name!r}. Found none.")
        return self.data.subset(rows)
