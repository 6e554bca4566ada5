"""Columns of visibilities and confidences beside the x and the y of landmarks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from PIL import Image

from deepgum.audit.scoring.score_table import score_table
from deepgum.data.sets.table import TableFile
from deepgum.data.sets.table_samples import load_table
from deepgum.data.visibility import check_pairs, visibility_columns
from deepgum.errors import DataNotice, InvalidDataError, InvalidParameterError

pytestmark = pytest.mark.usefixtures("gaussian_file")

SIDE = 40
POINTS = np.array([[5.0, 6.0, 30.0, 31.0], [0.0, 0.0, 28.0, 30.0], [7.0, 8.0, 0.0, 0.0]])
SEEN = np.array([[2, 1], [0, 2], [1, 0]])


@pytest.mark.parametrize(
    ("x", "y", "third"),
    [
        ("x1", "y1", "v1"),
        ("x_1", "y_1", "vis_1"),
        ("nose_x", "nose_y", "nose_visibility"),
        ("nose_x", "nose_y", "nose_v"),
        ("noseX", "noseY", "noseVisible"),
        ("nose.x", "nose.y", "nose.likelihood"),
        ("x_nose", "y_nose", "conf_nose"),
        ("lx", "ly", "lv"),
        ("left eye x", "left eye y", "left eye occluded"),
        ("1_x", "1_y", "1_score"),
        ("x", "y", "confidence"),
    ],
)
def test_the_name_tells_a_visibility(x: str, y: str, third: str) -> None:
    assert visibility_columns(["file", x, third, "age", y]) == {third: (x, y)}


@pytest.mark.parametrize(
    "header",
    [
        ["x", "y", "u", "v"],  # another point
        ["x1", "y1", "v2"],
        ["age", "score", "v"],
        ["score_x", "score_y"],
        ["east", "north", "visibility"],
        ["x1", "y1", "x1_hat", "y1_hat", "velocity"],
    ],
)
def test_other_columns_are_no_visibility(header: list[str]) -> None:
    assert visibility_columns(header) == {}


def test_pairs_are_checked_as_far_as_names_show_them() -> None:
    check_pairs(["x1", "y1", "x2", "y2"])
    check_pairs(["east", "north", "0", "1", "eye_col", "eye_row"])
    check_pairs([str(place) for place in range(136)])
    check_pairs(["x1", "y1", "x2"])  # the number of columns is checked elsewhere
    for wrong in (["x1", "y1", "s1", "x2", "y2", "s2"], ["x1", "x2", "y1", "y2"]):
        with pytest.raises(InvalidDataError, match="pairs of an x and a y"):
            check_pairs(wrong)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = []
    for k in range(3):
        Image.new("RGB", (SIDE, SIDE), (60 * k, 9, 9)).save(tmp_path / f"{k}.png")
        (ax, ay, bx, by), (av, bv) = POINTS[k], SEEN[k]
        rows.append([f"{k}.png", ax, ay, av, bx, by, bv])
    pd.DataFrame(rows, columns=["file", "x1", "y1", "v1", "x2", "y2", "v2"]).to_csv(tmp_path / "t.csv", index=False)
    return tmp_path / "t.csv"


def load(path: Path, targets: list[str], **options: object):
    return load_table(
        path, image="file", targets=targets, landmarks=True, image_size=16, cache_dir=path.parent / "cache", **options
    )


@pytest.mark.case(10)
@pytest.mark.parametrize("targets", [["x1", "y1", "v1", "x2", "y2", "v2"], ["x1-v2"], ["v?", "x?", "y?"]])
def test_a_landmark_with_visibility_0_is_missing(table: Path, targets: list[str]) -> None:
    with pytest.warns(DataNotice, match="v1, v2.*are no coordinates: 2 of 6 landmarks have visibility 0") as caught:
        pool = load(table, targets)
    assert pool.notices == (str(caught[0].message),)
    assert pool.data.target_names == ("x1", "y1", "x2", "y2")
    expected = np.where(np.repeat(SEEN == 0, 2, axis=1), np.nan, POINTS) / SIDE
    assert_allclose(pool.data.targets, expected, rtol=1e-6)
    options = TableFile().check_options({"targets": targets, "image": "file", "landmarks": True})
    labels = TableFile().labels(table, options)
    assert_allclose(labels.values, expected * SIDE, rtol=1e-6)
    assert labels.names == ("x1", "y1", "x2", "y2")
    assert TableFile().settled_options(table, options)["targets"] == ["x1", "y1", "x2", "y2"]


@pytest.mark.case(10)
def test_a_visibility_that_is_not_named_is_told_and_changes_nothing(table: Path) -> None:
    with pytest.warns(DataNotice, match="2 landmarks have labels although their visibility is 0 .columns v1, v2"):
        pool = load(table, ["x1", "y1", "x2", "y2"])
    assert_allclose(pool.data.targets, POINTS / SIDE, rtol=1e-6)


def test_confidences_are_left_out_and_delete_nothing(table: Path) -> None:
    frame = pd.read_csv(table).rename(columns={"v1": "likelihood1", "v2": "likelihood2"})
    frame.to_csv(table, index=False)
    with pytest.warns(DataNotice, match="They are left out"):
        pool = load(table, ["x1-likelihood2"])
    assert_allclose(pool.data.targets, POINTS / SIDE, rtol=1e-6)


@pytest.mark.case(10)
def test_a_third_column_of_another_name_is_refused(table: Path) -> None:
    frame = pd.read_csv(table).rename(columns={"v1": "s1", "v2": "s2"})
    frame.to_csv(table, index=False)
    with pytest.raises(InvalidDataError, match=r"Found s1 beside x2, y2 beside s2. Leave out s1, s2"):
        load(table, ["x1", "y1", "s1", "x2", "y2", "s2"])


@pytest.mark.parametrize("third", [SEEN, SEEN / 2, SEEN > 0])
def test_a_third_column_without_a_name_is_found_by_its_numbers(table: Path, third: np.ndarray) -> None:
    frame = pd.read_csv(table)
    frame[["v1", "v2"]] = third.astype(float)
    frame.columns = ["file", *map(str, range(6))]
    frame.to_csv(table, index=False)
    with pytest.raises(InvalidDataError, match=r"Every third target .2, 5. holds only numbers from 0 to"):
        load(table, ["0-5"])
    load(table, ["0", "1", "3", "4"])
    frame["2"] = 17.0  # a third point, not a visibility
    frame.to_csv(table, index=False)
    load(table, ["0-5"])


def test_a_range_over_blocks_of_x_and_y_is_put_in_order(tmp_path: Path) -> None:
    Image.new("L", (SIDE, SIDE)).save(tmp_path / "a.png")
    (tmp_path / "t.csv").write_text("file,x1,x2,y1,y2\na.png,4,8,12,16\n")
    with pytest.warns(DataNotice, match="fill 10 %"):
        data = load(tmp_path / "t.csv", ["x1-y2"]).data
    assert data.target_names == ("x1", "y1", "x2", "y2")
    assert_allclose(data.targets[0] * SIDE, [4, 12, 8, 16])
    with pytest.raises(InvalidDataError, match="side by side"):
        load(tmp_path / "t.csv", ["x1", "x2", "y1", "y2"])


def test_features_by_pattern_leave_out_targets_ids_and_row_numbers(tmp_path: Path) -> None:
    path = tmp_path / "flats.csv"
    frame = pd.DataFrame({"rooms": [1, 2], "area": [30, 60], "rent": [400, 700]})
    frame.to_csv(path)  # with the index, as pandas does by default
    pool = load_table(path, targets=["rent"], features=["*"], id="Unnamed: 0")
    assert pool.data.inputs.tolist() == [[1, 30], [2, 60]]
    assert pool.data.ids == ("0", "1")
    with pytest.raises(InvalidParameterError, match="numbers of rows"):
        load_table(path, targets=["rent"], features=["Unnamed: 0", "area"])


def faces(n: int = 120) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    given = rng.uniform(20, 80, (n, 4))
    frame = pd.DataFrame(given, columns=["x1", "y1", "x2", "y2"])
    predicted = given + rng.normal(0, 1, (n, 4))
    for place, name in enumerate(["x1", "y1", "x2", "y2"]):
        frame[f"{name}_hat"] = predicted[:, place]
    frame["v1"], frame["v2"] = 2, 1
    hidden = [3, 50, 77]
    frame.loc[hidden, ["x1", "y1"]] = 0.0
    frame.loc[hidden, "v1"] = 0
    return frame


@pytest.mark.case(10)
def test_a_score_takes_a_landmark_with_visibility_0_as_missing(tmp_path: Path) -> None:
    frame = faces()
    frame.to_csv(tmp_path / "t.csv", index=False)
    scored = score_table(tmp_path / "t.csv")
    assert scored.labels is not None
    assert [pair.target for pair in scored.pairs] == ["x1", "y1", "x2", "y2"]
    assert np.flatnonzero(np.isnan(scored.labels.given[:, 0])).tolist() == [3, 50, 77]
    empty = frame.drop(columns=["v1", "v2"])
    empty.loc[frame["v1"] == 0, ["x1", "y1"]] = np.nan
    empty.to_csv(tmp_path / "empty.csv", index=False)
    expected = score_table(tmp_path / "empty.csv").labels
    assert expected is not None
    assert_allclose(scored.labels.responsibilities, expected.responsibilities)
    assert "column of visibilities (v1, v2)" in scored.summary.notices[0]
    plain = score_table(tmp_path / "t.csv", target=["x1-y2"])
    assert plain.summary.flags == scored.summary.flags


@pytest.mark.parametrize("side", ["labels", "predictions", "both"])
def test_visibilities_of_one_side_or_of_both_are_no_targets(tmp_path: Path, side: str) -> None:
    frame = faces().drop(columns=["v1", "v2"])
    names = ["x1", "y1", "x2", "y2"]
    frame = frame.rename(columns={n: f"gt_{n}" for n in names} | {f"{n}_hat": f"pred_{n}" for n in names})
    for word in ("gt", "pred"):
        if side == "both" or word == {"labels": "gt", "predictions": "pred"}[side]:
            frame[f"{word}_v1"], frame[f"{word}_v2"] = 1.0, 0.5
    frame.to_csv(tmp_path / "t.csv", index=False)
    for patterns in ({}, {"pred": ["pred_*"], "target": ["gt_*"]}):
        scored = score_table(tmp_path / "t.csv", **patterns)
        assert [pair.target for pair in scored.pairs] == [f"gt_{name}" for name in names]


def test_landmarks_of_a_score_are_pairs(tmp_path: Path) -> None:
    frame = faces().rename(columns={"v1": "s1", "v2": "s2"})
    frame["s1_hat"] = frame["s2_hat"] = 1.0
    wanted = ["x1", "y1", "s1", "x2", "y2", "s2"]
    predicted = [f"{name}_hat" for name in wanted]
    frame[[*wanted, *predicted]].to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(InvalidDataError, match="pairs of an x and a y"):
        score_table(tmp_path / "t.csv", pred=predicted, target=wanted, groups="landmark")


def test_a_target_that_is_called_score_stays_a_target(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(60, 3)), columns=["x", "y", "score"])
    frame["pred_score"] = frame["score"] + rng.normal(0, 0.1, 60)
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert [pair.target for pair in score_table(tmp_path / "t.csv").pairs] == ["score"]
