"""The archives of head poses; of one with changes, all other arrays keep their bytes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgum.data.annotations.base import Annotations, Changes
from deepgum.data.annotations.carry import carry, check_within
from deepgum.data.annotations.storage import stored
from deepgum.data.head_pose import ANGLES, BIWI, archive_ids, read_archive
from deepgum.errors import InvalidParameterError, listing

__all__ = ["HeadPoseAnnotations", "read_head_pose"]

_MEMBER = "poses.npy"


@dataclass(frozen=True, eq=False)
class HeadPoseAnnotations(Annotations):
    """Yaw, pitch and roll of each row, in degrees."""

    keeps_missing = True

    poses: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def write(self, changes: Changes, out: Path) -> tuple[str, ...]:
        """Write the archives that change to a folder, and put the others beside them."""
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
        carry(self.source, {name: name for name in sorted(others) if not (out / name).exists()}, out, link=False)
        return tuple(notes)


def read_head_pose(folder: Path, options: Mapping[str, Any]) -> HeadPoseAnnotations:
    """Read the archives that the options name; see `deepgum.data.head_pose.load_head_pose`.

    Raises
    ------
    InvalidParameterError, InvalidDataError
        If one is not there or malformed.
    """
    files = (*(options.get("parts") or BIWI), *filter(None, [options.get("extra")]))
    check_within(folder, files)
    absent = [file for file in files if not (folder / file).is_file()]
    if absent:
        raise InvalidParameterError("data", f"a folder that holds {listing(absent)}", str(folder))
    poses = {file: read_archive(folder / file)[1] for file in files}
    return HeadPoseAnnotations(
        source=folder,
        ids=tuple(name for file, rows in poses.items() for name in archive_ids(file, len(rows))),
        names=ANGLES,
        values=np.concatenate([rows.astype(np.float64) for rows in poses.values()]),
        poses=poses,
    )


def _replace_poses(source: Path, poses: NDArray[Any], out: Path) -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, poses, allow_pickle=False)
    out.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(out, "w") as new:
        for member in old.infolist():
            new.writestr(member, buffer.getvalue() if member.filename == _MEMBER else old.read(member))
