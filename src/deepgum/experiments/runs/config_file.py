"""Functions that read and write the TOML file of a run."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import tomli_w

from deepgum._version import __version__
from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.experiments.runs.config import RunConfig
from deepgum.plugins import check_trusted, code_named
from deepgum.storage.decoding import read_toml, reason_of
from deepgum.storage.disk import write_atomically
from deepgum.storage.upgrade import made_by, upgraded_options, version_line
from deepgum.training.flat_options import translated

__all__ = ["CONTENT", "read_config", "read_recorded", "recorded", "write_config", "write_toml"]

CONTENT = "a TOML file with a configuration"
"""Content of a configuration file, for messages."""

C = TypeVar("C")


def read_config(path: Path, changes: Sequence[str] = ()) -> RunConfig:
    """Read the configuration of a run from a TOML file.

    Parameters
    ----------
    path : Path
    changes : sequence of str
        Changes to the configuration, as `section.key=value`. The value is written as in TOML; a string needs no quotes.

    Raises
    ------
    InvalidDataError
        If the file does not exist, or is not TOML. The message about wrong TOML names the line.
    InvalidParameterError
        If a key is unknown, missing or has a wrong value. The message names the key.
    """
    values = read_toml(path, CONTENT)
    for change in changes:
        _change(values, change)
    return RunConfig.from_mapping(values)


def read_recorded(path: Path, *, trust: bool | Collection[str] = False) -> RunConfig:
    """Read the `config.toml` of a run folder.

    Parameters
    ----------
    path : Path
        The file. It may have been written by an earlier version; see `deepgum.storage.upgrade`.
    trust : bool or collection of str
        Whether code outside the package may be imported, if the file names such code. A collection lists the paths that
        may be imported.

    Raises
    ------
    UntrustedCodeError
        If the file names code outside the package that may not be imported. Then no such code is imported.
    InvalidDataError, InvalidParameterError
        As in `read_config`. If the file was written by another version, the message names that version.
    """
    return recorded(path, RunConfig.from_mapping, trust)


def recorded(path: Path, build: Callable[[Mapping[str, Any]], C], trust: bool | Collection[str]) -> C:
    """Read the configuration file of a run folder or an audit folder.

    `build` is a function that takes the nested mappings in the file, and returns the configuration. The other
    parameters and the errors are as in `read_recorded`.
    """
    values = _upgraded(read_toml(path, CONTENT))
    check_trusted(path, code_named(values), trust)
    try:
        return build(values)
    except InvalidParameterError as error:
        version = made_by(path)
        if version == __version__:
            raise
        raise InvalidDataError(
            f"'{path}' should be a configuration that deepgum {__version__} can read. It was written by {version}: "
            f"{error} Use that version of deepgum for this folder, or make a new folder with this version."
        ) from error


def _upgraded(values: dict[str, Any]) -> dict[str, Any]:
    """Return a recorded configuration in which keys of earlier versions are replaced by keys of this version."""
    data, method = values.get("data"), values.get("method")
    if isinstance(data, dict) and isinstance(data.get("options"), dict):
        data["options"] = upgraded_options(str(data.get("name")), data["options"])
    if isinstance(method, dict):
        values["method"] = translated(method)
    return values


def _change(values: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    *sections, last = key.strip().split(".")
    if not equals or not last:
        raise InvalidParameterError("set", "'section.key=value'", change)
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise InvalidParameterError("set", f"a key in a section; {section!r} is not a section", change)
    try:
        values[last] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        values[last] = text
    except (ValueError, RecursionError) as error:
        raise InvalidParameterError("set", "'section.key=value'", change[:60], f"{reason_of(error)}.") from error


def write_config(config: RunConfig, path: Path) -> None:
    """Write the configuration of a run, with all defaults. A later version with other defaults then reads the same
    configuration.
    """
    write_toml(config.to_mapping(), path)


def write_toml(values: Mapping[str, Any], path: Path) -> None:
    """Write the configuration file of a run folder or an audit folder. The first line of the file names the version of
    deepgum.
    """
    with write_atomically(path) as temporary:
        temporary.write_text(version_line() + tomli_w.dumps(values), encoding="utf-8")
