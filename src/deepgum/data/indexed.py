"""A data set whose items contain their indices, and a sampler that gives samples in the same order as `fit_deepgum`.

Each responsibility belongs to a sample. If a loader shuffles the samples, a batch alone does not show which samples it
contains. Each item must therefore contain the index of its sample.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.utils.data import Dataset, IterableDataset, Sampler, default_collate

from deepgum.checks import check_count
from deepgum.errors import InvalidDataError, InvalidParameterError

__all__ = ["EpochSampler", "IndexedDataset"]

_BLOCK = 65536


class IndexedDataset(Dataset[Any]):
    """A wrapper of a data set that adds the index of each sample to the item of the sample.

    | item of `dataset` | item of the wrapper |
    |---|---|
    | tuple or list | a copy with the index as an additional last element: `(x, y)` becomes `(x, y, index)` |
    | dict or other mapping | a dict with the same keys and the index under the key `name` |
    | dataclass or named tuple | a copy with the index in the field `name`, which must exist |
    | anything else, for example a tensor | the pair `(item, index)` |

    The index is an int. The default collation of torch turns the indices of a batch into an int64 tensor (b,). The
    index is the position of the sample in `dataset`, and does not depend on shuffling, samplers or workers of the
    loader. For a list of positions, as from `DataLoader(..., batch_size=None, sampler=BatchSampler(...))`, the item is
    a batch with its indices (b,). A validation part can be split off before or after wrapping. Two training samples
    must never have the same index. To concatenate data sets, concatenate them first and wrap the result.

    Parameters
    ----------
    dataset : Dataset
        Any object with `__getitem__` and `__len__`, for example a `Subset` or a `ConcatDataset`.
    name : str
        Key or field that holds the index, if the items are mappings, dataclasses or named tuples.

    Raises
    ------
    InvalidParameterError
        If `dataset` is an `IterableDataset`, has no length, or is already wrapped.
    InvalidDataError
        Raised when an item is fetched: if a mapping already has the key `name`, or if a dataclass or named tuple has
        no field `name`.

    Examples
    --------
    >>> from torch.utils.data import DataLoader, TensorDataset
    >>> pairs = TensorDataset(torch.tensor([[0.0], [0.5], [1.0]]), torch.tensor([[1.0], [2.0], [3.0]]))
    >>> inputs, targets, index = next(iter(DataLoader(IndexedDataset(pairs), batch_size=2)))
    >>> index
    tensor([0, 1])
    >>> IndexedDataset([{"image": 7}])[0]
    {'image': 7, 'index': 0}
    """

    def __init__(self, dataset: Dataset[Any] | Sequence[Any], name: str = "index") -> None:
        kind = type(dataset).__name__
        if isinstance(dataset, IterableDataset):
            hint = (
                "A stream has no positions. Let the stream yield an index as the last element of each sample, counted "
                "from 0. The index of a sample must be the same in every epoch and in every worker: for example the "
                "row of the sample in the file."
            )
            raise InvalidParameterError("dataset", "a map-style data set, with `__getitem__` and `__len__`", kind, hint)
        if not (hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")):
            raise InvalidParameterError("dataset", "a map-style data set, with `__getitem__` and `__len__`", kind)
        if _has_indices(dataset):
            hint = "Wrap the whole data set once: `IndexedDataset(ConcatDataset([first, second]))`."
            raise InvalidParameterError("dataset", "a data set that is not wrapped yet", kind, hint)
        self.dataset: Any = dataset
        self.name = name

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            index = range(*index.indices(len(self)))
        if isinstance(index, list | tuple | range) or getattr(index, "ndim", 0) == 1:
            return self._batch([self._position(each) for each in index])
        position = self._position(index)
        return self._indexed(self.dataset[position], position)

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Return several items. They are fetched with one call if the data set has the method `__getitems__`."""
        positions = [self._position(index) for index in indices]
        fetch = getattr(self.dataset, "__getitems__", None)
        items = fetch(positions) if callable(fetch) else [self.dataset[position] for position in positions]
        if len(items) != len(positions):
            raise InvalidDataError(
                f"`{type(self.dataset).__name__}.__getitems__` should return {len(positions)} items, one per index. "
                f"Found {len(items)} items."
            )
        return [self._indexed(item, position) for item, position in zip(items, positions, strict=True)]

    def _batch(self, positions: list[int]) -> Any:
        """Return the samples at these positions as a batch: as the data set gives it for a list, or collated."""
        try:
            batch = self.dataset[positions]
        except (TypeError, ValueError, IndexError, KeyError):  # a data set of single samples
            batch = None
        if batch is not None and _rows(batch) == {len(positions)}:
            return self._indexed(batch, torch.tensor(positions))
        return default_collate(self.__getitems__(positions))

    def _position(self, index: Any) -> int:
        """Convert a negative index, which counts from the end, to the position counted from the start."""
        try:
            if isinstance(index, bool) or str(getattr(index, "dtype", "")).endswith("bool"):
                raise TypeError("a mask is no position")
            position = int(index)
        except (TypeError, ValueError) as error:
            raise InvalidDataError(
                f"The index of a sample should be a whole number, its position in the data set. Found {index!r}."
            ) from error
        # For an index outside the range, the data set raises its own error.
        return position + len(self) if -len(self) <= position < 0 else position

    def _indexed(self, item: Any, index: Any) -> Any:
        name = self.name
        if isinstance(item, Mapping):
            if name in item:
                raise InvalidDataError(
                    f"Sample {index} should not have a key {name!r} already. Choose another key for the index: "
                    f"`IndexedDataset(dataset, name='sample_index')`."
                )
            return {**item, name: index}
        fields = _fields(item)
        if fields is not None:
            if name not in fields:
                raise InvalidDataError(
                    f"Sample {index}, of type {type(item).__name__}, should have a field `{name}` for its index. "
                    f"Add `{name}: int = -1` to that class, or return samples as tuples or dicts."
                )
            replace: Any = getattr(item, "_replace", None) or functools.partial(dataclasses.replace, item)
            return replace(**{name: index})
        if isinstance(item, tuple):
            return (*item, index)
        if isinstance(item, list):
            return [*item, index]
        return item, index


def _rows(batch: Any) -> set[int]:
    """Return the lengths of the columns of a batch; empty if it has no columns."""
    if isinstance(batch, Mapping):
        columns = list(batch.values())
    else:
        columns = list(batch) if isinstance(batch, tuple | list) else [batch]
    return {len(each) if hasattr(each, "__len__") and not isinstance(each, str) else -1 for each in columns}


def _fields(item: Any) -> tuple[str, ...] | None:
    """Return the field names if the item is a dataclass or a named tuple. Otherwise return None."""
    if dataclasses.is_dataclass(item) and not isinstance(item, type):
        return tuple(field.name for field in dataclasses.fields(item) if field.init)
    return getattr(item, "_fields", None) if isinstance(item, tuple) else None


def _has_indices(dataset: Any) -> bool:
    """Return whether a data set is an `IndexedDataset`, or is a part of one, or contains one."""
    parts = getattr(dataset, "datasets", ())
    inside = [getattr(dataset, "dataset", None), *(parts if isinstance(parts, (list, tuple)) else ())]
    return isinstance(dataset, IndexedDataset) or any(part is not None and _has_indices(part) for part in inside)


class EpochSampler(Sampler[int]):
    """A sampler that yields all samples in a new random order in each epoch: the order of `fit_deepgum` with this seed.

    The order of an epoch is `torch.randperm(n, generator=generator)`. All epochs use the same generator. Without
    mirroring, `fit_deepgum` has the same batches as a loader with this sampler, if the sampler also has a `batch_size`.

    Parameters
    ----------
    n : int
        Number of samples in the data set.
    seed : int
        Seed of the generator.
    batch_size : int, optional
        Batch size of the loader. If the last batch would consist of a single sample, this sample is left out of the
        epoch, because batch normalisation cannot use such a batch. By default no sample is left out.

    Attributes
    ----------
    epoch : int
        Number of the next epoch, counted from 0.

    Raises
    ------
    InvalidParameterError
        If `n`, `seed` or `batch_size` is out of range.

    Examples
    --------
    >>> sampler = EpochSampler(5, seed=0)
    >>> list(sampler), list(sampler)
    ([4, 0, 1, 3, 2], [3, 4, 0, 1, 2])
    >>> sampler.set_epoch(0)
    >>> list(sampler)
    [4, 0, 1, 3, 2]
    """

    def __init__(self, n: int, seed: int = 0, *, batch_size: int | None = None) -> None:
        self.n = check_count("n", n)
        self.seed = check_count("seed", seed, least=0)
        self.batch_size = None if batch_size is None else check_count("batch_size", batch_size)
        self.epoch = 0
        self._generator = torch.Generator().manual_seed(self.seed)

    def __len__(self) -> int:
        size = self.batch_size
        alone = size is not None and 1 < size < self.n and self.n % size == 1
        return self.n - alone

    def __iter__(self) -> Iterator[int]:
        order = torch.randperm(self.n, generator=self._generator)[: len(self)]
        self.epoch += 1
        # Block by block: a list of all numbers would need several times the memory of the permutation.
        for start in range(0, len(order), _BLOCK):
            yield from order[start : start + _BLOCK].tolist()

    def set_epoch(self, epoch: int) -> None:
        """Set the number of the next epoch, counted from 0. Lightning calls this method when it resumes training.

        Raises
        ------
        InvalidParameterError
            If `epoch` is negative.
        """
        if check_count("epoch", epoch, least=0) < self.epoch:
            self.epoch = 0
            self._generator.manual_seed(self.seed)
        while self.epoch < epoch:
            torch.randperm(self.n, generator=self._generator)
            self.epoch += 1

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the sampler as a dict of ints and a byte tensor. See `load_state_dict`."""
        return {"n": self.n, "seed": self.seed, "epoch": self.epoch, "generator": self._generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load the state of another sampler with the same `n` and `seed`, and continue with its next epoch.

        Raises
        ------
        InvalidParameterError
            If the state belongs to a sampler with another `n` or `seed`.
        """
        found: dict[str, Any] = {name: state.get(name) for name in ("n", "seed", "epoch", "generator")}
        expected = f"a state with n = {self.n} and seed = {self.seed}"
        if (found["n"], found["seed"]) != (self.n, self.seed):
            raise InvalidParameterError("state", expected, {"n": found["n"], "seed": found["seed"]})
        epoch = check_count("state.epoch", found["epoch"], least=0)
        try:
            self._generator.set_state(found["generator"])
        except (RuntimeError, TypeError) as error:
            raise InvalidParameterError("state.generator", "a generator's state", type(found["generator"])) from error
        self.epoch = epoch
