"""Conversion of nested mappings (from TOML) to data classes and back. Unknown keys are errors."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from deepgum.errors import InvalidParameterError, UnknownNameError

__all__ = ["build", "plain"]


def build(cls: type, values: Any, section: str = "") -> Any:
    """Build a data class from a mapping, whose keys are fields and whose values have the types of the fields.

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
    """Convert a TOML value to the type of a field. Raise an error if the value does not have this type."""
    if isinstance(hint, type) and hasattr(hint, "__dataclass_fields__"):
        return build(hint, value, name)
    kinds = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    if Any in kinds:
        return value
    for kind in kinds:
        origin = get_origin(kind) or kind
        if origin is Path and isinstance(value, str | Path):
            return Path(value).expanduser()
        if origin is float and isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        if origin is tuple and isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
            return tuple(value)
        if origin in (int, str, bool, dict) and type(value) is origin:
            return value
    expected = " or ".join(_KINDS[get_origin(kind) or kind] for kind in kinds if kind is not types.NoneType)
    raise InvalidParameterError(name, expected, value)


_KINDS = {
    Path: "a path",
    float: "a number",
    int: "a whole number",
    str: "a text in quotes",
    bool: "true or false",
    dict: "a table of keys and values",
    tuple: "a list of texts in quotes",
}


def plain(value: Any) -> Any:
    """Return a value in types of TOML and JSON. Paths become strings, and fields that are None are left out."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value.as_posix() if isinstance(value, Path) else value
