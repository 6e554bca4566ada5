"""Landmarks in .pts files: numbers as in the file, the pairs and lines of 300-W, and corrections in the text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from deepgum.cli import main
from deepgum.data.face_68 import SKELETON, SWAP_PAIRS
from deepgum.data.sets.pts import PtsFolder
from deepgum.data.sets.registry import detect
from deepgum.errors import InvalidDataError

PTS = PtsFolder()
OPTIONS = PTS.check_options({})


def made(root: Path, points: np.ndarray, ending: str = "\n") -> Path:
    """Write images and files of landmarks into two folders."""
    for row, values in enumerate(points):
        file = root / f"{row % 2:02d}_part" / f"image_{row:03d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (100, 100), (row,) * 3).save(file)
        lines = ["version: 1", f"n_points:  {len(values)}", "{", *(f"{x:.6f} {y:.6f}" for x, y in values), "}"]
        file.with_suffix(".pts").write_text(ending.join(lines) + ending, newline="")
    return root


def faces(count: int, landmarks: int = 68) -> np.ndarray:
    rng = np.random.default_rng(0)
    shape = rng.uniform(20, 80, (landmarks, 2))
    return shape + rng.uniform(-9, 9, (count, 1, 2)) + rng.normal(0, 0.3, (count, landmarks, 2))


def test_the_68_landmarks_of_300_w_have_their_pairs_and_lines(tmp_path: Path) -> None:
    points = faces(4)
    root = made(tmp_path / "d", points)
    assert detect(root) == PTS
    keypoints = PTS.read(root, OPTIONS)
    assert keypoints.ids == (
        "00_part/image_000.png",
        "00_part/image_002.png",
        "01_part/image_001.png",
        "01_part/image_003.png",
    )
    np.testing.assert_array_equal(keypoints.points[1], points[2].round(6))
    assert (keypoints.names[0], keypoints.names[67]) == ("point1", "point68")
    assert keypoints.swap_pairs == SWAP_PAIRS
    assert keypoints.skeleton == SKELETON
    assert PTS.read(made(tmp_path / "e", points[:, :5]), OPTIONS).swap_pairs == ()


def test_pairs_of_left_and_right_mirror_the_mean_face() -> None:
    """The pairs are an involution that leaves the landmarks of the middle, and maps lines to lines."""
    partner = {**{a: b for a, b in SWAP_PAIRS}, **{b: a for a, b in SWAP_PAIRS}}
    assert len(partner) == 2 * len(SWAP_PAIRS)
    assert sorted(set(range(68)) - set(partner)) == [8, 27, 28, 29, 30, 33, 51, 57, 62, 66]
    lines = {frozenset(pair) for pair in SKELETON}
    assert {frozenset(partner.get(place, place) for place in pair) for pair in lines} == lines


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_only_the_changed_numbers_differ_and_dropped_images_are_left_out(tmp_path: Path, ending: str) -> None:
    root = made(tmp_path / "d", faces(4, 3), ending)
    annotations = PTS.labels(root, OPTIONS)
    moved, dropped = annotations.values[0].copy(), annotations.values[1].copy()
    moved[2], dropped[:2] = 12.5, np.nan
    changes = {annotations.ids[0]: moved, annotations.ids[1]: dropped}
    assert annotations.left_out(changes) == (annotations.ids[1],)
    (tmp_path / "new").mkdir()
    annotations.write(changes, tmp_path / "new")
    before, after = ({p.relative_to(r): p.read_bytes() for p in r.rglob("*.*")} for r in (root, tmp_path / "new"))
    assert {str(name) for name in set(before) - set(after)} == {"00_part/image_002.png", "00_part/image_002.pts"}
    assert [str(name) for name in after if after[name] != before[name]] == ["00_part/image_000.pts"]
    name = Path("00_part/image_000.pts")
    old, new = before[name].split(ending.encode()), after[name].split(ending.encode())
    assert [row for row in range(len(old)) if old[row] != new[row]] == [4]
    assert new[4] == b"12.500000 " + old[4].split()[1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("version: 1\nn_points: 3\n{\n1 2\n3 4\n}\n", "should have 6 numbers.*Found 4 numbers"),
        ("version: 1\nn_points: 3\n{\n1 2\n3 4\n5 x\n}\n", "Found 'x'"),
        ("version: 1\nn_points: 3\n{\n1 2\n3 4\n5 1e999\n}\n", "Found '1e999'"),
        ("1 2\n3 4\n", "should be a file of landmarks"),
        ("version: 1\nn_points: 2\n{\n1 2\n3 4\n}\n", "the same number of landmarks"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, content: str, message: str) -> None:
    root = made(tmp_path / "d", faces(4, 3))
    (root / "00_part/image_002.pts").write_text(content)
    with pytest.raises(InvalidDataError, match=message):
        PTS.read(root, OPTIONS)


def test_places_that_stand_for_missing_landmarks_are_counted(tmp_path: Path) -> None:
    points = faces(4, 3)
    points[0, 1], points[1] = -1, 0
    keypoints = PTS.read(made(tmp_path / "d", points), OPTIONS)
    assert len(keypoints) == 3
    assert np.isnan(keypoints.points[0, 1]).all()
    assert [notice.split()[0] for notice in keypoints.notices] == ["1", "1"]


def test_labels_are_scored_with_the_files_of_a_model(tmp_path: Path) -> None:
    points = faces(60, 5)
    given = points.copy()
    given[::10, 2] += 15
    root, predicted = (
        made(tmp_path / "d", given),
        made(tmp_path / "p", points + np.random.default_rng(1).normal(0, 0.3, points.shape)),
    )
    result = CliRunner().invoke(
        main, ["score", str(root), str(predicted), "--inliers", "gaussian", "--out", str(tmp_path / "s.csv")]
    )
    assert result.exit_code == 0, result.output
    scores = pd.read_csv(tmp_path / "s.csv")
    flagged = scores.loc[scores["responsibility"] < 0.5, ["id", "group"]].to_numpy().tolist()
    wrong = [[f"00_part/image_{row:03d}.png", "point3"] for row in range(0, 60, 10)]
    assert all(label in flagged for label in wrong)
    assert len(flagged) <= len(wrong) + 2
    for name, kind in (("s.csv", "a file"), ("nowhere", "nothing")):
        result = CliRunner().invoke(main, ["score", str(root), str(tmp_path / name)], terminal_width=400)
        assert "`predictions` should be the folder that a model has written" in result.output, kind
