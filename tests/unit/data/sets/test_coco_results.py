"""COCO results: predictions of a model beside an annotation file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepgum.data.sets.coco_file import CocoFile
from deepgum.data.sets.coco_results import read_results
from deepgum.errors import InvalidDataError

FILE = {
    "images": [{"id": 1, "file_name": "a.png"}, {"id": "two", "file_name": "b.png"}],
    "categories": [{"id": 4, "name": "cat", "keypoints": ["left_ear", "right_ear"]}],
    "annotations": [{"id": 10, "image_id": 1, "category_id": 4, "keypoints": [10, 20, 2, 30, 20, 1]}],
}


def result(**changes: Any) -> dict[str, Any]:
    values = {"image_id": 1, "category_id": 4, "keypoints": [11, 21.5, 0.9, 0, 0, 0], "score": 0.75, **changes}
    return {key: value for key, value in values.items() if value is not None}


@pytest.fixture
def file(tmp_path: Path) -> CocoFile:
    (tmp_path / "labels.json").write_text(json.dumps(FILE))
    return CocoFile(tmp_path / "labels.json")


def read(file: CocoFile, values: Any) -> Any:
    path = file.path.with_name("results.json")
    path.write_text(values if isinstance(values, str) else json.dumps(values))
    return read_results(path, file)


@pytest.mark.parametrize("wrapped", [False, True])
def test_predictions_have_the_names_of_the_images(file: CocoFile, wrapped: bool) -> None:
    values = [result(), result(image_id="two", score=None), result(category_id=7), result(category_id=None, score=1)]
    found = read(file, {"annotations": values} if wrapped else values)
    assert found.images == ("a.png", "b.png", "a.png")
    np.testing.assert_array_equal(found.points[0], [[11, 21.5], [np.nan, np.nan]])
    np.testing.assert_array_equal(found.scores, [0.75, 1, 1])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("[", "should be COCO results"),
        ({}, "should be COCO results"),
        (3, "should be COCO results"),
        ([3], "should be COCO results"),
        ([result(), result(image_id=None)], "object 1 .*'image_id'"),
        ([result(image_id=[1])], "object 0 .*'image_id'"),
        ([result(keypoints=None)], "object 0 .*6 numbers"),
        ([result(keypoints=[1, 2, 3])], "object 0 .*6 numbers.*Found '3 values'"),
        ([result(keypoints=[1, 2, "3"] * 2)], "object 0 .*6 numbers"),
        ([result(score="high")], "object 0 .*'score'.*Found 'high'"),
        ([result(score=10**400)], "'score'"),
    ],
)
def test_other_files_are_refused_with_the_place(file: CocoFile, values: Any, message: str) -> None:
    with pytest.raises(InvalidDataError, match=message):
        read(file, values)
