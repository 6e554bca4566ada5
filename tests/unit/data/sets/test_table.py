"""Tables with images or features; errors name file, line and column."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from deepgum.data.columns import read_columns
from deepgum.data.pool import Pool
from deepgum.data.sets.request import Request, Subset
from deepgum.data.sets.table import TableFile
from deepgum.data.sets.table_samples import load_table
from deepgum.errors import (
    DeepGUMWarning,
    InvalidDataError,
    InvalidParameterError,
    MissingImagesError,
    UnknownNameError,
    UnreadableImagesError,
)

NAN = float("nan")
DOT = (30.5, 44.5)  # the bright spot of each image, in pixels of an image 80 wide and 60 high
ROWS = [
    ("photos/a.png", 31, "train", "ann"),
    ("photos/b.png", 45.5, "Train", "bob"),
    ("photos/c.png", "", "VAL", "cid"),
    ("photos/d.png", 7, "test", "dee"),
]


def write(path: Path, rows: list[tuple[Any, ...]], header: str = "image,age,split,person") -> Path:
    delimiter = max(",;\t", key=header.count)
    lines = [header, *(delimiter.join(map(str, row)) for row in rows)]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    (folder / "photos").mkdir(parents=True)
    columns, lines = np.arange(80) + 0.5, np.arange(60)[:, None] + 0.5
    pixels = 255 * np.exp(-((columns - DOT[0]) ** 2 + (lines - DOT[1]) ** 2) / 18)
    for name, *_ in ROWS:
        Image.fromarray(pixels.astype(np.uint8)).convert("RGB").save(folder / name)
    return write(folder / "people.csv", ROWS)


def load(path: Path, **options: Any) -> Pool:
    given = {"targets": ["age"], "cache_dir": path.parent.parent / "cache"} | options
    return load_table(path, **({} if "features" in given else {"image": "image"}) | given)


def test_a_table_is_read_in_its_order(table: Path) -> None:
    pool = load(table, part="split", keep_together="person", image_size=32)
    assert pool.data.ids == tuple(row[0] for row in ROWS)
    assert pool.data.inputs.shape == (4, 3, 32, 32)
    assert pool.data.target_names == ("age",)
    torch.testing.assert_close(pool.data.targets[:, 0], torch.tensor([31, 45.5, NAN, 7]), equal_nan=True)
    assert pool.parts == ("train", "train", "validation", "test")
    assert pool.keep_together == ("ann", "bob", "cid", "dee")
    assert torch.equal(pool.data.normaliser, torch.ones(4))
    assert pool.data.mirror is None


def test_without_their_columns_there_are_no_parts_and_no_samples_to_keep_together(table: Path) -> None:
    pool = load(table)
    assert pool.parts is None
    assert pool.keep_together is None


@pytest.mark.parametrize("word", ["train", "validation", "val", "valid", "test", "TEST", " Valid "])
def test_words_for_parts(table: Path, word: str) -> None:
    meant = {"train": "train", "test": "test"}.get(word.strip().lower(), "validation")
    write(table, [(*ROWS[0][:2], word, "ann")])
    assert load(table, part="split").parts == (meant,)


@pytest.mark.parametrize("colour", [True, False])
def test_images_are_shown_whole_in_the_square_around_them(table: Path, colour: bool) -> None:
    data = load(table, image_size=80, colour=colour).data
    assert data.inputs.shape == (4, 3 if colour else 1, 80, 80)
    # An image 80 wide and 60 high begins 10 pixels below the square's upper edge.
    bright = np.unravel_index(np.asarray(data.inputs[0, 0]).argmax(), (80, 80))
    assert bright == (44 + 10, 30)


@pytest.mark.parametrize("size", [(80, 60), (60, 80), (70, 70)])
def test_landmarks_lie_on_the_bright_spot(table: Path, size: tuple[int, int]) -> None:
    width, height = size
    Image.open(table.parent / ROWS[0][0]).crop((0, 0, width, height)).save(table.parent / ROWS[0][0])
    write(table, [(ROWS[0][0], *DOT, "", 12)], header="image,x,y,u,v")
    data = load(table, targets=["x", "y", "u", "v"], landmarks=True, image_size=64, colour=False).data
    mass = np.asarray(data.inputs[0, 0], dtype=float)
    mass[mass < 40] = 0
    centres = (np.arange(64) + 0.5) / 64
    centroid = [mass.sum(axis=0) @ centres / mass.sum(), mass.sum(axis=1) @ centres / mass.sum()]
    assert data.targets[0, :2].tolist() == pytest.approx(centroid, abs=0.004)
    side, top = max(size), (max(size) - height) / 2
    assert data.targets[0, :2].tolist() == pytest.approx(
        [(DOT[0] + (side - width) / 2) / side, (DOT[1] + top) / side], rel=1e-6
    )
    assert data.targets[0, 2].isnan()
    assert data.targets[0, 3].item() == pytest.approx((12 + top) / side)


def test_targets_without_landmarks_are_taken_as_they_are(table: Path) -> None:
    write(table, [(ROWS[0][0], *DOT)], header="image,x,y")
    assert load(table, targets=["y", "x"]).data.targets.tolist() == [[DOT[1], DOT[0]]]


def test_mirroring_follows_the_options(table: Path) -> None:
    ages = torch.tensor([[31.0], [NAN]])
    keep = load(table, mirror="keep").data.mirror
    assert keep is not None
    torch.testing.assert_close(keep.targets(ages), ages, equal_nan=True)
    write(table, [(ROWS[0][0], 10, 20, 30, 40)], header="image,x1,y1,x2,y2")
    options = {"targets": ["x1", "y1", "x2", "y2"], "landmarks": True}
    assert load(table, **options).data.mirror is None
    points = torch.tensor([0.25, 0.5, 0.625, 0.375])
    for pairs, expected in (
        ([], [0.75, 0.5, 0.375, 0.375]),
        ([[0, 1]], [0.375, 0.375, 0.75, 0.5]),  # as a configuration file gives them
    ):
        mirror = load(table, swap_pairs=pairs, **options).data.mirror
        assert mirror is not None
        assert mirror.targets(points).tolist() == expected


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("start", ["", "\ufeff", "\n\n"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_delimiters_marks_and_line_ends_make_no_difference(
    tmp_path: Path, delimiter: str, start: str, end: str
) -> None:
    path = tmp_path / "ages.csv"
    rows = [['"name, ""full"""', "X", " Y"], ['"Ärger; Æ"', "1", "-2e1"], [""], ["b", " 3.5", '""'], ["", "", " "]]
    path.write_bytes((start + "".join(delimiter.join(row) + end for row in rows)).encode())
    table = read_columns(path, ['name, "full"', "X", "Y"])
    assert table.texts('name, "full"') == ["Ärger; Æ", "b"]
    assert table.numbers("X", missing=False).tolist() == [1, 3.5]
    np.testing.assert_array_equal(table.numbers("Y", missing=True), [-20, NAN])
    blank = start.count("\n")
    assert table.places == (f"line {2 + blank}", f"line {4 + blank}")


def test_lines_are_counted_through_cells_of_several_lines(tmp_path: Path) -> None:
    path = tmp_path / "ages.csv"
    path.write_text('note,age\n"two\nlines",1\n"three\nmore\nlines",2\nx,old\n')
    with pytest.raises(InvalidDataError, match=r"ages\.csv', line 7, column 'age'.*Found 'old'"):
        load_table(path, targets=["age"], features=["note"])
    path.write_text('note,age\n1,1\n"2\n",2\n')
    assert load_table(path, targets=["age"], features=["note"]).data.ids == ("ages:line 2", "ages:line 3")


@pytest.mark.parametrize("cell", ["young", "3,5", "1_000", "inf", "-Infinity", "1e39", "0x1f", "12 years", "True"])
def test_a_target_that_is_not_a_number_is_named_by_file_line_and_column(table: Path, cell: str) -> None:
    rows = [list(row) for row in ROWS]
    rows[1][1] = rows[3][1] = f'"{cell}"'
    write(table, [tuple(row) for row in rows])
    with pytest.raises(InvalidDataError) as caught:
        load(table)
    message = str(caught.value)
    assert f"'{table}', line 3, column 'age': a cell should be a number, or empty" in message
    assert f"Found '{cell}'. Other such cells: line 5." in message


@pytest.mark.parametrize("cell", ["", "  ", "nan", "NaN"])
def test_an_empty_target_is_a_missing_label(table: Path, cell: str) -> None:
    write(table, [("photos/a.png", cell, "train", "ann"), *ROWS[1:]])
    assert load(table).data.targets[:, 0].isnan().tolist() == [True, False, True, False]


@pytest.mark.parametrize(
    ("column", "cell", "options", "message"),
    [
        (2, "trains", {"part": "split"}, "column 'split': a cell should be one of train, validation, val, valid, te"),
        (2, "", {"part": "split"}, "column 'split': a cell should be some text. Found ''"),
        (3, " ", {"keep_together": "person"}, "column 'person': a cell should be some text"),
        (0, "", {}, "column 'image': a cell should be some text"),
        (3, "ann", {"id": "person"}, "column 'person': a cell should be a name that no other row has. Found 'ann'"),
        (3, "ann", {"keep_together": "person", "part": "split"}, "all in the same part. Found 'ann'"),
        (1, "", {"targets": ["age"], "features": ["x", "age"]}, "columns that are not targets"),
    ],
)
def test_wrong_cells_of_other_columns_are_named(
    table: Path, column: int, cell: str, options: dict[str, Any], message: str
) -> None:
    rows = [list(row) for row in ROWS]
    rows[2][column] = cell
    write(table, [tuple(row) for row in rows])
    with pytest.raises((InvalidDataError, InvalidParameterError)) as caught:
        load(table, **options)
    assert message in str(caught.value)
    assert ", line 4, " in str(caught.value) or "features" in options


def test_missing_columns_are_named_with_what_the_file_has_and_the_nearest(table: Path) -> None:
    with pytest.raises(InvalidDataError) as caught:
        load(table, targets=["Age", "weight"], keep_together="persons")
    message = str(caught.value)
    assert "should have the columns Age, weight, persons. Found image, age, split, person." in message
    assert message.endswith("Did you mean 'age' and 'person'?")


def test_a_duplicate_column_is_refused_only_if_it_is_used(table: Path) -> None:
    write(table, [("photos/a.png", 1, 2, 3)], header="image,age,other,other")
    assert load(table).data.targets.tolist() == [[1]]
    with pytest.raises(InvalidDataError, match="more than once: other"):
        load(table, targets=["other"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Found none"),
        (b"image,age\n", "at least one row"),
        (b"image,age\n\n,\n", "at least one row"),
        (b"image,age\na.png,1\nb.png\n", "line 3: a row should have 2 cells"),
        (b"image,age\na.png,1,2\n", "line 2: a row should have 2 cells, like the header. Found 3"),
        (b'image,age\na.png,1\n"b.png,1\n', "line 3: a row should consist of cells"),
        (b"image,age\n\xe4.png,1\n", "UTF-8"),
        ("image,age\na.png,1\n".encode("utf-16"), "UTF-8"),
    ],
)
def test_a_file_that_is_not_a_table_is_refused(table: Path, content: bytes, message: str) -> None:
    table.write_bytes(content)
    with pytest.raises(InvalidDataError) as caught:
        load(table)
    assert str(table) in str(caught.value)
    assert message in str(caught.value)


def test_features_are_inputs(tmp_path: Path) -> None:
    path = write(tmp_path / "flats.csv", [(2, 50, 900, 1), (3, 75.5, "", 2)], header="rooms;area;rent;floor")
    data = load_table(path, targets=["rent", "floor"], features=["area", "rooms"]).data
    assert data.inputs.dtype == np.float32
    assert data.inputs.tolist() == [[50, 2], [75.5, 3]]
    torch.testing.assert_close(data.targets, torch.tensor([[900, 1], [NAN, 2]]), equal_nan=True)
    assert data.ids == ("flats:line 2", "flats:line 3")
    assert data.mirror is None
    write(path, [(2, 50, 900, 1), (3, "", 9, 2)], header="rooms;area;rent;floor")
    gaps = load_table(path, targets=["rent"], features=["area"]).data
    np.testing.assert_array_equal(gaps.inputs, [[50], [NAN]])
    assert gaps.encoding is not None


def test_parquet_and_csv_give_the_same_samples(table: Path) -> None:
    columns = {
        "image": [row[0] for row in ROWS],
        "age": pa.array([31, 45.5, None, 7], pa.float64()),
        "split": [row[2] for row in ROWS],
        "person": pa.array([1, 2, 3, 4]),
        "year": pa.array([1990, 2000, None, 2010], pa.int32()),
    }
    path = table.with_suffix(".parquet")
    pq.write_table(pa.table(columns), path)
    pools = load(path, part="split", keep_together="person"), load(table, part="split", keep_together="person")
    np.testing.assert_array_equal(pools[0].data.inputs, pools[1].data.inputs)
    torch.testing.assert_close(pools[0].data.targets, pools[1].data.targets, equal_nan=True)
    assert (pools[0].data.ids, pools[0].parts) == (pools[1].data.ids, pools[1].parts)
    assert pools[0].keep_together == ("1", "2", "3", "4")
    years = load(path, targets=["year"]).data.targets[:, 0]
    torch.testing.assert_close(years, torch.tensor([1990, 2000, NAN, 2010]), equal_nan=True)


@pytest.mark.parametrize("values", [["1", "two"], [True, False], [[1.0], [2.0]]])
def test_parquet_cells_are_named_by_row(table: Path, values: list[Any]) -> None:
    path = table.with_suffix(".parquet")
    pq.write_table(pa.table({"image": ["photos/a.png", "photos/b.png"], "age": values}), path)
    row = 2 if values == ["1", "two"] else 1
    with pytest.raises(InvalidDataError, match=rf"people\.parquet', row {row}, column 'age'"):
        load(path)
    with pytest.raises(InvalidDataError, match=r"Found image, age\. Did you mean 'age'"):
        load(path, targets=["ages"])


def test_a_file_that_is_not_parquet_is_refused(table: Path) -> None:
    path = table.rename(table.with_suffix(".parquet"))
    with pytest.raises(InvalidDataError, match="should be a Parquet file"):
        load(path)


def test_ids_are_unique(table: Path) -> None:
    write(table, [ROWS[0], ROWS[1], ROWS[0]])
    pool = load(table)
    assert pool.data.ids == ("photos/a.png:line 2", "photos/b.png", "photos/a.png:line 4")
    # Rows of one image must not be in two parts of a split.
    assert pool.keep_together == ("photos/a.png", "photos/b.png", "photos/a.png")
    assert load(table, keep_together="split").keep_together == ("train", "Train", "train")
    write(table, ROWS)
    assert load(table, id="person").data.ids == ("ann", "bob", "cid", "dee")


def test_images_may_be_elsewhere_and_be_written_with_backslashes(table: Path, tmp_path: Path) -> None:
    moved = tmp_path / "tables" / "people.csv"
    moved.parent.mkdir()
    write(moved, [("photos\\a.png", 1, "train", "ann")])
    with pytest.raises(MissingImagesError, match="`root`"):
        load(moved)
    assert load(moved, root=table.parent).data.ids == ("photos/a.png",)
    write(moved, [(table.parent / "photos" / "a.png", 1, "train", "ann")])
    assert len(load(moved)) == 1


@pytest.mark.parametrize("landmarks", [True, False])
def test_rows_of_missing_or_unreadable_images_are_left_out(table: Path, landmarks: bool) -> None:
    rows = [(name, 8 * place, 6 * place, split, person) for place, (name, _, split, person) in enumerate(ROWS)]
    write(table, rows, header="image,x,y,split,person")
    options = {"targets": ["x", "y"], "landmarks": landmarks, "part": "split", "keep_together": "person"}
    whole = load(table, **options)
    (table.parent / ROWS[0][0]).unlink()
    (table.parent / ROWS[2][0]).write_bytes(b"spoilt")
    with pytest.raises(MissingImagesError, match=r"1 of the 4 images of 'people.csv': photos/a\.png"):
        load(table, skip_unreadable=True, **options)
    with (
        pytest.raises(UnreadableImagesError, match=r"photos/c\.png"),
        pytest.warns(DeepGUMWarning, match="1 of the 4 images"),
    ):
        load(table, skip_missing=True, **options)
    with pytest.warns(DeepGUMWarning) as caught:
        pool = load(table, skip_missing=True, skip_unreadable=True, **options)
    assert len(caught) == 2
    assert all(warning.filename == __file__ for warning in caught)
    kept = whole.subset([1, 3])
    assert pool.data.ids == kept.data.ids
    assert torch.equal(pool.data.targets, kept.data.targets)
    np.testing.assert_array_equal(pool.data.inputs, kept.data.inputs)
    assert (pool.parts, pool.keep_together) == (kept.parts, kept.keep_together)


def test_a_complete_table_gives_no_warning(table: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(table, skip_missing=True, skip_unreadable=True)


def test_progress_is_reported_while_images_are_decoded(table: Path) -> None:
    seen: list[tuple[int, int]] = []
    load(table, on_progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (4, 4)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"targets": []}, "targets"),
        ({"targets": "age"}, "targets"),
        ({"targets": ["age", "age"]}, "targets"),
        ({"features": [], "image": None}, "features"),
        ({"features": "age", "image": None}, "features"),
        ({"features": ["split"], "image": "image"}, "image, features"),
        ({"image": None}, "features"),
        ({"features": ["age"]}, "features"),
        ({"features": ["split"], "mirror": "keep"}, "landmarks, mirror"),
        ({"features": ["split"], "landmarks": True}, "landmarks, mirror"),
        ({"landmarks": True}, "targets"),
        ({"landmarks": True, "targets": ["age", "split"], "mirror": "keep"}, "mirror"),
        ({"mirror": "flip"}, "mirror"),
        ({"swap_pairs": []}, "swap_pairs"),
        ({"landmarks": True, "targets": ["age", "split"], "swap_pairs": [0, 1]}, "swap_pairs"),
        ({"landmarks": True, "targets": ["age", "split"], "swap_pairs": [[0, 1, 2]]}, "swap_pairs"),
        ({"landmarks": True, "targets": ["age", "split"], "swap_pairs": [[0.0, 0]]}, "swap_pairs"),
        ({"landmarks": True, "targets": ["age", "split"], "swap_pairs": [[0, 1]]}, "swap_pairs"),
        ({"image_size": 0}, "image_size"),
    ],
)
def test_options_that_contradict_each_other_are_refused(table: Path, options: dict[str, Any], name: str) -> None:
    with pytest.raises(InvalidParameterError, match=f"`{name}`"):
        load(table, **options)


def test_an_unknown_mirror_is_refused_with_the_known_one(table: Path) -> None:
    with pytest.raises(UnknownNameError, match="'keep'"):
        load(table, mirror="kept")


def test_a_table_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameterError, match="path"):
        load_table(tmp_path / "no.csv", targets=["age"], image="image")


def test_a_column_that_float32_would_level_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", [(1.7e9 + i, i, 3 * i) for i in range(20)], "time,a,y")
    with pytest.warns(DeepGUMWarning, match=r"`features` should differ .*1.7e\+09: time. Subtract .*its median\)\."):
        load(path, features=["time", "a"], targets=["y"])
    with pytest.warns(DeepGUMWarning, match=r"`targets` should differ .*1.7e\+09: time\..* add it to the predictions"):
        load(path, features=["a"], targets=["time"])


# The split


def load_small(make_small: Any, change: Any = None, **options: Any) -> tuple[list[int], ...]:
    """Return the numbers of the images of each part; `change` edits the text of the table first."""
    small = make_small("table")  # two images of each of twenty persons; the last ten images are the part "test"
    if change is not None:
        small.path.write_text(change(small.path.read_text()))
    subset = small.load(options=options)
    return tuple([int(Path(name).stem) for name in part.ids] for part in (subset.train, subset.validation, subset.test))


def test_without_parts_a_tenth_validates_and_a_fifth_is_tested_on(make_small: Any) -> None:
    assert [len(part) for part in load_small(make_small, keep_together="")] == [28, 4, 8]
    subset = make_small("table").load(validation_size=6, test_size=10)
    assert [len(part) for part in (subset.train, subset.validation, subset.test)] == [24, 6, 10]


def split_of(table: Path, rows: list[tuple[Any, ...]], **options: Any) -> Subset:
    """Split a table of distinct images; the images of `rows` are made unless they exist."""
    for number, (name, *_) in enumerate(rows):
        if not (file := table.parent / name).exists():
            Image.new("RGB", (12, 12), (number, 9 * number, 100)).save(file)
    request = Request(
        folder=write(table, rows), image_size=16, cache_dir=table.parent / "cache",
        options=TableFile().check_options({"image": "image", "targets": ["age"], "part": "split", **options}),
    )  # fmt: skip
    return TableFile().load(request, seed=0)


def test_an_image_in_two_parts_is_refused_under_one_name_and_as_a_copy(table: Path) -> None:
    rows = [(f"photos/{part}{i}.png", i, part, f"who{i}{part}") for part in ("train", "val", "test") for i in range(3)]
    subset = split_of(table, rows)
    assert [len(part) for part in (subset.train, subset.validation, subset.test)] == [3, 3, 3]
    # The same file, although the persons differ.
    twice = [*rows, (rows[0][0], 40, "test", "eve")]
    for options in ({}, {"keep_together": "person"}):
        with pytest.raises(InvalidDataError, match=r"photos/train0.png:line 2' \(train\) and '.*:line 11' \(test\)"):
            split_of(table, twice, **options)
    split_of(table, [*rows, (rows[0][0], 40, "train", "eve")])
    # A copy under another name.
    (table.parent / "photos/copy.png").write_bytes((table.parent / rows[4][0]).read_bytes())
    with pytest.raises(InvalidDataError, match=r"'photos/val1.png' \(validation\) and 'photos/copy.png' \(train\)"):
        split_of(table, [*rows, ("photos/copy.png", 1, "train", "eve")])
    split_of(table, [*rows, ("photos/copy.png", 1, "val", "eve")])


@pytest.mark.parametrize("column", ["", "who"])
def test_a_training_and_a_test_part_leave_a_tenth_of_the_training_part_for_validation(
    make_small: Any, column: str
) -> None:
    train, validation, test = load_small(make_small, part="part", keep_together=column)
    assert test == list(range(30, 40))
    assert 2 <= len(validation) <= 4
    assert sorted(train + validation) == list(range(30))
    if column:
        assert not {row // 2 for row in train} & {row // 2 for row in validation}


def test_three_parts_are_taken_as_they_are(make_small: Any) -> None:
    def with_validation(text: str) -> str:
        for index in range(20, 30):
            text = text.replace(f"person {index // 2},train,{index / 2}", f"person {index // 2},Val,{index / 2}")
        return text

    assert load_small(make_small, with_validation, part="part") == (
        list(range(20)),
        list(range(20, 30)),
        list(range(30, 40)),
    )


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_table_that_lacks_a_part_is_refused(make_small: Any, part: str) -> None:
    def without(text: str) -> str:
        return "".join(line + "\n" for line in text.splitlines() if f",{part}," not in line)

    with pytest.raises(InvalidDataError, match=f"samples of the part '{part}'"):
        load_small(make_small, without, part="part")


def test_everything_is_all_rows_whatever_the_columns_for_splits_say(make_small: Any) -> None:
    small = make_small("table")
    lines = small.path.read_text().splitlines()
    for kept in (lines[1:], lines[-10:], lines[8:9]):  # the second holds one part only, the third one sample
        small.path.write_text("\n".join([lines[0], *kept]) + "\n")
        (whole,) = TableFile().everything(small.request(options={"part": "part"}, train_size=3), 0)
        assert whole.ids == tuple(line.split(",")[0] for line in kept)


# Options


def test_landmarks_or_features_are_options(make_small: Any) -> None:
    small = make_small("table")
    points = small.pool(options={"targets": ["x", "y"], "landmarks": True}).data
    # Each image is 20 wide and 30 high: the square around it begins 5 to the left.
    torch.testing.assert_close(points.targets[12], torch.tensor([(6 + 5) / 30, 12 / 30]))
    assert points.mirror is None
    assert small.pool(options={"image": "", "features": ["x", "y"]}).data.inputs.shape == (40, 2)
    assert small.pool(options={"mirror": "keep"}).data.mirror is not None


@pytest.mark.parametrize(
    ("options", "order"),
    [
        ({}, None),
        ({"mirror": "landmarks"}, (0, 1, 2, 3)),
        ({"swap_pairs": [[0, 1]]}, (2, 3, 0, 1)),
        ({"mirror": "landmarks", "swap_pairs": [[0, 1]]}, (2, 3, 0, 1)),
    ],
)
def test_options_say_how_landmarks_are_mirrored(
    make_small: Any, options: dict[str, Any], order: tuple[int, ...] | None
) -> None:
    columns = {"targets": ["x", "y", "age", "two"], "landmarks": True}
    small = make_small("table")
    lines = small.path.read_text().splitlines()
    small.path.write_text("\n".join([f"{lines[0]},two", *(f"{line},2" for line in lines[1:])]) + "\n")
    mirror = small.pool(options={**columns, **options}).data.mirror
    assert (None if mirror is None else mirror.permutation) == order


def test_the_option_of_version_0_1_0_is_refused_with_its_new_name() -> None:
    with pytest.raises(InvalidParameterError, match=r"`options\.group` should be left out.*`keep_together`"):
        TableFile().check_options({"targets": ["x"], "image": "file", "group": "who"})


def test_measure_and_groups_follow_from_the_options() -> None:
    table = TableFile()
    for landmarks in (True, False):
        options = table.check_options({"targets": ["x", "y"], "image": "file", "landmarks": landmarks})
        assert table.measure_of(options).landmarks is landmarks
        assert table.audit_groups(options) == ("landmark" if landmarks else "coordinate")
        assert table.has_images(options)
    assert not table.has_images(table.check_options({"targets": ["x"], "features": ["y"]}))


@pytest.mark.parametrize("options", [{}, {"image": "file"}, {"targets": []}])
def test_a_table_needs_targets(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameterError, match=r"`options\.targets` should be the names of one or more columns"):
        TableFile().check_options(options)


@pytest.mark.parametrize("name", ["targets", "features"])
def test_columns_are_texts(name: str) -> None:
    for value in ("age", ["a", 1], [["age"]]):
        with pytest.raises(InvalidParameterError, match=rf"`options\.{name}` should be a list"):
            TableFile().check_options({"targets": ["age"], name: value})
    options = TableFile().check_options({"targets": ["age"], "swap_pairs": [[0, 1]]})
    assert options["swap_pairs"] == [[0, 1]]


def test_a_table_that_is_not_there_is_named_by_the_key_of_the_configuration(make_small: Any, tmp_path: Path) -> None:
    message = r"`data\.folder` should be the path of a CSV or Parquet file for the data set `table`.*nowhere"
    with pytest.raises(InvalidParameterError, match=message):
        make_small("table").pool(path=tmp_path / "nowhere")


def test_the_image_of_a_sample_is_in_its_row(make_small: Any) -> None:
    small = make_small("table")
    labels = small.dataset.labels(small.path, small.request(options={"id": "age"}).options)
    assert labels.ids[3] == "23"
    assert labels.image_file("23") == "images/3.png"
    assert labels.image_file("nobody") == "nobody"
