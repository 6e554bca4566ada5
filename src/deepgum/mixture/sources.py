"""The residuals for a fit: in memory or in batches, on one or several processes. They are checked before the fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor

from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.mixture.arrays import Array, as_residuals, as_responsibilities, as_rows, as_weights
from deepgum.mixture.blocks import columns, make_block, slices
from deepgum.mixture.partition import Partition, SizeClass
from deepgum.mixture.samples import Piece, Samples, Shared, Stream
from deepgum.mixture.spread import Spread, spread, spread_over
from deepgum.processes import Processes, all_or_none

__all__ = ["Batch", "InMemory", "Source", "Streamed"]

Batch: TypeAlias = Array | tuple[Array, Array | None]
Resolve: TypeAlias = Callable[[int], Partition]
"""A function that takes the number of coordinates and returns the groups."""

PIECE = 2**18
"""Number of values in a piece of a batch on a CPU. A piece fits the cache, and the memory of the piece is reused."""


class Source(Protocol):
    """The residuals to which a mixture is fitted.

    Attributes
    ----------
    groups : Partition
        The groups of the coordinates.
    n : int
        Number of samples with a positive weight, on all processes together.
    as_numpy : bool
        Whether the residuals are NumPy arrays. If so, the results are NumPy arrays too.
    """

    groups: Partition
    n: int
    as_numpy: bool

    def open(self, size_class: SizeClass) -> tuple[Samples, Spread]:
        """Return the samples of the groups of one size, and their spread."""

    def given(self, size_class: SizeClass) -> Tensor | None:
        """Return the responsibilities (g, n) for the start of EM, if any."""


class InMemory:
    """Residuals (n, d) in memory: all residuals, or the residuals of this process."""

    def __init__(
        self,
        residuals: Array,
        sample_weight: Array | None,
        responsibilities: Array | None,
        resolve: Resolve,
        processes: Processes,
    ) -> None:
        with all_or_none(processes):
            tensor = as_residuals(residuals)
            weights = as_weights(sample_weight, tensor)
            self.groups = resolve(tensor.shape[1])
            given = as_responsibilities(responsibilities, tensor, len(self.groups))
            if weights is not None:
                some = weights > 0
                tensor, weights, given = tensor[some], weights[some], None if given is None else given[some]
        self._residuals, self._weights, self._given, self._processes = tensor, weights, given, processes
        _common_width(tensor.shape[1], processes)
        self.n = _sum(len(tensor), processes)
        self.as_numpy = isinstance(residuals, np.ndarray)

    def open(self, size_class: SizeClass) -> tuple[Samples, Spread]:
        """Return the samples of the groups of one size, and their spread."""
        values = columns(self._residuals, size_class)
        if self._processes.world_size == 1:
            scales = spread(values, self._weights)
            return make_block(values, self._weights), scales
        # With pieces, intermediate results need little memory.
        cuts = slices(values.shape[-1], values, values.shape[0] * values.shape[1])
        weights = self._weights
        pieces = [(values[:, :, cut], None if weights is None else weights[cut]) for cut in cuts]
        scales = spread_over(pieces, self._processes, values[:, :, :0])
        return Shared(make_block(values, self._weights), self._processes), scales

    def given(self, size_class: SizeClass) -> Tensor | None:
        """Return the responsibilities (g, n) for the start of EM, if any."""
        return None if self._given is None else self._given[:, list(size_class.groups)].T


class Streamed:
    """Residuals in batches that can be read several times. Each process has its own batches."""

    def __init__(self, batches: Iterable[Batch], resolve: Resolve, processes: Processes) -> None:
        with all_or_none(processes):
            survey = _survey(_repeatable(batches))
        d = _common_width(survey.d, processes)
        self._batches = _LaterPasses(batches, d, survey.rows)
        self._nothing = torch.empty(0, d, device=survey.device)
        self._processes = processes
        self.groups = resolve(d)
        self.n = _sum(survey.n, processes)
        self.as_numpy = bool(_sum(int(survey.as_numpy), processes))

    def open(self, size_class: SizeClass) -> tuple[Samples, Spread]:
        """Return the samples of the groups of one size, and their spread."""
        pieces = _Pieces(self._batches, size_class)
        nothing = columns(self._nothing, size_class)
        scales = spread_over(pieces, self._processes, nothing)
        stream = Stream(pieces, nothing)
        return stream if self._processes.world_size == 1 else Shared(stream, self._processes), scales

    def given(self, size_class: SizeClass) -> Tensor | None:
        """Return None: EM begins with the robust start."""
        return None


@dataclass(frozen=True)
class _Survey:
    """The result of the first pass over batches: numbers of coordinates, rows and rows with weight, device and type."""

    d: int
    rows: int
    n: int
    device: torch.device
    as_numpy: bool


def _survey(batches: Iterable[Batch]) -> _Survey:
    d, rows, n, device, as_numpy = 0, 0, 0, torch.device("cpu"), False
    for number, batch in enumerate(batches):
        try:
            residuals, sample_weight = _pair(batch)
            tensor = as_residuals(residuals)
            weights = as_weights(sample_weight, tensor)
        except InvalidDataError as error:
            raise InvalidDataError(f"Batch {number}: {error}") from error
        if d and tensor.shape[1] != d:
            found = f"Found {tensor.shape[1]} in batch {number}."
            raise InvalidDataError(f"All batches should have {d} coordinates, like the first batch. {found}")
        d, rows = tensor.shape[1], rows + len(tensor)
        n += len(tensor) if weights is None else int((weights > 0).sum())
        device, as_numpy = tensor.device, isinstance(residuals, np.ndarray)
    return _Survey(d, rows, n, device, as_numpy)


def _pair(batch: object) -> tuple[Array, Array | None]:
    if not isinstance(batch, tuple | list):
        return cast(Array, batch), None
    if len(batch) not in (1, 2):
        raise InvalidDataError(f"A batch should be residuals, or (residuals, sample_weight). Found {len(batch)} parts.")
    return batch[0], batch[1] if len(batch) == 2 else None


def _repeatable(batches: Iterable[Batch]) -> Iterable[Batch]:
    """Return the batches if they can be read several times; otherwise raise an error that names the remedy."""
    hint = ""
    if isinstance(batches, Iterator):
        hint = (
            "An iterator or generator is empty after one pass: give a list, or an object whose `__iter__` starts again."
        )
    elif isinstance(batches, Tensor | np.ndarray):
        hint = "Give residuals that are in memory to `fit`, and a memory map to `ArrayBatches`."
    elif isinstance(batches, Iterable):
        return batches
    expected = "batches to iterate over several times, such as a list, `ParquetBatches` or `ArrayBatches`"
    raise InvalidParameterError("batches", expected, type(batches), hint)


@dataclass(frozen=True)
class _LaterPasses:
    """All passes over the batches after the first pass. They yield pairs: residuals (b, d) and positive weights (b,).

    Each pass checks that the number of rows is the same as in the first pass.
    """

    batches: Iterable[Batch]
    d: int
    rows: int

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        rows = 0
        for batch in self.batches:
            residuals, sample_weight = _pair(batch)
            tensor = as_rows(residuals)
            weights = as_weights(sample_weight, tensor)
            rows += len(tensor)
            if tensor.shape[1] != self.d:
                self._complain(f"{tensor.shape[1]} coordinates")
            if weights is not None and not bool(weights.all()):
                some = weights > 0
                tensor, weights = tensor[some], weights[some]
            if len(tensor):
                yield tensor, weights
        if rows != self.rows:
            self._complain(f"{rows} rows")

    def _complain(self, found: str) -> None:
        expected = f"`batches` should give the same {self.rows} rows of {self.d} coordinates in every pass."
        raise InvalidDataError(f"{expected} Found {found} in a later pass.")


@dataclass(frozen=True)
class _Pieces:
    """The batches, restricted to the groups of one size and split into pieces."""

    batches: _LaterPasses
    size_class: SizeClass

    def __iter__(self) -> Iterator[Piece]:
        for residuals, weights in self.batches:
            # Do not split a batch with missing labels, because rows with the same pattern share work.
            cut_up = residuals.is_cpu and not bool(residuals.sum().isnan())
            rows = PIECE // sum(map(len, self.size_class.columns)) + 1 if cut_up else len(residuals)
            for first in range(0, len(residuals), rows):
                cut = slice(first, first + rows)
                yield columns(residuals[cut], self.size_class), None if weights is None else weights[cut]


def _common_width(d: int, processes: Processes) -> int:
    """Return the number of coordinates, or raise an error if it differs between processes.

    A process without batches has d = 0, and takes the number of the other processes.
    """
    common = int(processes.maximum(torch.tensor(d)))
    with all_or_none(processes):
        if d not in (0, common):
            raise InvalidDataError(f"Residuals of all processes should have {common} coordinates. Found {d}.")
    if common == 0:
        raise InvalidDataError("`batches` should hold at least one batch, on this process or another. Found no batch.")
    return common


def _sum(number: int, processes: Processes) -> int:
    return int(processes.sum(torch.tensor(number)))
