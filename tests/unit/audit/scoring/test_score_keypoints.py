"""Keypoint files are scored with the predictions of a second file; what has no partner is counted and not judged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepgum.audit.scoring.score_file import score_file
from deepgum.audit.scoring.score_keypoints import keypoint_format, score_keypoints
from deepgum.data.sets.registry import get_dataset
from deepgum.errors import InvalidDataError, InvalidParameterError, UnknownNameError

NAMES = ["left_eye", "right_eye", "nose", "tail"]
MOVED = {(row, row % 4) for row in range(0, 240, 8)}


def made(sizes: Any, boxes: bool = True) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return annotations and results of two animals per image; the labels of `MOVED` are moved by half a size."""
    rng = np.random.default_rng(0)
    n = len(sizes)
    shape = rng.random((n, 4, 2))
    corners = np.column_stack([rng.uniform(50, 80, n) + 500 * (np.arange(n) % 2), rng.uniform(50, 80, n)])
    points = corners[:, None] + sizes[:, None, None] * shape
    predicted = points + sizes[:, None, None] * rng.normal(0, 0.02, points.shape)
    for row, keypoint in [place for place in MOVED if place[0] < n]:
        points[row, keypoint] += 0.5 * sizes[row] * np.array([1, -1]) / np.sqrt(2)
    annotations = [
        {
            "id": row,
            "image_id": row // 2,
            "category_id": 1,
            "keypoints": [value for x, y in points[row].tolist() for value in (x, y, 2)],
            **({"bbox": [*corners[row].tolist(), sizes[row], sizes[row]]} if boxes else {}),
        }
        for row in range(n)
    ]
    images = [{"id": place, "file_name": f"{place}.png"} for place in range(n // 2)]
    categories = [{"id": 1, "name": "cat", "keypoints": NAMES, "skeleton": [[1, 3], [2, 3]]}]
    results = [
        {
            "image_id": row // 2,
            "category_id": 1,
            "keypoints": [value for x, y in predicted[row].tolist() for value in (x, y, 0.5)],
            "score": float(rng.random()),
        }
        for row in rng.permutation(n).tolist()
    ]
    return {"images": images, "annotations": annotations, "categories": categories}, results


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Any, Any], tuple[Path, Path]]:
    def written(labels: Any, results: Any) -> tuple[Path, Path]:
        paths = tmp_path / "labels.json", tmp_path / "results.json"
        for path, values in zip(paths, (labels, results), strict=True):
            path.write_text(json.dumps(values))
        return paths

    return written


# Of 240 animals, the largest is 20 times as large as the smallest.
SIZES = np.geomspace(20, 400, 240)[np.random.default_rng(1).permutation(240)]


@pytest.mark.parametrize("boxes", [True, False])
def test_moved_keypoints_of_instances_of_all_sizes_are_flagged(
    write: Callable[[Any, Any], tuple[Path, Path]], boxes: bool
) -> None:
    """Errors are relative to the size: half of a small animal is less than the noise of a large one."""
    scored = score_keypoints(*write(*made(SIZES, boxes)))
    assert scored.labels is not None
    flags = {(row, keypoint) for row, keypoint in np.argwhere(scored.labels.flags).tolist()}
    assert len(flags & MOVED) >= 0.9 * len(MOVED)
    assert len(flags - MOVED) <= 2
    assert scored.labels.group_names == tuple(NAMES)
    assert scored.labels.ids[:2] == ("0.png#0", "0.png#1")
    data = scored.summary.data
    assert (data.name, data.unit, data.landmarks, data.swap_pairs, data.skeleton) == (
        "coco",
        "px",
        True,
        ((0, 1),),
        ((0, 2), (1, 2)),
    )


def test_the_unit_of_the_image_changes_no_posterior(write: Callable[[Any, Any], tuple[Path, Path]]) -> None:
    labels, results = made(SIZES)
    before = score_keypoints(*write(labels, results)).labels
    for each in (*labels["annotations"], *results):
        for key in ("keypoints", "bbox"):
            if key in each:
                each[key] = [
                    value if key == "keypoints" and i % 3 == 2 else 4 * value for i, value in enumerate(each[key])
                ]
    after = score_keypoints(*write(labels, results)).labels
    assert before is not None
    assert after is not None
    np.testing.assert_allclose(after.responsibilities, before.responsibilities, atol=1e-6)
    np.testing.assert_allclose(after.suggested, 4 * before.suggested, rtol=1e-5)


def test_what_has_no_partner_is_counted_and_not_scored(
    write: Callable[[Any, Any], tuple[Path, Path]], tmp_path: Path
) -> None:
    labels, results = made(SIZES[:60])
    gone = [each for each in results if each["image_id"] != 7]
    gone[0]["keypoints"][:3] = [0, 0, 0]
    scored = score_keypoints(*write(labels, gone), out=tmp_path / "scores.csv")
    assert scored.labels is not None
    assert scored.summary.samples == 58
    assert not {"7.png#14", "7.png#15"} & set(scored.labels.ids)
    assert int(np.isnan(scored.labels.responsibilities).sum()) == 1
    alone, unpredicted = scored.summary.notices
    assert alone.startswith("2 of 60 instances have no predicted instance near them")
    assert "7.png#14" in alone
    assert unpredicted.startswith("1 labelled keypoints have no prediction")
    assert len((tmp_path / "scores.csv").read_text().splitlines()) == 1 + 58 * 4


def test_predictions_that_say_nothing_are_refused(write: Callable[[Any, Any], tuple[Path, Path]]) -> None:
    labels, results = made(SIZES[:60])
    with pytest.raises(InvalidDataError, match="for the images of the labels"):
        score_keypoints(*write(labels, [{**each, "image_id": 999} for each in results]))
    shifted = [{**each, "keypoints": [value + 5000 for value in each["keypoints"]]} for each in results]
    with pytest.raises(InvalidDataError, match="Found no labelled instance with a predicted one"):
        score_keypoints(*write(labels, shifted))
    copied = [{**each, "score": 1.0} for each in labels["annotations"]]
    assert not score_keypoints(*write(labels, copied)).summary.flags


def test_each_kind_of_file_has_its_options(write: Callable[[Any, Any], tuple[Path, Path]], tmp_path: Path) -> None:
    labels, results = write(*made(SIZES[:60]))
    assert keypoint_format(labels) is get_dataset("coco")
    assert keypoint_format(results) is None
    (tmp_path / "table.csv").write_text("y,pred_y\n" + "".join(f"{i},{i + i % 3 / 10}\n" for i in range(40)))
    assert score_file(tmp_path / "table.csv", columns={"unit": "years"}).summary.data.unit == "years"
    assert score_file(labels, results, options={"category": "cat"}).summary.data.name == "coco"
    pairs = score_file(labels, results, swap_pairs=((2, 3),)).summary.data.swap_pairs
    assert pairs == ((2, 3),)
    for arguments, options, message in (
        ((labels,), {}, "`predictions` should be a file of predictions"),
        ((tmp_path / "table.csv", results), {}, "`predictions` should be left out for the data set 'table'"),
        ((tmp_path / "table.csv",), {"options": {"category": "cat"}}, "`category` should be left out for a table"),
        ((labels, results), {"columns": {"pred": ("a",)}}, "`pred` should be left out for a keypoint file"),
        ((labels, tmp_path / "no.json"), {}, "There is no such file"),
        ((labels, results), {"out": results}, "out"),
    ):
        with pytest.raises(InvalidParameterError, match=message):
            score_file(*arguments, **options)
    with pytest.raises(UnknownNameError, match="dog"):
        score_file(labels, results, options={"category": "dog"})
