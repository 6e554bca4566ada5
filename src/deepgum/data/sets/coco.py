"""COCO keypoints: one JSON file for all images."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from deepgum.data.edits.base import Changes
from deepgum.data.edits.json_places import Place, items, member, whole
from deepgum.data.edits.texts import Edit, NumberStyle, Text, edited
from deepgum.data.keypoint_matching import PredictedInstances
from deepgum.data.keypoints import Keypoints
from deepgum.data.sets.coco_file import CocoFile
from deepgum.data.sets.coco_results import read_results
from deepgum.data.sets.keypoint_file import KeypointAnnotations, KeypointFile, NewPoint

__all__ = ["Coco", "CocoAnnotations"]

VISIBLE = 2
_KEY = re.compile(r'"(info|licenses|images|annotations|categories)"\s*:')
_HEAD = 4096


@dataclass(frozen=True, eq=False)
class CocoAnnotations(KeypointAnnotations):
    """Keypoints of one category of a COCO file. A keypoint without a label has v = 0 and the coordinates 0, 0.

    Only the numbers of changed keypoints are written, and ``num_keypoints`` where their number changes. All other bytes
    stay. A moved keypoint keeps its visibility; a keypoint that gets a label becomes visible (v = 2).
    """

    def write(self, changes: Changes, out: Path) -> tuple[str, ...]:
        """Write the file with the new labels. Images are not copied."""
        points: dict[int | str, list[NewPoint]] = {}
        for point in self.new_points(changes):
            points.setdefault(self.keypoints.keys[point.row], []).append(point)
        text = Text.read(self.source)
        content = text.content
        list_place = member(content, whole(content), "annotations")
        assert list_place is not None  # the file was read before
        places = {place.value["id"]: place for place in items(content, list_place.start) if place.value["id"] in points}
        style = NumberStyle.of(number for place in places.values() for number in _labelled_numbers(content, place))
        edits: list[Edit] = []
        for key, moved in points.items():
            edits += _edits(content, places[key], moved, style)
        Text(edited(content, edits), text.mark).write(out)
        return ()


def _labelled_numbers(content: str, annotation: Place) -> Iterable[str]:
    """Return the texts of x and y of the labelled keypoints of an annotation."""
    keypoints = member(content, annotation.start, "keypoints")
    assert keypoints is not None
    numbers = list(items(content, keypoints.start))
    for x, y, v in zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True):
        if v.value > 0:
            yield content[x.start : x.end]
            yield content[y.start : y.end]


def _edits(content: str, annotation: Place, points: list[NewPoint], style: NumberStyle) -> list[Edit]:
    """Return the edits that move the points of one annotation."""
    keypoints = member(content, annotation.start, "keypoints")
    assert keypoints is not None
    numbers = list(items(content, keypoints.start))
    visible = [number.value for number in numbers[2::3]]
    edits: list[Edit] = []
    for point in points:
        *axes, v = numbers[3 * point.keypoint : 3 * point.keypoint + 3]
        seen = visible[point.keypoint]
        if point.after is None:
            visible[point.keypoint] = 0
        elif seen == 0:
            visible[point.keypoint] = VISIBLE
        edits += [
            (axis.start, axis.end, style.text(value))
            for axis, value in zip(axes, point.after or (0.0, 0.0), strict=True)
            if axis.value != value
        ]
        if visible[point.keypoint] != seen:
            edits.append((v.start, v.end, NumberStyle.of([content[v.start : v.end]]).text(visible[point.keypoint])))
    count = member(content, annotation.start, "num_keypoints")
    labelled = sum(v > 0 for v in visible)
    if count is not None and labelled != sum(number.value > 0 for number in numbers[2::3]):
        edits.append((count.start, count.end, str(labelled)))
    return edits


class Coco(KeypointFile):
    """COCO keypoints. The option `category` chooses one of several categories with keypoints."""

    name = "coco"
    description = "keypoints in a COCO file (annotations.json); options: images, category, swap_pairs"
    options = MappingProxyType({**KeypointFile.options, "category": ""})
    label_options = ("category",)
    annotations = CocoAnnotations
    content = "COCO keypoints"
    output = "RESULTS.json"

    def detect(self, path: Path) -> bool:
        """Return whether the path is a JSON file that begins like a COCO file."""
        if path.suffix.lower() != ".json" or not path.is_file():
            return False
        with open(path, "rb") as file:
            head = file.read(_HEAD).decode("utf-8-sig", "replace").lstrip()
        return head.startswith("{") and _KEY.search(head) is not None

    def read(self, path: Path, options: Mapping[str, Any]) -> Keypoints:
        """Read the labelled instances of one category; see `CocoFile`."""
        return CocoFile(path, options["category"]).keypoints()

    def read_predictions(
        self, predictions: Path, path: Path, keypoints: Keypoints, options: Mapping[str, Any]
    ) -> PredictedInstances:
        """Read COCO results; see `read_results`."""
        return read_results(predictions, CocoFile(path, options["category"]))
