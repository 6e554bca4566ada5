"""YAML files of other programs, which describe a project or a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deepgum.errors import MissingDependencyError
from deepgum.storage.decoding import check_depth, decoding

__all__ = ["read_yaml"]


def read_yaml(path: Path, content: str) -> dict[str, Any]:
    """Return the mapping in a YAML file. `content` says what the file should be, for messages.

    Only plain values are read. A tag that would make an object of Python is an error.

    Raises
    ------
    MissingDependencyError
        If PyYAML is not installed.
    InvalidDataError
        If the file cannot be read, is not YAML, holds no mapping, or is nested too deeply.
    """
    try:
        import yaml
    except ImportError as error:
        raise MissingDependencyError(f"Reading '{path}'", "pyyaml", extra="pose") from error
    with decoding(path, content):
        values = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
        if not isinstance(values, dict):
            raise ValueError("it holds no names with values")
        check_depth(values)
        return values
