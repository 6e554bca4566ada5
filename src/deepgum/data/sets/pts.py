"""Folders of images with landmarks in ``.pts`` files, such as 300-W, LFPW, HELEN and AFW."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from deepgum.data import face_68
from deepgum.data.edits.base import Changes
from deepgum.data.edits.carry_rest import carry_rest
from deepgum.data.edits.texts import NumberStyle, Text, edited
from deepgum.data.keypoint_matching import PredictedInstances
from deepgum.data.keypoints import Keypoints
from deepgum.data.pts_files import find_pts, image_of, read_pts
from deepgum.data.sets.keypoint_file import KeypointAnnotations, KeypointFile
from deepgum.errors import InvalidDataError, InvalidParameterError, listing

__all__ = ["PtsAnnotations", "PtsFolder"]


@dataclass(frozen=True, eq=False)
class PtsAnnotations(KeypointAnnotations):
    """Landmarks in files beside the images. The format has no mark for a missing landmark."""

    keeps_missing = False
    is_folder = True

    def write(self, changes: Changes, out: Path) -> tuple[str, ...]:
        """Write the folder with the new landmarks. Images become hard links, if possible."""
        dropped = set(self.left_out(changes))
        names = [str(key) for key in self.keypoints.keys]
        without = {name for row, name in zip(self.ids, names, strict=True) if row in dropped or row in changes}
        without |= {self.image_file(row) for row in dropped}
        for row, name in zip(self.ids, names, strict=True):
            if row in changes and row not in dropped:
                file = read_pts(self.source / name)
                style = NumberStyle.of(file.text.content[a:b] for a, b in file.places)
                pairs = zip(self.values[self.rows[row]].tolist(), changes[row].tolist(), strict=True)
                edits = [
                    file.edit(number, style.text(new))
                    for number, (old, new) in enumerate(pairs)
                    if old != new and new == new
                ]
                Text(edited(file.text.content, edits), file.text.mark).write(out / name)
        return carry_rest(self.source, out, without=without, copied=(".pts", ".txt"))


class PtsFolder(KeypointFile):
    """A folder of images with a ``.pts`` file beside each image.

    The numbers in the files are used as they are. 300-W counts pixels from 1, so its landmarks are half a pixel away
    from where the pictures show them, which changes no decision.
    """

    name = "pts"
    description = "landmarks in .pts files beside the images, such as 300-W; options: swap_pairs"
    is_file = False
    options = MappingProxyType({"swap_pairs": [], "apply_orientation": False})
    local_options = ()
    annotations = PtsAnnotations
    content = "landmarks in .pts files"
    output = "FOLDER_OF_PTS_FILES"

    def detect(self, path: Path) -> bool:
        """Return whether the path is a folder that has a ``.pts`` file, also in a subfolder of a subfolder."""
        return path.is_dir() and any(next(path.glob(place), None) for place in ("*.pts", "*/*.pts", "*/*/*.pts"))

    def read(self, path: Path, options: Mapping[str, Any]) -> Keypoints:
        """Read the landmarks of all files.

        Raises
        ------
        InvalidParameterError
            If the path is not a folder with ``.pts`` files.
        InvalidDataError
            If a file is malformed, or the files have different numbers of landmarks.
        """
        names = find_pts(path) if path.is_dir() else []
        if not names:
            raise InvalidParameterError("data", "a folder with .pts files", str(path))
        files = [read_pts(path / name) for name in names]
        counts = Counter(len(file.points) for file in files)
        if len(counts) > 1:
            examples = [f"{names[[len(f.points) for f in files].index(k)]} ({k})" for k in sorted(counts)]
            raise InvalidDataError(
                f"The files of '{path}' should have the same number of landmarks. Found {listing(examples)}. Put files "
                "with other numbers into a folder of their own."
            )
        (count,) = counts
        points = np.stack([file.points for file in files])
        labelled = ~np.isnan(points).all(axis=(1, 2))
        missing = int(np.isnan(points[labelled]).all(axis=2).sum())
        notes = []
        if not labelled.all():
            notes.append(f"{int((~labelled).sum()):,} files without a landmark are left out.")
        if missing:
            notes.append(f"{missing:,} landmarks at (0, 0) or (-1, -1) count as missing.")
        kept = np.flatnonzero(labelled).tolist()
        images = [image_of(path, names[row]) for row in kept]
        return Keypoints(
            ids=tuple(images),
            images=tuple(images),
            names=tuple(f"point{number}" for number in range(1, count + 1)),
            points=points[kept],
            boxes=np.full((len(kept), 4), np.nan),
            skeleton=face_68.SKELETON if count == 68 else (),
            swap_pairs=face_68.SWAP_PAIRS if count == 68 else (),
            keys=tuple(names[row] for row in kept),
            notices=tuple(notes),
        )

    def read_predictions(
        self, predictions: Path, path: Path, keypoints: Keypoints, options: Mapping[str, Any]
    ) -> PredictedInstances:
        """Read a folder of ``.pts`` files that a model has written, with the names of the labelled files.

        Raises
        ------
        InvalidDataError
            If no file has the name of a labelled one, or a file is malformed or has another number of landmarks.
        """
        images, points = [], []
        for image, name in zip(keypoints.images, map(str, keypoints.keys), strict=True):
            if (predictions / name).is_file():
                found = read_pts(predictions / name).points
                if len(found) != len(keypoints.names):
                    raise InvalidDataError(
                        f"'{predictions / name}' should have {len(keypoints.names)} landmarks. Found {len(found)}."
                    )
                images.append(image)
                points.append(found)
        if not images:
            raise InvalidDataError(
                f"'{predictions}' should have files with the names of the labelled ones, such as '{keypoints.keys[0]}'."
                " Found none."
            )
        return PredictedInstances(tuple(images), np.stack(points), np.ones(len(images)))

    def files(self, path: Path, keypoints: Keypoints, options: Mapping[str, Any]) -> tuple[Path, tuple[str, ...]]:
        """Return the folder, and the image beside each file of landmarks."""
        return path, keypoints.images
