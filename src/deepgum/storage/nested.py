"""Conversion of nested mappings (from TOML and JSON) to data classes and back. Unknown keys are errors."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from deepgum.errors import InvalidParameterError, UnknownNameError

__all__ = ["build", "plain"]


def build(cls: type, values: Any, section: str = "") -> Any:
    """Build a data class from a mapping, whose keys are fields and whose values have the types of the fields.

    A field may be a number, a string, a boolean, a path, a mapping, a tuple, another data class, or None.

    Raises
    ------
    InvalidParameterError
        If a key is unknown or missing, or if a value has the wrong type. The message has the full name of the key,
        "section.key".

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Point:
    ...     x: float
    ...     y: float = 0.0
    >>> build(Point, {"x": 1})
    Point(x=1.0, y=0.0)
    """
    where = section or "the file"
    if not isinstance(values, Mapping):
        raise InvalidParameterError(where, "a table of keys and values", values)
    hints = get_type_hints(cls)
    known = {f.name: f for f in fields(cls)}
    built: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{section}.{key}" if section else key
        if key not in known:
            error = UnknownNameError(f"a key of [{section}]" if section else "a key", key, known)
            raise InvalidParameterError(name, error.expected, key, error.hint)
        built[key] = _convert(hints[key], value, name)
    for name, f in known.items():
        if name not in built and f.default is MISSING and f.default_factory is MISSING:
            raise InvalidParameterError(f"{section}.{name}" if section else name, "given", None)
    try:
        return cls(**built)
    except InvalidParameterError as error:
        raise (error.within(section) if section else error) from None


def _convert(hint: Any, value: Any, name: str) -> Any:
    """Convert a value of TOML or JSON to the type of a field. Raise an error if the value does not have this type."""
    kinds = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    for kind in kinds:
        origin = get_origin(kind) or kind
        if origin is Any or (origin is types.NoneType and value is None):
            return value
        if origin is Path and isinstance(value, str | Path):
            return Path(value).expanduser()
        if origin is float and isinstance(value, int | float) and not isinstance(value, bool):
            return _as_float(value, name)
        if is_dataclass(origin) and isinstance(origin, type) and (isinstance(value, Mapping) or len(kinds) == 1):
            return build(origin, value, name)
        if origin is tuple and isinstance(value, list | tuple):
            return _convert_all(get_args(kind), value, name)
        if origin in (dict, Mapping) and isinstance(value, Mapping):
            for key, item in value.items():  # values are checked only: an int stays an int
                _convert((get_args(kind) or (str, Any))[1], item, f"{name}.{key}")
            return value
        if origin in (int, str, bool) and type(value) is origin:
            return value
    raise InvalidParameterError(name, " or ".join(_words(kind) for kind in kinds if kind is not types.NoneType), value)


def _convert_all(hints: tuple[Any, ...], values: list[Any] | tuple[Any, ...], name: str) -> tuple[Any, ...]:
    """Convert a list to a tuple of the types `hints`; `(type, ...)` stands for any number of values of one type."""
    if hints[-1] is Ellipsis:
        hints = hints[:1] * len(values)
    if len(hints) != len(values):
        raise InvalidParameterError(name, f"a list of {len(hints)} values", values)
    return tuple(
        _convert(hint, value, f"{name}[{i}]") for i, (hint, value) in enumerate(zip(hints, values, strict=True))
    )


def _as_float(value: float, name: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise InvalidParameterError(name, "a number that a float can hold", value) from None


def _words(kind: Any) -> str:
    origin = get_origin(kind) or kind
    if origin is tuple:
        return "a list of texts in quotes" if get_args(kind)[0] is str else "a list"
    return _KINDS.get(origin, "a table of keys and values")


_KINDS = {
    Path: "a path",
    float: "a number",
    int: "a whole number",
    str: "a text in quotes",
    bool: "true or false",
}


def plain(value: Any) -> Any:
    """Return a value in types of TOML and JSON. Paths become strings, and fields that are None are left out."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value.as_posix() if isinstance(value, Path) else value
