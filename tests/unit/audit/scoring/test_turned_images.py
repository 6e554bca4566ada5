"""Labels of images whose files note an orientation are looked for in the image to which they belong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from deepgum.audit.scoring.score_file import score_file
from deepgum.cli import main
from deepgum.errors import InvalidParameterError

N = 40
NAMES = ["nose_x", "nose_y", "tail_x", "tail_y"]
WIDE = (25.0, 10.0)
"""A point in the stored images of 30 x 20 pixels; the turned images have 20 x 30."""


def write(folder: Path) -> pd.DataFrame:
    """Write images with the orientation 6, and return labels and predictions; one label is not in the turned image."""
    exif = Image.Exif()
    exif[0x0112] = 6
    for row in range(N):
        Image.new("L", (30, 20)).save(folder / f"{row}.jpg", exif=exif)
    rng = np.random.default_rng(0)
    predicted = np.hstack([rng.uniform(2, 9, (N, 2)), rng.uniform(11, 19, (N, 2))])
    given = predicted + rng.normal(0, 0.2, (N, 4))
    given[7, :2] = WIDE
    table = pd.DataFrame({"file": [f"{row}.jpg" for row in range(N)]})
    table[[f"pred_{name}" for name in NAMES]], table[NAMES] = predicted, given
    return table


def instances(points: pd.DataFrame, last: float) -> list[dict[str, object]]:
    return [
        {"id": row, "image_id": row, "category_id": 1, "bbox": [0, 0, 20, 30], "keypoints": [a, b, last, c, d, last]}
        for row, (a, b, c, d) in enumerate(points.to_numpy().tolist())
    ]


@pytest.mark.parametrize("kind", ["table", "keypoints"])
def test_a_label_outside_of_the_turned_image_is_named(tmp_path: Path, kind: str) -> None:
    table = write(tmp_path)
    if kind == "table":
        files = [tmp_path / "poses.csv"]
        table.to_csv(files[0], index=False)
        options = ["--image", "file"]
    else:
        files, options = [tmp_path / "labels.json", tmp_path / "results.json"], []
        content = {
            "images": [{"id": row, "file_name": f"{row}.jpg"} for row in range(N)],
            "annotations": instances(table[NAMES], 2),
            "categories": [{"id": 1, "name": "cat", "keypoints": ["nose", "tail"]}],
        }
        files[0].write_text(json.dumps(content))
        files[1].write_text(json.dumps(instances(table[[f"pred_{name}" for name in NAMES]], 0.9)))
    why = []
    for flags in ([], ["--apply-orientation"]):
        out = tmp_path / "scores.csv"
        arguments = ["score", *map(str, files), *options, *flags, "--inliers", "gaussian", "--out", str(out)]
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output
        scores = pd.read_csv(out, keep_default_na=False)
        nose = scores[scores["group"] == "nose"].iloc[7]
        assert nose["responsibility"] < 0.5
        why.append("outside the image of 20 x 30" in nose["why"])
    assert why == [False, True]


def test_the_source_of_the_labels_names_the_orientation(tmp_path: Path) -> None:
    write(tmp_path).to_csv(tmp_path / "poses.csv", index=False)
    scored = score_file(tmp_path / "poses.csv", columns={"image": "file"}, apply_orientation=True, inliers="gaussian")
    assert scored.summary.data.options["apply_orientation"] is True
    with pytest.raises(InvalidParameterError, match="`apply_orientation` should be left out for a table without"):
        score_file(tmp_path / "poses.csv", apply_orientation=True)
