"""The records of a comparison. The file `results.jsonl` has one line per finished run.

A line is on the disk before the next run starts, so an interrupted comparison loses at most the current run.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

from deepgum.errors import InvalidDataError, InvalidParameterError, UnknownNameError, listing
from deepgum.storage.decoding import json_object, reason_of
from deepgum.storage.disk import write_atomically
from deepgum.storage.nested import build

__all__ = ["ResultsFile", "RunKey", "RunRecord", "read_records", "select"]


@dataclass(frozen=True)
class RunKey:
    """The identity of a run: all settings on which the result of the run depends.

    Parameters
    ----------
    method, noise : str
        Names of the method and of the corruption.
    rate : float
        Share of corrupted labels, in [0, 1].
    seed : int
        Seed of the subset, the split, the corruption, the initial weights and the batches.
    groups : str
        Which labels are right or wrong as one unit: "sample", "landmark" or "coordinate".
    choices : Mapping
        The choices that define the method, as JSON values. At rate 0 no label is wrong, so the kind of noise is left
        out, and an oracle has the choices of the method without an oracle: both are one run.
    shared : Mapping
        Settings that all runs of a comparison share, as JSON values.

    Examples
    --------
    >>> one = RunKey("l2", "ngo", 0.0, seed=0, groups="landmark", choices={"loss": "l2"}, shared={"epochs_max": 9})
    >>> two = RunKey("l2", "l-ugo", 0.0, seed=0, groups="landmark", choices={"loss": "l2"}, shared={"epochs_max": 9})
    >>> one.digest == two.digest
    True
    """

    method: str
    noise: str
    rate: float
    seed: int
    groups: str
    choices: Mapping[str, Any]
    shared: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that identify the run. Equal runs have the same digits on every machine."""
        settings = {
            "choices": dict(self.choices) | ({} if self.rate else {"oracle": False}),
            "noise": self.noise if self.rate else None,
            "rate": float(self.rate),
            "seed": self.seed,
            "groups": self.groups,
            "shared": dict(self.shared),
        }
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def about(self) -> str:
        """The share of deleted labels, as a string for a title. It is the same for all runs of a comparison."""
        missing = self.shared.get("missing")
        return f"{100 * missing:g} % of labels deleted" if missing else ""

    @property
    def stem(self) -> str:
        """A readable file name of the run, without the ending."""
        method = self.method.replace(":", "-")
        return f"{method}_{self.noise}_{self.rate:g}_seed{self.seed}_{self.digest}"


@dataclass(frozen=True)
class RunRecord:
    """The outcome of one run, which is one line of `results.jsonl`.

    Rates and scores are fractions. None (`null` in the file) marks an undefined value, for example the recall if there
    are no outliers.

    - Errors on the clean test set: `failure_rate` is the share of landmarks whose error exceeds 5 % of the face's
      width. `nme` is the mean distance, in fractions of the face's width. `mae` and `rmse` are in the targets' unit.
    - Flags on the training set: `precision`, `recall` and `average_precision`. `recall_moved` is the recall among
      labels that were moved by more than 5 % of the image's width. `flagged` is the share of labels that are flagged.
    - `posteriors` is a path relative to the results file.
    - `missing` is the share of labels that were deleted on purpose.
    - `label` and `colour` are the style of a plug-in method. They are stored so that tables and figures need not import
      the plug-in.
    - `content` is the digest of the samples (see `deepgum.data.content`), or empty in a record of version 0.1.0.
    - `weights` is the SHA-256 of the file of weights with which the network began, or empty if there is none.

    Examples
    --------
    >>> record = RunRecord("l2", "ngo", 0.2, 0, 0.12, 0.03, 0.02, None, None, None, 9, 1.5, 3000, 48)
    >>> RunRecord.from_json(record.to_json()) == record
    True
    """

    method: str
    noise: str
    rate: float
    seed: int
    failure_rate: float | None
    nme: float | None
    mae: float | None
    precision: float | None
    recall: float | None
    average_precision: float | None
    epochs: int
    seconds: float
    train_size: int
    image_size: int
    rmse: float | None = None
    recall_moved: float | None = None
    flagged: float | None = None
    dataset: str = ""
    groups: str = ""
    device: str = ""
    version: str = ""
    key: str = ""
    posteriors: str | None = None
    missing: float = 0.0
    label: str = ""
    colour: str = ""
    content: str = ""
    weights: str = ""

    @property
    def unit(self) -> str:
        """Unit of `mae`."""
        return "in the targets' unit"

    def to_json(self) -> str:
        """Return the record as one line of JSON. Numbers that are not finite become `null`."""
        optional = ("label", "colour", "content", "weights")
        values = [(name, v) for name, v in asdict(self).items() if v or name not in optional]
        finite = {name: None if isinstance(v, float) and not math.isfinite(v) else v for name, v in values}
        return json.dumps(finite, allow_nan=False)

    @classmethod
    def from_json(cls, line: str) -> RunRecord:
        """Read a line that `to_json` wrote. Unknown fields are ignored.

        Raises
        ------
        InvalidDataError
            If the line is not a JSON object, or if a field is missing.
        """
        try:
            values = json_object(line)
        except (ValueError, RecursionError) as error:
            raise InvalidDataError(f"The line should be a JSON object. Found: {reason_of(error)}.") from error
        missing = [field.name for field in fields(cls) if field.default is MISSING and field.name not in values]
        if missing:
            raise InvalidDataError(f"The line should hold a complete record. It lacks {listing(missing, most=20)}.")
        try:
            known = {field.name: values[field.name] for field in fields(cls) if field.name in values}
            record: RunRecord = build(cls, known)
        except InvalidParameterError as error:
            raise InvalidDataError(f"The line should hold the record of a run. {error}") from error
        return record


class ResultsFile:
    """A file of records with one JSON object per line. Records are only added, never changed.

    Parameters
    ----------
    path : Path
        The file, which need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[RunRecord]:
        """Return all records. If an interruption left an incomplete last line, this line is ignored.

        Raises
        ------
        InvalidDataError
            If a complete line cannot be read. The message gives the number of the line.
        """
        text = self.path.read_text(encoding="utf-8", errors="replace") if self.path.exists() else ""
        lines = text.split("\n")
        rest = lines.pop()
        if rest and _is_json(rest):
            lines.append(rest)
        records = []
        for number, line in enumerate(lines, start=1):
            try:
                records.append(RunRecord.from_json(line))
            except InvalidDataError as error:
                raise InvalidDataError(f"Line {number} of '{self.path}' cannot be used. {error}") from error
        return records

    def append(self, record: RunRecord) -> None:
        """Add a record, and return when it is on the disk.

        Raises
        ------
        DiskFullError
            If the disk is full. The earlier records stay in the file.
        """
        content = self.path.read_bytes() if self.path.exists() else b""
        rest = content[content.rfind(b"\n") + 1 :]
        # An incomplete last line, left by an interruption, is not a record. It is removed.
        end = b"\n" if rest and _is_json(rest.decode(errors="replace")) else b""
        kept = content if end else content[: len(content) - len(rest)]
        with write_atomically(self.path) as temporary:
            temporary.write_bytes(kept + end + record.to_json().encode() + b"\n")


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def read_records(paths: Iterable[Path]) -> list[RunRecord]:
    """Return the records of the results files `paths`. A path may also be a folder that holds a file `results.jsonl`.

    If several records have the same method, noise, rate, seed, data set, sizes, share of deleted labels and groups,
    only the last record is returned.

    Raises
    ------
    InvalidDataError
        If a file does not exist, has no record, or has a line that cannot be read.
    """
    latest: dict[tuple[object, ...], RunRecord] = {}
    for path in paths:
        file = path / "results.jsonl" if path.is_dir() else path
        if not file.is_file():
            raise InvalidDataError(
                f"'{file}' should be a file of results. It does not exist: give a results.jsonl, or its folder."
            )
        records = ResultsFile(file).read()
        if not records:
            raise InvalidDataError(f"'{file}' should hold the record of a finished run. It has none yet.")
        for record in records:
            cell = (record.dataset, record.train_size, record.image_size, record.groups, record.missing)
            latest[(*cell, record.method, record.noise, record.rate, record.seed)] = record
    return list(latest.values())


def select(records: Iterable[RunRecord], methods: Iterable[str] | None) -> list[RunRecord]:
    """Return the records of the named methods, in the order of `methods`. If `methods` is None, return all records.

    Raises
    ------
    UnknownNameError
        If a method has no record.

    Examples
    --------
    >>> record = RunRecord("l2", "ngo", 0.2, 0, 0.12, 0.03, 0.02, None, None, None, 9, 1.5, 3000, 48)
    >>> select([record], ["l2"]) == [record]
    True
    """
    records = list(records)
    if methods is None:
        return records
    by_method = {name: [record for record in records if record.method == name] for name in methods}
    for name, found in by_method.items():
        if not found:
            raise UnknownNameError("methods", name, dict.fromkeys(record.method for record in records))
    return [record for found in by_method.values() for record in found]
