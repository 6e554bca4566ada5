"""COCO keypoints: one annotation per sample, with the landmarks after the decisions.

The format: https://cocodataset.org/#format-data. A missing or dropped landmark has v = 0 and the coordinates 0, 0. All
other landmarks have v = 2. The box of an object is the crop of the image that the network saw.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from deepgum.audit.corrections.formats.json_file import write_json
from deepgum.audit.corrections.formats.reviewed_labels import ReviewedLabels
from deepgum.data.crops import Square
from deepgum.errors import InvalidDataError

__all__ = ["write_coco"]

PROGRAM = "COCO"
LABELLED = 2


def write_coco(reviewed: ReviewedLabels, path: Path) -> tuple[Path, ...]:
    """Write all samples of an audit as COCO keypoints, and return the path of the file.

    Raises
    ------
    InvalidDataError
        If the labels are not landmarks, or the audit has no pictures.
    """
    labels = reviewed.labels
    if not reviewed.data.landmarks:
        raise InvalidDataError(
            f"The labels of a COCO export should be landmarks. Found other labels: {', '.join(labels.target_names)}. "
            "Export a patch instead, or a file for Label Studio or FiftyOne."
        )
    pictures = reviewed.pictures_for(PROGRAM)
    rows = range(len(labels))
    sizes = reviewed.sizes(rows, PROGRAM)
    first = {name: row for row, name in reversed(list(enumerate(pictures.names)))}
    image_ids = {name: place for place, name in enumerate(dict.fromkeys(pictures.names), start=1)}
    write_json(
        path,
        {
            "info": {"description": f"Labels of {reviewed.data.name}, reviewed with deepgum.", "version": "1.0"},
            "licenses": [],
            "images": [
                {"id": key, "width": sizes[first[name]][0], "height": sizes[first[name]][1], "file_name": name}
                for name, key in image_ids.items()
            ],
            "annotations": [
                {
                    "id": row + 1,
                    "image_id": image_ids[pictures.names[row]],
                    **_annotation(reviewed, row, sizes[row], pictures.squares[row]),
                }
                for row in rows
            ],
            "categories": [
                {
                    "id": 1,
                    "name": "object",
                    "supercategory": "object",
                    "keypoints": list(labels.landmark_names),
                    "skeleton": [[one + 1, other + 1] for one, other in reviewed.data.skeleton],
                }
            ],
        },
    )
    return (path,)


def _annotation(reviewed: ReviewedLabels, row: int, size: tuple[int, int], square: Square | None) -> dict[str, Any]:
    points = reviewed.corrected[row].reshape(-1, 2)
    seen = ~np.isnan(points).any(axis=1)
    keypoints: list[float] = []
    for (x, y), there in zip(points.tolist(), seen.tolist(), strict=True):
        keypoints += [x, y, LABELLED] if there else [0, 0, 0]
    box = _box(size, square)
    responsibilities = reviewed.labels.responsibilities[row].tolist()
    return {
        "category_id": 1,
        "keypoints": keypoints,
        "num_keypoints": int(seen.sum()),
        "bbox": box,
        "area": box[2] * box[3],
        "segmentation": [],
        "iscrowd": 0,
        # The readers of COCO ignore attributes. Other programs, such as CVAT, read attributes.
        "attributes": {
            "sample": reviewed.labels.ids[row],
            "responsibility": {
                name: None if r != r else r
                for name, r in zip(reviewed.labels.group_names, responsibilities, strict=True)
            },
            "decisions": {name: decision.action for name, decision in reviewed.decisions_of(row).items()},
            "notes": {name: each.reason for name, each in reviewed.decisions_of(row).items() if each.reason},
        },
    }


def _box(size: tuple[int, int], square: Square | None) -> list[float]:
    """Return x, y, width and height of the part of the square crop that is inside the image.

    If there is no square crop, the box is the whole image.
    """
    if square is None:
        return [0.0, 0.0, float(size[0]), float(size[1])]
    left, top = max(0.0, square.left), max(0.0, square.top)
    right, bottom = min(size[0], square.left + square.side), min(size[1], square.top + square.side)
    return [left, top, max(0.0, right - left), max(0.0, bottom - top)]
