"""Splits are disjoint, exhaustive and repeatable, and never divide samples that are kept together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components

from deepgum.data.folds import fold_split, folds
from deepgum.data.splits import join_copies, split_clusters, split_sizes, split_validation
from deepgum.errors import InvalidDataError, InvalidParameterError


@settings(max_examples=80, deadline=None, derandomize=True)
@given(n=st.integers(2, 300), fraction=st.floats(0.01, 0.99), seed=st.integers(0, 2**31))
def test_every_sample_is_in_exactly_one_part(n: int, fraction: float, seed: int) -> None:
    if not 0 < round(fraction * n) < n:
        return
    train, val = split_validation(n, fraction, seed)
    assert sorted(train.tolist() + val.tolist()) == list(range(n))
    assert len(val) == round(fraction * n)
    assert train.tolist() == sorted(train.tolist())
    assert split_validation(n, fraction, seed)[1].tolist() == val.tolist()


@settings(max_examples=80, deadline=None, derandomize=True)
@given(people=st.lists(st.sampled_from("abcdefghij"), min_size=20, max_size=120), seed=st.integers(0, 1000))
def test_samples_of_one_person_stay_in_one_part(people: list[str], seed: int) -> None:
    if len(set(people)) < 5:
        return
    train, val = split_validation(len(people), 0.5, seed, people)
    assert sorted(train.tolist() + val.tolist()) == list(range(len(people)))
    assert not {people[i] for i in train} & {people[i] for i in val}
    largest = max(people.count(person) for person in people)
    assert abs(len(val) - len(people) / 2) <= largest


def test_another_seed_gives_another_split() -> None:
    assert split_validation(100, 0.2, 0)[1].tolist() != split_validation(100, 0.2, 1)[1].tolist()


def test_samples_are_drawn_from_everywhere() -> None:
    _, val = split_validation(10_000, 0.1, 0)
    assert abs(val.double().mean().item() / 5000 - 1) < 0.1


@pytest.mark.parametrize(
    "arguments",
    [
        (3, 0.9, 0),
        (1, 0.4, 0),
        (1, 0.6, 0),
        (10, 0.1, 0, ["one"] * 10),
        (10, 0.9, 0, ["one"] * 10),
    ],
)
def test_an_empty_training_part_is_refused(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidDataError, match="The training part"):
        split_validation(*arguments)


@pytest.mark.parametrize("seed", range(10))
def test_of_few_large_clusters_the_one_with_the_nearest_size_is_taken(seed: int) -> None:
    assert len(split_validation(3, 0.1, seed)[1]) == 1
    validation = split_validation(100, 0.1, seed, ["all but"] * 70 + ["some"] * 30)[1]
    assert validation.tolist() == list(range(70, 100))


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ((0, 0.1, 0), "n"),
        ((10, 0.0, 0), "fraction"),
        ((10, 1.0, 0), "fraction"),
        ((10, 0.1, -1), "seed"),
        ((10, 0.1, 0, ["a"]), "keep_together"),
    ],
)
def test_invalid_arguments_are_refused(arguments: tuple[Any, ...], name: str) -> None:
    with pytest.raises(InvalidParameterError, match=f"`{name}`"):
        split_validation(*arguments)


def as_lists(*parts: torch.Tensor) -> list[list[int]]:
    assert all(part.dtype == torch.int64 for part in parts)
    return [part.tolist() for part in parts]


def check_partition(parts: list[list[int]], n: int) -> None:
    assert sorted(row for part in parts for row in part) == list(range(n))
    assert all(part == sorted(part) for part in parts)


def check_clusters(parts: list[list[int]], people: list[str]) -> None:
    names = [{people[row] for row in part} for part in parts]
    assert sum(map(len, names)) == len(set(people))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(n=st.integers(1, 200), validation=st.integers(0, 80), test=st.integers(0, 80), seed=st.integers(0, 2**31))
def test_sizes_are_exact_without_clusters(n: int, validation: int, test: int, seed: int) -> None:
    if validation + test >= n:
        with pytest.raises(InvalidDataError, match="The training part"):
            split_sizes(n, validation, test, seed)
        return
    parts = as_lists(*split_sizes(n, validation, test, seed))
    check_partition(parts, n)
    assert [len(part) for part in parts] == [n - validation - test, validation, test]
    assert parts == as_lists(*split_sizes(n, validation, test, seed))


def test_parts_are_drawn_from_everywhere_and_by_the_seed() -> None:
    for part in split_sizes(30_000, 5000, 5000, 0):
        assert abs(part.double().mean().item() / 15_000 - 1) < 0.05
    assert as_lists(*split_sizes(100, 20, 20, 0)) != as_lists(*split_sizes(100, 20, 20, 1))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(people=st.lists(st.sampled_from("abcdefghijklmnopqrst"), min_size=80, max_size=150), seed=st.integers(0, 1000))
def test_sizes_are_as_near_as_whole_clusters_allow(people: list[str], seed: int) -> None:
    largest = max(people.count(person) for person in people)
    if largest > 20:
        return
    parts = as_lists(*split_sizes(len(people), 20, 20, seed, people))
    check_partition(parts, len(people))
    check_clusters(parts, people)
    # The nearest total differs by half a cluster at most.
    assert abs(len(parts[1]) - 20) <= largest / 2
    assert abs(len(parts[2]) - 20) <= largest / 2


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    people=st.lists(st.integers(0, 40).map(str), min_size=1, max_size=150),
    validation=st.integers(0, 8),
    test=st.integers(0, 12),
    seed=st.integers(0, 1000),
)
def test_sizes_of_split_clusters_are_numbers_of_people(
    people: list[str], validation: int, test: int, seed: int
) -> None:
    count = len(set(people))
    if validation + test >= count:
        with pytest.raises(InvalidDataError, match="The training part"):
            split_clusters(people, validation, test, seed)
        return
    parts = as_lists(*split_clusters(people, validation, test, seed))
    check_partition(parts, len(people))
    sizes = [len({people[row] for row in part}) for part in parts]
    assert sizes == [count - validation - test, validation, test]
    assert parts == as_lists(*split_clusters(people, validation, test, seed))


def test_the_celebrities_of_the_paper_are_divided_1800_80_120() -> None:
    identity = np.random.default_rng(0).integers(0, 2000, 30_000)
    identity[:2000] = np.arange(2000)
    train, val, test = split_clusters(identity.tolist(), 80, 120, seed=3)
    assert [len(np.unique(identity[part])) for part in (train, val, test)] == [1800, 80, 120]
    assert as_lists(val) != as_lists(split_clusters(identity.tolist(), 80, 120, seed=4)[1])


def test_a_part_that_whole_clusters_cannot_fill_is_refused() -> None:
    with pytest.raises(InvalidDataError, match="The validation part"):
        split_sizes(10, 1, 0, 0, ["one"] * 10)
    with pytest.raises(InvalidDataError, match="The test part"):
        split_sizes(100, 50, 1, 0, ["a"] * 50 + ["b"] * 50)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    values=st.lists(st.integers(0, 12), min_size=1, max_size=25),
    edges=st.lists(st.tuples(st.integers(0, 24), st.integers(0, 24), st.integers(0, 24)), max_size=4),
    named=st.booleans(),
)
def test_joined_copies_are_the_connected_components(
    values: list[int], edges: list[tuple[int, ...]], named: bool
) -> None:
    n = len(values)
    copies = [tuple(row % n for row in rows) for rows in edges]
    linked = np.equal.outer(values, values) if named else np.eye(n, dtype=bool)
    for rows in copies:
        linked[np.ix_(rows, rows)] = True
    _, expected = connected_components(linked, directed=False)
    found = join_copies(n, values if named else (), copies)
    np.testing.assert_array_equal(np.equal.outer(found, found), np.equal.outer(expected, expected))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(n=st.integers(2, 300), k=st.integers(2, 12))
def test_folds_of_a_sequence_are_blocks_of_nearly_equal_size(n: int, k: int) -> None:
    if n < k:
        with pytest.raises(InvalidDataError, match="at least one sample"):
            folds(n, k)
        return
    parts = as_lists(*folds(n, k))
    assert len(parts) == k
    assert [row for part in parts for row in part] == list(range(n))
    assert {len(part) for part in parts} <= {n // k, n // k + 1}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    people=st.lists(st.integers(0, 25).map(str), min_size=1, max_size=200),
    k=st.integers(2, 8),
    seed=st.integers(0, 1000),
)
def test_folds_hold_whole_clusters_and_are_as_even_as_the_largest_allows(people: list[str], k: int, seed: int) -> None:
    n = len(people)
    if len(set(people)) < k:
        with pytest.raises(InvalidDataError, match="at least one value of `keep_together`"):
            folds(n, k, keep_together=people, seed=seed)
        return
    parts = as_lists(*folds(n, k, keep_together=people, seed=seed))
    assert len(parts) == k
    check_partition(parts, n)
    check_clusters(parts, people)
    sizes = sorted(map(len, parts))
    largest = max(people.count(person) for person in people)
    assert sizes[0] > 0
    assert sizes[-1] - sizes[0] <= largest
    # Graham's bound for any greedy filling.
    assert sizes[-1] <= n / k + (1 - 1 / k) * largest


@pytest.mark.parametrize("seed", range(8))
def test_clusters_go_by_size_to_the_fold_with_the_fewest_samples(seed: int) -> None:
    # 7 | 6, then 5 and 4 the other way round, then 3 to either.
    people = [f"group of {size}" for size in (3, 6, 4, 7, 5) for _ in range(size)]
    parts = as_lists(*folds(25, 2, keep_together=people, seed=seed))
    names = [{people[row] for row in part} - {"group of 3"} for part in parts]
    assert names == [{"group of 7", "group of 4"}, {"group of 6", "group of 5"}]
    assert sorted(map(len, parts)) == [11, 14]


def test_the_seed_orders_only_clusters_of_the_same_size() -> None:
    videos = [f"video {i // 10}" for i in range(350)]
    first, other = (as_lists(*folds(350, 7, keep_together=videos, seed=seed)) for seed in (0, 1))
    assert first != other
    assert {len(part) for part in first + other} == {50}
    assert first == as_lists(*folds(350, 7, keep_together=videos, seed=0))


@settings(max_examples=80, deadline=None, derandomize=True)
@given(n=st.integers(10, 200), k=st.integers(2, 7), fraction=st.floats(0.05, 0.9), data=st.data())
def test_the_validation_block_follows_the_test_block_around_the_end(
    n: int, k: int, fraction: float, data: st.DataObject
) -> None:
    test = folds(n, k)[data.draw(st.integers(0, k - 1))]
    rest = n - len(test)
    size = round(fraction * rest)
    if not 0 < size < rest:
        return
    train, val = fold_split(test, n, validation_fraction=fraction)
    check_partition(as_lists(train, val, test.sort().values), n)
    after = [(int(test[-1]) + 1 + step) % n for step in range(size)]
    assert sorted(after) == val.tolist()
    # Around the end, each of the three parts is one block, so near copies face each other at three places only.
    side = np.zeros(n, dtype=int)
    side[val], side[test] = 1, 2
    assert (side != np.roll(side, 1)).sum() == 3


def test_the_validation_part_of_a_fold_holds_whole_videos() -> None:
    videos = [f"video {i // 10}" for i in range(350)]
    for test in folds(350, 7, keep_together=videos, seed=2):
        train, val = fold_split(test, 350, keep_together=videos, validation_fraction=0.2, seed=5)
        parts = as_lists(train, val, test)
        check_partition(parts, 350)
        check_clusters(parts, videos)
        assert len(val) == 60
    other = fold_split(test, 350, keep_together=videos, validation_fraction=0.2, seed=6)[1]
    assert val.tolist() != other.tolist()


@pytest.mark.parametrize(
    ("test", "options", "message"),
    [
        ([0, 2], {}, "contiguous block"),
        ([3, 3], {}, "each once"),
        ([9, 10], {}, "from 0 to 9"),
        ([-1, 0], {}, "from 0 to 9"),
        ([], {}, "at least one position"),
        ([0.0, 1.0], {}, "integers"),
        ([[0, 1]], {}, "integers"),
        ([0, 1], {"keep_together": list("aaabbbcccc")}, "Found 1 values with samples inside and outside `test`: a"),
        ([0, 1, 2], {"keep_together": list("aaabbbbbbb")}, "The training part"),
        (list(range(9)), {}, "The validation part"),
        ([0], {"validation_fraction": 0.99}, "The training part"),
    ],
)
def test_folds_that_would_leak_or_leave_an_empty_part_are_refused(
    test: list[Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidDataError, match=message):
        fold_split(test, 10, **options)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: split_sizes(0, 1, 1), "n"),
        (lambda: split_sizes(10, -1, 1), "validation"),
        (lambda: split_sizes(10, 1, 0.5), "test"),
        (lambda: split_sizes(10, 1, 1, -1), "seed"),
        (lambda: split_sizes(10, 1, 1, 0, ["a"]), "keep_together"),
        (lambda: split_clusters("abc", 1.0, 1), "validation"),
        (lambda: folds(10, 1), "k"),
        (lambda: folds(10, 2, keep_together=["a"]), "keep_together"),
        (lambda: fold_split([0], 10, validation_fraction=1.0), "validation_fraction"),
        (lambda: fold_split([0], 10, keep_together=["a"]), "keep_together"),
    ],
)
def test_invalid_arguments_of_the_other_splits_are_refused(call: Any, name: str) -> None:
    with pytest.raises(InvalidParameterError, match=f"`{name}`"):
        call()
