"""Every sample keeps its own index through any loader, and an epoch's order is the one that training has."""

import dataclasses
from collections import UserDict
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset, IterableDataset, Subset, TensorDataset, random_split

from deepgum.data.batches import shuffled_batches
from deepgum.data.indexed import EpochSampler, IndexedDataset
from deepgum.data.regression import RegressionData
from deepgum.errors import InvalidDataError, InvalidParameterError

N = 23


class Point(NamedTuple):
    x: float
    index: int = -1


class Bare(NamedTuple):
    x: float


@dataclasses.dataclass(frozen=True)
class Face:
    image: float
    index: int = -1


@dataclasses.dataclass
class Unnumbered:
    image: float


class Squares(Dataset):
    """Samples that tell who they are: sample i is i squared, as whatever `make` makes of it."""

    def __init__(self, make, n=N):
        self.make, self.n = make, n

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        if index >= self.n:
            raise IndexError(index)
        return self.make(float(index * index))


class Batched(Squares):
    """The same, which would rather be asked for many at once."""

    def __getitem__(self, index):
        raise AssertionError("one by one")

    def __getitems__(self, indices):
        return [self.make(float(index * index)) for index in indices]


def pair(value):
    return value, -value


def as_dict(value):
    return {"x": value}


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (pair, (9.0, -9.0, 3)),
        (lambda value: [value], [9.0, 3]),
        (as_dict, {"x": 9.0, "index": 3}),
        (lambda value: UserDict(x=value), {"x": 9.0, "index": 3}),
        (Point, Point(9.0, 3)),
        (Face, Face(9.0, 3)),
        (lambda value: value, (9.0, 3)),
        (lambda value: None, (None, 3)),
    ],
)
def test_an_item_gets_its_index_in_the_way_of_its_kind(make, expected):
    item = IndexedDataset(Squares(make))[3]
    assert item == expected
    assert type(item) is type(expected)


def test_the_item_itself_is_left_as_it_was():
    items = [{"x": 1}, {"x": 2}]
    lists = [[1], [2]]
    assert IndexedDataset(items)[1] == {"x": 2, "index": 1}
    assert IndexedDataset(lists)[0] == [1, 0]
    assert items == [{"x": 1}, {"x": 2}]
    assert lists == [[1], [2]]


def test_a_bare_tensor_becomes_a_pair():
    item, index = IndexedDataset(torch.arange(6.0).reshape(3, 2))[1]
    assert torch.equal(item, torch.tensor([2.0, 3.0]))
    assert index == 1


@pytest.mark.parametrize("index", [-1, torch.tensor(N - 1), np.int64(N - 1)])
def test_an_index_of_any_kind_is_the_position_from_the_start(index):
    value, _, found = IndexedDataset(Squares(pair))[index]
    assert (value, found) == ((N - 1) ** 2, N - 1)
    assert type(found) is int


def test_the_data_set_says_where_it_ends():
    assert len(list(IndexedDataset(Squares(pair)))) == len(IndexedDataset(Squares(pair))) == N
    with pytest.raises(IndexError):
        IndexedDataset(torch.zeros(3))[-4]


@pytest.mark.parametrize("kind", [Squares, Batched])
@pytest.mark.parametrize("make", [pair, as_dict, Point])
def test_shuffled_batches_keep_samples_and_indices_together(kind, make):
    loader = DataLoader(IndexedDataset(kind(make)), batch_size=5, shuffle=True)
    seen = []
    for batch in loader:
        value, index = (batch["x"], batch["index"]) if isinstance(batch, dict) else (batch[0], batch[-1])
        assert index.dtype == torch.int64
        assert torch.equal(value, index.double() ** 2)
        seen += index.tolist()
    assert sorted(seen) == list(range(N))


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_workers_keep_them_together(context):
    # Of torch's own kind, which a worker that starts anew can import.
    squares = TensorDataset(torch.arange(N) ** 2, -torch.arange(N))
    loader = DataLoader(
        IndexedDataset(squares), 4, sampler=EpochSampler(N, 1), num_workers=1, multiprocessing_context=context
    )
    values, negatives, indices = (torch.cat(parts) for parts in zip(*loader, strict=True))
    assert indices.tolist() == list(EpochSampler(N, 1))
    assert torch.equal(values, indices**2)
    assert torch.equal(negatives, -indices)


def test_a_wrapped_part_counts_within_the_part_and_a_part_of_what_is_wrapped_in_the_whole():
    rows = [4, 1, 7]
    inside = DataLoader(IndexedDataset(Subset(Batched(pair), rows)), batch_size=3)
    outside = DataLoader(Subset(IndexedDataset(Batched(pair)), rows), batch_size=3)
    value, _, index = next(iter(inside))
    assert (value.tolist(), index.tolist()) == ([16, 1, 49], [0, 1, 2])
    value, _, index = next(iter(outside))
    assert (value.tolist(), index.tolist()) == ([16, 1, 49], rows)


def test_a_concatenation_counts_on():
    both = IndexedDataset(ConcatDataset([Squares(pair, 3), Squares(pair, 4)]))
    assert [item[2] for item in both] == list(range(7))


def test_the_key_can_have_another_name():
    assert IndexedDataset(Squares(lambda value: {"index": value}), name="row")[2] == {"index": 4.0, "row": 2}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda value: {"index": value}, "Sample 2 should not have a key 'index'.*name="),
        (Bare, "Sample 2, of type Bare, should have a field `index`.*`index: int = -1`"),
        (Unnumbered, "Sample 2, of type Unnumbered, should have a field `index`"),
    ],
)
def test_an_item_without_room_for_its_index_is_refused(make, message):
    with pytest.raises(InvalidDataError, match=message):
        IndexedDataset(Squares(make))[2]


def test_a_field_that_cannot_be_given_is_no_room():
    kind = dataclasses.make_dataclass("Fixed", [("x", float), ("index", int, dataclasses.field(init=False, default=0))])
    with pytest.raises(InvalidDataError, match="type Fixed, should have a field `index`"):
        IndexedDataset([kind(1.0)])[0]


class Stream(IterableDataset):
    def __iter__(self):
        return iter([1.0, 2.0])


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (Stream(), "map-style data set.*'Stream'.*yield"),
        (object(), "map-style data set.*'object'"),
        (IndexedDataset(Squares(pair)), "not wrapped yet.*Wrap the whole data set once"),
        (Subset(IndexedDataset(Squares(pair)), [1, 2]), "not wrapped yet.*'Subset'"),
        (ConcatDataset([Squares(pair), IndexedDataset(Squares(pair))]), "not wrapped yet.*ConcatDataset"),
        (random_split(IndexedDataset(Squares(pair)), [20, 3])[0], "not wrapped yet"),
    ],
)
def test_what_cannot_be_wrapped_is_refused(dataset, message):
    with pytest.raises(InvalidParameterError, match=message):
        IndexedDataset(dataset)


def test_a_batch_that_lacks_items_is_refused():
    class Short(Batched):
        def __getitems__(self, indices):
            return super().__getitems__(indices)[1:]

    with pytest.raises(InvalidDataError, match=r"Short.__getitems__` should return 3 items.*Found 2"):
        IndexedDataset(Short(pair)).__getitems__([0, 1, 2])


@pytest.mark.parametrize(("n", "batch_size"), [(23, 5), (23, 11), (24, 8), (1, 4), (4, 4)])
def test_a_loader_with_the_sampler_sees_the_batches_of_training(n, batch_size):
    data = RegressionData.from_arrays(torch.arange(float(n))[:, None], torch.arange(float(n)))
    loader = DataLoader(
        IndexedDataset(TensorDataset(data.inputs, data.targets)),
        batch_size,
        sampler=EpochSampler(n, 7, batch_size=batch_size),
    )
    generator = torch.Generator().manual_seed(7)
    for _ in range(3):
        expected = [batch.index.tolist() for batch in shuffled_batches(data, batch_size, generator)]
        assert [index.tolist() for _, _, index in loader] == expected


def test_without_a_batch_size_every_sample_comes_each_epoch():
    sampler = EpochSampler(9, seed=2)
    first, second = list(sampler), list(sampler)
    assert sorted(first) == sorted(second) == list(range(9))
    assert first != second
    assert len(sampler) == 9
    assert list(EpochSampler(9, seed=3)) != first
    # More than are taken out of the permutation at once.
    assert sorted(EpochSampler(70_000)) == list(range(70_000))


@pytest.mark.parametrize("epoch", [0, 1, 2, 3, 5])
def test_an_epoch_has_the_same_order_however_it_is_come_to(epoch):
    sampler = EpochSampler(9, seed=2)
    orders = [list(sampler) for _ in range(7)]
    sampler.set_epoch(epoch)
    assert list(sampler) == orders[epoch]
    assert list(sampler) == orders[epoch + 1]
    fresh = EpochSampler(9, seed=2)
    fresh.set_epoch(epoch)
    assert fresh.epoch == epoch
    assert list(fresh) == orders[epoch]


def test_a_sampler_goes_on_from_its_state():
    sampler = EpochSampler(9, seed=2)
    orders = [list(sampler) for _ in range(2)]
    state = sampler.state_dict()
    orders += [list(sampler) for _ in range(2)]
    other = EpochSampler(9, seed=2)
    other.load_state_dict(state)
    assert other.epoch == 2
    assert [list(other), list(other)] == orders[2:]
    assert {type(value) for value in state.values()} == {int, torch.Tensor}


def test_an_iterator_that_is_not_used_costs_no_epoch():
    sampler, other = EpochSampler(9, seed=2), EpochSampler(9, seed=2)
    iter(sampler)
    assert list(sampler) == list(other)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (EpochSampler(8, 2).state_dict(), "n = 9 and seed = 2.*'n': 8"),
        (EpochSampler(9, 3).state_dict(), "'seed': 3"),
        ({}, "'n': None"),
        ({"n": 9, "seed": 2, "epoch": -1}, "epoch"),
        ({"n": 9, "seed": 2, "epoch": 1, "generator": torch.zeros(3, dtype=torch.uint8)}, "generator"),
        ({"n": 9, "seed": 2, "epoch": 1}, "generator"),
    ],
)
def test_a_state_of_something_else_is_refused(state, message):
    sampler, untouched = EpochSampler(9, seed=2), EpochSampler(9, seed=2)
    with pytest.raises(InvalidParameterError, match=message):
        sampler.load_state_dict(state)
    assert (sampler.epoch, list(sampler)) == (0, list(untouched))


@pytest.mark.parametrize(
    "arguments", [{"n": 0}, {"n": 2.5}, {"n": 3, "seed": -1}, {"n": 3, "seed": None}, {"n": 3, "batch_size": 0}]
)
def test_numbers_that_cannot_be_are_refused(arguments):
    with pytest.raises(InvalidParameterError):
        EpochSampler(**arguments)
