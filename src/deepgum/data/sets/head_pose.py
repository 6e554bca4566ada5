"""Head poses: feature vectors of faces with the angles yaw, pitch and roll, in NumPy archives.

An archive (`.npz`) holds `features` (n, p) and `poses` (n, 3). Poses are in degrees, and NaN marks an unknown angle.
`biwi_train.npz` and `biwi_test.npz` hold the frames of BIWI (Fanelli et al., "Random Forests for Real Time 3D Face
Analysis", IJCV 2013) in the order of the video sequences. Neighbouring rows are near copies of each other. These rows
must therefore be split into contiguous blocks, never at random. `aflw2000.npz` holds AFLW2000-3D (Zhu et al., "Face
Alignment Across Large Poses", CVPR 2016), a set of single photographs. Some of its angles are impossible for a head.
These angles are real outliers, not artificial ones.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from deepgum.data import archives
from deepgum.data.edits.base import Annotations, Changes, stored
from deepgum.data.edits.carry import carry, check_within
from deepgum.data.pool import Pool
from deepgum.data.regression import RegressionData
from deepgum.data.sets.base import FOLDS, Dataset, check_texts
from deepgum.data.sets.measure import Measure
from deepgum.data.sets.request import Request, Subset, cut, fold_of
from deepgum.errors import InvalidDataError, InvalidParameterError, listing

__all__ = ["ANGLES", "BIWI", "HeadPose", "HeadPoseAnnotations", "archive_ids", "load_head_pose", "read_archive"]

ANGLES = ("yaw", "pitch", "roll")
BIWI = ("biwi_train.npz", "biwi_test.npz")


def load_head_pose(folder: str | os.PathLike[str], *, parts: Sequence[str] = BIWI, extra: Sequence[str] = ()) -> Pool:
    """Return the rows of several archives, one archive after the other. Each archive keeps the order of its rows.

    Parameters
    ----------
    folder : path
        Folder of the archives.
    parts : sequence of str
        File names of archives that are used for training and for testing.
    extra : sequence of str
        File names of further archives, which are used only for training. The rows of these archives come last.

    Returns
    -------
    Pool
        Inputs are the features, float32 (n, p). Targets are `ANGLES` in degrees; NaN marks a missing angle. The
        normaliser is 1. An id is the name of the archive and the number of the row, counted from 0, for example
        ``"biwi_train:000123"``. Samples cannot be mirrored, because the features of a mirrored face are unknown. No
        samples are kept together: the rows are a sequence, which `deepgum.data.folds.folds` can split. If the names of
        all archives in `parts` end in ``_train`` or ``_test``, and each of these endings occurs, the names give
        `Pool.parts`, and the rows of `extra` are in the training part. Otherwise `Pool.parts` is None.

    Raises
    ------
    InvalidParameterError
        If the folder or an archive does not exist, if no archive is named, or if an archive is named twice.
    InvalidDataError
        If an archive cannot be read without unpickling, lacks an array, or has an array of a wrong shape. Also if a
        feature is not finite or an angle is infinite. The message names the file, and the first rows with an invalid
        value.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(Path(folder) / "few.npz", features=np.zeros((3, 88), np.float32), poses=np.zeros((3, 3)))
    ...     pool = load_head_pose(folder, parts=["few.npz"])
    >>> pool.data.ids, pool.data.target_names, pool.data.inputs.shape
    (('few:000000', 'few:000001', 'few:000002'), ('yaw', 'pitch', 'roll'), (3, 88))
    """
    root = Path(folder)
    names = [*parts, *extra]
    if not parts or isinstance(parts, str) or isinstance(extra, str) or len(set(names)) < len(names):
        raise InvalidParameterError(
            "parts, extra", "lists of names of archives, each name once, and at least one name in `parts`", names
        )
    absent = [name for name in names if not (root / name).is_file()]
    if absent:
        raise InvalidParameterError("folder", f"a folder that holds {listing(absent)}", str(root))
    arrays = [tuple(array.astype(np.float32) for array in read_archive(root / name)) for name in names]
    widths = {name: features.shape[1] for name, (features, _) in zip(names, arrays, strict=True)}
    if len(set(widths.values())) > 1:
        raise InvalidDataError(f"The archives of '{root}' should have features of one length. Found {widths}.")
    lengths = [len(poses) for _, poses in arrays]
    data = RegressionData(
        inputs=np.concatenate([features for features, _ in arrays]),
        targets=torch.from_numpy(np.concatenate([poses for _, poses in arrays])),
        ids=tuple(row for name, n in zip(names, lengths, strict=True) for row in archive_ids(name, n)),
        target_names=ANGLES,
        normaliser=torch.ones(sum(lengths)),
    )
    sides = [*map(_side, parts), *["train"] * len(extra)]
    if {"train", "test"} != {_side(name) for name in parts}:
        return Pool(data)
    return Pool(data, parts=tuple(side for side, n in zip(sides, lengths, strict=True) for _ in range(n)))


def _side(name: str) -> str:
    """Return the string after the last underscore in the name of an archive, without the suffix of the file."""
    return Path(name).stem.rpartition("_")[2]


def archive_ids(name: str, n: int) -> list[str]:
    """Return the ids of the n rows of an archive.

    Examples
    --------
    >>> archive_ids("biwi_test.npz", 2)
    ['biwi_test:000000', 'biwi_test:000001']
    """
    return [f"{name.removesuffix('.npz')}:{row:06d}" for row in range(n)]


def read_archive(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the pair (features (n, p), poses (n, 3)) of an archive. The arrays have the same types as in the archive.

    Raises
    ------
    InvalidDataError
        See `load_head_pose`.
    """
    names = ("features", "poses")
    arrays = archives.read_archive(path, names, "an archive (.npz) with the plain arrays 'features' and 'poses'")
    features, poses = (arrays[name] for name in names)
    n = len(features) if features.ndim else 0
    if features.ndim != 2 or 0 in features.shape or poses.shape != (n, 3):
        raise InvalidDataError(
            f"'{path}' should hold `features` of shape (n, p) and `poses` of shape (n, 3). "
            f"Found {features.shape} and {poses.shape}."
        )
    _check(path, "features", features, missing=False)
    _check(path, "poses", poses, missing=True)
    return features, poses


def _check(path: Path, name: str, values: NDArray[Any], *, missing: bool) -> None:
    if values.dtype.kind not in "fiu":
        raise InvalidDataError(f"`{name}` of '{path}' should be numbers. Found {values.dtype}.")
    with np.errstate(over="ignore"):  # numbers beyond float32 become infinite, and are refused below
        single = values.astype(np.float32)
    bad = np.isinf(single) if missing else ~np.isfinite(single)
    wrong = np.flatnonzero(bad.any(axis=1)).tolist()
    if wrong:
        raise InvalidDataError(
            f"`{name}` of '{path}' should be finite{', or NaN where an angle is missing' if missing else ''}. "
            f"Found {len(wrong)} invalid rows (counted from 0): {listing(wrong)}."
        )


_MEMBER = "poses.npy"


@dataclass(frozen=True, eq=False)
class HeadPoseAnnotations(Annotations):
    """Yaw, pitch and roll in degrees of each row of the archives."""

    keeps_missing = True

    poses: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def write(self, changes: Changes, out: Path) -> tuple[str, ...]:
        """Write archives with changed labels to a folder, and copy all other archives into the same folder."""
        notes: dict[str, None] = {}
        for file, poses in self.poses.items():
            new = poses.copy()
            for row, name in enumerate(archive_ids(file, len(poses))):
                if name in changes:
                    new[row], note = stored(changes[name], new.dtype, f"'{self.source / file}'")
                    notes |= dict.fromkeys(note)
            if new.tobytes() != poses.tobytes():
                _replace_poses(self.source / file, new, out / file)
        others = {file.name for file in self.source.glob("*.npz")} | set(self.poses)
        left = {name: name for name in sorted(others) if not (out / name).exists()}
        return (*notes, *carry(self.source, left, out, link=False))


def _replace_poses(source: Path, poses: NDArray[Any], out: Path) -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, poses, allow_pickle=False)
    out.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(out, "w") as new:
        for member in old.infolist():
            new.writestr(member, buffer.getvalue() if member.filename == _MEMBER else old.read(member))


class HeadPose(Dataset):
    """BIWI and other archives of head poses."""

    name = "head-pose"
    description = "head pose from features, BIWI and AFLW2000, 7 contiguous folds; options: parts, extra"
    image_size = 0
    is_sequence = True
    measure = Measure("degrees", landmarks=False, moved=5.0)
    folds = FOLDS
    options = MappingProxyType({"parts": list(BIWI), "extra": ""})
    label_options = ("parts", "extra")

    def pool(self, request: Request, seed: int) -> Pool:
        """Return the rows of the archives in the option `parts`, then those of the archive in the option `extra`."""
        extra = request.options["extra"]
        return load_head_pose(request.path, parts=tuple(request.options["parts"]), extra=(extra,) if extra else ())

    def load(self, request: Request, seed: int) -> Subset:
        """Split the rows of the option `parts` into seven contiguous blocks, and use block `request.fold` for the test.

        All rows of the option `extra` are training samples. They come after the other training samples.
        """
        pool = self.pool(request, seed)
        own = pool
        if request.options["extra"]:
            own = self.pool(replace(request, options={**request.options, "extra": ""}), seed)
        train, validation, test = fold_of(own, FOLDS, request, seed)
        more = torch.arange(len(own), len(pool))
        return cut(pool, (torch.cat([train, more]), validation, test), request, seed)

    def detect(self, path: Path) -> bool:
        """Return whether the folder has the training archive of BIWI."""
        return (path / BIWI[0]).is_file()

    def labels(self, path: Path, options: Mapping[str, Any]) -> HeadPoseAnnotations:
        """Read the archives that the options `parts` and `extra` name.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            If an archive does not exist or is malformed.
        """
        files = (*(options["parts"] or BIWI), *filter(None, [options["extra"]]))
        check_within(path, files)
        absent = [file for file in files if not (path / file).is_file()]
        if absent:
            raise InvalidParameterError("data", f"a folder that holds {listing(absent)}", str(path))
        poses = {file: read_archive(path / file)[1] for file in files}
        return HeadPoseAnnotations(
            source=path,
            ids=tuple(name for file, rows in poses.items() for name in archive_ids(file, len(rows))),
            names=ANGLES,
            values=np.concatenate([rows.astype(np.float64) for rows in poses.values()]),
            poses=poses,
        )

    def check_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Check some options, and return all options. The option `parts` must be a list of strings."""
        checked = super().check_options(options)
        check_texts("options.parts", checked["parts"])
        return checked
