"""Batches of residuals for the fit of a mixture, read from a Parquet file or folder, or from a memory map.

Each iteration starts at the first row and holds one batch in memory. `GaussianUniformMixture.fit_batches` requires
this. A fit reads the file some tens of times. Reading is fast if the file has float32 columns without dictionary
encoding, little or no compression, and row groups of a few hundred thousand rows.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from deepgum.checks import check_count
from deepgum.errors import InvalidDataError, InvalidParameterError, listing
from deepgum.processes import SOLO, Processes

__all__ = ["ArrayBatches", "ParquetBatches"]

Numbers: TypeAlias = NDArray[Any]

BATCH_SIZE = 65_536
# Bytes of each column that are read at once, however large the row groups are.
BUFFER = 2**20


class ParquetBatches:
    """Batches (b, d) of residuals from one Parquet file, or from all Parquet files of a folder in order of their names.

    Parameters
    ----------
    path : path
        A file, or a folder with files whose names end in ``.parquet``.
    columns : sequence of str, optional
        Names of the columns of residuals, one per coordinate. A null in a column marks a missing label. By default, all
        columns of the first file except the column `sample_weight` and the index of pandas.
    sample_weight : str, optional
        Name of the column of weights. With this column, batches are pairs (residuals, sample_weight).
    batch_size : int
        Maximum number of rows per batch.
    processes : Processes, default a single process
        The processes that share the rows. Process r of N processes reads the row groups r, r + N, r + 2 N and so on,
        counted from 0. The files should have many more row groups than there are processes.

    Attributes
    ----------
    columns : tuple of str
        Names of the coordinates.
    n_rows : int
        Number of rows that this process reads.

    Raises
    ------
    InvalidParameterError
        If the file does not exist, the folder holds no Parquet file, or a column is named twice.
    InvalidDataError
        If a file is not a Parquet file, lacks a column, or has a column that does not hold numbers.

    Examples
    --------
    >>> import tempfile
    >>> import pyarrow as pa
    >>> import pyarrow.parquet
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pa.parquet.write_table(pa.table({"x": [1.0, None, 3.0], "y": [4.0, 5.0, 6.0]}), f"{folder}/a.parquet")
    ...     batches = ParquetBatches(folder, ["y", "x"], batch_size=2)
    ...     print(batches.n_rows, *(batch.tolist() for batch in batches))
    3 [[4.0, 1.0], [5.0, nan]] [[6.0, 3.0]]
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        columns: Sequence[str] | None = None,
        *,
        sample_weight: str | None = None,
        batch_size: int = BATCH_SIZE,
        processes: Processes = SOLO,
    ) -> None:
        self._batch_size, self._weight = check_count("batch_size", batch_size), sample_weight
        files = _parquet_files(Path(path))
        layouts = [_Layout(file) for file in files]
        self.columns = tuple(columns) if columns is not None else layouts[0].all_but(sample_weight)
        self._names = self.columns if sample_weight is None else (*self.columns, sample_weight)
        if not self.columns or len(set(self._names)) < len(self._names):
            twice = [name for name, count in Counter(self._names).items() if count > 1]
            raise InvalidParameterError("columns", "names of columns, each once", columns, listing(twice))
        # float32, the type of a network's residuals, unless a column has a wider type.
        types = [kind for layout in layouts for kind in layout.types(self._names)]
        self._type = np.result_type(np.float32, *types)
        groups = [(file, group, n) for file, each in zip(files, layouts, strict=True) for group, n in each.row_groups]
        self._row_groups = groups[processes.rank :: processes.world_size]
        self.n_rows = sum(n for _, _, n in self._row_groups)

    def __iter__(self) -> Iterator[Numbers | tuple[Numbers, Numbers]]:
        """Yield batches of all rows of this process, from the first row on."""
        for file, row_groups in groupby(self._row_groups, key=itemgetter(0)):
            yield from self._of_file(file, [group for _, group, _ in row_groups])

    def _of_file(self, file: Path, row_groups: list[int]) -> Iterator[Numbers | tuple[Numbers, Numbers]]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(file, buffer_size=BUFFER, pre_buffer=False) as parquet:
                for batch in parquet.iter_batches(self._batch_size, row_groups, columns=list(self._names)):
                    yield self._numbers(batch)
        except (OSError, pa.ArrowException) as error:
            raise InvalidDataError(f"File {file} cannot be read to the end. Write it again. Found: {error}") from error

    def _numbers(self, batch: Any) -> Numbers | tuple[Numbers, Numbers]:
        # Column by column, which is the layout of the file and of the mixture: the transpose copies nothing.
        residuals = np.empty((len(self.columns), batch.num_rows), self._type)
        for row, name in zip(residuals, self.columns, strict=True):
            row[:] = batch.column(name).to_numpy(zero_copy_only=False)
        if self._weight is None:
            return residuals.T
        return residuals.T, np.array(batch.column(self._weight).to_numpy(zero_copy_only=False), np.float64)


class ArrayBatches:
    """Batches (b, d) of residuals from an array that is too large for memory: a memory map or a ``.npy`` file.

    When parts of a memory map are read, some tools count them as memory of the process. The operating system takes this
    memory back when it is needed.

    Parameters
    ----------
    array : array, shape (n, d), or path
        The residuals. A path is the path of a file that `numpy.save` wrote, and is opened by
        ``numpy.load(path, mmap_mode="r")``.
    sample_weight : array, shape (n,), or path, optional
        Weights of the rows. With weights, batches are pairs (residuals, sample_weight).
    batch_size : int
        Maximum number of rows per batch.
    processes : Processes, default a single process
        The processes that share the rows. For N processes, the rows are divided into N blocks of nearly equal length,
        and each process reads one block.

    Attributes
    ----------
    n_rows : int
        Number of rows that this process reads.

    Raises
    ------
    InvalidParameterError
        If the file does not exist.
    InvalidDataError
        If a file does not hold an array of numbers, the array does not have shape (n, d), or the weights do not have
        shape (n,).

    Examples
    --------
    >>> batches = ArrayBatches(np.arange(6.0).reshape(3, 2), batch_size=2)
    >>> [batch.tolist() for batch in batches]
    [[[0.0, 1.0], [2.0, 3.0]], [[4.0, 5.0]]]
    """

    def __init__(
        self,
        array: Numbers | str | os.PathLike[str],
        *,
        sample_weight: Numbers | str | os.PathLike[str] | None = None,
        batch_size: int = BATCH_SIZE,
        processes: Processes = SOLO,
    ) -> None:
        self._batch_size = check_count("batch_size", batch_size)
        self._array = _mapped("array", array)
        self._weight = None if sample_weight is None else _mapped("sample_weight", sample_weight)
        if self._array.ndim != 2:
            raise InvalidDataError(f"Residuals should have shape (n, d). Found {self._array.shape}.")
        n = len(self._array)
        if self._weight is not None and self._weight.shape != (n,):
            raise InvalidDataError(
                f"`sample_weight` should have shape ({n},), one weight per row. Found {tuple(self._weight.shape)}."
            )
        self._first, self._end = (n * rank // processes.world_size for rank in (processes.rank, processes.rank + 1))
        self.n_rows = self._end - self._first

    def __iter__(self) -> Iterator[Numbers | tuple[Numbers, Numbers]]:
        """Yield batches of all rows of this process, from the first row on."""
        for first in range(self._first, self._end, self._batch_size):
            rows = slice(first, min(first + self._batch_size, self._end))
            # A copy: torch needs writable memory, and the map may be read-only.
            residuals = np.array(self._array[rows])
            yield residuals if self._weight is None else (residuals, np.array(self._weight[rows]))


class _Layout:
    """Layout of a Parquet file: the columns of the file, and the number of rows in each row group."""

    def __init__(self, file: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._file = file
        try:
            with pq.ParquetFile(file) as parquet:
                self._schema, metadata = parquet.schema_arrow, parquet.metadata
        except (OSError, pa.ArrowException) as error:
            raise InvalidDataError(f"File {file} should be a Parquet file. Found: {error}") from error
        self.row_groups = [(i, metadata.row_group(i).num_rows) for i in range(metadata.num_row_groups)]

    def all_but(self, name: str | None) -> tuple[str, ...]:
        return tuple(each for each in self._schema.names if each not in (name, *self._index()))

    def _index(self) -> list[str]:
        """Return the names of the columns that hold the index of a pandas data frame. A range index has no column."""
        try:
            named = (self._schema.pandas_metadata or {}).get("index_columns", [])
        except (ValueError, AttributeError):  # metadata of another program under the key of pandas
            return []
        return [each for each in named if isinstance(each, str)]

    def types(self, names: Sequence[str]) -> list[Any]:
        """Return the NumPy types of some columns. Raise an error if a column is missing or does not hold numbers."""
        import pyarrow as pa

        missing = [name for name in names if name not in self._schema.names]
        if missing:
            raise InvalidDataError(
                f"File {self._file} has no column {listing(missing)}. Found {listing(self._schema.names, most=20)}."
            )
        kinds = {name: self._schema.field(name).type for name in names}
        others = [f"{n} ({kind})" for n, kind in kinds.items() if not _is_number(pa.types, kind)]
        if others:
            raise InvalidDataError(
                f"Columns of file {self._file} should hold numbers. Found other types: {listing(others)}. Select the "
                "columns of numbers with `columns`."
            )
        return [kind.to_pandas_dtype() for kind in kinds.values()]


def _is_number(types: Any, kind: Any) -> bool:
    return bool(types.is_floating(kind) or types.is_integer(kind))


def _parquet_files(path: Path) -> list[Path]:
    if not path.exists():
        raise InvalidParameterError(
            "path", "a Parquet file, or a folder with Parquet files", str(path), "There is no such path."
        )
    if path.is_file():
        return [path]
    files = sorted(path.glob("*.parquet"))
    if not files:
        hint = "No name in the folder ends in .parquet."
        raise InvalidParameterError("path", "a Parquet file, or a folder with Parquet files", str(path), hint)
    return files


def _mapped(parameter: str, array: Numbers | str | os.PathLike[str]) -> Numbers:
    if isinstance(array, np.ndarray):
        return array
    path = Path(array)
    if not path.is_file():
        raise InvalidParameterError(
            parameter, "an array, or the path of a .npy file", str(path), "There is no such file."
        )
    try:
        # Never load a pickle: it could run code. False is NumPy's default; it is stated because safety depends on it.
        loaded = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InvalidDataError(f"File {path} should hold one array of numbers (.npy). Found: {error}") from error
    if not isinstance(loaded, np.ndarray):
        raise InvalidDataError(f"File {path} should hold one array of numbers (.npy). Found several arrays (.npz).")
    return loaded
