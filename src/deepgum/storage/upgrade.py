"""Files of earlier versions: which version wrote a file, and the names of options that have changed since.

Run folders and audit folders hold the configuration that they were made with (`config.toml`, `audit.toml`). Audits
(`summary.json`) and patches hold the options of their data set. Whatever reads one of these translates it first, so no
other module knows an old name. A configuration that a user writes is not translated: an old name in it is refused, by
an error that gives the new name.

Where to add a change:

- an option of a data set has another name: a line in `RENAMED`;
- an option of a training has moved: `deepgum.training.flat_options`;
- the configuration as a whole is translated by `deepgum.experiments.runs.config_file.read_recorded`.

Keys of runs (digests) are computed from the names of version 0.1.0, so runs keep the keys that they were given.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from deepgum._version import __version__

__all__ = ["FIRST", "RENAMED", "made_by", "original_options", "upgraded_options", "version_line"]

FIRST = "0.1.0"
"""The version whose configuration files do not say which version wrote them."""

RENAMED: Mapping[str, Mapping[str, str]] = MappingProxyType({"table": {"group": "keep_together"}})
"""By data set: options of version 0.1.0, and their names today."""

_WRITTEN = "# Written by deepgum "


def upgraded_options(dataset: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the recorded options of a data set under today's names.

    Examples
    --------
    >>> upgraded_options("table", {"targets": ["age"], "group": "person"})
    {'targets': ['age'], 'keep_together': 'person'}
    """
    today = RENAMED.get(dataset, {})
    return {today.get(name, name): value for name, value in options.items()}


def original_options(dataset: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a data set under the names of version 0.1.0, for the key of a run.

    Examples
    --------
    >>> original_options("table", {"targets": ["age"], "keep_together": "person"})
    {'targets': ['age'], 'group': 'person'}
    """
    before = {new: old for old, new in RENAMED.get(dataset, {}).items()}
    return {before.get(name, name): value for name, value in options.items()}


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
