"""The index of every sample, carried through any loader; and the order in which training sees the samples.

Responsibilities belong to samples. A loader that shuffles gives batches that do not say whose they are, so each sample
must bring its own index along.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.utils.data import Dataset, IterableDataset, Sampler

from deepgum.checks import check_count
from deepgum.errors import InvalidDataError, InvalidParameterError

__all__ = ["EpochSampler", "IndexedDataset"]

_BLOCK = 65536


class IndexedDataset(Dataset[Any]):
    """A data set whose every item also says which one it is.

    | an item of `dataset` | becomes |
    |---|---|
    | tuple or list | the same with the index at its end: `(x, y)` becomes `(x, y, index)` |
    | dict or other mapping | a dict with the index under `name` |
    | dataclass or named tuple | a copy with the index in its field `name`, which it must have |
    | anything else, for example a tensor | the pair `(item, index)` |

    The index is an int, which torch's own collation makes an int64 tensor (b,) of a batch. It is the position in
    `dataset` whatever the loader does: shuffling, samplers, workers. A part for validation can be split off before or
    after wrapping; what counts is that two samples that are trained on never share an index, so wrap a concatenation,
    and not its parts.

    Parameters
    ----------
    dataset : Dataset
        Anything with `__getitem__` and `__len__`; also what such sets are made into, as `Subset` and `ConcatDataset`.
    name : str
        The key or field that holds the index.

    Raises
    ------
    InvalidParameterError
        If `dataset` is an `IterableDataset`, has no length, or has its indices already.
    InvalidDataError
        When an item is fetched: if it has something else under `name`, or no field of that name.

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
                "What comes as a stream has no positions: let it yield, as the last element of each sample, a number "
                "from 0 that is the same in every epoch and every worker, as the row of its file."
            )
            raise InvalidParameterError("dataset", "a map-style data set, with `__getitem__` and `__len__`", kind, hint)
        if not (hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")):
            raise InvalidParameterError("dataset", "a map-style data set, with `__getitem__` and `__len__`", kind)
        if _has_indices(dataset):
            hint = "Wrap it once, and outermost: `IndexedDataset(ConcatDataset([first, second]))`."
            raise InvalidParameterError("dataset", "one whose samples have no indices yet", kind, hint)
        self.dataset: Any = dataset
        self.name = name

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        position = self._position(index)
        return self._indexed(self.dataset[position], position)

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Return several items, fetched at once where the data set can do that."""
        positions = [self._position(index) for index in indices]
        fetch = getattr(self.dataset, "__getitems__", None)
        items = fetch(positions) if callable(fetch) else [self.dataset[position] for position in positions]
        if len(items) != len(positions):
            raise InvalidDataError(
                f"`{type(self.dataset).__name__}.__getitems__` should give {len(positions)} items, one an index. "
                f"Found {len(items)}."
            )
        return [self._indexed(item, position) for item, position in zip(items, positions, strict=True)]

    def _position(self, index: int) -> int:
        """Return the index counted from the start, which is the one by which a sample is known."""
        position = int(index)
        # What is outside is left to the data set, which knows how it ends.
        return position + len(self) if -len(self) <= position < 0 else position

    def _indexed(self, item: Any, index: int) -> Any:
        name = self.name
        if isinstance(item, Mapping):
            if name in item:
                raise InvalidDataError(
                    f"Sample {index} has a key {name!r} already. Give another one for its position: "
                    f"`IndexedDataset(dataset, name='sample_index')`."
                )
            return {**item, name: index}
        fields = _fields(item)
        if fields is not None:
            if name not in fields:
                raise InvalidDataError(
                    f"Sample {index}, of type {type(item).__name__}, should have a field `{name}` for its position. "
                    f"Add `{name}: int = -1` to that class, or give samples as tuples or dicts."
                )
            replace: Any = getattr(item, "_replace", None) or functools.partial(dataclasses.replace, item)
            return replace(**{name: index})
        if isinstance(item, tuple):
            return (*item, index)
        if isinstance(item, list):
            return [*item, index]
        return item, index


def _fields(item: Any) -> tuple[str, ...] | None:
    """Return the names of the fields that can be given to a dataclass or named tuple; None of anything else."""
    if dataclasses.is_dataclass(item) and not isinstance(item, type):
        return tuple(field.name for field in dataclasses.fields(item) if field.init)
    return getattr(item, "_fields", None) if isinstance(item, tuple) else None


def _has_indices(dataset: Any) -> bool:
    """Whether a data set is, or is a part or a concatenation of, one that was wrapped."""
    parts = getattr(dataset, "datasets", ())
    inside = [getattr(dataset, "dataset", None), *(parts if isinstance(parts, (list, tuple)) else ())]
    return isinstance(dataset, IndexedDataset) or any(part is not None and _has_indices(part) for part in inside)


class EpochSampler(Sampler[int]):
    """A new permutation of all samples every epoch, from one seed: the very order in which `fit_deepgum` sees them.

    It is `torch.randperm(n, generator=generator)` of one generator, which goes on from epoch to epoch. For the same
    batches as `fit_deepgum` (without mirroring) name the loader's `batch_size`, too.

    Parameters
    ----------
    n : int
        Samples in the data set.
    seed : int
        Of the generator.
    batch_size : int, optional
        Of the loader. Where its last batch would be of a single sample, which batch normalisation cannot use, that
        sample is left out of the epoch.

    Attributes
    ----------
    epoch : int
        From 0; of the permutation that comes next.

    Raises
    ------
    InvalidParameterError
        If a number cannot be worked with.

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
        # By blocks: a list of all the numbers takes several times the memory of the permutation.
        for start in range(0, len(order), _BLOCK):
            yield from order[start : start + _BLOCK].tolist()

    def set_epoch(self, epoch: int) -> None:
        """Let the next permutation be that of an epoch (from 0); Lightning calls this, and so goes on where it was.

        Raises
        ------
        InvalidParameterError
            If there is no such epoch.
        """
        if check_count("epoch", epoch, least=0) < self.epoch:
            self.epoch = 0
            self._generator.manual_seed(self.seed)
        while self.epoch < epoch:
            torch.randperm(self.n, generator=self._generator)
            self.epoch += 1

    def state_dict(self) -> dict[str, Any]:
        """Return all that a sampler of the same `n` and `seed` needs to go on: plain values and one tensor of bytes."""
        return {"n": self.n, "seed": self.seed, "epoch": self.epoch, "generator": self._generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where the sampler was whose state this is, at its next epoch.

        Raises
        ------
        InvalidParameterError
            If it is the state of another order, or of something else.
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
