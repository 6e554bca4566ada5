"""Label Studio: instances of tasks, their images, and corrections that change only numbers and dropped regions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from deepgum.cli import main
from deepgum.data.sets.label_studio import LabelStudio
from deepgum.data.sets.registry import detect
from deepgum.errors import InvalidDataError

STUDIO = LabelStudio()
OPTIONS = STUDIO.check_options({})
NAN = np.nan


def point(key: str, name: str, x: float, y: float, **more: Any) -> dict[str, Any]:
    """A region of a keypoint in an image of 200 x 100 pixels."""
    size = {"original_width": 200, "original_height": 100, "image_rotation": 0}
    value = {"x": x, "y": y, "width": 0.5, "keypointlabels": [name]}
    return {"id": key, "type": "keypointlabels", "from_name": "kp", "to_name": "img", "value": value, **size, **more}


def box(key: str) -> dict[str, Any]:
    value = {"x": 0, "y": 0, "width": 9, "height": 9, "rectanglelabels": ["cat"]}
    return {"id": key, "type": "rectanglelabels", "value": value}


def tasks() -> list[dict[str, Any]]:
    """A task with an instance, one with two that belong to rectangles, and one that two persons annotated."""
    link = {"type": "relation", "from_id": "e", "to_id": "r2", "direction": "right"}
    regions = [box("r1"), point("d", "nose", 1, 2, parentID="r1"), point("e", "nose", 60, 61.25), box("r2"), link]
    one = [point("a", "nose", 50.5, 20), point("b", "l_ear", 10, 20), point("c", "r_ear", 12, 20)]
    two = [{"id": 12, "result": [point("f", "nose", 5, 5)]}, {"id": 13, "result": [point("f", "nose", 6, 5)]}]
    return [
        {"id": 1, "data": {"image": "/data/upload/1/1a2b3c4d-ä.jpg"}, "annotations": [{"id": 10, "result": one}]},
        {"id": 2, "data": {"image": "/data/local-files/?d=cats/b.jpg"}, "annotations": [{"id": 11, "result": regions}]},
        {
            "id": 3,
            "data": {"image": "s3://x/c.png"},
            "annotations": [*two, {"id": 14, "was_cancelled": True, "result": []}],
        },
    ]


def write(folder: Path, values: Any, **layout: Any) -> Path:
    path = folder / "export.json"
    path.write_text(json.dumps(values, ensure_ascii=False, **layout), encoding="utf-8")
    return path


def test_instances_are_annotations_or_the_keypoints_of_a_rectangle(tmp_path: Path) -> None:
    path = write(tmp_path, tasks())
    assert detect(path) == STUDIO
    keypoints = STUDIO.read(path, OPTIONS)
    assert keypoints.names == ("nose", "l_ear", "r_ear")
    assert keypoints.swap_pairs == ((1, 2),)
    assert keypoints.ids == (
        "/data/upload/1/1a2b3c4d-ä.jpg", "cats/b.jpg#11 r1", "cats/b.jpg#11 r2", "s3://x/c.png#12", "s3://x/c.png#13",
    )  # fmt: skip
    np.testing.assert_array_equal(keypoints.points[:, 0], [[101, 20], [2, 2], [120, 61.25], [10, 5], [12, 5]])
    np.testing.assert_array_equal(keypoints.points[0, 1:], [[20, 20], [24, 20]])
    assert np.isnan(keypoints.points[1:, 1:]).all()
    assert keypoints.notices == ("annotations are left out: 1 skipped by the annotator.",)


def test_the_image_of_an_upload_is_found_by_its_name_before_the_upload(tmp_path: Path) -> None:
    path = write(tmp_path, tasks())
    (tmp_path / "ä.jpg").touch()
    _, files = STUDIO.files(path, STUDIO.read(path, OPTIONS), OPTIONS)
    assert files == ("ä.jpg", "cats/b.jpg", "cats/b.jpg", "c.png", "c.png")
    values = tasks()
    values[2]["data"]["image"] = (
        "/data/upload/2/5e6f7a8b-ä.jpg"  # two uploads had the same name: none is taken for both
    )
    path = write(tmp_path, values)
    _, files = STUDIO.files(path, STUDIO.read(path, OPTIONS), OPTIONS)
    assert "ä.jpg" not in files


@pytest.mark.parametrize("layout", [{}, {"indent": 2}, {"separators": (",", ":")}])
def test_only_new_numbers_and_dropped_regions_differ(tmp_path: Path, layout: dict[str, Any]) -> None:
    path = write(tmp_path, tasks(), **layout)
    annotations = STUDIO.labels(path, OPTIONS)
    new = annotations.values.copy()
    new[0, :2], new[0, 2:4], new[2, :2], new[3, :2] = (7, 8), NAN, NAN, (10, 6)
    changes = {annotations.ids[row]: new[row] for row in (0, 2, 3)}
    out = tmp_path / "new.json"
    annotations.write(changes, out)
    expected = tasks()
    regions = expected[0]["annotations"][0]["result"]
    regions[0]["value"] |= {"x": 3.5, "y": 8}
    del regions[1]
    expected[1]["annotations"][0]["result"] = [box("r1"), point("d", "nose", 1, 2, parentID="r1"), box("r2")]
    expected[2]["annotations"][0]["result"][0]["value"]["y"] = 6
    assert out.read_text(encoding="utf-8") == json.dumps(expected, ensure_ascii=False, **layout)
    annotations.write({}, tmp_path / "same.json")
    assert (tmp_path / "same.json").read_bytes() == path.read_bytes()


def test_a_keypoint_without_a_region_cannot_get_a_label(tmp_path: Path) -> None:
    annotations = STUDIO.labels(write(tmp_path, tasks()), OPTIONS)
    with pytest.raises(InvalidDataError, match="has no region for the keypoint 'l_ear'"):
        annotations.write({annotations.ids[1]: np.full(6, 3.0)}, tmp_path / "new.json")


def test_the_minimal_format_is_read_and_written(tmp_path: Path) -> None:
    region = {"x": 50, "y": 25, "keypointlabels": ["nose"], "original_width": 200, "original_height": 100}
    values = [{"image": f"{row}.jpg", "id": row, "kp": [region], "annotator": 1} for row in range(3)]
    annotations = STUDIO.labels(write(tmp_path, values), OPTIONS)
    assert annotations.ids == ("0.jpg", "1.jpg", "2.jpg")
    annotations.write({"1.jpg": np.array([20.0, 30.0])}, tmp_path / "new.json")
    values[1]["kp"] = [region | {"x": 10, "y": 30}]
    assert json.loads((tmp_path / "new.json").read_text()) == values


def test_ambiguous_and_rotated_annotations_are_left_out_and_counted(tmp_path: Path) -> None:
    values = tasks()
    values[0]["annotations"][0]["result"].append(point("x", "nose", 1, 1))
    values[1]["annotations"][0]["result"][1]["image_rotation"] = 90
    keypoints = STUDIO.read(write(tmp_path, values), OPTIONS)
    assert keypoints.images == ("s3://x/c.png",) * 2
    assert "1 with several keypoints 'nose'" in keypoints.notices[0]
    assert "1 on images that were rotated" in keypoints.notices[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v[1]["data"].clear(), r"task 2: 'data' should name the file of the image"),
        (
            lambda v: v[0]["annotations"][0]["result"][0].pop("original_width"),
            r"task 1: a keypoint should have x and y",
        ),
        (
            lambda v: v[0]["annotations"][0]["result"][0]["value"].update(x="5"),
            r"task 1: a keypoint should have x and y",
        ),
        (lambda v: v[0]["annotations"][0]["result"][0]["value"].update(x=1e300), r"task 1: a keypoint should have"),
        (lambda v: [task.update(annotations=[]) for task in v], r"should have annotations with keypoints. Found none"),
        (lambda v: v.append(3), r"should be a list of objects"),
    ],
)
def test_a_damaged_export_is_refused_with_its_task(tmp_path: Path, change: Any, message: str) -> None:
    values = tasks()
    change(values)
    with pytest.raises(InvalidDataError, match=message):
        STUDIO.read(write(tmp_path, values), OPTIONS)


def test_labels_are_scored_with_the_predictions_of_the_tasks(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = []
    for row in range(60):
        x, y = rng.uniform(30, 70, 2)
        places = [(x, y), (x - 5, y - 9), (x + 5, y - 9)]
        labels = [
            point(str(k), name, px + 12 * (k == 0 and row % 10 == 0), py)
            for k, (name, (px, py)) in enumerate(zip(("nose", "l_ear", "r_ear"), places, strict=True))
        ]
        predicted = [
            point(str(k), name, *(np.array(place) + rng.normal(0, 0.2, 2)))
            for k, (name, place) in enumerate(zip(("nose", "l_ear", "r_ear"), places, strict=True))
        ]
        task = {"id": row, "data": {"image": f"{row:02d}.jpg"}, "annotations": [{"id": row, "result": labels}]}
        values.append({**task, "predictions": [{"result": predicted, "score": 0.7}]})
    path = write(tmp_path, values)
    result = CliRunner().invoke(main, ["score", str(path), "--inliers", "gaussian", "--out", str(tmp_path / "s.csv")])
    assert result.exit_code == 0, result.output
    scores = pd.read_csv(tmp_path / "s.csv")
    flagged = scores.loc[scores["responsibility"] < 0.5, ["id", "group"]].to_numpy().tolist()
    assert flagged == [[f"{row:02d}.jpg", "nose"] for row in range(0, 60, 10)]
    write(tmp_path, [{**task, "predictions": []} for task in values])
    result = CliRunner().invoke(main, ["score", str(path)])
    assert "should have predictions of keypoints (the list 'predictions' of a task). Found none." in result.output
