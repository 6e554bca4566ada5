"""Tables of images: units of landmarks, boxes, splits by a column, and small landmarks."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from PIL import Image

from deepgum.data.boxes import box_columns
from deepgum.data.sets.table import TableFile
from deepgum.data.sets.table_samples import load_table
from deepgum.errors import DataNotice, InvalidDataError, InvalidParameterError, MissingImagesError

SIZES = [(200, 100), (120, 240), (160, 160), (100, 200)]
FRACTIONS = np.array([[0.1, 0.2, 0.8, 0.9], [0.3, 0.1, 0.9, 0.5], [0.5, 0.25, 0.75, 0.5], [0.2, 0.2, 0.6, 0.9]])
POINTS = FRACTIONS * np.tile(SIZES, 2)
NAMES = ["x1", "y1", "x2", "y2"]


def write(folder: Path, points: np.ndarray, **columns: object) -> Path:
    for k, size in enumerate(SIZES):
        Image.new("L", size, 50 * k).save(folder / f"{k}.png")
    frame = pd.DataFrame(points, columns=NAMES)
    frame.insert(0, "file", [f"{k}.png" for k in range(len(SIZES))])
    frame.assign(**columns).to_csv(folder / "t.csv", index=False)
    return folder / "t.csv"


def load(path: Path, **options: object):
    options = {"landmarks": True, "targets": NAMES} | options
    return load_table(path, image="file", image_size=16, cache_dir=path.parent / "cache", **options)


@pytest.mark.parametrize(("unit", "factor"), [("fraction", 1), ("percent", 100)])
def test_landmarks_in_parts_of_the_image_are_the_same_as_in_pixels(tmp_path: Path, unit: str, factor: float) -> None:
    expected = load(write(tmp_path, POINTS)).data.targets
    path = write(tmp_path, FRACTIONS * factor)
    assert_allclose(load(path, coordinates=unit).data.targets, expected, rtol=1e-6)
    options = TableFile().check_options({"targets": NAMES, "image": "file", "landmarks": True, "coordinates": unit})
    labels = TableFile().labels(path, options)
    assert_allclose(labels.values, POINTS)
    labels.write({"1.png": np.array([60.0, 24.0, 108.0, 120.0])}, tmp_path / "new.csv")
    new = pd.read_csv(tmp_path / "new.csv")
    assert_allclose(new[NAMES], np.vstack([FRACTIONS[:1], [[0.5, 0.1, 0.9, 0.5]], FRACTIONS[2:]]) * factor)
    before, after = (file.read_text().splitlines() for file in (path, tmp_path / "new.csv"))
    assert [row for row in range(5) if before[row] != after[row]] == [2]
    assert after[2].split(",")[2:] == before[2].split(",")[2:]  # only x1 of this row has another value
    (tmp_path / "1.png").unlink()
    with pytest.raises(MissingImagesError, match=r"'1.png' are in parts of its image"):
        TableFile().labels(path, options).write({"1.png": np.zeros(4)}, tmp_path / "none.csv")


def test_fractions_are_not_taken_for_pixels(tmp_path: Path) -> None:
    path = write(tmp_path, FRACTIONS)
    with pytest.raises(InvalidDataError, match=r"Found only numbers from 0.1 to 0.9 in images of about 110 pixels"):
        load(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataNotice)
        assert_allclose(load(path, coordinates="pixel").data.targets[2], FRACTIONS[2] / 160, rtol=1e-6)
    with pytest.raises(InvalidDataError, match=r"from 0 to 1, because `coordinates` is 'fraction'"):
        load(write(tmp_path, POINTS), coordinates="fraction")
    options = TableFile().check_options({"targets": NAMES[:3], "image": "file", "coordinates": "fraction"})
    with pytest.raises(InvalidParameterError, match="two columns for each landmark"):
        TableFile().labels(path, options)
    with pytest.raises(InvalidParameterError, match="left out if targets are not landmarks"):
        load(path, landmarks=False, coordinates="fraction")


def test_percent_are_noticed_in_large_images_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, FRACTIONS * 100)
    assert load(path).notices == ()  # in images of 100 pixels, these are pixels
    monkeypatch.setitem(globals(), "SIZES", [(3 * width, 3 * height) for width, height in SIZES])
    with pytest.warns(DataNotice) as caught:
        load(write(tmp_path, FRACTIONS * 100))
    assert "--coordinates percent" in str(caught[0].message)
    assert "fill 10 %" in str(caught[1].message)


def test_small_landmarks_are_noticed_and_a_box_crops_them(tmp_path: Path) -> None:
    small = np.tile([80.0, 40.0, 90.0, 52.0], (4, 1))
    path = write(tmp_path, small, bx=70.0, by=[30.0, 30.0, 30.0, np.nan], bw=40.0, bh=24.0)
    with pytest.warns(DataNotice, match=r"The landmarks fill 6 % of a typical image, which are 1 of the 16 pixels"):
        load(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = load(path, box=["bx", "by", "bw", "bh"]).data
    assert data.pictures is not None
    left, top, side = data.pictures.square(0)
    assert side == pytest.approx(1.25 * 40)  # a margin around the box
    assert (left + side / 2, top + side / 2) == (90, 42)  # the centre of the box, not of the labels
    assert_allclose(data.targets[0], (small[0] - np.tile([left, top], 2)) / side, rtol=1e-6)
    assert data.pictures.square(3) == (-50.0, 0.0, 200.0)  # the whole image, where there is no box


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        ("x y w h", "left top width height"),
        ("left top right bottom", "left top right bottom"),
        ("x1 y1 x2 y2", "left top right bottom"),
        ("x0 y0 x1 y1", "left top right bottom"),
        ("xmin ymin xmax ymax", "left top right bottom"),
        ("face_x_min face_y_min face_x_max face_y_max", "left top right bottom"),
        ("bx by bw bh", "left top width height"),
        ("box.height box.width box.top box.left", "height width top left"),
        ("bbox_x bbox_y bbox_width bbox_height", "left top width height"),
    ],
)
def test_the_names_of_the_columns_tell_the_box(names: str, parts: str) -> None:
    assert {name: part for part, name in box_columns(names.split()).items()} == dict(
        zip(names.split(), parts.split(), strict=True)
    )


def test_a_box_that_cannot_be_is_refused(tmp_path: Path) -> None:
    for names in (["a", "b", "c", "d"], ["x", "y", "w"], ["x", "y", "w", "bottom"], ["*", "?", "2", "a-"]):
        with pytest.raises(InvalidParameterError, match="four columns whose names tell"):
            box_columns(names)
    path = write(tmp_path, POINTS, left=50.0, top=10.0, right=[90.0, 50.0, 90.0, 90.0], bottom=80.0)
    with pytest.raises(InvalidDataError, match=r"line 3, column 'right': .*positive width"):
        load(path, box=["left", "top", "right", "bottom"])


def test_a_column_of_words_or_of_folds_gives_the_parts(tmp_path: Path) -> None:
    path = write(
        tmp_path, POINTS, split=["Training", "dev", "test", "train"], fold=[3, 1, 1, 2], mixed=["1", "a", 2, 3]
    )
    assert load(path, part="split").parts == ("train", "validation", "test", "train")
    assert load(path, part="fold").parts == ("train", "test", "test", "train")
    assert load(path, part="fold", fold=2).parts == ("test", "train", "train", "train")
    with pytest.raises(InvalidParameterError, match="from 0 to 2"):
        load(path, part="fold", fold=3)
    with pytest.raises(InvalidDataError, match="in all rows the number of a fold"):
        load(path, part="mixed")
