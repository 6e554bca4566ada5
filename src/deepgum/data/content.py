"""The content of the samples of a run or an audit: a digest of all that a training sees, and the samples that changed.

The digest does not depend on the place and the times of files. It changes if the name, the inputs, the labels or the
part of a sample change, for any reason: other files, other lists, other options, or another version of a loader.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepgum.data.regression import RegressionData
from deepgum.errors import listing
from deepgum.storage.decoding import decoding
from deepgum.storage.disk import write_atomically

__all__ = ["Content"]

_BLOCK = 4096


@dataclass(frozen=True, eq=False)
class Content:
    """The content of n samples, as hashes.

    Parameters
    ----------
    ids, parts : tuple of str, length n
        Name of each sample, and the part or group of samples to which it belongs.
    inputs, labels : array (n,), uint64
        Hash of the inputs and hash of the labels of each sample.
    columns : str
        Names and types of the columns of all parts.

    Examples
    --------
    >>> data = RegressionData.from_arrays([[0.0], [1.0], [2.0]], [[1.0], [2.0], [3.0]], ids=["a", "b", "c"])
    >>> other = RegressionData.from_arrays([[0.0], [1.5], [3.0]], [[1.0], [2.0], [3.0]], ids=["a", "b", "d"])
    >>> before, now = Content.of({"train": data}), Content.of({"train": other})
    >>> before.digest == now.digest
    False
    >>> now.changes(before)
    'new samples: d; missing samples: c; other inputs: b'
    """

    ids: tuple[str, ...]
    parts: tuple[str, ...]
    inputs: NDArray[np.uint64]
    labels: NDArray[np.uint64]
    columns: str

    @classmethod
    def of(cls, parts: Mapping[str, RegressionData], *labels: NDArray[Any]) -> Content:
        """Return the content of the samples in all parts. All inputs are read once.

        Parameters
        ----------
        parts : mapping of str to RegressionData
            The samples, by the name of their part.
        labels : arrays, shape (n, ...)
            Further values that belong to the labels of the samples. They are given only if there is one part.
        """
        columns = [
            (name, data.target_names, str(data.inputs.dtype), tuple(data.inputs.shape[1:]), repr(data.mirror))
            + (() if data.encoding is None else (data.encoding,))
            for name, data in parts.items()
        ]
        return cls(
            tuple(name for data in parts.values() for name in data.ids),
            tuple(part for part, data in parts.items() for _ in range(len(data))),
            _hashes((data.inputs, data.mirrored_inputs) for data in parts.values()),
            _hashes((data.targets, data.normaliser, data.sample_weight, *labels) for data in parts.values()),
            repr(columns),
        )

    @cached_property
    def digest(self) -> str:
        """Sixty-four hexadecimal digits. Equal contents have the same digits."""
        state = hashlib.sha256(repr((self.columns, self.ids, self.parts)).encode("utf-8", "surrogateescape"))
        state.update(self.inputs.tobytes() + self.labels.tobytes())
        return state.hexdigest()

    def changes(self, before: Content) -> str:
        """Return the differences to an earlier content, with the names of samples. It is empty if there are none."""
        if self.digest == before.digest:
            return ""
        now, then = _places(self.ids), _places(before.ids)
        both = [(name, row, then[name, number]) for (name, number), row in now.items() if (name, number) in then]
        found = {
            "new samples": [name for name, number in now if (name, number) not in then],
            "missing samples": [name for name, number in then if (name, number) not in now],
            "other inputs": [name for name, row, old in both if self.inputs[row] != before.inputs[old]],
            "other labels": [name for name, row, old in both if self.labels[row] != before.labels[old]],
        }
        if not any(found.values()):
            found["samples in another part or group"] = [
                name for name, row, old in both if self.parts[row] != before.parts[old]
            ]
        named = "; ".join(f"{what}: {listing(names)}" for what, names in found.items() if names)
        return named or "another order of the samples, or other names or types of the columns"

    def write(self, path: Path) -> None:
        """Write the content to a Parquet file."""
        table = pa.table(
            {
                "id": pa.array(self.ids, pa.string()),
                "part": pa.array(self.parts, pa.string()).dictionary_encode(),
                "inputs": pa.array(self.inputs),
                "labels": pa.array(self.labels),
            }
        ).replace_schema_metadata({"made_by": "deepgum", "columns": self.columns, "digest": self.digest})
        with write_atomically(path) as temporary:
            pq.write_table(table, temporary)

    @classmethod
    def read(cls, path: Path) -> Content:
        """Read the content from a file that `write` has made.

        Raises
        ------
        InvalidDataError
            If the file cannot be read, or is damaged.
        """
        with decoding(path, "the content of samples, as deepgum wrote it"):
            table = pq.read_table(path)
            ids, parts = (tuple(table.column(name).to_pylist()) for name in ("id", "part"))
            inputs, labels = (table.column(name).to_numpy().astype(np.uint64) for name in ("inputs", "labels"))
            read = cls(ids, parts, inputs, labels, table.schema.metadata[b"columns"].decode())
            if read.digest != table.schema.metadata[b"digest"].decode():
                raise ValueError("its digest differs from its content")
            return read


def _places(ids: tuple[str, ...]) -> dict[tuple[str, int], int]:
    """Return the row of each sample, by the name and the number of earlier samples with the same name."""
    earlier = Counter[str]()
    places = {}
    for row, name in enumerate(ids):
        places[name, earlier[name]] = row
        earlier[name] += 1
    return places


def _hashes(parts: Iterator[tuple[Any, ...]]) -> NDArray[np.uint64]:
    """Return the hash of each row of the arrays of each part, one part after the other. An array may be None."""
    hashes = bytearray()
    for arrays in parts:
        given = [array for array in arrays if array is not None]
        for start in range(0, len(given[0]), _BLOCK):
            rows = [_rows(array[start : start + _BLOCK]) for array in given]
            for row in np.concatenate(rows, axis=1) if len(rows) > 1 else rows[0]:
                hashes += hashlib.blake2b(row.data, digest_size=8).digest()
    return np.frombuffer(bytes(hashes), dtype="<u8").astype(np.uint64)


def _rows(values: NDArray[Any] | Tensor) -> NDArray[np.uint8]:
    """Return the bytes of each row of an array. Equal numbers have equal bytes: -0.0 is written as 0.0, and every NaN
    as the same NaN.
    """
    held = values if isinstance(values, Tensor) else torch.from_numpy(np.array(values))  # NumPy has no bfloat16
    rows = held.detach().cpu().reshape(len(held), -1)
    if rows.is_floating_point():
        rows = torch.where(rows.isnan(), torch.nan, rows) + 0
    return rows.contiguous().view(torch.uint8).numpy()
