"""What a finished run leaves behind: a line in `results.jsonl` and the posteriors of its training set.

A line is on the disk before the next run starts, and a file of posteriors appears whole or not at all, so an
interrupted experiment loses at most the run it was in.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray

from deepgum.errors import InvalidDataError, listing

__all__ = ["Posteriors", "ResultsFile", "RunKey", "RunRecord", "read_records", "write_atomically"]


@dataclass(frozen=True)
class RunKey:
    """What identifies a run: every setting that its result depends on.

    Parameters
    ----------
    method, noise : str
        Names of the method and of the corruption. At rate 0 the corruption does nothing, so its name does not count.
    rate : float
        Share of corrupted labels, in [0, 1].
    seed : int
        Of the subset, the split, the corruption, the initial weights and the batches.
    groups : str
        The mixture's groups.
    shared : Mapping
        Settings that all runs of an experiment share; any JSON values.

    Examples
    --------
    >>> one = RunKey("l2", "ngo", 0.0, seed=0, groups="landmark", shared={"epochs_max": 9})
    >>> two = RunKey("l2", "l-ugo", 0.0, seed=0, groups="landmark", shared={"epochs_max": 9})
    >>> one.digest == two.digest
    True
    >>> one.digest == RunKey("l2", "ngo", 0.0, seed=1, groups="landmark", shared={"epochs_max": 9}).digest
    False
    """

    method: str
    noise: str
    rate: float
    seed: int
    groups: str
    shared: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that are the same for the same settings, on any machine and in any order."""
        settings = asdict(self) | {"noise": self.noise if self.rate > 0 else None, "rate": float(self.rate)}
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def stem(self) -> str:
        """A readable file name without its ending."""
        return f"{self.method}_{self.noise}_{self.rate:g}_seed{self.seed}_{self.digest}"


@dataclass(frozen=True)
class RunRecord:
    """The outcome of one run: one line of `results.jsonl`.

    Rates and scores are fractions; `None` (`null` in the file) where a value means nothing, as recall does without
    outliers. Errors are on the clean test set: `failure_rate` the share of landmarks off by more than 5 % of the
    face's width, `nme` in fractions of that width, `mae` and `rmse` in the targets' units. Precision, recall and
    average precision are of the flags on the training set; `recall_moved` is recall among outliers that were moved by
    more than 5 % of the crop's width. `posteriors` is a path relative to the results file.
    """

    method: str
    noise: str
    rate: float
    seed: int
    failure_rate: float | None
    nme: float | None
    mae: float | None
    rmse: float | None
    precision: float | None
    recall: float | None
    recall_moved: float | None
    average_precision: float | None
    flagged: float | None
    epochs: int
    seconds: float
    train_size: int
    image_size: int
    dataset: str = ""
    groups: str = ""
    device: str = "cpu"
    version: str = ""
    key: str = ""
    posteriors: str | None = None

    def to_json(self) -> str:
        """Return the record as one line of JSON, `null` for values that are not finite."""
        values = {name: _null_unless_finite(value) for name, value in asdict(self).items()}
        return json.dumps(values, allow_nan=False)

    @classmethod
    def from_json(cls, line: str) -> RunRecord:
        """Read a line that `to_json` wrote; fields that this version does not know are left out.

        Raises
        ------
        InvalidDataError
            If the line is not a JSON object, or lacks a field.
        """
        try:
            values = json.loads(line)
        except ValueError as error:
            raise InvalidDataError(f"A line of results should be a JSON object: {error}.") from error
        if not isinstance(values, dict):
            raise InvalidDataError(f"A line of results should be a JSON object. Found {line[:60]!r}.")
        known = {field.name for field in fields(cls)}
        try:
            return cls(**{name: value for name, value in values.items() if name in known})
        except TypeError as error:
            missing = [name for name in _REQUIRED if name not in values]
            raise InvalidDataError(f"A line of results lacks the fields {listing(missing, most=20)}.") from error


_REQUIRED = ("method", "noise", "rate", "seed", "failure_rate", "nme", "mae", "rmse", "precision", "recall")


def _null_unless_finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


class ResultsFile:
    """An append-only file of records, one JSON object a line.

    Parameters
    ----------
    path : Path
        Need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[RunRecord]:
        """Return all records. A last line that an interruption cut short is left out.

        Raises
        ------
        InvalidDataError
            If any other line cannot be read; the message names its number.
        """
        text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        lines = text.splitlines()
        if lines and not text.endswith("\n") and not _is_json(lines[-1]):
            lines.pop()
        records = []
        for number, line in enumerate(lines, start=1):
            try:
                records.append(RunRecord.from_json(line))
            except InvalidDataError as error:
                raise InvalidDataError(f"Line {number} of '{self.path}' cannot be read. {error}") from error
        return records

    def append(self, record: RunRecord) -> None:
        """Add a record and return once it is on the disk."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a+b") as file:
            file.seek(0)
            content = file.read()
            if content and not content.endswith(b"\n"):
                start = content.rfind(b"\n") + 1
                if _is_json(content[start:].decode(errors="replace")):
                    file.write(b"\n")
                else:
                    # The rest of a line that an interruption cut short: no record, and in the way of the next one.
                    file.truncate(start)
            file.write(record.to_json().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def read_records(paths: list[Path]) -> list[RunRecord]:
    """Read results files, or folders that hold a `results.jsonl`; of records of one run the last counts.

    Raises
    ------
    InvalidDataError
        If a file is missing, holds no record, or has a line that cannot be read.
    """
    latest: dict[tuple[object, ...], RunRecord] = {}
    for path in paths:
        file = path / "results.jsonl" if path.is_dir() else path
        if not file.exists():
            raise InvalidDataError(f"No results at '{file}'. Give a results.jsonl, or a folder that holds one.")
        records = ResultsFile(file).read()
        if not records:
            raise InvalidDataError(f"'{file}' holds no finished run yet.")
        # A file written by hand may have no keys; there each line is a run of its own.
        latest |= {
            (record.key or f"{file}:{number}", record.noise): record for number, record in enumerate(records)
        }
    return list(latest.values())


@dataclass(frozen=True)
class Posteriors:
    """What a run says about each sample and group of its training set.

    Parameters
    ----------
    sample_ids : sequence of str, length n
        Names of the samples.
    group_names : sequence of str, length g
        Names of the groups.
    residual_norms : array (n, g)
        Length of the residual over the group, in the targets' units; NaN where no label of the group is given.
    responsibilities : array (n, g), optional
        Probabilities of being an inlier; None for methods without a mixture.
    true_outliers : array (n, g) of bool, optional
        Which labels the corruption replaced; None when nobody knows.
    """

    sample_ids: tuple[str, ...]
    group_names: tuple[str, ...]
    residual_norms: NDArray[np.float64]
    responsibilities: NDArray[np.float64] | None = None
    true_outliers: NDArray[np.bool_] | None = None

    def write(self, path: Path, **about: str) -> None:
        """Write one row a sample and group as Parquet, whole or not at all; `about` goes into the file's metadata."""
        n, g = len(self.sample_ids), len(self.group_names)
        columns = {
            "sample_id": pa.array([name for name in self.sample_ids for _ in range(g)], pa.string()).dictionary_encode(),
            "group": pa.array(list(self.group_names) * n, pa.string()).dictionary_encode(),
            "responsibility": _column(self.responsibilities, n * g, pa.float64()),
            "residual_norm": _column(self.residual_norms, n * g, pa.float64()),
            "true_outlier": _column(self.true_outliers, n * g, pa.bool_()),
        }
        table = pa.table(columns).replace_schema_metadata(about)
        with write_atomically(path) as temporary:
            pq.write_table(table, temporary, compression="zstd")

    @classmethod
    def read(cls, path: Path) -> Posteriors:
        """Read a file that `write` wrote."""
        table = pq.read_table(path)
        columns = {name: table.column(name).to_pylist() for name in table.column_names}
        samples, groups = tuple(dict.fromkeys(columns["sample_id"])), tuple(dict.fromkeys(columns["group"]))

        def matrix(name: str, dtype: Any) -> Any:
            known = table.column(name).null_count < len(table)
            return np.array(columns[name], dtype=dtype).reshape(len(samples), len(groups)) if known else None

        norms = np.array(columns["residual_norm"], dtype=np.float64).reshape(len(samples), len(groups))
        return cls(samples, groups, norms, matrix("responsibility", np.float64), matrix("true_outlier", np.bool_))


def _column(values: ArrayLike | None, length: int, kind: pa.DataType) -> pa.Array:
    if values is None:
        return pa.nulls(length, kind)
    return pa.array(np.asarray(values).reshape(-1), kind, from_pandas=True)


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, and put what was written there in place of `path` when all went well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
