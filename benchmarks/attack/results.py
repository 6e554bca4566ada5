"""The results of a command, in a form in which two runs of the same command are equal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_DRAWN = (".png", ".svg", ".html")
_OF_THE_RUN = ("environment.json", ".lock")


def results(path: Path) -> dict[str, Any]:
    """Return the content of a file, or of all files of a folder, without wall times, pictures and the environment."""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    return {
        str(file.relative_to(path)): _content(file)
        for file in files
        if file.suffix not in _DRAWN and file.name not in _OF_THE_RUN
    }


def differences(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """Return the names of files that are missing, unexpected, or different."""
    return sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))


def _content(file: Path) -> Any:
    content = file.read_bytes()
    if file.suffix == ".json":
        return _timeless(json.loads(content))
    if file.suffix == ".jsonl":
        return [_timeless(json.loads(line)) for line in content.splitlines()]
    if file.suffix == ".safetensors":  # the library safetensors writes the metadata in any order
        end = 8 + int.from_bytes(content[:8], "little")
        return json.loads(content[8:end]), content[end:]
    return content


def _timeless(values: Any) -> Any:
    if isinstance(values, dict):
        return {key: _timeless(value) for key, value in values.items() if key != "seconds"}
    return [_timeless(value) for value in values] if isinstance(values, list) else values
