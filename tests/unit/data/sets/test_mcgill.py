"""Folders of frames with a table of yaw angles, on small files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from deepgum.data.sets.mcgill import McGill, load_mcgill, read_frames
from deepgum.errors import (
    DeepGUMWarning,
    InvalidDataError,
    InvalidParameterError,
    MissingImagesError,
)

# Frames count from 0 in one video and from 1 in another; the third has names. The brightness shows the yaw.
FRAMES = {
    "v01": ["frame_0000.png", "frame_0001.png", "frame_0002.png"],
    "v 02": ["v02-1.jpg", "v02-2.jpg", "v02-10.jpg"],
    "v03": ["left.png", "right.png"],
}
LINES = [
    ("v01", "0", -45.0),
    ("v01", "1", -30.5),
    ("v01", "0002", 0.0),
    ("v 02", "2", 15.0),
    ("v 02", "1", 10.0),
    ("v 02", "v02-10.jpg", 90.0),
    ("v03", "right.png", 170.0),
]
IDS = (
    "v01/frame_0000.png",
    "v01/frame_0001.png",
    "v01/frame_0002.png",
    "v 02/v02-2.jpg",
    "v 02/v02-1.jpg",
    "v 02/v02-10.jpg",
    "v03/right.png",
)


def shade(yaw: float) -> int:
    return round(100 + yaw / 2)


def write(root: Path, lines: list[str], header: str = "video,frame,yaw", name: str = "yaw.csv") -> None:
    (root / name).write_bytes("".join(f"{line}\r\n" for line in [header, *lines]).encode("utf-8-sig"))


def table_lines() -> list[str]:
    return [f"{video},{frame},{yaw}" for video, frame, yaw in LINES]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "mcgill"
    for video, files in FRAMES.items():
        (root / video).mkdir(parents=True)
        for file in files:
            Image.new("L", (32, 24), 5).save(root / video / file)
    for name, (_, _, yaw) in zip(IDS, LINES, strict=True):
        Image.new("L", (32, 24), shade(yaw)).save(root / name)
    write(root, table_lines())
    return root


def load(folder: Path, image_size: int = 16, **options: Any) -> Any:
    return load_mcgill(folder, image_size, **({"cache_dir": folder.parent / "cache"} | options))


def test_frames_are_read_in_the_order_of_the_table(folder: Path) -> None:
    pool = load(folder)
    assert pool.data.ids == IDS
    assert pool.data.targets.tolist() == [[yaw] for _, _, yaw in LINES]
    assert pool.data.target_names == ("yaw",)
    assert pool.keep_together == tuple(video for video, _, _ in LINES)
    assert pool.parts is None
    assert pool.data.inputs.shape == (7, 3, 16, 16)
    brightness = np.asarray(pool.data.inputs).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(brightness, [shade(yaw) for _, _, yaw in LINES], atol=2)
    assert load(folder, colour=False).data.inputs.shape == (7, 1, 16, 16)


def test_a_mirrored_face_looks_to_the_other_side(folder: Path) -> None:
    data = load(folder).data
    assert torch.equal(data.mirror.targets(data.targets), -data.targets)


def test_a_frame_that_is_not_square_keeps_its_proportions(folder: Path) -> None:
    pixels = np.full((24, 32), 50, np.uint8)
    pixels[8:16, 12:20] = 250  # a square in the middle
    Image.fromarray(pixels).save(folder / IDS[0])
    crop = np.asarray(load(folder, 32, colour=False).data.inputs[0, 0])
    bright = np.argwhere(crop > 150)
    assert (bright.min(axis=0).tolist(), bright.max(axis=0).tolist()) == ([12, 12], [19, 19])
    assert crop[0].tolist() == [50] * 32  # its edge repeated, not a black bar


def test_the_order_of_columns_and_further_columns_do_not_matter(folder: Path) -> None:
    lines = [f"{yaw},x,{frame},{video}" for video, frame, yaw in LINES]
    write(folder, lines, "yaw,confidence,frame,video", name="other.csv")
    pool = load(folder, table="other.csv")
    assert pool.data.ids == IDS
    assert pool.data.targets.tolist() == [[yaw] for _, _, yaw in LINES]


def test_missing_frames_and_videos_are_counted_and_named(folder: Path) -> None:
    (folder / IDS[1]).unlink()
    write(folder, [*table_lines(), "v04,12,3.0"])
    with pytest.raises(MissingImagesError, match=r"2 of the 8 images of 'yaw\.csv': v01/1, v04/12"):
        load(folder)
    with pytest.warns(DeepGUMWarning, match="2 of the 8") as caught:
        pool = load(folder, skip_missing=True)
    assert [warning.filename for warning in caught] == [__file__]
    assert pool.data.ids == (IDS[0], *IDS[2:])
    assert pool.data.targets.flatten().tolist() == [yaw for _, frame, yaw in LINES if yaw != -30.5]


def test_a_table_without_any_frame_that_is_there_is_refused(folder: Path) -> None:
    write(folder, ["v09,1,0"])
    with pytest.raises(MissingImagesError, match="Missing: 1 of the 1 images"):
        load(folder, skip_missing=True)


@pytest.mark.parametrize("yaw", ["left", "", "nan", "inf", "1,5"])
def test_a_yaw_that_is_not_a_number_is_named_by_file_line_and_column(folder: Path, yaw: str) -> None:
    lines = table_lines()
    lines[4] = f'v 02,1,"{yaw}"'
    write(folder, lines)
    with pytest.raises(InvalidDataError, match=r"yaw\.csv', line 6, column 'yaw'"):
        load(folder)


@pytest.mark.parametrize(("line", "column"), [(" ,1,0", "video"), ("v01,,0", "frame")])
def test_a_name_that_is_empty_is_named_by_file_line_and_column(folder: Path, line: str, column: str) -> None:
    write(folder, [table_lines()[0], line])
    with pytest.raises(InvalidDataError, match=rf"yaw\.csv', line 3, column '{column}'"):
        load(folder)


@pytest.mark.parametrize("again", ["v01,0,1", "v01,000,1", "v01,frame_0000.png,1"])
def test_a_frame_with_two_lines_is_refused(folder: Path, again: str) -> None:
    write(folder, [*table_lines(), again])
    with pytest.raises(InvalidDataError, match=r"line 9, column 'frame'.*frame_0000\.png' again"):
        load(folder)


def test_a_number_that_two_files_share_is_refused_and_their_names_are_not(folder: Path) -> None:
    Image.new("L", (32, 24)).save(folder / "v01" / "depth_1.png")
    with pytest.raises(InvalidDataError, match=r"line 3, column 'frame'.*number 1.*depth_1\.png, frame_0001\.png"):
        load(folder)
    lines = table_lines()
    lines[1] = "v01,frame_0001.png,-30.5"
    write(folder, lines)
    assert load(folder).data.ids == IDS


@pytest.mark.parametrize("header", ["video,frame,angle", "v,frame,yaw", "video,yaw", ""])
def test_a_missing_column_is_refused(folder: Path, header: str) -> None:
    write(folder, [",".join("1" * (header.count(",") + 1))], header)
    with pytest.raises(InvalidDataError, match=r"yaw\.csv"):
        load(folder)


def test_an_empty_table_is_refused(folder: Path) -> None:
    write(folder, [])
    with pytest.raises(InvalidDataError, match=r"yaw\.csv"):
        read_frames(folder / "yaw.csv")


def test_without_a_table_the_error_describes_it(folder: Path) -> None:
    for options in ({"table": "angles.csv"}, {"folder": folder / "nowhere"}):
        with pytest.raises(InvalidParameterError, match=r"table.*video,frame,yaw.*McGill"):
            load(**({"folder": folder} | options))
    with pytest.raises(InvalidParameterError, match="image_size"):
        load(folder, 0)


def labels_of(folder, **options):
    dataset = McGill()
    return dataset.labels(folder, dataset.check_options(options))


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (90, 90), (80, 90, 100)).save(path, format="JPEG")


def written(labels, out, changes=None):
    out.mkdir()
    return labels.write(changes or {}, out)


def check_ids(labels, data):
    """Assert that ids and labels are those of the loader, in its order."""
    assert labels.ids == data.ids
    assert labels.names == data.target_names
    np.testing.assert_array_equal(labels.values, data.targets)


@pytest.fixture
def videos(tmp_path):
    root = tmp_path / "videos"
    for video in ("v <1>", "в2"):
        for frame in (1, 2):
            picture(root / video / f"frame_{frame:04d}.jpg")
    lines = ['"v <1>";1;"-15.0";ann', "в2;frame_0002.jpg;10.5;ann", "в2;7;3.0;gone", "в2;1;2.0;"]
    (root / "yaw.csv").write_bytes("\r\n".join(["video;frame;yaw;who", *lines]).encode())
    return root


def test_a_frame_that_loses_its_angle_loses_its_line(videos, tmp_path):
    labels = labels_of(videos)
    with pytest.warns(DeepGUMWarning, match="в2/7"):
        pool = load_mcgill(videos, 16, skip_missing=True, cache_dir=tmp_path / "cache")
    check_ids(labels, pool.data)
    assert written(labels, tmp_path / "same") == ()
    assert (tmp_path / "same" / "yaw.csv").read_bytes() == (videos / "yaw.csv").read_bytes()
    changes = {labels.ids[0]: np.array([-12.0]), labels.ids[1]: np.array([np.nan])}
    assert labels.left_out(changes) == (labels.ids[1],)
    written(labels, tmp_path / "new", changes)
    assert (tmp_path / "new" / "yaw.csv").read_bytes().decode() == (
        'video;frame;yaw;who\r\n"v <1>";1;"-12.0";ann\r\nв2;7;3.0;gone\r\nв2;1;2.0;'
    )
    with pytest.warns(DeepGUMWarning, match="в2/7"):
        again = load_mcgill(tmp_path / "new", 16, skip_missing=True, cache_dir=tmp_path / "cache")
    assert again.data.ids == (labels.ids[0], labels.ids[2])
    with pytest.raises(InvalidDataError, match="keep at least one line"):
        written(labels, tmp_path / "none", {name: np.array([np.nan]) for name in labels.ids})


def test_a_parquet_table_of_videos_loses_rows_too(videos, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"video": ["в2", "в2"], "frame": ["1", "2"], "yaw": [1.0, 2.0]}), videos / "yaw.parquet")
    labels = labels_of(videos, table="yaw.parquet")
    written(labels, tmp_path / "new", {labels.ids[0]: np.array([np.nan]), labels.ids[1]: np.array([5.0])})
    assert pq.read_table(tmp_path / "new" / "yaw.parquet").to_pylist() == [{"video": "в2", "frame": "2", "yaw": 5.0}]


def test_a_table_outside_of_its_folder_is_refused(videos):
    for name in ("../yaw.csv", str(videos / "yaw.csv")):
        with pytest.raises(InvalidDataError, match="lead out of it"):
            labels_of(videos, table=name)


def test_videos_without_frames_are_refused(videos):
    (videos / "yaw.csv").write_text("video,frame,yaw\nv9,1,3\n")
    with pytest.raises(MissingImagesError, match="Found none"):
        labels_of(videos)


# The split


def test_the_option_names_the_table(make_small: Any) -> None:
    small = make_small("mcgill")
    (small.path / "yaw.csv").rename(small.path / "angles.csv")
    assert len(small.load(options={"table": "angles.csv"}, fold=3).test) > 0
    assert not McGill().detect(small.path)
