"""NumPy archives (.npz) that somebody else may have written: no pickles, and no archive that fills the memory."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgum.errors import listing
from deepgum.storage.decoding import decoding

__all__ = ["read_archive"]

ALWAYS, RATIO = 2**30, 100
"""Arrays of up to `ALWAYS` bytes are read. Larger arrays are read only if they are at most `RATIO` times the file."""


def read_archive(path: Path, names: Sequence[str], content: str) -> dict[str, NDArray[Any]]:
    """Return arrays of an .npz file: name -> array.

    Parameters
    ----------
    path : Path
    names : sequence of str
        Names of the arrays to read.
    content : str
        The expected content of the file; see `deepgum.storage.decoding.decoding`.

    Raises
    ------
    InvalidDataError
        If the file does not exist, is not an archive, lacks an array, or holds Python objects; or if the arrays are so
        much larger than the file that they would fill the memory.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "features.npz"
    ...     np.savez(path, features=np.eye(2))
    ...     read_archive(path, ["features"], "an archive with features")
    {'features': array([[1., 0.],
           [0., 1.]])}
    """
    with decoding(path, content):
        with zipfile.ZipFile(path) as archive:
            size = sum(part.file_size for part in archive.infolist() if part.filename.removesuffix(".npy") in names)
        if size > max(ALWAYS, RATIO * path.stat().st_size):
            raise ValueError(f"its arrays have {size / 2**30:,.1f} GiB, more than {RATIO} times the size of the file")
        with np.load(path, allow_pickle=False) as arrays:
            missing = [name for name in names if name not in arrays.files]
            if missing:
                raise ValueError(f"it has no array {listing(missing)}, and has {listing(arrays.files) or 'no array'}")
            read = {name: arrays[name] for name in names}
        if not all(isinstance(values, np.ndarray) for values in read.values()):  # NumPy returns bytes otherwise
            raise ValueError("it holds something else than arrays")
        return read
