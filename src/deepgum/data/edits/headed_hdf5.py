"""Tables with several header lines, as pandas writes them in HDF5.

pandas reads these files through PyTables, which loads pickles, and a pickle from somebody else can run code. So they
are read here as plain arrays (see also `pickled_names`), and corrected numbers are written into a copy of the file.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgum.checks import LARGEST
from deepgum.data.edits.headed_table import HeadedTable
from deepgum.data.edits.pickled_names import names_in
from deepgum.errors import MissingDependencyError
from deepgum.storage.decoding import decoding

__all__ = ["HeadedHdf5", "is_hdf5", "open_hdf5", "read_headed_hdf5"]

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_LARGEST_ARRAY = 1 << 31
"""Largest number of bytes of an array that is read. A damaged file can claim any size."""


def is_hdf5(path: Path) -> bool:
    """Return whether a file starts like an HDF5 file."""
    try:
        with open(path, "rb") as file:
            return file.read(len(_SIGNATURE)) == _SIGNATURE
    except OSError:
        return False


@contextmanager
def open_hdf5(path: Path, content: str, mode: str = "r") -> Iterator[Any]:
    """Open an HDF5 file. `content` says what the file should be, for messages.

    Raises
    ------
    MissingDependencyError
        If h5py is not installed.
    InvalidDataError
        If the file, or what the `with` block reads from it, is damaged.
    """
    try:
        import h5py
    except ImportError as error:
        raise MissingDependencyError(f"Reading '{path}'", "h5py", extra="pose") from error
    with decoding(path, content), h5py.File(path, mode) as file:
        yield file


@dataclass(frozen=True)
class _Block:
    """Some columns of the table that are one array in the file.

    Attributes
    ----------
    dataset : str
        Path of the array in the file.
    member : str
        Name of the part of each row of the array that has the numbers; empty if the rows are the numbers.
    columns : tuple of int
        The columns of the table, in the order of the array.
    """

    dataset: str
    member: str
    columns: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class HeadedHdf5(HeadedTable):
    """A frame of pandas in an HDF5 file."""

    blocks: tuple[_Block, ...]

    def write(self, cells: Mapping[tuple[int, int], float], out: Path) -> None:
        """Write a copy of the file with new numbers in some cells. All other arrays and names stay."""
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.path, out)
        with open_hdf5(out, "an HDF5 file that can be changed", "r+") as file:
            for block in self.blocks:
                places = {column: place for place, column in enumerate(block.columns)}
                mine = {(row, places[column]): value for (row, column), value in cells.items() if column in places}
                dataset = file[block.dataset]
                for row in sorted({row for row, _ in mine}):
                    numbers = dataset[row][block.member] if block.member else dataset[row]
                    for (_, place), value in ((key, value) for key, value in mine.items() if key[0] == row):
                        numbers[place] = value
                    # Only the numbers: h5py shortens the texts of a row that it writes as a whole.
                    dataset[(row, block.member) if block.member else row] = numbers


def read_headed_hdf5(path: Path, content: str, depths: Mapping[int, tuple[str, ...]]) -> HeadedHdf5:
    """Read the one frame of pandas in an HDF5 file, in the format "fixed" or "table".

    Parameters
    ----------
    path : Path
    content : str
        What the file should be, for messages.
    depths : mapping of int to tuple of str
        The names of the header lines, by their number. The format "table" stores these names in a pickle only.

    Raises
    ------
    MissingDependencyError
        If h5py is not installed.
    InvalidDataError
        If the file has no frame or several, is damaged, or has columns that are not numbers.
    """
    with open_hdf5(path, content) as file:
        keys = [key for key in file if "pandas_type" in file[key].attrs]
        if len(keys) != 1:
            raise ValueError(f"it should have one table of pandas. Found {len(keys)}")
        group = file[keys[0]]
        kind = _text(group.attrs["pandas_type"])
        if kind == "frame":
            levels, columns, index, values, blocks = _fixed(group)
        elif kind == "frame_table":
            levels, columns, index, values, blocks = _appendable(group, depths)
        else:
            raise ValueError(f"its table of pandas should be a frame. Found {kind}")
        if (np.abs(values) > LARGEST).any():
            raise ValueError("its numbers should be finite")
        if len(set(columns)) < len(columns):
            raise ValueError("it should have each column once")
    return HeadedHdf5(path, levels, columns, index, values, blocks)


_Parts = tuple[
    tuple[str, ...], tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...], NDArray[np.float64], tuple[_Block, ...]
]


def _fixed(group: Any) -> _Parts:
    """Read a frame in the format "fixed": an array of numbers for each block, and arrays of names."""
    columns, names = _axis(group, "axis0")
    index, _ = _axis(group, "axis1")
    places = {column: place for place, column in enumerate(columns)}
    values = np.full((len(index), len(columns)), np.nan)
    blocks = []
    for number in range(int(group.attrs["nblocks"])):
        items, _ = _axis(group, f"block{number}_items")
        block = _Block(group.name + f"/block{number}_values", "", tuple(places[item] for item in items))
        values[:, block.columns] = _checked(_array(group[f"block{number}_values"]), (len(index), len(items)))
        blocks.append(block)
    return names, columns, index, values, tuple(blocks)


def _appendable(group: Any, depths: Mapping[int, tuple[str, ...]]) -> _Parts:
    """Read a frame in the format "table": rows of an index and blocks of numbers. The names are stored as pickles."""
    table = group["table"]
    rows = _array(table)
    ((_, labels),) = names_in(_bytes(group.attrs["non_index_axes"]))
    columns = tuple(_label(label) for label in labels)
    places = {column: place for place, column in enumerate(columns)}
    index = tuple((_cell(cell),) for cell in rows["index"].tolist())
    values = np.full((len(index), len(columns)), np.nan)
    blocks = []
    for member in table.dtype.names:
        if member.startswith("values_block_"):
            items = [_label(label) for label in names_in(_bytes(table.attrs[f"{member}_kind"]))]
            block = _Block(table.name, member, tuple(places[item] for item in items))
            values[:, block.columns] = _checked(rows[member], (len(index), len(items)))
            blocks.append(block)
    return depths[len(columns[0])], columns, index, values, tuple(blocks)


def _axis(group: Any, axis: str) -> tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]:
    """Return the names along an axis, and the names of their levels."""
    if _text(group.attrs[f"{axis}_variety"]) != "multi":
        dataset = group[axis]
        return tuple((_cell(cell),) for cell in _array(dataset).tolist()), (_text(dataset.attrs.get("name", b"")),)
    parts, names = [], []
    for level in range(int(group.attrs[f"{axis}_nlevels"])):
        labels = [_cell(cell) for cell in _array(group[f"{axis}_level{level}"]).tolist()]
        codes = _array(group[f"{axis}_label{level}"])
        if codes.ndim != 1 or (codes < 0).any():
            raise ValueError("each row and column should have a name")
        parts.append([labels[code] for code in codes.tolist()])
        names.append(_text(group[f"{axis}_level{level}"].attrs.get("name", b"")))
    return tuple(zip(*parts, strict=True)), tuple(names)


def _array(dataset: Any) -> NDArray[Any]:
    if dataset.size * dataset.dtype.itemsize > _LARGEST_ARRAY:
        raise ValueError("it is too large")
    array: NDArray[Any] = dataset[...]
    return array


def _checked(array: NDArray[Any], shape: tuple[int, int]) -> NDArray[np.float64]:
    if array.shape != shape or array.dtype.kind not in "fiu":
        raise ValueError(f"its numbers should have the shape {shape}. Found {array.dtype}, {array.shape}")
    return array.astype(np.float64)


def _label(label: Any) -> tuple[str, ...]:
    return tuple(_cell(part) for part in (label if isinstance(label, tuple) else (label,)))


def _cell(cell: Any) -> str:
    return cell.decode("utf-8", "surrogateescape") if isinstance(cell, bytes) else str(cell)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _bytes(value: Any) -> bytes:
    return value.encode("latin-1") if isinstance(value, str) else bytes(value)
