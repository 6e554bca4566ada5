"""CACD's MATLAB file, or where there is none the names of its images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgum.data.ages import AGE, OLDEST, ages_in_names, plausible
from deepgum.data.annotations.base import Annotations, Changes
from deepgum.data.annotations.carry import carry
from deepgum.data.annotations.named_ages import NamedAges
from deepgum.data.annotations.storage import stored
from deepgum.data.cacd import IMAGE_FOLDER, METADATA, composed
from deepgum.data.cacd_lists import STRUCTURE, read_metadata
from deepgum.data.listed_images import image_names
from deepgum.errors import InvalidDataError, InvalidParameterError

__all__ = ["CacdAnnotations", "read_cacd"]

Cells = NDArray[Any]


@dataclass(frozen=True, eq=False)
class CacdAnnotations(Annotations):
    """Ages in the structure of the MATLAB file. An image without an age would be refused, so it is left out of it."""

    keeps_missing = False

    variables: Mapping[str, Any] = field(default_factory=dict)

    def write(self, changes: Changes, out: Path) -> tuple[str, ...]:
        """Write the MATLAB file to a folder, with the images."""
        import scipy.io

        dropped = set(self.left_out(changes))
        ages = {self.rows[name]: labels for name, labels in changes.items() if name not in dropped}
        wrong = [name for name in changes if name not in dropped and not plausible(changes[name]).all()]
        if wrong:
            found = changes[wrong[0]].tolist()
            raise InvalidDataError(f"The new age of {wrong[0]!r} should be from 0 to {OLDEST} years. Found {found}.")
        structure, notes = _with_ages(self.variables[STRUCTURE], ages, f"'{METADATA}'")
        structure = _without(structure, [self.rows[name] for name in sorted(dropped)], len(self))
        out.mkdir(parents=True, exist_ok=True)
        made = out / METADATA
        scipy.io.savemat(made, {**self.variables, STRUCTURE: structure}, do_compression=True, long_field_names=True)
        self._check(made, changes, dropped)
        (out / IMAGE_FOLDER).mkdir(exist_ok=True)
        images = image_names(self.source / IMAGE_FOLDER) if (self.source / IMAGE_FOLDER).is_dir() else []
        left = {name for name in images if f"{IMAGE_FOLDER}/{composed(name)}" in dropped}
        carry(self.source / IMAGE_FOLDER, {name: name for name in images if name not in left}, out / IMAGE_FOLDER)
        return notes

    def _check(self, made: Path, changes: Changes, dropped: set[str]) -> None:
        """Read what was written: SciPy does not write all that MATLAB can put into a file."""
        images = read_metadata(made)
        kept = [name for name in self.ids if name not in dropped]
        expected = np.array([changes.get(name, self.values[self.rows[name]])[0] for name in kept])
        named = [f"{IMAGE_FOLDER}/{composed(name)}" for name in images.names]
        if named != kept or not np.allclose(images.ages, expected, atol=0.5, equal_nan=True):
            raise InvalidDataError(
                f"'{self.source / METADATA}' cannot be written so that it reads the same: its structure is not one "
                "that is known. Save it again in MATLAB with save(..., '-v7')."
            )


def read_cacd(folder: Path, options: Mapping[str, Any]) -> Annotations:
    """Read the MATLAB file, or without it the names of the images.

    Raises
    ------
    InvalidParameterError, InvalidDataError
        If there is neither, or the file is malformed or of MATLAB 7.3.
    """
    if (folder / METADATA).is_file():
        return _from_metadata(folder)
    files = tuple(image_names(folder / IMAGE_FOLDER)) if (folder / IMAGE_FOLDER).is_dir() else ()
    if not files:
        raise InvalidParameterError("data", f"a folder that holds '{METADATA}' or '{IMAGE_FOLDER}'", str(folder))
    return NamedAges(
        source=folder,
        ids=tuple(f"{IMAGE_FOLDER}/{composed(file)}" for file in files),
        names=AGE,
        values=ages_in_names(files)[:, None],
        files=files,
        inside=IMAGE_FOLDER,
    )


def _from_metadata(folder: Path) -> CacdAnnotations:
    import scipy.io

    path = folder / METADATA
    try:
        variables = scipy.io.loadmat(path)
    except NotImplementedError as error:  # how SciPy says HDF5
        raise InvalidDataError(
            f"'{path}' should be a MATLAB 5 file, the one that can be written. Found MATLAB 7.3 (HDF5). "
            "Save it again in MATLAB with save(..., '-v7')."
        ) from error
    except Exception as error:  # a spoilt file fails in the reader in many ways
        raise InvalidDataError(f"'{path}' should be a MATLAB file. Found what cannot be read: {error!r}.") from error
    images = read_metadata(path)
    return CacdAnnotations(
        source=folder,
        ids=tuple(f"{IMAGE_FOLDER}/{composed(name)}" for name in images.names),
        names=AGE,
        values=images.ages[:, None],
        variables={name: value for name, value in variables.items() if not name.startswith("__")},
    )


def _with_ages(structure: Cells, ages: Mapping[int, NDArray[np.float64]], where: str) -> tuple[Cells, tuple[str, ...]]:
    """Return a structure of arrays, or an array of structures, with other ages in some places (MATLAB's order)."""
    made, notes = structure.copy(), dict[str, None]()

    def changed(array: Cells, wanted: Mapping[int, NDArray[np.float64]]) -> Cells:
        flat = array.ravel(order="F").copy()
        for place, age in wanted.items():
            if flat.dtype == object:
                flat[place] = changed(flat[place], {0: age})
            else:
                (flat[place],), note = stored(age, flat.dtype, where)
                notes.update(dict.fromkeys(note))
        return flat.reshape(array.shape, order="F")

    if structure.size == 1:
        (inner,) = structure["age"].ravel()
        made["age"][(0,) * made.ndim] = changed(inner, ages)
    else:
        made["age"] = changed(structure["age"], ages)
    return made, tuple(notes)


def _without(structure: Cells, rows: list[int], n: int) -> Cells:
    """Return it without some entries: in every field that has one entry an image."""
    if not rows:
        return structure
    if len(rows) == n:
        raise InvalidDataError(f"'{METADATA}' should keep at least one image. All of its samples are dropped.")
    if structure.size == n:
        return _shortened(structure, rows, n)
    made = structure.copy()
    for name in structure.dtype.names or ():
        (inner,) = structure[name].ravel()
        made[name][(0,) * made.ndim] = _shortened(inner, rows, n)
    return made


def _shortened(array: Cells, rows: list[int], n: int) -> Cells:
    axes = [axis for axis, length in enumerate(array.shape) if length == n]
    return np.delete(array, rows, axis=axes[0]) if axes else array
