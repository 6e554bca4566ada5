"""Ultralytics: pose data sets for YOLO, with a ``data.yaml`` and a text file of labels for each image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgum.data.edits.base import Changes, Values
from deepgum.data.edits.carry_rest import carry_rest
from deepgum.data.edits.texts import Edit, NumberStyle, Text, edited
from deepgum.data.image_reading import ImageReading
from deepgum.data.keypoint_images import image_sizes
from deepgum.data.keypoint_matching import PredictedInstances
from deepgum.data.keypoints import Keypoints, instance_ids
from deepgum.data.pool import Pool
from deepgum.data.sets.keypoint_file import KeypointAnnotations, KeypointFile, NewPoint
from deepgum.data.sets.request import Request, Subset
from deepgum.data.ultralytics_files import BEFORE, Line, PoseYaml, find_yaml, label_file, read_lines
from deepgum.errors import InvalidDataError

__all__ = ["Ultralytics", "UltralyticsAnnotations", "WithoutVisibility"]

VISIBLE = 2.0


@dataclass(frozen=True, eq=False)
class UltralyticsAnnotations(KeypointAnnotations):
    """Keypoints in text files. A missing label is "0 0 0". Only the numbers of changed keypoints are written."""

    is_folder = True

    pose: PoseYaml = field(kw_only=True)

    def write(self, changes: Changes, out: Path) -> tuple[str, ...]:
        """Write the folder with the new labels. Images become hard links, if possible."""
        pose = self.pose
        dropped = set(self.left_out(changes))
        of_file: dict[str, list[str]] = {}
        for name in changes:
            of_file.setdefault(label_file(self.image_file(name)), []).append(name)
        for file, names in of_file.items():
            text = Text.read(self.source / file)
            lines = {
                line.number: line for line in read_lines(self.source / file, text, pose.keypoints, pose.dimensions)
            }
            style = NumberStyle.of(
                text.content[a:b]
                for line in lines.values()
                for axis in (0, 1)
                for a, b in line.places[BEFORE + axis :: pose.dimensions]
            )
            edits: list[Edit] = []
            for name in names:
                line = lines[int(self.keypoints.keys[self.rows[name]])]
                if name in dropped:
                    edits.append((line.start, line.end, ""))
                else:
                    for point in self.new_points({name: changes[name]}):
                        edits += self._edits(line, point, pose.dimensions, text, style)
            Text(edited(text.content, edits), text.mark).write(out / file)
        notes = carry_rest(self.source, out, without=of_file, copied=(".txt", ".yaml", ".yml"))
        if pose.has_other_root:
            notes += (f"'{pose.path.name}' names the folder of the data set ('path'). Change it to the new folder.",)
        return notes

    def _edits(self, line: Line, point: NewPoint, dimensions: int, text: Text, style: NumberStyle) -> list[Edit]:
        assert self.keypoints.sizes is not None
        first = BEFORE + dimensions * point.keypoint
        size = self.keypoints.sizes[point.row].tolist()
        new = [0.0, 0.0] if point.after is None else [v / s for v, s in zip(point.after, size, strict=True)]
        edits: list[Edit] = [
            (*line.places[first + axis], style.text(value))
            for axis, value in enumerate(new)
            if line.numbers[first + axis] != value
        ]
        if dimensions == 3 and (point.after is None or line.numbers[first + 2] == 0):
            a, b = line.places[first + 2]
            seen = 0.0 if point.after is None else VISIBLE
            edits.append((a, b, NumberStyle.of([text.content[a:b]]).text(seen)))
        return edits


@dataclass(frozen=True, eq=False)
class WithoutVisibility(UltralyticsAnnotations):
    """Keypoints of a data set without visibilities, which has no mark for a missing keypoint."""

    keeps_missing = False


class Ultralytics(KeypointFile):
    """A pose data set of Ultralytics: its folder or its ``data.yaml``."""

    name = "ultralytics"
    description = "a pose data set of Ultralytics (the folder of data.yaml); options: swap_pairs"
    is_file = False
    options = MappingProxyType({"swap_pairs": [], "apply_orientation": False})
    label_options = ("apply_orientation",)
    local_options = ()
    annotations = UltralyticsAnnotations
    content = "a pose data set of Ultralytics"
    output = "FOLDER_OF_TXT_FILES"

    def detect(self, path: Path) -> bool:
        """Return whether the path is, or has, one YAML file with the key ``kpt_shape``."""
        return find_yaml(path) is not None

    def read(self, path: Path, options: Mapping[str, Any]) -> Keypoints:
        """Read the labelled instances of all parts.

        Raises
        ------
        MissingDependencyError
            If PyYAML is not installed.
        InvalidParameterError, InvalidDataError
            If a file is missing or malformed.
        """
        pose = PoseYaml.read(path)
        images = list(pose.images())
        sizes = dict(
            zip(images, image_sizes(pose.root, images, ImageReading(options["apply_orientation"])), strict=True)
        )
        owners: list[str] = []
        lines: list[Line] = []
        for image in images:
            file = pose.root / label_file(image)
            if file.is_file():
                found = read_lines(file, Text.read(file), pose.keypoints, pose.dimensions)
                lines += found
                owners += [image] * len(found)
        ids = instance_ids(owners, [line.number for line in lines])
        if not lines:
            raise InvalidDataError(
                f"'{pose.path}' should have files of labels with keypoints, such as '{label_file(images[0])}'. Found "
                f"none for {len(images)} images in '{pose.root}'."
            )
        image_size = np.array([sizes[image] for image in owners])
        points, missing, nowhere = _points(lines, pose, image_size)
        kept = np.flatnonzero(~missing.all(axis=1)).tolist()
        notes = []
        if len(kept) < len(lines):
            notes.append(f"{len(lines) - len(kept):,} instances without a labelled keypoint are left out.")
        if nowhere:
            notes.append(f"{nowhere:,} keypoints at (0, 0), or at negative places, count as missing.")
        if not kept:
            raise InvalidDataError(f"'{pose.path}' should have labelled keypoints. {' '.join(notes)}")
        boxes = np.array([line.numbers[1:BEFORE] for line in lines]) * np.tile(image_size, (1, 2))
        boxes[:, :2] -= boxes[:, 2:] / 2
        return Keypoints(
            ids=tuple(ids[row] for row in kept),
            images=tuple(owners[row] for row in kept),
            names=pose.names,
            points=points[kept],
            boxes=boxes[kept],
            skeleton=pose.skeleton,
            swap_pairs=pose.swap_pairs,
            sizes=image_size[kept],
            keys=tuple(lines[row].number for row in kept),
            notices=tuple(notes),
        )

    def read_predictions(
        self, predictions: Path, path: Path, keypoints: Keypoints, options: Mapping[str, Any]
    ) -> PredictedInstances:
        """Read the text files that a model of Ultralytics writes (``save_txt=True``), one for each image.

        Raises
        ------
        InvalidDataError
            If no file belongs to a labelled image, or a line is malformed.
        """
        assert keypoints.sizes is not None
        sizes = dict(zip(keypoints.images, keypoints.sizes.tolist(), strict=True))
        stems: dict[str, list[str]] = {}
        for image in sizes:
            stems.setdefault(Path(image).stem, []).append(image)
        owners: list[str] = []
        points: list[Values] = []
        k = len(keypoints.names)
        for file in sorted(predictions.rglob("*.txt")):
            if len(images := stems.get(file.stem, [])) == 1:
                text = Text.read(file)
                count = max((len(line.split()) for line in text.content.splitlines()), default=0) - BEFORE
                dimensions = 3 if count >= 3 * k else 2
                for line in read_lines(file, text, k, dimensions, more=2):
                    xy = np.array(line.numbers[BEFORE : BEFORE + k * dimensions]).reshape(k, dimensions)[:, :2]
                    points.append(np.where((xy == 0).all(axis=1, keepdims=True), np.nan, xy * sizes[images[0]]))
                    owners.append(images[0])
        if not owners:
            raise InvalidDataError(
                f"'{predictions}' should have text files with keypoints for the labelled images, such as "
                f"'{Path(keypoints.images[0]).stem}.txt'. Found none."
            )
        return PredictedInstances(tuple(owners), np.stack(points), np.ones(len(owners)))

    def files(self, path: Path, keypoints: Keypoints, options: Mapping[str, Any]) -> tuple[Path, tuple[str, ...]]:
        """Return the folder of the data set, and the image of each instance."""
        return PoseYaml.read(path).root.resolve(), keypoints.images

    def labels(self, path: Path, options: Mapping[str, Any]) -> KeypointAnnotations:
        """Read the labels of all parts, so that they can be written with corrections."""
        pose = PoseYaml.read(path)
        keypoints = self.keypoints(path, options)
        folder, files = self.files(path, keypoints, options)
        kind = UltralyticsAnnotations if pose.dimensions == 3 else WithoutVisibility
        return kind(
            folder,
            keypoints.ids,
            keypoints.targets,
            keypoints.values,
            keypoints=keypoints,
            files=dict(zip(keypoints.ids, files, strict=True)),
            pose=pose,
        )

    def pool(self, request: Request, seed: int) -> Pool:
        """Return the instances of all parts, with the part of each."""
        pool = super().pool(request, seed)
        parts = PoseYaml.read(request.path).images()
        assert pool.data.pictures is not None
        return replace(pool, parts=tuple(parts[name] for name in pool.data.pictures.names))

    def split(self, pool: Pool, request: Request, seed: int) -> Subset:
        """Divide all samples by the parts of ``data.yaml``; at random if it names no images for the test."""
        return super().split(pool if "test" in (pool.parts or ()) else replace(pool, parts=None), request, seed)


def _points(lines: Sequence[Line], pose: PoseYaml, sizes: Values) -> tuple[Values, NDArray[np.bool_], int]:
    """Return the points (n, k, 2) in pixels, which of them are missing, and how many only by their coordinates.

    The points of an image whose size cannot be read are NaN, and not missing: the decoder reports the image.
    """
    values = np.array([line.numbers[BEFORE:] for line in lines]).reshape(len(lines), pose.keypoints, pose.dimensions)
    xy = values[..., :2]
    if pose.dimensions == 3:
        unlabelled, nowhere = values[..., 2] <= 0, (xy == 0).all(axis=-1)
    else:
        unlabelled, nowhere = np.zeros(xy.shape[:2], dtype=bool), (xy == 0).all(axis=-1) | (xy < 0).any(axis=-1)
    missing = unlabelled | nowhere
    points = np.where(missing[..., None], np.nan, xy * sizes[:, None])
    return points, missing, int((nowhere & ~unlabelled).sum())
