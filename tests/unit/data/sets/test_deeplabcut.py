"""DeepLabCut: labels of one animal or several in CSV and HDF5, and the output of a model for the labelled frames."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from deepgum.cli import main
from deepgum.data.sets.deeplabcut import DeepLabCut
from deepgum.data.sets.registry import detect
from deepgum.errors import InvalidDataError

DLC = DeepLabCut()
OPTIONS = DLC.check_options({})
PARTS = ["nose", "left_ear", "right_ear"]
N = 60


def columns(scorer: str, animals: list[str], axes: str = "x y") -> pd.MultiIndex:
    levels = [[scorer], *([animals] if animals else []), PARTS, axes.split()]
    names = ["scorer", *(["individuals"] if animals else []), "bodyparts", "coords"]
    return pd.MultiIndex.from_product(levels, names=names)


def truth(animals: int) -> np.ndarray:
    """Points (N, animals, 3, 2) of animals that are far from each other."""
    rng = np.random.default_rng(0)
    centres = rng.uniform(50, 150, (N, animals, 1, 2)) + 400 * np.arange(animals)[:, None, None]
    return centres + np.array([[0, -30], [-20, 20], [20, 20]]) + rng.normal(0, 3, (N, animals, 3, 2))


def labels(folder: Path, animals: list[str], index: Any = None) -> tuple[Path, np.ndarray]:
    """Write labels of which every tenth nose is 25 pixels off. Return the file and the places of all animals."""
    points = truth(max(len(animals), 1))
    given = points + np.random.default_rng(1).normal(0, 0.3, points.shape)
    given[::10, :, 0] += 25
    frames = pd.Index([f"labeled-data/mouse/img{7 * row:05d}.png" for row in range(N)]) if index is None else index
    pd.DataFrame(given.reshape(N, -1), frames, columns("ada", animals)).to_csv(folder / "CollectedData_ada.csv")
    return folder / "CollectedData_ada.csv", points


def output(points: np.ndarray, animals: list[str], index: Any) -> pd.DataFrame:
    """The output of a model that is half a pixel off."""
    off = points + np.random.default_rng(2).normal(0, 0.5, points.shape)
    values = np.concatenate([off, np.full((*off.shape[:3], 1), 0.9)], axis=3)
    return pd.DataFrame(values.reshape(len(points), -1), index, columns("DLC_resnet50", animals, "x y likelihood"))


def run(*arguments: object) -> Any:
    return CliRunner().invoke(main, [str(each) for each in arguments])


def assert_flagged(path: Path, wrong: list[tuple[str, str]]) -> None:
    """Assert that all wrong labels are flagged, and at most two others."""
    scores = pd.read_csv(path)
    rows = scores.loc[scores["responsibility"] < 0.5, ["id", "group"]].to_numpy().tolist()
    flagged = {tuple(row) for row in rows}
    assert set(wrong) <= flagged
    assert len(flagged) <= len(wrong) + 2


@pytest.mark.case(26)
def test_the_three_header_lines_are_read_and_left_and_right_known(tmp_path: Path) -> None:
    path, _ = labels(tmp_path, [])
    keypoints = DLC.read(path, OPTIONS)
    assert keypoints.names == tuple(PARTS)
    assert keypoints.targets[:2] == ("nose_x", "nose_y")
    assert keypoints.ids[1] == "labeled-data/mouse/img00007.png"
    assert keypoints.swap_pairs == ((1, 2),)
    np.testing.assert_array_equal(keypoints.values, pd.read_csv(path, header=[0, 1, 2], index_col=0))
    assert len(set(keypoints.together)) == 20  # one video: blocks of three neighbouring frames
    assert len(set(keypoints.together[:3])) == 1
    path.write_text(re.sub(r"img[0-9]+", lambda found: f"{int(found[0][3:]):x}_0001", path.read_text()))
    assert len(set(DLC.read(path, OPTIONS).together)) == 20  # the last number of each name is the same


def test_frames_without_a_label_are_left_out_and_half_a_label_is_none(tmp_path: Path) -> None:
    path, _ = labels(tmp_path, [])
    lines = path.read_text().splitlines()
    lines[3] = "labeled-data/mouse/img00000.png,,,,,,"
    lines[4] = lines[4].rsplit(",", 1)[0] + ","
    path.write_text("\n".join(lines) + "\n")
    keypoints = DLC.read(path, OPTIONS)
    assert len(keypoints) == N - 1
    assert np.isnan(keypoints.points[0, 2]).all()
    assert "1 instances without a label are left out" in keypoints.notices[0]


@pytest.mark.parametrize("suffix", [".csv", ".h5"])
def test_several_animals_are_instances_and_the_output_is_paired_whatever_its_order(tmp_path: Path, suffix: str) -> None:
    path, points = labels(tmp_path, ["m1", "m2"])
    keypoints = DLC.read(path, OPTIONS)
    assert keypoints.ids[:2] == ("labeled-data/mouse/img00000.png#m1", "labeled-data/mouse/img00000.png#m2")
    predicted = output(points[:, ::-1], ["one", "two"], pd.Index(pd.read_csv(path, header=None, skiprows=4)[0]))
    out = tmp_path / f"predictions{suffix}"
    if suffix == ".h5":
        pytest.importorskip("tables")
        pytest.importorskip("h5py")
        predicted.to_hdf(out, key="df_with_missing")
    else:
        predicted.to_csv(out)
    result = run("score", path, out, "--inliers", "gaussian", "--out", tmp_path / "scores.csv")
    assert result.exit_code == 0, result.output
    wrong = [
        (f"labeled-data/mouse/img{7 * row:05d}.png#{animal}", "nose")
        for row in range(0, N, 10)
        for animal in ("m1", "m2")
    ]
    assert_flagged(tmp_path / "scores.csv", wrong)


def test_the_output_for_a_whole_video_is_matched_by_the_numbers_of_frames(tmp_path: Path) -> None:
    path, points = labels(tmp_path, [])
    frames = np.zeros((7 * N, 1, 3, 2))
    frames[::7] = points
    output(frames, [], range(7 * N)).to_csv(tmp_path / "mouseDLC_resnet50.csv")
    result = run("score", path, tmp_path / "mouseDLC_resnet50.csv", "--inliers", "gaussian")
    assert f"deepgum score {path} {tmp_path / 'mouseDLC_resnet50.csv'} --out" in " ".join(result.output.split())
    result = run(
        "score", path, tmp_path / "mouseDLC_resnet50.csv", "--inliers", "gaussian", "--out", tmp_path / "scores.csv"
    )
    assert result.exit_code == 0, result.output
    wrong = [(f"labeled-data/mouse/img{7 * row:05d}.png", "nose") for row in range(0, N, 10)]
    assert_flagged(tmp_path / "scores.csv", wrong)
    (tmp_path / "mouseDLC_resnet50.csv").rename(tmp_path / "ratDLC.csv")
    result = run("score", path, tmp_path / "ratDLC.csv")
    assert "a name that starts with the name of the video" in result.output


@pytest.mark.case(26)
def test_a_table_alone_is_named_with_the_commands_to_type(tmp_path: Path) -> None:
    path, points = labels(tmp_path, [])
    result = run("score", path)
    assert result.exit_code == 2
    for words in (
        "labels of DeepLabCut",
        f"deepgum score {path} MODEL_OUTPUT.h5",
        f"deepgum audit {path} --images DIR",
    ):
        assert words in result.output
    output(points, [], range(N)).to_csv(tmp_path / "mouseDLC.csv")
    result = run("score", tmp_path / "mouseDLC.csv")
    assert result.exit_code == 2
    assert "Found the output of a model" in result.output


def test_the_header_is_known_with_other_delimiters_quotes_and_marks(tmp_path: Path) -> None:
    path, _ = labels(tmp_path, [])
    text = path.read_text()
    for changed in (
        text.replace(",", ";"),
        text.replace(",", "\t"),
        "\ufeff" + text,
        text.replace("scorer", '"scorer"'),
    ):
        path.write_text(changed, encoding="utf-8")
        assert detect(path) == DLC
        assert len(DLC.read(path, OPTIONS)) == N


@pytest.mark.parametrize("animals", [[], ["m1", "m2"]])
def test_a_table_without_the_line_of_the_scorer_is_read_as_well(tmp_path: Path, animals: list[str]) -> None:
    path, _ = labels(tmp_path, animals)
    whole = DLC.read(path, OPTIONS)
    path.write_text(path.read_text().partition("\n")[2])
    assert detect(path) == DLC
    np.testing.assert_array_equal(DLC.read(path, OPTIONS).points, whole.points)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ada,ada\n", "ada,bob\n", "labels of one scorer. Found 2"),
        (",right_ear,right_ear", ",left_ear,left_ear", "each column once"),
        (",x,y\n", ",x,z\n", "the columns x and y for each body part"),
        ("img00007.png", "img00000.png", "Found twice"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    path, _ = labels(tmp_path, [])
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(InvalidDataError, match=message):
        DLC.read(path, OPTIONS)


def test_the_skeleton_is_that_of_the_configuration_above_the_table(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    folder = tmp_path / "labeled-data" / "mouse"
    folder.mkdir(parents=True)
    path, _ = labels(folder, [])
    config = "Task: t\nskeleton:\n- [nose, left_ear]\n- - nose\n  - tail\n- nose\nbodyparts: [nose]\n"
    (tmp_path / "config.yaml").write_text(config)
    assert DLC.read(path, OPTIONS).skeleton == ((0, 1),)
    for damaged in ("skeleton: [", "a: &a [*a]\nskeleton: *a", "!!python/object/apply:os.system ['true']", "3"):
        (tmp_path / "config.yaml").write_text(damaged)
        assert DLC.read(path, OPTIONS).skeleton == ()


def test_a_correction_is_read_back_by_pandas_and_the_other_file_is_named(tmp_path: Path) -> None:
    pytest.importorskip("tables")
    pytest.importorskip("h5py")
    path, _ = labels(tmp_path, [], pd.MultiIndex.from_tuples([("labeled-data", "m", f"{row}.png") for row in range(N)]))
    before = pd.read_csv(path, header=[0, 1, 2], index_col=[0, 1, 2])
    before.to_hdf(path.with_suffix(".h5"), key="df_with_missing")
    for source in (path, path.with_suffix(".h5")):
        annotations = DLC.labels(source, OPTIONS)
        new = annotations.values[3].copy()
        new[:4] = 1.5, 2.25, np.nan, np.nan
        notes = annotations.write({"labeled-data/m/3.png": new}, tmp_path / f"new{source.suffix}")
        assert "Apply the patch to that file, too" in notes[0]
        expected = before.copy()
        expected.iloc[3, :4] = new[:4]
        again = (
            pd.read_csv(tmp_path / "new.csv", header=[0, 1, 2], index_col=[0, 1, 2])
            if source.suffix == ".csv"
            else pd.read_hdf(tmp_path / "new.h5")
        )
        np.testing.assert_array_equal(again.to_numpy(), expected.to_numpy())
        assert again.columns.tolist() == before.columns.tolist()
