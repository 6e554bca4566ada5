"""The ids of training samples, with which a loop may name the samples of a batch in place of their positions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepgum.errors import InvalidDataError, listing

__all__ = ["SampleNames"]


class SampleNames:
    """The positions of n samples by their ids.

    Parameters
    ----------
    ids : sequence of length n
        Texts or whole numbers, each once.
    n_samples : int
        n.

    Raises
    ------
    InvalidDataError
        If there are not n ids, or an id is repeated.

    Examples
    --------
    >>> names = SampleNames(["a.jpg", "b.jpg", "c.jpg"], 3)
    >>> names.positions(("c.jpg", "a.jpg"))
    tensor([2, 0])
    """

    def __init__(self, ids: Sequence[object], n_samples: int) -> None:
        names = [str(each) for each in ids]
        if len(names) != n_samples:
            raise InvalidDataError(f"`ids` should have length {n_samples}, one per sample. Found {len(names)}.")
        self._positions = {name: place for place, name in enumerate(names)}
        if len(self._positions) < n_samples:
            twice = [name for place, name in enumerate(names) if self._positions[name] != place]
            raise InvalidDataError(
                f"`ids` should be unique. Found more than once: {listing(list(dict.fromkeys(twice)))}."
            )

    def positions(self, index: Any) -> Tensor:
        """Return the positions (b,) of samples from their ids: a list, an array or a tensor, or one id.

        Raises
        ------
        InvalidDataError
            If an id is unknown.
        """
        if isinstance(index, Tensor | np.ndarray):
            index = index.tolist()
        names = list(map(str, index if isinstance(index, list | tuple) else [index]))
        unknown = [name for name in names if name not in self._positions]
        if unknown:
            raise InvalidDataError(
                f"`index` should have ids of the tracker, which was made with `ids`. Found {listing(unknown, most=3)}."
            )
        return torch.tensor([self._positions[name] for name in names], dtype=torch.int64)
