"""A damaged or hostile file gives one type of error that names the file, whatever its decoder raises."""

from __future__ import annotations

import json
import random
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

from deepgum.errors import InvalidDataError, InvalidParameterError, UntrustedCodeError
from deepgum.storage.decoding import DEEPEST, check_depth, decoding, read_json, read_toml
from deepgum.storage.nested import build

ERRORS = (
    KeyError("name"),
    ValueError("no number"),
    TypeError("'int' object is not iterable"),
    IndexError(),
    AttributeError("no attribute"),
    RecursionError(),
    MemoryError(),
    OverflowError("too large"),
    ZeroDivisionError("division by zero"),
    RuntimeError("a library failed"),
    FileNotFoundError(2, "No such file or directory"),
    InvalidParameterError("flags", "a whole number", "many"),
)


@pytest.mark.fault(17)
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_every_error_of_a_decoder_names_the_file_and_its_reason(error: Exception) -> None:
    found = r"'a/summary\.json' should be a summary\. It cannot be read: .+\."
    with pytest.raises(InvalidDataError, match=found) as caught, decoding(Path("a/summary.json"), "a summary"):
        raise error
    assert caught.value.__cause__ is error


def test_errors_with_a_message_of_their_own_stay() -> None:
    for error in (UntrustedCodeError("runs/theirs", {"model.name": "nets:small"}), InvalidDataError("other")):
        with pytest.raises(type(error)) as caught, decoding(Path("a"), "a summary"):
            raise error
        assert caught.value is error
    with pytest.raises(KeyboardInterrupt), decoding(Path("a"), "a summary"):
        raise KeyboardInterrupt


HOSTILE_JSON = [
    b"",
    b"null",
    b"[]",
    b"3",
    b'{"a": 1',
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"a": ' + b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1) + b"}",
    b'{"a": ' + b"9" * 5000 + b"}",
]


@pytest.mark.fault(17)
@pytest.mark.parametrize("content", HOSTILE_JSON, ids=lambda content: repr(content[:12]))
def test_hostile_json_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InvalidDataError, match=r"a\.json' should be a summary"):
        read_json(tmp_path / "a.json", "a summary")


@pytest.mark.fault(17)
@pytest.mark.parametrize(
    "content",
    [b"x = ", b"\xff", b"x = " + b"[" * 50_000, b"x = " + b"9" * 5000, b"x" + b".x" * 5000 + b" = 1"],
    ids=["nothing", "bytes", "lists", "digits", "keys"],
)
def test_hostile_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.toml").write_bytes(content)
    with pytest.raises(InvalidDataError, match=r"a\.toml' should be a configuration"):
        read_toml(tmp_path / "a.toml", "a configuration")


def test_numbers_that_json_does_not_have_are_unknown(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": NaN, "b": [Infinity, -Infinity, 1e999], "c": 1e300}')
    assert read_json(tmp_path / "a.json", "a summary") == {"a": None, "b": [None, None, None], "c": 1e300}


def test_the_depth_counts_mappings_and_lists() -> None:
    deep: Any = 1
    for level in range(DEEPEST - 1):
        deep = [deep] if level % 2 else {"a": deep, "b": 2}
    check_depth(deep)
    with pytest.raises(RecursionError):
        check_depth([deep])


@dataclass(frozen=True)
class Group:
    name: str
    share: float | None
    rows: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class Record:
    count: int
    label: str
    done: bool
    ratio: float
    groups: tuple[Group, ...]
    pairs: tuple[tuple[int, int], ...] = ()
    each: dict[str, float | None] = field(default_factory=dict)
    best: Group | None = None


RECORD = Record(
    3, "a", True, 0.5, (Group("b", None, ((1.0, 2.0),)), Group("c", 0.5)), ((0, 1),), {"d": None}, Group("", 0)
)


def test_a_record_is_read_as_it_was_written() -> None:
    assert build(Record, json.loads(json.dumps(asdict(RECORD)))) == RECORD


@pytest.mark.fault(17)
@pytest.mark.parametrize(
    ("path", "value", "name"),
    [
        (("count",), "3", "count"),
        (("count",), 3.5, "count"),
        (("count",), True, "count"),
        (("label",), 3, "label"),
        (("done",), 1, "done"),
        (("ratio",), "0.5", "ratio"),
        (("ratio",), None, "ratio"),
        (("ratio",), 10**400, "ratio"),
        (("groups",), {}, "groups"),
        (("groups",), [3], "groups[0]"),
        (("groups", 1, "share"), [], "groups[1].share"),
        (("groups", 0, "rows"), [[1.0, "x"]], "groups[0].rows[0][1]"),
        (("groups", 0, "rows"), [1.0], "groups[0].rows[0]"),
        (("pairs",), [[1]], "pairs[0]"),
        (("pairs",), [[1, 2, 3]], "pairs[0]"),
        (("each",), [], "each"),
        (("each",), {"d": "x"}, "each.d"),
        (("best",), 3, "best"),
        (("unknown",), 3, "unknown"),
    ],
)
def test_a_value_of_a_wrong_type_is_named(path: tuple[Any, ...], value: Any, name: str) -> None:
    values = json.loads(json.dumps(asdict(RECORD)))
    at = values
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    with pytest.raises(InvalidParameterError) as caught:
        build(Record, values)
    assert caught.value.parameter == name


@pytest.mark.fault(17)
def test_mutated_records_are_read_or_refused() -> None:
    chance = random.Random(0)
    text = json.dumps(asdict(RECORD))
    pieces = ["null", "1e999", "[]", "{}", "-1", '"x"', "true", "[[", "1" * 30, ""]
    for _ in range(300):
        place = chance.randrange(len(text))
        mutated = text[:place] + chance.choice(pieces) + text[place + chance.randrange(6) :]
        try:
            values = json.loads(mutated)
        except ValueError:
            continue
        try:
            record = build(Record, values)
        except InvalidParameterError:
            continue
        assert isinstance(record.count, int)
        assert isinstance(record.ratio, float)
        assert all(isinstance(group, Group) for group in record.groups)
