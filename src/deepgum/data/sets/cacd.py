"""CACD, the Cross-Age Celebrity Dataset: faces of celebrities with their ages.

B.-C. Chen, C.-S. Chen and W. H. Hsu, "Cross-Age Reference Coding for Age-Invariant Face Recognition and Retrieval",
ECCV 2014. The paper uses this data set in section 4.2. It has 163,446 images of 2,000 celebrities. The folder
``CACD2000`` holds the images of 250 x 250 pixels, with names of the form

    53_Given_Family_0001.jpg

A file name begins with the age. The name of the celebrity may have letters outside ASCII. The MATLAB file
``celebrity2000_meta.mat`` beside the folder (see `deepgum.data.sets.cacd_lists`) has the age and the identity of each
image. If this file is missing, the ages and the names of the celebrities are read from the file names, and the name of
the celebrity is the identity.

Unicode has several forms of the same letter. The MATLAB file and the program that unpacked the images may have used
different forms. Names are therefore converted to composed form (NFC) before they are compared. The ids are in composed
form too. If the bytes of a name are not UTF-8, the name is read as Latin-1.

The paper splits by celebrity: 1,800 celebrities are for training, 80 for validation and 120 for the test. The paper
does not say which celebrities are in each part. A user can list them in a file.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgum.checks import check_count
from deepgum.data.crop_cache import CropPlan, Progress
from deepgum.data.edits.base import Annotations, Changes, stored
from deepgum.data.edits.carry import carry
from deepgum.data.listed_images import image_names, load_pool, present_rows, usable_rows
from deepgum.data.pool import Pool
from deepgum.data.regression import RegressionData
from deepgum.data.sets.ages import AGE, MIRROR, OLDEST, NamedAges, ages_in_names, plausible
from deepgum.data.sets.base import Dataset
from deepgum.data.sets.cacd_lists import STRUCTURE, CacdImages, read_metadata, read_split
from deepgum.data.sets.measure import Measure
from deepgum.data.sets.request import Request, Subset, by_parts, cut
from deepgum.data.splits import split_clusters
from deepgum.errors import InvalidDataError, InvalidParameterError, listing

__all__ = ["IMAGE_FOLDER", "METADATA", "Cacd", "CacdAnnotations", "composed", "load_cacd"]

IMAGE_FOLDER, METADATA = "CACD2000", "celebrity2000_meta.mat"

_SOURCE = (
    "The set is CACD of B.-C. Chen, C.-S. Chen and W. H. Hsu's 'Cross-Age Reference Coding for Age-Invariant Face "
    f"Recognition and Retrieval' (ECCV 2014): unpack it so that '{METADATA}' stands beside '{IMAGE_FOLDER}'."
)


def load_cacd(
    folder: str | os.PathLike[str],
    image_size: int,
    *,
    colour: bool = True,
    split_file: str | os.PathLike[str] | None = None,
    skip_missing: bool = False,
    skip_unreadable: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
    on_progress: Progress | None = None,
) -> Pool:
    """Return the images with their ages.

    The images are in the order of the MATLAB file. If this file is missing, they are in the order of their names.

    Parameters
    ----------
    folder : path
        Folder that holds the folder ``CACD2000`` and the MATLAB file ``celebrity2000_meta.mat``. The MATLAB file may be
        missing.
    image_size : int
        Side of the images in pixels, after resizing.
    colour : bool
        If true, images are RGB (n, 3, h, w). If false, they are grey (n, 1, h, w).
    split_file : path, optional
        File with the part of each identity; see `deepgum.data.sets.cacd_lists.read_split`. Identities are the numbers
        in the MATLAB file. If the MATLAB file is missing, they are the names in the form ``Given_Family``.
    skip_missing : bool
        Whether to leave out images that the MATLAB file lists but that do not exist. A warning gives their number.
    skip_unreadable : bool
        Whether to leave out images that cannot be decoded or have no age. A warning gives their number.
    cache_dir : path, optional
        Folder of the cache of decoded images; see `deepgum.data.crop_cache.load_crops`.
    on_progress : callable, optional
        Called as ``on_progress(done, total)`` while images are decoded.

    Returns
    -------
    Pool
        The samples have one target, the age in years. Images of one identity are kept together. The pool has the parts
        of the split file, or no parts if no split file is given.

    Raises
    ------
    InvalidParameterError
        If the folder does not exist or holds no images, or `image_size` is out of range.
    InvalidDataError
        If the MATLAB file or the split file is malformed, or the split file lacks an identity. Also if the age of an
        image is not from 0 to 120 and `skip_unreadable` is not set.
    MissingImagesError
        If images are missing and `skip_missing` is not set, or if all images are missing.
    UnreadableImagesError, DiskFullError
        See `deepgum.data.listed_images.load_pool`.
    """
    root = Path(folder)
    check_count("image_size", image_size, least=8)
    files = image_names(root / IMAGE_FOLDER) if (root / IMAGE_FOLDER).is_dir() else []
    if not files:
        raise InvalidParameterError("folder", f"a folder that holds '{IMAGE_FOLDER}' with images", str(root), _SOURCE)
    parts = None
    if split_file is not None:
        parts = {composed(identity): part for identity, part in read_split(Path(split_file)).items()}
    on_disk = {composed(name): name for name in files}
    if (root / METADATA).is_file():
        images = read_metadata(root / METADATA)
        names = [composed(name) for name in images.names]
        rule = f"The images in '{root / METADATA}' should have an age of 0 to {OLDEST} years."
    else:
        names = list(on_disk)
        images = _from_names(names)
        rule = (
            f"Images in '{root / IMAGE_FOLDER}' should have names of the form AGE_Given_Family_NNNN.jpg, with an AGE "
            f"from 0 to {OLDEST}."
        )
    rows = present_rows(root / IMAGE_FOLDER, {METADATA: names}, skip_missing, _SOURCE, on_disk.__contains__)[METADATA]
    good = plausible(images.ages[rows]).tolist()
    rows = [rows[kept] for kept in usable_rows([names[row] for row in rows], good, rule, skip_unreadable)]
    identities = [images.identities[row] for row in rows]
    if parts is not None:
        _check_split(str(split_file), parts, identities)
    places = tuple(f"{IMAGE_FOLDER}/{on_disk[names[row]]}" for row in rows)
    return load_pool(
        CropPlan(root, places, (None,) * len(rows), image_size, colour),
        images.ages[rows, None],
        AGE,
        mirror=MIRROR,
        ids=[f"{IMAGE_FOLDER}/{names[row]}" for row in rows],
        keep_together=identities,
        parts=None if parts is None else [parts[identity] for identity in identities],
        skip_unreadable=skip_unreadable,
        cache_dir=cache_dir,
        on_progress=on_progress,
    )


def composed(name: str) -> str:
    r"""Return a name in the composed form of Unicode (NFC).

    If the name has lone surrogates, which Python uses for bytes that are not UTF-8, its bytes are read as Latin-1.

    Examples
    --------
    >>> composed("20_Zoe\u0308_A_0001.jpg") == composed("20_Zo\udceb_A_0001.jpg") == "20_Zo\xeb_A_0001.jpg"
    True
    """
    if not name.isascii():
        try:
            name.encode()
        except UnicodeEncodeError:
            name = os.fsencode(name).decode("latin-1")
    return unicodedata.normalize("NFC", name)


def _from_names(names: list[str]) -> CacdImages:
    """Read the ages and identities from file names. If a name does not have the form of CACD, its age is NaN."""
    matches = [re.fullmatch(r"([0-9]+)_(.+)_[0-9]+\.[a-z]+", name, flags=re.IGNORECASE) for name in names]
    ages = np.array([float(match[1]) if match else np.nan for match in matches])
    return CacdImages(names, ages, [match[2] if match else "" for match in matches])


def _check_split(split_file: str, parts: dict[str, str], identities: list[str]) -> None:
    without = sorted(set(identities) - set(parts))
    if without:
        raise InvalidDataError(
            f"The split file '{split_file}' should have a line for each of {len(set(identities))} identities. "
            f"Found no line for {len(without)} identities: {listing(without)}."
        )


Cells = NDArray[Any]


@dataclass(frozen=True, eq=False)
class CacdAnnotations(Annotations):
    """Ages in the structure of the MATLAB file. `write` leaves out images that lose their age."""

    keeps_missing = False

    variables: Mapping[str, Any] = field(default_factory=dict)

    def write(self, changes: Changes, out: Path) -> tuple[str, ...]:
        """Write the MATLAB file with the new ages to a folder, and put the images into the same folder."""
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
        kept = [f"{IMAGE_FOLDER}/{name}" for name in images if name not in left]
        return (*notes, *carry(self.source, dict(zip(kept, kept, strict=True)), out))

    def _check(self, made: Path, changes: Changes, dropped: set[str]) -> None:
        """Read the written file and check its names and ages, because SciPy cannot write all structures of MATLAB."""
        images = read_metadata(made)
        kept = [name for name in self.ids if name not in dropped]
        expected = np.array([changes.get(name, self.values[self.rows[name]])[0] for name in kept])
        named = [f"{IMAGE_FOLDER}/{composed(name)}" for name in images.names]
        if named != kept or not np.allclose(images.ages, expected, atol=0.5, equal_nan=True):
            raise InvalidDataError(
                f"'{self.source / METADATA}' should have a structure that can be written again. Found a structure that "
                "changes when it is written. Save the file again in MATLAB with save(..., '-v7')."
            )


def _from_metadata(folder: Path) -> CacdAnnotations:
    import scipy.io

    path = folder / METADATA
    try:
        variables = scipy.io.loadmat(path)
    except NotImplementedError as error:  # SciPy's error for HDF5
        raise InvalidDataError(
            f"'{path}' should be a MATLAB 5 file, because only such files can be written. Found MATLAB 7.3 (HDF5). "
            "Save the file again in MATLAB with save(..., '-v7')."
        ) from error
    except Exception as error:  # the reader raises many kinds of errors for a damaged file
        raise InvalidDataError(
            f"'{path}' should be a MATLAB file. Found a file that cannot be read: {error!r}."
        ) from error
    images = read_metadata(path)
    return CacdAnnotations(
        source=folder,
        ids=tuple(f"{IMAGE_FOLDER}/{composed(name)}" for name in images.names),
        names=AGE,
        values=images.ages[:, None],
        variables={name: value for name, value in variables.items() if not name.startswith("__")},
    )


def _with_ages(structure: Cells, ages: Mapping[int, NDArray[np.float64]], where: str) -> tuple[Cells, tuple[str, ...]]:
    """Return the pair (copy of a MATLAB structure with some new ages, notes for the user).

    `structure` is a structure of arrays or an array of structures. `ages` maps the position of an image, in MATLAB's
    order, to the new age. `where` is the name of the file, for messages.
    """
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
    """Return a MATLAB structure of n images without the images at some positions.

    The entries of these images are removed from every field that has one entry per image.
    """
    if not rows:
        return structure
    if len(rows) == n:
        raise InvalidDataError(f"'{METADATA}' should have at least one image left. The patch drops all images.")
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


class Cacd(Dataset):
    """CACD, with or without its MATLAB file."""

    name = "cacd"
    description = "ages of celebrities (section 4.2); options: split_file"
    image_size = 224
    measure = Measure("years", landmarks=False, moved=5.0)
    options = MappingProxyType({"split_file": ""})

    def pool(self, request: Request, seed: int) -> Pool:
        """Return the images in the order of the MATLAB file, or in the order of their names if this file is missing."""
        return load_cacd(request.path, split_file=request.options["split_file"] or None, **request.images)

    def load(self, request: Request, seed: int) -> Subset:
        """Split the images by celebrity (section 4.2 of the paper).

        If the user gives a split file, it determines the parts. Otherwise 80 celebrities are drawn for validation and
        120 for the test, unless the request has other numbers.
        """
        pool = self.pool(request, seed)
        if pool.parts is not None:
            return cut(pool, by_parts(pool, seed), request, seed)
        validation = 80 if request.validation_size is None else request.validation_size
        test = 120 if request.test_size is None else request.test_size
        assert pool.keep_together is not None
        return cut(pool, split_clusters(pool.keep_together, validation, test, seed), request, seed)

    def everything(self, request: Request, seed: int) -> tuple[RegressionData, ...]:
        """Return all images. The split file is not read."""
        return super().everything(replace(request, options={**request.options, "split_file": ""}), seed)

    def detect(self, path: Path) -> bool:
        """Return whether the folder has the MATLAB file or the folder of the images."""
        return (path / METADATA).is_file() or (path / IMAGE_FOLDER).is_dir()

    def labels(self, path: Path, options: Mapping[str, Any]) -> Annotations:
        """Read the ages from the MATLAB file, or from the names of the images if this file is missing.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            If there is no MATLAB file and no image, or if the MATLAB file is malformed or of MATLAB 7.3.
        """
        if (path / METADATA).is_file():
            return _from_metadata(path)
        files = tuple(image_names(path / IMAGE_FOLDER)) if (path / IMAGE_FOLDER).is_dir() else ()
        if not files:
            raise InvalidParameterError("data", f"a folder that holds '{METADATA}' or '{IMAGE_FOLDER}'", str(path))
        return NamedAges(
            source=path,
            ids=tuple(f"{IMAGE_FOLDER}/{composed(file)}" for file in files),
            names=AGE,
            values=ages_in_names(files)[:, None],
            files=files,
            inside=IMAGE_FOLDER,
        )
