"""The JSON messages between the page and the server of a review, and the checks of these messages."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from deepgum.audit.corrections.decisions import ACTIONS
from deepgum.checks import check_choice
from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.review.ledger import Entry

__all__ = [
    "MOST",
    "entry_message",
    "read_action",
    "read_count",
    "read_flag",
    "read_key",
    "read_labels",
    "read_object",
    "read_text",
    "read_values",
]

MOST = 20_000
"""Largest number of flagged labels on the page, the worst ones."""

_LONGEST = 4096
"""Largest number of characters of an id or a name."""


def read_object(body: bytes, fields: Iterable[str]) -> dict[str, Any]:
    """Return the JSON object of a request. The object must have exactly the fields `fields`.

    Raises
    ------
    InvalidDataError
        If the body is not standard JSON (NaN and infinity are not standard), if it is not an object, or if it has other
        fields.

    Examples
    --------
    >>> read_object(b'{"seq": 3, "key": "k"}', ("seq", "key"))
    {'seq': 3, 'key': 'k'}
    >>> read_object(b'{"seq": NaN}', ("seq",))
    Traceback (most recent call last):
        ...
    deepgum.errors.InvalidDataError: A write should be JSON. NaN is not JSON. Nothing was stored.
    """

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    try:
        values = json.loads(body.decode("utf-8"), parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise InvalidDataError(f"A write should be JSON. {error}. Nothing was stored.") from error
    known = sorted(fields)
    if not isinstance(values, dict) or sorted(values) != known:
        found = sorted(values) if isinstance(values, dict) else type(values).__name__
        raise InvalidDataError(f"A write should be an object of {known}. Found {found}. Nothing was stored.")
    return values


def read_text(values: Mapping[str, Any], name: str) -> str:
    """Return a field of a message, which must be a string of at most 4096 characters."""
    value = values[name]
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise InvalidParameterError(name, f"a text of at most {_LONGEST} characters", value)
    return value


def read_key(values: Mapping[str, Any]) -> str:
    """Return the key of a write, which must be a string of 1 to 64 ASCII characters."""
    key = values["key"]
    if not isinstance(key, str) or not 1 <= len(key) <= 64 or not key.isascii():
        raise InvalidParameterError("key", "a text of 1 to 64 ASCII characters", key)
    return key


def read_flag(values: Mapping[str, Any], name: str) -> bool:
    """Return a field of a message, which must be true or false."""
    value = values[name]
    if not isinstance(value, bool):
        raise InvalidParameterError(name, "true or false", value)
    return value


def read_count(values: Mapping[str, Any], name: str) -> int:
    """Return a field of a message, which must be a whole number of at least 0 and below 2**63."""
    value = values[name]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise InvalidParameterError(name, "a whole number of at least 0", value)
    return value


def read_values(values: Mapping[str, Any], name: str) -> tuple[float, ...] | None:
    """Return a field of a message, which must be a list of finite numbers or null. If it is null, return None.

    Examples
    --------
    >>> read_values({"new": [1, 2.5]}, "new")
    (1.0, 2.5)
    """
    value = values[name]
    if value is None:
        return None
    if isinstance(value, list) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in value):
        try:
            numbers = tuple(map(float, value))
        except OverflowError:
            numbers = (math.inf,)
        if all(map(math.isfinite, numbers)):
            return numbers
    raise InvalidParameterError(name, "null, or a list of finite numbers", value)


def read_labels(values: Mapping[str, Any], name: str) -> list[tuple[int, int, int]]:
    """Return a field of a message, which must be a list of [row, group, expected]: the place of a label in the audit,
    and the number of the decision about it that the reviewer saw, or 0.

    Examples
    --------
    >>> read_labels({"labels": [[7, 0, 0], [8, 1, 3]]}, "labels")
    [(7, 0, 0), (8, 1, 3)]
    """
    value = values[name]
    expected = f"a list of 1 to {MOST} items [row, group, number of the decision]"
    if not isinstance(value, list) or not 1 <= len(value) <= MOST:
        raise InvalidParameterError(name, expected, value if not isinstance(value, list) else f"{len(value)} items")
    for each in value:
        whole = isinstance(each, list) and len(each) == 3 and all(type(number) is int for number in each)
        if not whole or not all(0 <= number < 2**63 for number in each):
            raise InvalidParameterError(name, expected, each)
    return [(row, group, seq) for row, group, seq in value]


def read_action(values: Mapping[str, Any]) -> Any:
    """Return the action of a message, which must be keep, fix, drop or skip."""
    return check_choice("action", values["action"], ACTIONS)


def entry_message(entry: Entry | None) -> dict[str, Any] | None:
    """Return the message that describes a decision. If `entry` is None, return None."""
    return None if entry is None else {"seq": entry.seq, "many": entry.many, **asdict(entry.decision)}
