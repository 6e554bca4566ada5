"""Places of values in JSON texts agree with the decoder of Python, whatever the layout of the text is."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from deepgum.data.edits.json_places import Place, items, member, members, whole


def check(text: str, place: Place, value: Any) -> None:
    """Assert that a place has a value, and that the same holds for everything in it."""
    assert place.value == value
    assert json.loads(text[place.start : place.end]) == value
    assert text[place.start] not in " \t\r\n"
    if isinstance(value, dict):
        found = list(members(text, place.start))
        assert [key for key, _ in found] == list(value)
        for key, inner in found:
            check(text, inner, value[key])
            assert member(text, place.start, key) == inner
        assert member(text, place.start, "no such key") is None
    if isinstance(value, list):
        found_items = list(items(text, place.start))
        assert len(found_items) == len(value)
        for inner, expected in zip(found_items, value, strict=True):
            check(text, inner, expected)


def random_value(rng: random.Random, depth: int) -> Any:
    kind = rng.choice(["number", "text", "list", "object"] if depth else ["number", "text"])
    if kind == "number":
        return rng.choice([0, -3, 2.5, 1e300, True, None])
    if kind == "text":
        return rng.choice(["", 'a"b', "\\", "}]", "ü€😀", "a\nb", ":,"])
    count = rng.randrange(4)
    if kind == "list":
        return [random_value(rng, depth - 1) for _ in range(count)]
    return {f'k"{i}': random_value(rng, depth - 1) for i in range(count)}


@pytest.mark.parametrize("indent", [None, 0, 3, "\t"])
@pytest.mark.parametrize("separators", [(",", ":"), (" , ", " : "), ("\r\n,", ":\n")])
def test_places_agree_with_the_decoder(indent: Any, separators: tuple[str, str]) -> None:
    rng = random.Random(0)
    for _ in range(30):
        value = random_value(rng, 4)
        text = " \n" + json.dumps(value, indent=indent, separators=separators, ensure_ascii=rng.random() < 0.5) + " \n"
        start = whole(text)
        end = len(text.rstrip())
        check(text, Place(start, end, value), value)


def test_the_last_of_repeated_members_counts_as_for_the_decoder() -> None:
    text = '{"a": 1, "a": [2]}'
    place = member(text, 0, "a")
    assert place is not None
    assert place.value == json.loads(text)["a"]
