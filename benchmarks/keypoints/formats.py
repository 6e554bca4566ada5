"""The formats: how the material and predictions are written, and how another program reads the corrected file.

A further format is one more class with the four methods, and one more entry of `FORMATS`.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from keypoints.material import Material
from keypoints.pose_formats import DeepLabCut, Sleap

Values = NDArray[np.float64]


class Format(Protocol):
    """A format of keypoint files."""

    def write(self, material: Material, folder: Path) -> Path:
        """Write the labels of the material to a file in the folder, and return its path."""
        ...

    def write_predictions(self, material: Material, predicted: Values, labels: Path) -> Path:
        """Write predictions (n, k, 2) beside the labels, as a program writes them, and return the path."""
        ...

    def read(self, path: Path, material: Material) -> Values:
        """Return the points (n, k, 2) of a file, as another program reads them; NaN for a missing one."""
        ...

    def beyond(self, before: Path, after: Path, changed: set[int]) -> Mapping[str, int]:
        """Return counts of what differs between two files beyond the keypoints of the changed instances."""
        ...


class Coco:
    """COCO keypoints, and COCO results. The other program is pycocotools."""

    def write(self, material: Material, folder: Path) -> Path:
        """Write the annotations with an indent of 1, as some programs do; numbers have their own decimals."""
        path = folder / "annotations.json"
        images = [
            {"id": row + 1, "file_name": file, "width": int(width), "height": int(height)}
            for row, (file, (width, height)) in enumerate(zip(material.files, material.sizes, strict=True))
        ]
        annotations = [
            {
                "id": 1000 + row,
                "image_id": row + 1,
                "category_id": 1,
                "segmentation": [],
                "area": float(box[2] * box[3]),
                "iscrowd": 0,
                "bbox": box.tolist(),
                "num_keypoints": len(points),
                "keypoints": [value for x, y in points.tolist() for value in (x, y, 2)],
            }
            for row, (points, box) in enumerate(zip(material.given, material.boxes, strict=True))
        ]
        skeleton = [[one + 1, other + 1] for one, other in material.skeleton]
        category = {"id": 1, "name": "face", "keypoints": list(material.names), "skeleton": skeleton}
        content = {"info": {"version": "1.0"}, "images": images, "annotations": annotations, "categories": [category]}
        path.write_text(json.dumps(content, indent=1), encoding="utf-8")
        return path

    def write_predictions(self, material: Material, predicted: Values, labels: Path) -> Path:
        """Write COCO results."""
        path = labels.with_name("results.json")
        results = [
            {
                "image_id": row + 1,
                "category_id": 1,
                "keypoints": [round(value, 3) for x, y in points.tolist() for value in (x, y, 1.0)],
                "score": 0.9,
            }
            for row, points in enumerate(predicted)
        ]
        path.write_text(json.dumps(results), encoding="utf-8")
        return path

    def read(self, path: Path, material: Material) -> Values:
        """Read with pycocotools."""
        from pycocotools.coco import COCO

        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO(str(path))
        triples = [each["keypoints"] for each in coco.loadAnns(range(1000, 1000 + len(material.files)))]
        points = np.array(triples, dtype=np.float64).reshape(*material.given.shape[:2], 3)
        return np.where(points[..., 2:] > 0, points[..., :2], np.nan)

    def beyond(self, before: Path, after: Path, changed: set[int]) -> Mapping[str, int]:
        """Count other annotations that differ, and bytes that differ outside of the changed keypoints."""
        texts = [path.read_text(encoding="utf-8") for path in (before, after)]
        old, new = ({each["id"]: each for each in json.loads(text)["annotations"]} for text in texts)
        others = sum(old[key] != new[key] for key in old if key - 1000 not in changed)
        # The keypoints of the changed annotations, and their number, are cut out of both texts.
        cut = re.compile(r'"num_keypoints": \d+,\s*"keypoints": \[[^]]*\]')
        ids = [int(key) for key in re.findall(r'"id": (\d+),\s*"image_id"', texts[0])]
        rests = []
        for text in texts:
            places = iter(ids)
            rests.append(cut.sub(lambda found, at=places: "" if next(at) - 1000 in changed else found[0], text))
        differing = sum(a != b for a, b in zip(*rests, strict=False)) + abs(len(rests[0]) - len(rests[1]))
        return {"other annotations that differ": others, "other bytes that differ": differing}


FORMATS: Mapping[str, Format] = {"coco": Coco(), "deeplabcut": DeepLabCut(), "sleap": Sleap()}
