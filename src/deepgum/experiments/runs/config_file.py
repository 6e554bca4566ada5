"""The TOML file of a run, read and written."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tomli_w

from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.experiments.runs.config import LATER, RunConfig
from deepgum.storage.disk import write_atomically

__all__ = ["read_config", "read_recorded", "read_toml", "write_config"]


def read_config(path: Path, changes: Sequence[str] = ()) -> RunConfig:
    """Read a run from a TOML file.

    Parameters
    ----------
    path : Path
    changes : sequence of str
        Keys to change, as `section.key=value`; the value as in TOML, or a text without quotes.

    Raises
    ------
    InvalidDataError
        If there is no such file, or it is no TOML; with the line.
    InvalidParameterError
        If a key is unknown, missing or has a wrong value; the message names the key.
    """
    values = read_toml(path)
    for change in changes:
        _change(values, change)
    return RunConfig.from_mapping(values)


def read_recorded(path: Path) -> RunConfig:
    """Read what a run was, from the file that `write_config` wrote when it was made.

    An option that came later is not in it. It is then what was done before there was a choice, where `read_config`
    takes today's default.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        As of `read_config`.
    """
    values = read_toml(path)
    method = values.get("method")
    # Methods without a mixture have no options, and none that came later.
    if isinstance(method, dict) and isinstance(method.get("options"), dict) and method["options"]:
        method["options"] = LATER | method["options"]
    return RunConfig.from_mapping(values)


def read_toml(path: Path) -> dict[str, Any]:
    """Return what a TOML file says.

    Raises
    ------
    InvalidDataError
        If there is no such file, or it is no TOML.
    """
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise InvalidDataError(f"'{path}' should be a TOML file that says what to run. {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidDataError(f"'{path}' should be TOML. {error}.") from error


def _change(values: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    *sections, last = key.strip().split(".")
    if not equals or not last:
        raise InvalidParameterError("set", "'section.key=value'", change)
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise InvalidParameterError("set", f"a key in a section; {section!r} is none", change)
    try:
        values[last] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        values[last] = text


def write_config(config: RunConfig, path: Path) -> None:
    """Write a run with every default spelled out, so that it stays what it was under later versions."""
    with write_atomically(path) as temporary:
        temporary.write_text(tomli_w.dumps(config.to_mapping()), encoding="utf-8")
