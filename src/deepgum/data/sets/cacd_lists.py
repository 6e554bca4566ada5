"""Two lists for CACD: the MATLAB file of the data set, and a file of the user with the part of each celebrity.

The MATLAB file ``celebrity2000_meta.mat`` holds a structure ``celebrityImageData``. The fields ``age``, ``identity``
(counted from 1) and ``name`` of this structure have one entry per image. Most copies of the file are MATLAB 5 files.
Some copies are MATLAB 7.3 files, which have the format HDF5. To read these, h5py must be installed.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgum.data.pool import PARTS
from deepgum.errors import InvalidDataError

__all__ = ["STRUCTURE", "CacdImages", "read_metadata", "read_split"]

STRUCTURE, _FIELDS = "celebrityImageData", ("name", "age", "identity")


@dataclass(frozen=True)
class CacdImages:
    """Names, ages and identities of n images.

    Parameters
    ----------
    names : list of str, length n
        Names of the image files.
    ages : array, shape (n,)
        Age in years of the person in each image; NaN if an image has no age.
    identities : list of str, length n
        Identity of the celebrity in each image.
    """

    names: list[str]
    ages: NDArray[np.float64]
    identities: list[str]


def read_metadata(path: Path) -> CacdImages:
    """Return the images that the MATLAB file ``celebrity2000_meta.mat`` lists, in the order of the file.

    In the file, identities are numbers. They are returned as strings.

    Raises
    ------
    InvalidDataError
        If the file cannot be read or lacks a field, or if its fields have different lengths. Also if the file has the
        format HDF5 and h5py is not installed.
    """
    import scipy.io

    try:
        structure = scipy.io.loadmat(path, variable_names=[STRUCTURE]).get(STRUCTURE)
        # A structure of arrays and an array of structures both have one entry per image.
        known = () if structure is None else structure.dtype.names or ()
        fields = {name: list(_leaves(structure[name])) for name in _FIELDS if name in known}
    except NotImplementedError:  # SciPy's error for HDF5
        fields = _read_hdf5(path)
    except Exception as error:  # the reader raises many kinds of errors for a damaged file
        raise InvalidDataError(
            f"'{path}' should be a MATLAB file. Found a file that cannot be read: {error!r}."
        ) from error
    missing = [name for name in _FIELDS if name not in fields]
    if missing:
        raise InvalidDataError(f"'{path}' should have the field {STRUCTURE}.{missing[0]}. Found no such field.")
    lengths = {name: len(values) for name, values in fields.items()}
    if len(set(lengths.values())) > 1 or not lengths["name"]:
        found = ", ".join(f"{length} of {name}" for name, length in lengths.items())
        raise InvalidDataError(f"The fields of {STRUCTURE} in '{path}' should have one entry per image. Found {found}.")
    try:
        ages, identities = (np.array(fields[name], dtype=np.float64) for name in ("age", "identity"))
    except (TypeError, ValueError) as error:
        raise InvalidDataError(
            f"Every age and identity in '{path}' should be a number. Found another value: {error}."
        ) from error
    if not (identities == np.round(identities)).all():
        raise InvalidDataError(f"Every identity in '{path}' should be a whole number. Found other numbers.")
    return CacdImages([str(name) for name in fields["name"]], ages, [str(int(number)) for number in identities])


def read_split(path: Path) -> dict[str, str]:
    """Read a split file, and return the part of each identity: one of `deepgum.data.pool.PARTS`.

    The file is a text file. A line has an identity and a part, separated by a comma, a semicolon or white space. The
    part is ``train``, ``validation`` (or ``val``) or ``test``. Empty lines and lines that begin with ``#`` are ignored.
    The first line may be the header ``identity,part``.

    Raises
    ------
    InvalidDataError
        If the file does not exist, a line is malformed, or an identity has two lines. The message names the line.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "split.csv"
    ...     _ = path.write_text(chr(10).join(["identity,part", "1,train", "2,val"]))
    ...     read_split(path)
    {'1': 'train', '2': 'validation'}
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidDataError(f"The split file '{path}' should be a text file. Found {error}.") from error
    parts: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        fields = line.replace(",", " ").replace(";", " ").split()
        if not fields or line.lstrip().startswith("#") or (number == 1 and fields == ["identity", "part"]):
            continue
        part = "validation" if fields[-1] == "val" else fields[-1]
        if len(fields) != 2 or part not in PARTS:
            expected = f"an identity and one of {', '.join(PARTS)}"
            raise InvalidDataError(f"'{path}', line {number}: the line should be {expected}. Found {line.strip()!r}.")
        if fields[0] in parts:
            raise InvalidDataError(
                f"'{path}', line {number}: an identity should have only one line. Found {fields[0]!r} again."
            )
        parts[fields[0]] = part
    return parts


def _leaves(value: Any) -> Iterator[Any]:
    """Yield the values in the cells of a field of a MATLAB structure, in MATLAB's order."""
    if isinstance(value, np.ndarray):
        for item in value.ravel(order="F"):
            yield from _leaves(item)
    else:
        yield value


def _read_hdf5(path: Path) -> dict[str, list[Any]]:
    try:
        h5py: Any = importlib.import_module("h5py")
    except ImportError as error:
        raise InvalidDataError(
            f"'{path}' should be a MATLAB 5 file. Found MATLAB 7.3 (HDF5). Save the file again in MATLAB with "
            "save(..., '-v7'), or install h5py, which can read MATLAB 7.3."
        ) from error
    try:
        with h5py.File(path, "r") as file:
            structure = file.get(STRUCTURE, {})
            fields = {name: structure[name][()].ravel().tolist() for name in _FIELDS[1:] if name in structure}
            if "name" in structure:  # an array of references to UTF-16 code units
                units = (file[reference][()] for reference in structure["name"][()].ravel())
                fields["name"] = [text.astype("<u2").ravel().tobytes().decode("utf-16-le") for text in units]
    except Exception as error:  # the reader raises many kinds of errors for a damaged file
        raise InvalidDataError(
            f"'{path}' should be a MATLAB file. Found a file that cannot be read: {error!r}."
        ) from error
    return fields
