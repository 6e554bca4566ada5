"""A split is disjoint, exhaustive, repeatable, and never divides a group."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepgum.data.splits import split_validation
from deepgum.errors import InvalidDataError, InvalidParameterError


@settings(max_examples=80, deadline=None, derandomize=True)
@given(n=st.integers(2, 300), fraction=st.floats(0.01, 0.99), seed=st.integers(0, 2**31))
def test_every_sample_is_on_exactly_one_side(n: int, fraction: float, seed: int) -> None:
    if not 0 < round(fraction * n) < n:
        return
    train, val = split_validation(n, fraction, seed)
    assert sorted(train.tolist() + val.tolist()) == list(range(n))
    assert len(val) == round(fraction * n)
    assert train.tolist() == sorted(train.tolist())
    assert split_validation(n, fraction, seed)[1].tolist() == val.tolist()


@settings(max_examples=80, deadline=None, derandomize=True)
@given(groups=st.lists(st.sampled_from("abcdefghij"), min_size=20, max_size=120), seed=st.integers(0, 1000))
def test_no_group_is_divided(groups: list[str], seed: int) -> None:
    if len(set(groups)) < 5:
        return
    train, val = split_validation(len(groups), 0.5, seed, groups)
    assert sorted(train.tolist() + val.tolist()) == list(range(len(groups)))
    assert not {groups[i] for i in train} & {groups[i] for i in val}
    largest = max(groups.count(group) for group in groups)
    assert abs(len(val) - len(groups) / 2) <= largest


def test_another_seed_gives_another_split() -> None:
    assert split_validation(100, 0.2, 0)[1].tolist() != split_validation(100, 0.2, 1)[1].tolist()


def test_samples_are_drawn_from_everywhere() -> None:
    _, val = split_validation(10_000, 0.1, 0)
    assert abs(val.double().mean().item() / 5000 - 1) < 0.1


@pytest.mark.parametrize(
    ("arguments", "side"),
    [
        ((3, 0.1, 0), "validation"),
        ((3, 0.9, 0), "training"),
        ((1, 0.4, 0), "validation"),
        ((1, 0.6, 0), "training"),
        ((10, 0.1, 0, ["one"] * 10), "validation"),
        ((10, 0.9, 0, ["one"] * 10), "training"),
    ],
)
def test_an_empty_side_is_refused(arguments: tuple[Any, ...], side: str) -> None:
    with pytest.raises(InvalidDataError, match=f"The {side} part"):
        split_validation(*arguments)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ((0, 0.1, 0), "n"),
        ((10, 0.0, 0), "fraction"),
        ((10, 1.0, 0), "fraction"),
        ((10, 0.1, -1), "seed"),
        ((10, 0.1, 0, ["a"]), "groups"),
    ],
)
def test_arguments_without_sense_are_refused(arguments: tuple[Any, ...], name: str) -> None:
    with pytest.raises(InvalidParameterError, match=f"`{name}`"):
        split_validation(*arguments)
