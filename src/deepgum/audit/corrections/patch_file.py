"""The file of a patch: JSON Lines in UTF-8, one header line and one line per decision, in the order of the data set."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deepgum.audit.corrections.patch import Change, Labels, Patch, check_change
from deepgum.checks import LARGEST, is_storable
from deepgum.errors import DeepGUMError, InvalidDataError, listing
from deepgum.plugins import check_trusted, code_named
from deepgum.storage.disk import write_atomically
from deepgum.storage.upgrade import upgraded_options

__all__ = ["FORMAT", "VERSION", "read_patch", "write_patch"]

FORMAT, VERSION = "deepgum-patch", 1

_HEAD = ("dataset", "options", "targets", "groups")
_NEEDED, _OPTIONAL = ("id", "group", "old", "new", "decision"), ("reason", "who", "at")


def write_patch(patch: Patch, path: Path) -> None:
    r"""Write a patch atomically.

    Examples
    --------
    >>> import tempfile
    >>> change = Change("b.jpg", "nose", (30.0, 41.25), None, "drop", reason="blurred")
    >>> patch = Patch("lfw-net", {}, ("nose_x", "nose_y"), {"nose": (0, 1)}, changes=(change,))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_patch(patch, Path(folder) / "faces.patch.jsonl")
    ...     text = (Path(folder) / "faces.patch.jsonl").read_text()
    ...     read_patch(Path(folder) / "faces.patch.jsonl") == patch
    True
    >>> print(text.splitlines()[1])
    {"id": "b.jpg", "group": "nose", "old": [30.0, 41.25], "new": null, "decision": "drop", "reason": "blurred", ...}
    """
    head = {
        "format": FORMAT,
        "version": VERSION,
        "dataset": patch.dataset,
        "source": patch.source,
        "options": dict(patch.options),
        "targets": list(patch.targets),
        "groups": {name: list(places) for name, places in patch.groups.items()},
        "unit": patch.unit,
    }
    lines = [_line(head), *(_line(_values(change)) for change in patch.changes)]
    with write_atomically(path) as temporary:
        temporary.write_bytes("".join(line + "\n" for line in lines).encode())


def _values(change: Change) -> dict[str, Any]:
    return {
        "id": change.id,
        "group": change.group,
        "old": [None if math.isnan(value) else value for value in change.old],
        "new": None if change.new is None else list(change.new),
        "decision": change.decision,
        "reason": change.reason,
        "who": change.who,
        "at": change.at,
    }


def _line(values: Mapping[str, Any]) -> str:
    line = json.dumps(values, ensure_ascii=False, allow_nan=False)
    try:
        line.encode()
    except UnicodeEncodeError:  # a file name in invalid UTF-8: lone surrogates must be escaped
        line = json.dumps(values, allow_nan=False)
    return line


def read_patch(path: Path, *, trust: bool = False) -> Patch:
    """Read a patch that `write_patch` or a person wrote.

    Parameters
    ----------
    path : Path
    trust : bool
        Whether to import a data set from outside the package, if the patch names one: "package.module:name".

    Raises
    ------
    UntrustedCodeError
        If the patch names a data set outside the package, and `trust` is False.
    InvalidDataError
        If the file does not exist, the file is not a patch of a known version, a line is malformed, or a label has two
        decisions. If one line is wrong, the message names the line.
    """
    try:
        # `splitlines` would also split at U+2028 and U+0085, which JSON may contain unescaped.
        lines = path.read_bytes().decode("utf-8-sig").split("\n")
    except OSError as error:
        raise InvalidDataError(f"'{path}' should be a patch. It cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvalidDataError(f"'{path}' should be text in UTF-8. Found: {error}.") from error
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not numbered:
        raise InvalidDataError(f"'{path}' should be a patch. Found no line in it.")
    (first, head), *rest = numbered
    head_values = _head(path, first, _parsed(path, first, head))
    check_trusted(path, code_named({"dataset": head_values["dataset"]}), trust)
    groups = head_values["groups"]
    changes: dict[tuple[str, str], Change] = {}
    places: dict[tuple[str, str], int] = {}
    for number, line in rest:
        values = _parsed(path, number, line)
        try:
            change = _change(values)
            check_change(change, groups)
        except DeepGUMError as error:
            raise InvalidDataError(f"'{path}', line {number}: {error}") from error
        key = change.id, change.group
        if key in changes:
            raise InvalidDataError(
                f"'{path}', line {number}: a label should have one decision. Found a second decision for "
                f"{change.id!r}, group {change.group!r}, after line {places[key]}."
            )
        changes[key], places[key] = change, number
    return Patch(**head_values, changes=tuple(changes.values()))


def _parsed(path: Path, number: int, line: str) -> dict[str, Any]:
    def refuse(word: str) -> None:
        raise ValueError(f"{word} is not a number of JSON; a missing label is null")

    try:
        values = json.loads(line, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise InvalidDataError(f"'{path}', line {number}: a line should be JSON. Found: {error}.") from error
    if not isinstance(values, dict):
        raise InvalidDataError(
            f"'{path}', line {number}: a line should be a JSON object, {{...}}. Found {line.strip()[:60]!r}."
        )
    return values


def _head(path: Path, number: int, values: dict[str, Any]) -> dict[str, Any]:
    where = f"'{path}', line {number}:"
    if values.get("format") != FORMAT:
        raise InvalidDataError(
            f'{where} the first line of a patch should have "format": "{FORMAT}". '
            f"Found {values.get('format')!r}. Write a patch with: deepgum review RUN --export patch=FILE."
        )
    if values.get("version") != VERSION:
        raise InvalidDataError(
            f"{where} the version should be {VERSION}, which this version of deepgum reads. "
            f"Found {values.get('version')!r}: a later version of deepgum may have written the file. Use that version."
        )
    missing = [name for name in _HEAD if name not in values]
    if missing:
        raise InvalidDataError(
            f"{where} the first line should have the keys {', '.join(_HEAD)}. Found no {listing(missing)}."
        )
    targets, groups, options = values["targets"], values["groups"], values["options"]
    valid = (
        _texts(targets)
        and isinstance(values["dataset"], str)
        and isinstance(options, dict)
        and isinstance(groups, dict)
        and all(isinstance(group, list) and group and all(type(i) is int for i in group) for group in groups.values())
    )
    if not valid:
        raise InvalidDataError(
            f"{where} `dataset` should be a name, `options` an object, `targets` a list of names, and `groups` an "
            'object that lists the places of its targets, counted from 0, for each group: {"nose": [4, 5]}. '
            f"Found {', '.join(f'{name} = {values[name]!r}' for name in _HEAD)}."
        )
    arguments = {
        "dataset": values["dataset"],
        "options": upgraded_options(values["dataset"], options),
        "targets": tuple(targets),
        "groups": {name: tuple(group) for name, group in groups.items()},
        "unit": str(values.get("unit", "")),
        "source": str(values.get("source", "")),
    }
    try:
        Patch(**arguments)
    except InvalidDataError as error:
        raise InvalidDataError(f"{where} {error}") from error
    return arguments


def _change(values: dict[str, Any]) -> Change:
    missing = [name for name in _NEEDED if name not in values]
    unknown = [name for name in values if name not in (*_NEEDED, *_OPTIONAL)]
    if missing or unknown:
        raise InvalidDataError(
            f"a line should have the keys {', '.join(_NEEDED)}, and may have {', '.join(_OPTIONAL)}. "
            + " ".join(
                f"Found {what} {listing(names)}."
                for what, names in (("no", missing), ("the unknown", unknown))
                if names
            )
        )
    for name in ("id", "group", "decision", *_OPTIONAL):
        if not isinstance(values.get(name, ""), str):
            raise InvalidDataError(f"`{name}` should be a text in quotes. Found {values[name]!r}.")
    old, new = (_labels(name, values[name]) for name in ("old", "new"))
    if old is None:
        raise InvalidDataError("`old` should be a list of numbers, null where a label is missing. Found null.")
    texts = {name: values.get(name, "") for name in _OPTIONAL}
    return Change(values["id"], values["group"], old, new, values["decision"], **texts)


def _labels(name: str, values: Any) -> Labels | None:
    if values is None:
        return None
    if not isinstance(values, list) or not all(value is None or type(value) in (int, float) for value in values):
        raise InvalidDataError(f"`{name}` should be a list of numbers. Found {values!r}.")
    if not all(value is None or is_storable(value) for value in values):
        raise InvalidDataError(f"`{name}` should be finite numbers up to {LARGEST:.2g}. Found {values!r}.")
    return tuple(math.nan if value is None else float(value) for value in values)


def _texts(values: Any) -> bool:
    return isinstance(values, Sequence) and not isinstance(values, str) and all(isinstance(v, str) for v in values)
