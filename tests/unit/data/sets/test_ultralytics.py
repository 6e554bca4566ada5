"""Ultralytics: the folder of data.yaml, its parts, and corrections that change only numbers in text files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from deepgum.cli import main
from deepgum.data.sets.registry import detect
from deepgum.data.sets.request import Request
from deepgum.data.sets.ultralytics import Ultralytics
from deepgum.errors import InvalidDataError, InvalidParameterError

pytest.importorskip("yaml")

YOLO = Ultralytics()
OPTIONS = YOLO.check_options({})
WIDTH, HEIGHT = 80, 40
YAML = "train: images/train\nval: images/val\nkpt_shape: [3, {0}]\nflip_idx: [0, 2, 1]\nnames:\n  0: cat\n"


def line(points: np.ndarray, dimensions: int = 3, hidden: int | None = None) -> str:
    """A line of labels for points in fractions."""
    words = ["0", "0.500000", "0.5", "0.250000", "0.5"]
    for place, (x, y) in enumerate(points):
        missing = place == hidden
        words += ["0.000000", "0.000000"] if missing else [f"{x:.6f}", f"{y:.6f}"]
        words += [str(0 if missing else 2)] if dimensions == 3 else []
    return " ".join(words)


def made(root: Path, dimensions: int = 3, count: int = 6, points: np.ndarray | None = None) -> Path:
    """Write a data set; each image of an odd number has two instances, and the last point of the first is missing."""
    rng = np.random.default_rng(0)
    for row in range(count):
        place = f"{'val' if row % 3 == 2 else 'train'}/{row:03d}"
        for kind in ("images", "labels"):
            (root / kind / place).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (WIDTH, HEIGHT), (9 * row % 256,) * 3).save(root / "images" / f"{place}.png")
        if points is None:
            lines = [
                line(rng.uniform(0.2, 0.8, (3, 2)), dimensions, 2 if row == 0 else None) for _ in range(1 + row % 2)
            ]
        else:
            lines = [line(points[row], dimensions)]
        (root / "labels" / f"{place}.txt").write_text("\r\n".join(lines) + "\r\n", newline="")
    (root / "labels" / "train.cache").write_bytes(b"derived")
    (root / "data.yaml").write_text(YAML.format(dimensions))
    return root


@pytest.mark.parametrize("given", ["", "data.yaml"])
def test_instances_points_boxes_and_parts_are_read(tmp_path: Path, given: str) -> None:
    path = made(tmp_path / "d") / given
    assert detect(path) == YOLO
    keypoints = YOLO.read(path, OPTIONS)
    assert keypoints.names == ("point0", "point1", "point2")
    assert keypoints.swap_pairs == ((1, 2),)
    assert keypoints.ids[:3] == ("images/train/000.png", "images/train/001.png#1", "images/train/001.png#2")
    assert keypoints.boxes[0].tolist() == [30, 10, 20, 20]
    words = (tmp_path / "d/labels/train/000.txt").read_text().split()
    assert keypoints.points[0, 1].tolist() == [float(words[8]) * WIDTH, float(words[9]) * HEIGHT]
    assert np.isnan(keypoints.points[0, 2]).all()
    pool = YOLO.pool(Request(path, image_size=16, colour=True, options=OPTIONS, cache_dir=tmp_path / "cache"), 0)
    assert pool.parts == tuple("validation" if "/val/" in name else "train" for name in keypoints.ids)


def test_without_images_for_the_test_a_training_splits_at_random(tmp_path: Path) -> None:
    request = Request(made(tmp_path / "d", count=30), image_size=16, colour=True, options=OPTIONS, test_size=10)
    subset = YOLO.load(request, 0)
    assert 8 <= len(subset.test) <= 10  # instances of an image stay together
    assert any("/val/" in name for name in subset.test.ids)
    assert any("/train/" in name for name in subset.test.ids)


@pytest.mark.parametrize(
    ("place", "folder"),
    [
        ("images/train", "."),
        ("../images/train", "."),
        ("list.txt", "."),
        ("images/train", "path: ."),
        ("images/train", ""),
    ],
)
def test_images_are_found_where_other_programs_say_they_are(tmp_path: Path, place: str, folder: str) -> None:
    root = made(tmp_path / "d")
    stated = f"path: {root}\n" if not folder else f"{folder}\n" if ":" in folder else ""
    (root / "list.txt").write_text("./images/train/000.png\nimages/train/001.png\n")
    (root / "data.yaml").write_text(stated + f"train: {place}\nkpt_shape: [3, 3]\n")
    assert YOLO.read(root, OPTIONS).images[:2] == ("images/train/000.png", "images/train/001.png")


def test_names_and_skeleton_of_the_description_are_used(tmp_path: Path) -> None:
    root = made(tmp_path / "d")
    more = "kpt_names:\n  0: [nose, ear_l, ear_r]\nskeleton: [[0, 1], [1, 7], [2]]\n"
    (root / "data.yaml").write_text(YAML.format(3) + more)
    keypoints = YOLO.read(root, OPTIONS)
    assert keypoints.names == ("nose", "ear_l", "ear_r")
    assert keypoints.skeleton == ((0, 1),)


def tree(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_only_the_numbers_of_changed_keypoints_differ(tmp_path: Path) -> None:
    root = made(tmp_path / "d")
    annotations = YOLO.labels(root, OPTIONS)
    new = annotations.values.copy()
    new[0, :2], new[0, 4:], new[2, 2:4] = (10, 20), (40, 10), np.nan
    (tmp_path / "new").mkdir()
    notes = annotations.write({annotations.ids[row]: new[row] for row in (0, 2)}, tmp_path / "new")
    assert notes == ()
    before, after = tree(root), tree(tmp_path / "new")
    assert set(before) - set(after) == {"labels/train.cache"}
    assert {name for name in after if after[name] != before[name]} == {"labels/train/000.txt", "labels/train/001.txt"}
    words = before["labels/train/000.txt"].split()
    words[5:7], words[11:14] = [b"0.125000", b"0.500000"], [b"0.500000", b"0.250000", b"2"]
    assert after["labels/train/000.txt"] == b" ".join(words) + b"\r\n"
    words = before["labels/train/001.txt"].split(b"\r\n")[1].split(b" ")
    words[8:11] = b"0.000000", b"0.000000", b"0"
    assert after["labels/train/001.txt"].split(b"\r\n")[1] == b" ".join(words)
    np.testing.assert_allclose(YOLO.labels(tmp_path / "new", OPTIONS).values, new)


def test_without_visibilities_the_line_of_a_dropped_label_is_left_out(tmp_path: Path) -> None:
    root = made(tmp_path / "d", dimensions=2)
    annotations = YOLO.labels(root, OPTIONS)
    assert np.isnan(annotations.values[0, 4:]).all()
    new = annotations.values[1].copy()
    new[:2] = np.nan
    changes = {annotations.ids[1]: new}
    assert annotations.left_out(changes) == (annotations.ids[1],)
    (tmp_path / "new").mkdir()
    annotations.write(changes, tmp_path / "new")
    lines = (root / "labels/train/001.txt").read_bytes().split(b"\r\n")
    assert (tmp_path / "new/labels/train/001.txt").read_bytes() == lines[1] + b"\r\n"


def test_an_absolute_path_in_the_description_is_named_after_writing(tmp_path: Path) -> None:
    root = made(tmp_path / "d")
    (root / "data.yaml").write_text(f"path: {root}\n" + YAML.format(3))
    annotations = YOLO.labels(root, OPTIONS)
    (tmp_path / "new").mkdir()
    assert "Change it to the new folder" in annotations.write({}, tmp_path / "new")[0]


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("labels/train/000.txt", "0 .5 .5 .2 .2 1 2\n", r"000.txt', line 1: a line should have 14 numbers.*Found 7"),
        ("labels/train/000.txt", "0 .5 .5 .2 .2 a 0 0 1 1 1 1 1 1\n", r"line 1.*Found 'a'"),
        ("data.yaml", "train: images/train\nkpt_shape: [3, 4]\n", r"'kpt_shape' should be"),
        ("data.yaml", "train: images/train\nkpt_shape: 3\n", r"'kpt_shape' should be"),
        ("data.yaml", "train: images/none\nkpt_shape: [3, 3]\n", r"'train' should be a folder of images"),
        ("data.yaml", "train: ../..\nkpt_shape: [3, 3]\n", r"should be in the folder of the data set|Found no image"),
        ("data.yaml", "kpt_shape: [3, 3]\n", r"should name folders of images"),
        ("data.yaml", "train: images/train\nkpt_shape: [3, 3]\nflip_idx: [0, 1, 1]\n", r"'flip_idx' should exchange"),
        ("data.yaml", "train: images/train\nkpt_shape: [3, 3]\nflip_idx: [1, 2, 0]\n", r"'flip_idx' should exchange"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, file: str, content: str, message: str) -> None:
    root = made(tmp_path / "d")
    (root / file).write_text(content)
    with pytest.raises((InvalidDataError, InvalidParameterError), match=message):
        YOLO.read(root, OPTIONS)


def test_labels_are_scored_with_the_text_files_of_a_model(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(0.4, 0.6, (60, 1, 2)) + np.array([[0, 0.1], [-0.1, -0.1], [0.1, -0.1]])
    given = points.copy()
    given[::10, 1] += 0.15
    root = made(tmp_path / "d", count=60, points=given)
    (tmp_path / "predictions").mkdir()
    for row in range(60):
        text = line(points[row] + rng.normal(0, 0.004, (3, 2))).replace(" 2", " 0.93") + " 0.88"
        (tmp_path / "predictions" / f"{row:03d}.txt").write_text(text + "\n")
    result: Any = CliRunner().invoke(
        main,
        ["score", str(root), str(tmp_path / "predictions"), "--inliers", "gaussian", "--out", str(tmp_path / "s.csv")],
    )
    assert result.exit_code == 0, result.output
    scores = pd.read_csv(tmp_path / "s.csv")
    flagged = scores.loc[scores["responsibility"] < 0.5, ["id", "group"]].to_numpy().tolist()
    wrong = sorted([f"images/{'val' if row % 3 == 2 else 'train'}/{row:03d}.png", "point1"] for row in range(0, 60, 10))
    assert sorted(flagged) == wrong
