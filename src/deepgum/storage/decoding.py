"""Read files that somebody else may have written or damaged: every failure has one type of error.

Decoders (of JSON, TOML, Parquet, NumPy archives, weights) raise errors of many types for damaged files, and a decoded
file may still hold values of a wrong type. `decoding` makes one type of all these errors. `read_json` and `read_toml`
also refuse files that are nested so deeply that later code could not process them.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deepgum.errors import DeepGUMError, InvalidDataError, InvalidParameterError

__all__ = ["decoding", "json_object", "read_json", "read_toml", "reason_of"]

DEEPEST = 50
"""Largest depth of nested mappings and lists."""


@contextmanager
def decoding(path: Path, content: str) -> Iterator[None]:
    """Convert every error in a `with` block that decodes a file into an error that names the file.

    Parameters
    ----------
    path : Path
        The file, or the folder to which the file belongs.
    content : str
        The expected content of the file. In the message, this string follows "should be".

    Raises
    ------
    InvalidDataError
        If the block raises an error. Other errors of this package, for example `UntrustedCodeError`, stay as they are.

    Examples
    --------
    >>> with decoding(Path("summary.json"), "the summary of an audit"):
    ...     int("many")
    Traceback (most recent call last):
        ...
    deepgum.errors.InvalidDataError: 'summary.json' should be the summary of an audit. It cannot be read: invalid
    literal for int() with base 10: 'many'.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, DeepGUMError) and not isinstance(error, InvalidParameterError):
            raise
        raise InvalidDataError(f"'{path}' should be {content}. It cannot be read: {reason_of(error)}.") from error


def reason_of(error: BaseException) -> str:
    """Return the reason of an error in words, without a full stop.

    Examples
    --------
    >>> reason_of(KeyError("seed")), reason_of(ValueError("no digits.")), reason_of(EOFError())
    ("'seed' is missing", 'no digits', 'EOFError')
    """
    match error:
        case KeyError():
            return f"{error} is missing"
        case OSError(strerror=str(words)):
            return words
        case MemoryError():
            return "it needs too much memory"
        case RecursionError():
            return "it is nested too deeply"
    words = " ".join(str(error).split()).rstrip(".")
    return words or type(error).__name__


def read_json(path: Path, content: str) -> dict[str, Any]:
    """Return the object in a JSON file.

    Numbers that JSON does not have (NaN, infinity) are read as None.

    Raises
    ------
    InvalidDataError
        If the file does not exist, is not JSON, holds no object, or is nested too deeply.
    """
    with decoding(path, content):
        return json_object(path.read_text(encoding="utf-8"))


def json_object(text: str) -> dict[str, Any]:
    """Return the object in a JSON text; see `read_json`.

    Raises
    ------
    ValueError, RecursionError
        If the text is not JSON, holds no object, or is nested too deeply.

    Examples
    --------
    >>> json_object('{"mae": 0.5, "rmse": NaN, "seconds": 1e999}')
    {'mae': 0.5, 'rmse': None, 'seconds': None}
    """
    values = json.loads(text, parse_constant=lambda _: None, parse_float=_finite_or_none)
    if not isinstance(values, dict):
        raise ValueError(f"it should hold a JSON object, and holds a {type(values).__name__}")
    check_depth(values)
    return values


def read_toml(path: Path, content: str) -> dict[str, Any]:
    """Return the content of a TOML file as nested mappings.

    Raises
    ------
    InvalidDataError
        If the file does not exist, is not TOML, or is nested too deeply.
    """
    with decoding(path, content), open(path, "rb") as file:
        values = tomllib.load(file)
        check_depth(values)
        return values


def check_depth(values: Any) -> None:
    """Raise `RecursionError` if mappings and lists are nested too deeply.

    Examples
    --------
    >>> check_depth({"a": [1, {"b": 2}]})
    """
    level = [values]
    for _ in range(DEEPEST):
        # Each part once: YAML can name the same part many times.
        parts = {id(each): each for each in level if isinstance(each, Mapping | list)}.values()
        level = [value for part in parts for value in (part.values() if isinstance(part, Mapping) else part)]
        if not level:
            return
    raise RecursionError


def _finite_or_none(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None
