"""A temporary file with the checked rows of a long table, which can be read many times."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from deepgum.audit.notices.aside import Aside
from deepgum.audit.predictions import rows_to_check
from deepgum.audit.scoring.table_rows import Rows
from deepgum.errors import DiskFullError
from deepgum.posteriors.spikes import Spikes
from deepgum.storage.disk import FULL

__all__ = ["Spool"]

Values = NDArray[np.float64]
_TEXTS = ("places", "names", "images")


class Spool:
    """Rows in a temporary Arrow file that is mapped into memory. Use it in a `with` block.

    A fit reads the rows some tens of times. Without this file, a CSV file would be parsed each time. The system removes
    the file when the process ends in any way, because the file has no name.

    Parameters
    ----------
    folder : Path, optional
        Folder on the disk that holds the file; by default the temporary folder of the system.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = Path(tempfile.gettempdir()) if folder is None else folder
        self._parts = 0
        self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, parts: Iterable[Rows]) -> None:
        """Write all rows, part by part. The rows can be read only after all parts are written.

        Raises
        ------
        DiskFullError
            If the disk cannot hold the rows.
        """
        try:
            with ExitStack() as files:
                writer: Any = None
                for rows in parts:
                    batch = _record_batch(rows)
                    if writer is None:
                        writer = files.enter_context(pa.ipc.new_file(self._file, batch.schema))
                    writer.write_batch(batch)
                    self._parts += 1
            self._file.flush()
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise DiskFullError(
                f"The disk of '{self._folder}' should hold the rows of the table while they are scored. The disk is "
                f"full ({error}); the temporary file is removed. Make space, or write the output to another disk."
            ) from error

    def __iter__(self) -> Iterator[Rows]:
        """Yield the parts of the rows, in the order in which the parts were written."""
        for batch in self._batches():
            places, names, images = (_texts(batch.column(name)) for name in _TEXTS)
            yield Rows(
                places or [], names, images, _numbers(batch.column("given")), _numbers(batch.column("predicted"))
            )

    def __len__(self) -> int:
        """Return the number of parts that were written."""
        return self._parts

    def residuals(self, aside: Aside, spikes: Spikes) -> Residuals:
        """Return the residuals of all parts, for `LabelMixture.fit_batches`."""
        return Residuals(self._batches, aside, spikes)

    def pairs(self) -> tuple[Values, Values]:
        """Return the labels and predictions (n, d) of evenly spread rows, for the check of the predictions."""
        rows = sum(batch.num_rows for batch in self._batches())
        given, predicted, first, step = [], [], 0, 0
        for batch in self._batches():
            part = [_numbers(batch.column(name)) for name in ("given", "predicted")]
            step = step or int(rows_to_check(rows, part[0].shape[1]).step)
            chosen = slice((-first) % step, None, step)
            given.append(part[0][chosen])
            predicted.append(part[1][chosen])
            first += batch.num_rows
        return np.concatenate(given), np.concatenate(predicted)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        mapped = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        with pa.ipc.open_file(pa.BufferReader(pa.py_buffer(mapped))) as file:
            for number in range(file.num_record_batches):
                yield file.get_batch(number)


class Residuals:
    """An iterable over the residuals in a spool. Each iteration starts at the first part.

    Parameters
    ----------
    batches : callable
        Function without arguments that returns an iterator over the record batches of the spool.
    aside : Aside
        Labels that are set aside; their residuals are NaN.
    spikes : Spikes
        Labels that are right without a density; their residuals are NaN.
    """

    def __init__(self, batches: Callable[[], Iterator[pa.RecordBatch]], aside: Aside, spikes: Spikes) -> None:
        self._batches, self._aside, self._spikes = batches, aside, spikes

    def __iter__(self) -> Iterator[Values]:
        """Yield the residuals (b, d) of each part."""
        for batch in self._batches():
            given, predicted = _numbers(batch.column("given")), _numbers(batch.column("predicted"))
            targets, given = self._aside.targets, self._aside.without(given, predicted)
            yield self._spikes.others(targets.residuals(given, predicted), given, predicted, targets.partition)


def _record_batch(rows: Rows) -> pa.RecordBatch:
    texts = {name: getattr(rows, name) for name in _TEXTS}
    columns = {
        name: pa.nulls(len(rows), pa.string()) if values is None else pa.array(values, pa.string())
        for name, values in texts.items()
    }
    for name, numbers in (("given", rows.given), ("predicted", rows.predicted)):
        flat = pa.array(np.ascontiguousarray(numbers).reshape(-1))
        columns[name] = pa.FixedSizeListArray.from_arrays(flat, numbers.shape[1])
    return pa.RecordBatch.from_pydict(columns)


def _texts(column: pa.Array) -> list[str] | None:
    return None if column.null_count == len(column) else column.to_pylist()


def _numbers(column: pa.Array) -> Values:
    # A copy, because a view would keep the whole file mapped.
    return np.array(column.flatten()).reshape(len(column), -1)
