"""Places of values in the text of a JSON file, so that single values can be replaced and all other bytes stay."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from deepgum.data.edits.texts import Edit

__all__ = ["Place", "items", "member", "members", "removals", "whole"]

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


class Place(NamedTuple):
    """A value in a JSON text: its start, its end, and the value."""

    start: int
    end: int
    value: Any


def whole(text: str) -> int:
    """Return the start of the value that a JSON text consists of."""
    return _skip(text, 0)


def members(text: str, start: int) -> Iterator[tuple[str, Place]]:
    """Yield the members of the object that starts at `start`, in the order of the text.

    The text must be valid JSON, because a file is decoded before it is edited.

    Examples
    --------
    >>> [(key, value.start, value.end) for key, value in members('{"a": [1, 2], "b": 3}', 0)]
    [('a', 6, 12), ('b', 19, 20)]
    """
    place = _skip(text, start + 1)
    while text[place] != "}":
        key, place = _DECODER.raw_decode(text, place)
        value = _value(text, _skip(text, place) + 1)  # after the colon
        yield key, value
        place = _after(text, value.end)


def member(text: str, start: int, name: str) -> Place | None:
    """Return the member `name` of the object that starts at `start`; the last one if the object repeats the name.

    Decoders of JSON also take the last one.
    """
    found = [value for key, value in members(text, start) if key == name]
    return found[-1] if found else None


def items(text: str, start: int) -> Iterator[Place]:
    """Yield the items of the array that starts at `start`.

    Examples
    --------
    >>> [text for text in (item.value for item in items('[1, "b", {}]', 0))]
    [1, 'b', {}]
    """
    place = _skip(text, start + 1)
    while text[place] != "]":
        value = _value(text, place)
        yield value
        place = _after(text, value.end)


def removals(places: Sequence[Place], dropped: Collection[int]) -> list[Edit]:
    """Return the edits that remove items of an array, with their commas. `dropped` has the numbers of the items.

    Examples
    --------
    >>> from deepgum.data.edits.texts import edited
    >>> text = "[1, 2, 3, 4]"
    >>> [edited(text, removals(list(items(text, 0)), dropped)) for dropped in ([0, 1], [1, 3], [0, 1, 2, 3])]
    ['[3, 4]', '[1, 3]', '[]']
    """
    first = next((number for number in range(len(places)) if number not in dropped), len(places))
    if first == len(places):
        return [(places[0].start, places[-1].end, "")] if places else []
    edits = [(places[number].start, places[number + 1].start, "") for number in range(first)]
    return edits + [(places[number - 1].end, places[number].end, "") for number in sorted(dropped) if number > first]


def _value(text: str, place: int) -> Place:
    start = _skip(text, place)
    value, end = _DECODER.raw_decode(text, start)
    return Place(start, end, value)


def _after(text: str, place: int) -> int:
    """Return the start of the next item, or the closing bracket."""
    place = _skip(text, place)
    return _skip(text, place + 1) if text[place] == "," else place


def _skip(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return place if found is None else found.end()
