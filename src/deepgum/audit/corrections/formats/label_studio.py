"""Tasks of Label Studio as JSON, and the configuration of a project in Label Studio.

Each sample with a flagged label or a decision is one task. The task has two predictions: the predictions of the network
and the labels of the data set. The annotation of the task holds the labels after the decisions and the unflagged
labels. Dropped landmarks and flagged landmarks without a decision are left out of the annotation. Coordinates are in
percent of the width and height of the image. Landmarks outside the image are moved to the edge of the image.

Label Studio shows a local file only if the file is in a configured folder; see `serving`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import numpy as np

from deepgum.audit.corrections.formats.json_file import write_json
from deepgum.audit.corrections.formats.reviewed_labels import ReviewedLabels
from deepgum.audit.labels import Values
from deepgum.storage.disk import write_atomically

__all__ = ["is_configuration", "serving", "write_label_studio"]

PROGRAM = "Label Studio"
SIZE = 0.75
"""Size of a drawn point, in percent of the width of the image."""
_SHOWN, _POINTS = "sample", "landmarks"
Region = dict[str, Any]


def write_label_studio(reviewed: ReviewedLabels, path: Path) -> tuple[Path, ...]:
    """Write the file of tasks, and in the same folder the configuration (.xml). Return the paths of the two files.

    Raises
    ------
    InvalidDataError
        If the labels are landmarks, and either the audit has no pictures or a picture cannot be read.
    """
    config = path.with_suffix(".xml")
    rows = reviewed.flagged_or_decided
    sizes = reviewed.sizes(rows, PROGRAM) if reviewed.data.landmarks else {}
    tasks = [_task(reviewed, row, sizes.get(row)) for row in rows]
    write_json(path, tasks)
    with write_atomically(config) as temporary:
        temporary.write_text(_config(reviewed), encoding="utf-8")
    return path, config


def is_configuration(path: Path) -> bool:
    """Return whether a file looks like a configuration of Label Studio."""
    with open(path, "rb") as file:
        return file.read(5) == b"<View"


def serving(reviewed: ReviewedLabels) -> str:
    """Return instructions to configure Label Studio for the images; an empty string if there are no images."""
    if reviewed.pictures is None:
        return ""
    folder = _folder(reviewed)
    return (
        f"Start Label Studio with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and "
        f"LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={folder.parent}, and add '{folder}' to the project as local storage. "
        "Otherwise Label Studio shows no images."
    )


def _folder(reviewed: ReviewedLabels) -> Path:
    return Path(reviewed.pictures_for(PROGRAM).folder).resolve()


def _url(reviewed: ReviewedLabels, row: int) -> str:
    name = f"{_folder(reviewed).name}/{reviewed.pictures_for(PROGRAM).names[row]}"
    return f"/data/local-files/?d={quote(name)}"


def _task(reviewed: ReviewedLabels, row: int, size: tuple[int, int] | None) -> dict[str, Any]:
    labels = reviewed.labels
    data = {"sample": labels.ids[row], "why": reviewed.why(row)}
    if reviewed.pictures is not None:
        data["image"] = _url(reviewed, row)
    worst = labels.responsibilities[row]
    score = 0.0 if np.isnan(worst).all() else 1 - float(np.nanmin(worst))
    task: dict[str, Any] = {
        "data": data,
        "predictions": [
            {"model_version": version, "score": score, "result": _regions(reviewed, row, size, values[row], version)}
            for version, values in (("predicted", labels.predicted), ("given", labels.given))
        ],
    }
    decisions = reviewed.decisions_of(row)
    if decisions:
        values_after = reviewed.corrected[row].copy()
        for group, places in enumerate(labels.partition):
            if reviewed.is_open(row, group):
                values_after[list(places)] = np.nan
        regions = _regions(reviewed, row, size, values_after, "decided")
        for group, name in enumerate(labels.group_names):
            if name in decisions and not reviewed.data.landmarks:
                regions.append(_region(row, f"decision{group}", "choices", {"choices": [decisions[name].action]}))
        task["annotations"] = [{"result": regions}]
        data["decisions"] = "; ".join(reviewed.described(row))
    return task


def _regions(
    reviewed: ReviewedLabels, row: int, size: tuple[int, int] | None, values: Values, version: str
) -> list[Region]:
    """Return the regions (the values that Label Studio shows) of a sample, one for each label that is not missing."""
    if size is None:
        return [
            _region(f"{row}-{version}", f"value{place}", "number", {"number": value})
            for place, value in enumerate(values.tolist())
            if value == value
        ]
    names = _safe(reviewed.labels.landmark_names)
    return [
        _point(f"{row}-{version}-{place}", name, point, size)
        for place, (point, name) in enumerate(zip(values.reshape(-1, 2), names, strict=True))
        if not np.isnan(point).any()
    ]


def _point(prefix: str, name: str, point: Values, size: tuple[int, int]) -> Region:
    """Return the region of a landmark. Label Studio refuses a landmark outside the image.

    Such a landmark is moved to the edge of the image, and the region gets a note.
    """
    exact = 100 * point / size
    x, y = np.clip(exact, 0, 100).tolist()
    value = {"x": x, "y": y, "width": SIZE, "keypointlabels": [name]}
    region = _region(prefix, _POINTS, "keypointlabels", value)
    region |= {"original_width": size[0], "original_height": size[1], "image_rotation": 0}
    if [x, y] != exact.tolist():
        region["meta"] = {"text": [f"outside the image, at {point[0]:.7g}, {point[1]:.7g} px"]}
    return region


def _region(prefix: object, control: str, kind: str, value: dict[str, Any]) -> Region:
    """Return a region: the value of the form field `control` of the configuration, with a unique id."""
    return {"id": f"{prefix}-{control}", "from_name": control, "to_name": _SHOWN, "type": kind, "value": value}


def _config(reviewed: ReviewedLabels) -> str:
    labels = reviewed.labels
    view = ElementTree.Element("View")
    if reviewed.pictures is not None:
        ElementTree.SubElement(view, "Image", name=_SHOWN, value="$image", zoom="true", zoomControl="true")
        ElementTree.SubElement(view, "Header", value="$sample")
    else:
        ElementTree.SubElement(view, "Text", name=_SHOWN, value="$sample")
    ElementTree.SubElement(view, "Header", value="$why")
    if reviewed.data.landmarks:
        points = ElementTree.SubElement(view, "KeyPointLabels", name=_POINTS, toName=_SHOWN)
        for name in _safe(labels.landmark_names):
            ElementTree.SubElement(points, "Label", value=name)
    else:
        for place, name in enumerate(_safe(labels.target_names)):
            ElementTree.SubElement(view, "Header", value=name)
            ElementTree.SubElement(view, "Number", name=f"value{place}", toName=_SHOWN, step="0.01")
        for group, name in enumerate(_safe(labels.group_names)):
            ElementTree.SubElement(view, "Header", value=f"{name}: decision")
            choices = ElementTree.SubElement(view, "Choices", name=f"decision{group}", toName=_SHOWN, choice="single")
            for action in ("keep", "fix", "drop"):
                ElementTree.SubElement(choices, "Choice", value=action)
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"


def _safe(names: Iterable[str]) -> list[str]:
    """Return names in which spaces replace the control characters that XML cannot hold, without spaces at the ends."""
    return [re.sub(r"[\x00-\x1f]+", " ", name).strip() for name in names]
