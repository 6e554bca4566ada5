"""Files of earlier versions: the keys that they use, translated to those of this version.

Run folders and audit folders hold the configuration that they were made with (`config.toml`, `audit.toml`), and audits
and patches hold the options of their data set. Whatever reads one of these translates it here first, so no other module
knows an old key. A configuration that a user writes is not translated: an old key in it is refused, by an error that
gives the new key.

To rename a key, add a line to `RENAMED`. To add a key whose default differs from what was done before the key existed,
add a line to `ADDED`. Keys of runs (digests) are computed from the keys of version 0.1.0, so they stay as they are.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from deepgum._version import __version__

__all__ = ["ADDED", "FIRST", "RENAMED", "made_by", "original", "upgraded", "upgraded_options", "version_line"]

FIRST = "0.1.0"
"""The version whose configuration files do not say which version wrote them."""

RENAMED: Mapping[str, str] = MappingProxyType({})
"""Keys of version 0.1.0, as "section.key", and their names today."""

ADDED: Mapping[str, Any] = MappingProxyType(
    {
        "data.pixels": False,
        "method.options.schedule": "alternate",
        "method.options.widening": 1.0,
        "method.options.least_weight": 0.0,
        "method.options.degrees_of_freedom": math.inf,
        "method.options.separation": 0.0,
        "corruption.missing": 0.0,
    }
)
"""Keys, as "section.key", that a recorded configuration may lack, and the value that was used before they existed."""

_WRITTEN = "# Written by deepgum "


def upgraded(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recorded configuration in today's keys.

    Parameters
    ----------
    recorded : mapping
        What the `config.toml` of a run folder or the `audit.toml` of an audit folder holds.

    Examples
    --------
    >>> upgraded({"method": {"name": "deepgum", "options": {"rounds_max": 3}}})["method"]["options"]["schedule"]
    'alternate'
    >>> upgraded({"method": {"name": "l2", "options": {}}})
    {'method': {'name': 'l2', 'options': {}}}
    """
    values = copy.deepcopy(dict(recorded))
    for old, new in RENAMED.items():
        _move(values, old, new)
    for key, before in ADDED.items():
        section, name = _section(values, key)
        # A section without keys has no choices: methods without a mixture have no options.
        if section:
            section.setdefault(name, before)
    return values


def upgraded_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a data set, as an audit or a patch records them, in today's keys."""
    values = upgraded({"data": {"options": dict(options)}})
    found: dict[str, Any] = values["data"]["options"]
    return found


def original(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration in the keys of version 0.1.0, without keys that have the value of before they existed.

    This is the inverse of `upgraded`. Keys of runs are computed from it.

    Examples
    --------
    >>> original({"method": {"options": {"schedule": "alternate", "widening": 2.0}}})
    {'method': {'options': {'widening': 2.0}}}
    """
    before = copy.deepcopy(dict(values))
    for key, value in ADDED.items():
        section, name = _section(before, key)
        if name in section and section[name] == value:
            del section[name]
    for old, new in RENAMED.items():
        _move(before, new, old)
    return before


def version_line() -> str:
    """Return the first line of a configuration file: a comment that says which version wrote it."""
    return f"{_WRITTEN}{__version__}\n"


def made_by(path: Path) -> str:
    """Return the version that wrote a configuration file; `FIRST` for a file without that line, or none at all.

    Examples
    --------
    >>> made_by(Path("runs/no-such-run/config.toml"))
    '0.1.0'
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            line = file.readline(200)
    except OSError:
        line = ""
    return line.removeprefix(_WRITTEN).strip() if line.startswith(_WRITTEN) else FIRST


def _section(values: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
    """Return the section that a key stands in, and the key's name there; an empty section where there is none."""
    *sections, name = key.split(".")
    for each in sections:
        inner = values.get(each)
        if not isinstance(inner, dict):
            return {}, name
        values = inner
    return values, name


def _move(values: dict[str, Any], one: str, other: str) -> None:
    source, name = _section(values, one)
    if name in source:
        moved = source.pop(name)
        target = values
        *sections, name = other.split(".")
        for each in sections:
            target = target.setdefault(each, {})
        target[name] = moved
