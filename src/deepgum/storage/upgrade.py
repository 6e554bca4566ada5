"""Files of earlier versions: the version that wrote a file, and the old names of options.

Run folders and audit folders hold their configuration (`config.toml`, `audit.toml`). Audits (`summary.json`) and
patches hold the options of their data set. The readers of these files translate old names, so no other module needs the
old names. A configuration that a user writes is not translated: an old name is an error that gives the new name.

Where to enter a change:

- a new name of a data set's option: a line in `RENAMED`;
- a new option of a data set: a line in `ADDED`;
- a moved option of the training: `deepgum.training.flat_options`;
- a change of the whole configuration: `deepgum.experiments.runs.config_file.read_recorded`.

Keys of runs (digests) are computed from the names of version 0.1.0 and without new options that have their defaults, so
that runs keep their keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from deepgum._version import __version__

__all__ = ["ADDED", "FIRST", "RENAMED", "made_by", "original_options", "upgraded_options", "version_line"]

FIRST = "0.1.0"
"""The only version whose configuration files do not name their version."""

RENAMED: Mapping[str, Mapping[str, str]] = MappingProxyType({"table": {"group": "keep_together"}})
"""Data set -> (option name of version 0.1.0 -> current name)."""

ADDED: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "table": {
            "apply_orientation": False,
            "coordinates": "",
            "box": [],
            "missing": [],
            "decimal": "",
            "thousands": "",
        }
    }
)
"""Data set -> (option that version 0.1.0 did not have -> its default, with which results are as in version 0.1.0)."""

_WRITTEN = "# Written by deepgum "


def upgraded_options(dataset: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the recorded options of a data set with their current names, and new options with their defaults.

    Examples
    --------
    >>> upgraded_options("table", {"targets": ["age"], "group": "person"})
    {'apply_orientation': False, 'coordinates': '', 'box': [], 'missing': [], 'decimal': '', 'thousands': '',
    'targets': ['age'], 'keep_together': 'person'}
    """
    current = RENAMED.get(dataset, {})
    named = {current.get(name, name): value for name, value in options.items()}
    return {**ADDED.get(dataset, {}), **named} if named else named


def original_options(dataset: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a data set as version 0.1.0 would have had them, for the key of a run.

    Names are those of version 0.1.0. New options that have their defaults are left out.

    Examples
    --------
    >>> original_options("table", {"targets": ["age"], "keep_together": "person"})
    {'targets': ['age'], 'group': 'person'}
    """
    before = {new: old for old, new in RENAMED.get(dataset, {}).items()}
    added = ADDED.get(dataset, {})
    kept = {name: value for name, value in options.items() if name not in added or value != added[name]}
    return {before.get(name, name): value for name, value in kept.items()}


def version_line() -> str:
    """Return the first line of a configuration file: a comment with the version of the package."""
    return f"{_WRITTEN}{__version__}\n"


def made_by(path: Path) -> str:
    """Return the version that wrote a configuration file, or `FIRST` if the file has no version line or does not exist.

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
