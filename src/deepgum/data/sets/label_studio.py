"""Label Studio: keypoints in an export of the formats "JSON" or "JSON-MIN"."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from deepgum.data.edits.base import Changes, Values
from deepgum.data.edits.json_places import Place, items, member, removals, whole
from deepgum.data.edits.texts import Edit, NumberStyle, Text, edited
from deepgum.data.keypoint_images import find_images
from deepgum.data.keypoint_matching import PredictedInstances
from deepgum.data.keypoints import Keypoints, instance_ids, left_right_pairs
from deepgum.data.label_studio_file import Group, LabelStudioFile, Steps
from deepgum.data.same_images import labelled_images
from deepgum.data.sets.keypoint_file import KeypointAnnotations, KeypointFile
from deepgum.errors import InvalidDataError

__all__ = ["LabelStudio", "LabelStudioAnnotations"]

_HEAD = 4096
_UPLOADED = re.compile(r"[0-9a-f]{8}-")
"""Label Studio puts these characters before the name of a file that was uploaded."""


@dataclass(frozen=True, eq=False)
class LabelStudioAnnotations(KeypointAnnotations):
    """Keypoints in an export of Label Studio. A missing label is a region that does not exist.

    Only the numbers of moved keypoints are written, and regions of dropped keypoints are removed, with their relations.
    All other bytes stay.
    """

    def write(self, changes: Changes, out: Path) -> tuple[str, ...]:
        """Write the file with the new labels. Images are not copied."""
        groups = LabelStudioFile(self.source).groups
        text = Text.read(self.source)
        new: dict[Steps, tuple[float, float] | None] = {}
        for point in self.new_points(changes):
            group = groups[int(self.keypoints.keys[point.row])]
            name = self.keypoints.names[point.keypoint]
            if name not in group.regions:
                raise InvalidDataError(
                    f"'{self.source}' has no region for the keypoint {name!r} of {self.ids[point.row]!r}, so it cannot "
                    "get a label here. Add the keypoint in Label Studio."
                )
            region = group.regions[name]
            x, y = point.after or (np.nan, np.nan)
            new[region.steps] = None if point.after is None else (100 * x / region.size[0], 100 * y / region.size[1])
        edits: list[Edit] = []
        for steps in {steps[:-1] for steps in new}:
            of_list = {int(key[-1]): value for key, value in new.items() if key[:-1] == steps}
            edits += _edits(text.content, _start(text.content, steps), of_list)
        Text(edited(text.content, edits), text.mark).write(out)
        return ()


def _start(content: str, steps: Steps) -> int:
    """Return the start of the value to which the steps lead."""
    start = whole(content)
    for step in steps:
        found = member(content, start, step) if isinstance(step, str) else list(items(content, start))[step]
        assert found is not None  # the file was read before
        start = found.start
    return start


def _edits(content: str, start: int, new: Mapping[int, tuple[float, float] | None]) -> list[Edit]:
    """Return the edits of one list of regions."""
    regions = list(items(content, start))
    dropped = {place for place, point in new.items() if point is None}
    names = {regions[place].value.get("id") for place in dropped} - {None}
    dropped |= {
        place
        for place, region in enumerate(regions)
        if isinstance(region.value, dict)
        and region.value.get("type") == "relation"
        and {region.value.get("from_id"), region.value.get("to_id")} & names
    }
    edits = removals(regions, dropped)
    for place, point in new.items():
        if point is not None:
            edits += _moved(content, regions[place], point)
    return edits


def _moved(content: str, region: Place, point: tuple[float, float]) -> list[Edit]:
    """Return the edits that write x and y of a region, in percent."""
    value = member(content, region.start, "value") or region
    edits = []
    for axis, number in zip("xy", point, strict=True):
        place = member(content, value.start, axis)
        assert place is not None  # the file was read before
        if place.value != number:
            edits.append((place.start, place.end, NumberStyle().text(number)))
    return edits


class LabelStudio(KeypointFile):
    """An export of Label Studio with keypoints."""

    name = "label-studio"
    description = "keypoints in an export of Label Studio (JSON); options: images, swap_pairs"
    options = MappingProxyType(dict(KeypointFile.options))
    annotations = LabelStudioAnnotations
    content = "keypoints of Label Studio"
    output = "OTHER_EXPORT.json"
    has_own_predictions = True

    def detect(self, path: Path) -> bool:
        """Return whether the path is a JSON file with a list that has regions of keypoints."""
        if path.suffix.lower() != ".json" or not path.is_file():
            return False
        with open(path, "rb") as file:
            head = file.read(_HEAD).removeprefix(codecs.BOM_UTF8).lstrip()
            return head.startswith(b"[") and b'"keypointlabels"' in head + file.read()

    def read(self, path: Path, options: Mapping[str, Any]) -> Keypoints:
        """Read the labelled instances.

        Raises
        ------
        InvalidDataError
            If the file is not an export of Label Studio, or has no keypoint that can be used.
        """
        file = LabelStudioFile(path)
        reasons = [f"{count:,} {reason}" for reason, count in file.left_out.items()]
        if not file.groups:
            raise InvalidDataError(
                f"'{path}' should have annotations with keypoints. Found none"
                + (f", and left out: {'; '.join(reasons)}." if reasons else ".")
            )
        names = tuple(dict.fromkeys(name for group in file.groups for name in group.regions))
        images = tuple(group.image for group in file.groups)
        return Keypoints(
            instance_ids(images, [group.key for group in file.groups]),
            images,
            names,
            _points(file.groups, names),
            np.full((len(images), 4), np.nan),
            sizes=np.array([next(iter(group.regions.values())).size for group in file.groups]),
            swap_pairs=left_right_pairs(names),
            keys=tuple(range(len(file.groups))),
            notices=(f"annotations are left out: {'; '.join(reasons)}.",) if reasons else (),
        )

    def read_predictions(
        self, predictions: Path, path: Path, keypoints: Keypoints, options: Mapping[str, Any]
    ) -> PredictedInstances:
        """Read the predictions in the tasks of the same file or of another export.

        Raises
        ------
        InvalidDataError
            If there is no prediction for an image with labels.
        """
        groups = LabelStudioFile(predictions).predicted
        if not groups:
            raise InvalidDataError(
                f"'{predictions}' should have predictions of keypoints (the list 'predictions' of a task). Found none."
            )
        images = labelled_images(predictions, [group.image for group in groups], keypoints.images)
        kept = [(image, group) for image, group in zip(images, groups, strict=True) if image]
        points = _points([group for _, group in kept], keypoints.names)
        scores = np.array([group.score for _, group in kept])
        return PredictedInstances(tuple(image for image, _ in kept), points, scores)

    def files(self, path: Path, keypoints: Keypoints, options: Mapping[str, Any]) -> tuple[Path, tuple[str, ...]]:
        """Return the folder of the images, and the image file of each instance.

        If the folder does not have the name of an uploaded file, the name before the upload counts, too.
        """
        folder, files = super().files(path, keypoints, options)
        before = {file: _UPLOADED.sub("", file.rpartition("/")[2], count=1) for file in dict.fromkeys(files)}
        count = Counter(before.values())
        wanted = [name for file, name in before.items() if count[name] == 1 and not (folder / file).is_file()]
        found = {name: file for name, file in find_images(folder, wanted).items() if (folder / file).is_file()}
        return folder, tuple(found.get(before[file], file) for file in files)


def _points(groups: Sequence[Group], names: Sequence[str]) -> Values:
    """Return the points (n, k, 2) of groups of regions. Regions with other names are ignored."""
    places = {name: place for place, name in enumerate(names)}
    points = np.full((len(groups), len(names), 2), np.nan)
    for row, group in enumerate(groups):
        for name, region in group.regions.items():
            if name in places:
                points[row, places[name]] = region.x, region.y
    return points
