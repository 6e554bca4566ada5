"""The keypoints in an export of Label Studio, in the formats "JSON" and "JSON-MIN".

A task is an image. A region is a keypoint or a rectangle; its x and y are in percent of the width and height of the
image.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from deepgum.checks import as_number
from deepgum.errors import InvalidDataError
from deepgum.storage.decoding import check_depth, decoding

__all__ = ["Group", "LabelStudioFile", "Region"]

CONTENT = "an export of Label Studio: a JSON list of tasks with keypoints"
_IMAGE = re.compile(r"\.(jpe?g|png|webp|tiff?|bmp|gif|ppm|avif)\b", re.IGNORECASE)

Steps = tuple[str | int, ...]
"""The way from the whole file to a value: keys of objects and places in lists."""


class Region(NamedTuple):
    """A keypoint: its name, its place in pixels, the size of the image, its ids, and the way to it in the file."""

    name: str
    x: float
    y: float
    size: tuple[float, float]
    id: str
    steps: Steps


@dataclass
class Group:
    """The keypoints of one instance: all keypoints of an annotation, or those that belong to one rectangle.

    Attributes
    ----------
    image : str
    key : str
        Names the group in its task.
    score : float
        How sure a model is of its prediction; 0 for labels.
    regions : dict of str to Region
        The keypoints by their names.
    """

    image: str
    key: str
    score: float = 0.0
    regions: dict[str, Region] = field(default_factory=dict)


class LabelStudioFile:
    """An export of Label Studio.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    groups : list of Group
        The labelled instances, in the order of the file.
    predicted : list of Group
        The predictions of models in the same file.
    left_out : Counter
        Numbers of annotations that are left out, by the reason.

    Raises
    ------
    InvalidDataError
        If the file is not an export of Label Studio, or a keypoint has no place. The message names the task.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with decoding(path, CONTENT):
            tasks = json.loads(path.read_text(encoding="utf-8-sig"), parse_constant=lambda _: None)
            check_depth(tasks)
            if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
                raise ValueError("it should be a list of objects")
        self.left_out: Counter[str] = Counter()
        self.groups: list[Group] = []
        self.predicted: list[Group] = []
        for place, task in enumerate(tasks):
            self._add(task, place)

    def _add(self, task: Mapping[str, Any], place: int) -> None:
        image = _image(task)
        for kind, groups in (
            ("annotations", self.groups),
            ("completions", self.groups),
            ("predictions", self.predicted),
        ):
            listed = task.get(kind)
            for number, annotation in enumerate(listed if isinstance(listed, list) else []):
                if not isinstance(annotation, dict) or not isinstance(annotation.get("result"), list):
                    continue
                if annotation.get("was_cancelled"):
                    self.left_out["skipped by the annotator"] += 1
                    continue
                key = str(annotation.get("id", f"{place + 1}.{number + 1}"))
                steps = (place, kind, number, "result")
                found = self._groups(annotation["result"], steps, image, key, place)
                score = as_number(annotation.get("score"))
                for group in found:
                    group.score = score if math.isfinite(score) else 0.0
                groups += found
        if "annotations" not in task:
            for name, listed in task.items():  # the format JSON-MIN: the regions are in lists of the task itself
                if isinstance(listed, list) and any(
                    isinstance(each, dict) and "keypointlabels" in each for each in listed
                ):
                    self.groups += self._groups(listed, (place, name), image, str(task.get("id", place + 1)), place)

    def _groups(self, regions: list[Any], steps: Steps, image: str | None, key: str, place: int) -> list[Group]:
        """Return the instances of one annotation."""
        owners = _owners(regions)
        groups: dict[str, Group] = {}
        for number, name, region in _keypoints(regions):
            if image is None:
                raise InvalidDataError(
                    f"'{self.path}', task {place + 1}: 'data' should name the file of the image. Found none."
                )
            owner = owners.get(str(region.get("id", "")), "")
            group = groups.setdefault(owner, Group(image, f"{key} {owner}".rstrip()))
            if name in group.regions:
                self.left_out[f"with several keypoints {name!r} that belong to no rectangle of their own"] += 1
                return []
            point = self._point(region, place)
            if point is None:
                self.left_out["on images that were rotated in Label Studio"] += 1
                return []
            x, y, size = point
            group.regions[name] = Region(name, x, y, size, str(region.get("id", "")), (*steps, number))
        return list(groups.values())

    def _point(self, region: Mapping[str, Any], place: int) -> tuple[float, float, tuple[float, float]] | None:
        """Return x and y in pixels, and the size of the image; None if the image was rotated."""
        value = region.get("value", region)
        numbers = [as_number(value.get(axis)) for axis in "xy"]
        size = [as_number(region.get(f"original_{side}")) for side in ("width", "height")]
        if not all(map(math.isfinite, numbers + size)) or min(size) <= 0 or max(map(abs, numbers)) > 1e6:
            raise InvalidDataError(
                f"'{self.path}', task {place + 1}: a keypoint should have x and y in percent, and 'original_width' and "
                f"'original_height' in pixels. Found {str([*numbers, *size])[:80]}."
            )
        if region.get("image_rotation"):
            return None
        return numbers[0] * size[0] / 100, numbers[1] * size[1] / 100, (size[0], size[1])


def _keypoints(regions: list[Any]) -> Iterator[tuple[int, str, Mapping[str, Any]]]:
    """Yield the place in the list, the name, and the region of each keypoint."""
    for number, region in enumerate(regions):
        value = region.get("value", region) if isinstance(region, dict) else None
        names = value.get("keypointlabels") if isinstance(value, dict) else None
        if isinstance(names, list) and names and isinstance(names[0], str) and names[0].strip():
            yield number, names[0].strip(), region


def _owners(regions: list[Any]) -> dict[str, str]:
    """Return the rectangle of each keypoint: its parent, or the region that a relation connects it with."""
    keypoints = {str(region.get("id", "")) for _, _, region in _keypoints(regions)}
    owners: dict[str, str] = {}
    for region in regions:
        if not isinstance(region, dict):
            continue
        if region.get("type") == "relation":
            one, other = str(region.get("from_id", "")), str(region.get("to_id", ""))
            if one in keypoints and other not in keypoints:
                owners[one] = other
            elif other in keypoints and one not in keypoints:
                owners[other] = one
        elif region.get("parentID"):
            owners[str(region.get("id", ""))] = str(region["parentID"])
    return owners


def _image(task: Mapping[str, Any]) -> str | None:
    """Return the name of the image of a task: the text in its data that looks like an image file."""
    data = task.get("data", task)
    texts = [(key, value) for key, value in data.items() if isinstance(value, str)] if isinstance(data, dict) else []
    found = [value for _, value in texts if _IMAGE.search(value)] or [v for key, v in texts if key in ("image", "img")]
    if not found:
        return None
    local = parse_qs(urlsplit(found[0]).query).get("d")  # /data/local-files/?d=cats/1.jpg
    return local[0] if local else found[0]
