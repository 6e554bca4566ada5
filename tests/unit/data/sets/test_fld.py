"""The lists of FLD, on small files in the published format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from deepgum.data.sets.fld import (
    BOX_LIST,
    CLOTHES,
    FLD_PIXELS,
    LANDMARK_LIST,
    LANDMARKS,
    MIRRORS,
    PARTITION_LIST,
    Fld,
    load_fld,
)
from deepgum.data.sets.fld_lists import read_boxes, read_landmarks, read_partition
from deepgum.errors import (
    DeepGUMWarning,
    InvalidDataError,
    InvalidParameterError,
    MissingImagesError,
)

WIDTH, HEIGHT = 120, 140
BOX = (20, 25, 100, 125)  # x_1 y_1 x_2 y_2: 80 wide, 100 high, so the crop's side is 100 and it begins at (10, 25)
# Eight landmarks, left before right; each type of clothes has the first of them.
POINTS = ((35, 40), (80, 42), (30, 60), (90, 62), (40, 80), (75, 82), (38, 110), (82, 108))
TYPES = [1, 2, 3, 1, 3, 2, 1, 1, 2]
PARTS = ["train", "val", "test", "train", "train", "test", "val", "test", "train"]
NAMES = [f"img/img_{i:08d}.jpg" for i in range(1, len(TYPES) + 1)]
COUNTS = {1: 6, 2: 4, 3: 8}
HEADER = "image_name clothes_type variation_type " + " ".join(
    f"landmark_visibility_{i} landmark_location_x_{i} landmark_location_y_{i}" for i in range(1, 9)
)
UPPER = [name for name, kind in zip(NAMES, TYPES, strict=True) if kind == 1]


def landmark_line(name: str, kind: int, visibility: Any = 0, variation: int = 3) -> str:
    count = COUNTS[kind]
    seen = np.broadcast_to(visibility, count)
    points = " ".join(f"{v} {x:03d} {y:03d}" for v, (x, y) in zip(seen, POINTS[:count], strict=True))
    return f"{name}  {kind} {variation} {points} "


def landmark_lines() -> list[str]:
    return [landmark_line(name, kind) for name, kind in zip(NAMES, TYPES, strict=True)]


def box_lines() -> list[str]:
    return [f"{name} {' '.join(f'{v:03d}' for v in BOX)}" for name in NAMES]


def part_lines() -> list[str]:
    return [f"{name}    {part}" for name, part in zip(NAMES, PARTS, strict=True)]


def write(root: Path, file: str, lines: list[str], header: str = "image_name ...", count: object = None) -> None:
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    text = [str(len(lines) if count is None else count), header, *lines]
    path.write_bytes("".join(line + "\r\n" for line in text).encode())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a complete small set; the k-th image of a type shows a bright dot at landmark k."""
    root = tmp_path / "fld"
    (root / "img").mkdir(parents=True)
    columns, rows = np.arange(WIDTH) + 0.5, np.arange(HEIGHT)[:, None] + 0.5
    for index, (name, kind) in enumerate(zip(NAMES, TYPES, strict=True)):
        x, y = POINTS[TYPES[:index].count(kind)]
        pixels = 250 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 18)
        Image.fromarray(pixels.astype(np.uint8)).convert("RGB").save(root / name, quality=95)
    write(root, LANDMARK_LIST, landmark_lines(), HEADER)
    write(root, BOX_LIST, box_lines(), "image_name x_1 y_1 x_2 y_2")
    write(root, PARTITION_LIST, part_lines(), "image_name evaluation_status")
    return root


def load(folder: Path, clothes: str = "upper", image_size: int = 32, **options: Any) -> Any:
    return load_fld(folder, clothes, image_size, **({"cache_dir": folder.parent / "cache"} | options))


@pytest.mark.parametrize(("kind", "clothes"), [(1, "upper"), (2, "lower"), (3, "full")])
def test_each_type_has_its_images_landmarks_and_parts(folder: Path, kind: int, clothes: str) -> None:
    pool = load(folder, clothes)
    rows = [row for row, k in enumerate(TYPES) if k == kind]
    assert pool.data.ids == tuple(NAMES[row] for row in rows)
    assert pool.parts == tuple({"val": "validation"}.get(PARTS[row], PARTS[row]) for row in rows)
    assert pool.keep_together is None
    assert pool.data.inputs.shape == (len(rows), 3, 32, 32)
    assert pool.data.targets.shape == (len(rows), 2 * COUNTS[kind])
    assert pool.data.target_names == tuple(f"{name}_{axis}" for name in LANDMARKS[clothes] for axis in "xy")
    expected = (np.array(POINTS[: COUNTS[kind]]) - (10, 25)) / 100
    np.testing.assert_allclose(pool.data.targets[-1].view(-1, 2), expected, rtol=1e-6)
    assert pool.data.normaliser.tolist() == [1.0] * len(rows)


def test_the_landmarks_are_those_of_the_publication() -> None:
    assert CLOTHES == ("upper", "lower", "full")
    assert {name: len(LANDMARKS[name]) for name in CLOTHES} == {"upper": 6, "lower": 4, "full": 8}
    assert LANDMARKS["upper"][:3] == ("left_collar", "right_collar", "left_sleeve")
    assert LANDMARKS["lower"] == ("left_waistline", "right_waistline", "left_hem", "right_hem")
    assert LANDMARKS["full"][4:] == ("left_waistline", "right_waistline", "left_hem", "right_hem")
    assert FLD_PIXELS == 224


def test_targets_lie_on_the_dots(folder: Path) -> None:
    data = load(folder, image_size=100, colour=False).data
    for row in range(len(data)):
        mass = np.asarray(data.inputs[row, 0], dtype=float)
        mass[mass < 25] = 0
        centres = (np.arange(100) + 0.5) / 100
        centroid = [mass.sum(axis=0) @ centres / mass.sum(), mass.sum(axis=1) @ centres / mass.sum()]
        assert data.targets[row].view(-1, 2)[row].tolist() == pytest.approx(centroid, abs=0.004)


def test_a_larger_crop_makes_the_same_clothes_smaller(folder: Path) -> None:
    one, two = (load(folder, box_scale=scale).data.targets.view(-1, 6, 2) for scale in (1.0, 2.0))
    torch.testing.assert_close(two - 0.5, (one - 0.5) / 2)


def test_mirrored_clothes_swap_left_and_right(folder: Path) -> None:
    for clothes in CLOTHES:
        data = load(folder, clothes).data
        names = list(data.target_names)
        mirrored = data.mirror.targets(data.targets[0])
        assert data.mirror == MIRRORS[clothes]
        for name in names:
            other = name.replace("left", "RIGHT").replace("right", "left").replace("RIGHT", "right")
            value = data.targets[0][names.index(other)]
            assert mirrored[names.index(name)] == pytest.approx(1 - value if name.endswith("_x") else value)
        torch.testing.assert_close(data.mirror.targets(mirrored), data.targets[0])


def test_landmarks_that_are_occluded_or_cut_off_are_missing(folder: Path) -> None:
    lines = landmark_lines()
    lines[0] = landmark_line(NAMES[0], 1, [0, 1, 2, 0, 1, 0])
    write(folder, LANDMARK_LIST, lines, HEADER)
    targets = load(folder).data.targets
    missing = torch.tensor([False, True, True, False, True, False])
    assert torch.equal(targets[0].view(6, 2).isnan(), missing[:, None].expand(6, 2))
    assert not targets[1:].isnan().any()
    line = read_landmarks(folder / LANDMARK_LIST)[0]
    assert line.visibility.tolist() == [0, 1, 2, 0, 1, 0]
    assert line.points.tolist() == [list(point) for point in POINTS[:6]]


def test_all_fields_of_a_line_are_read(folder: Path) -> None:
    lines = landmark_lines()
    lines[4] = landmark_line(NAMES[4], 3, variation=5)
    write(folder, LANDMARK_LIST, ["", *lines, ""], HEADER, count=len(lines))
    read = read_landmarks(folder / LANDMARK_LIST)
    assert [line.name for line in read] == NAMES
    assert [line.clothes for line in read] == [CLOTHES[kind - 1] for kind in TYPES]
    assert [line.variation for line in read] == [3, 3, 3, 3, 5, 3, 3, 3, 3]
    assert [line.number for line in read] == list(range(4, 13))  # after the count, the names and an empty line
    assert read_boxes(folder / BOX_LIST) == dict.fromkeys(NAMES, BOX)
    assert list(read_partition(folder / PARTITION_LIST)) == NAMES


def test_the_partition_may_be_absent(folder: Path) -> None:
    (folder / PARTITION_LIST).unlink()
    assert load(folder).parts is None


def test_missing_images_are_counted_and_named(folder: Path) -> None:
    for name in (NAMES[0], NAMES[6], NAMES[1]):  # the last one shows lower-body clothes, which are not loaded
        (folder / name).unlink()
    with pytest.raises(MissingImagesError, match=rf"2 of the 4 images of '{LANDMARK_LIST}': {NAMES[0]}, {NAMES[6]}"):
        load(folder)
    with pytest.warns(DeepGUMWarning, match="2 of the 4 images") as caught:
        pool = load(folder, skip_missing=True)
    assert [warning.filename for warning in caught] == [__file__]
    assert pool.data.ids == (NAMES[3], NAMES[7])
    assert pool.parts == ("train", "test")
    assert len(load(folder, "full")) == 2


def test_empty_boxes_are_named_or_left_out(folder: Path) -> None:
    lines = box_lines()
    lines[6] = f"{NAMES[6]} 050 050 050 090"
    write(folder, BOX_LIST, lines)
    with pytest.raises(InvalidDataError, match=rf"x_1 < x_2.*1 of 4 .*{NAMES[6]}.*skip_unreadable"):
        load(folder)
    with pytest.warns(DeepGUMWarning, match=NAMES[6]):
        assert load(folder, skip_unreadable=True).data.ids == (NAMES[0], NAMES[3], NAMES[7])


@pytest.mark.parametrize("file", [LANDMARK_LIST, BOX_LIST, PARTITION_LIST])
def test_a_wrong_count_is_reported_with_the_number_of_lines(folder: Path, file: str) -> None:
    lines = {LANDMARK_LIST: landmark_lines, BOX_LIST: box_lines, PARTITION_LIST: part_lines}[file]()
    write(folder, file, lines, count=10)
    with pytest.raises(InvalidDataError, match=rf"{file}', line 1: .* 10 images. Found 9 lines"):
        load(folder)


@pytest.mark.parametrize(
    ("count", "header", "line"),
    [("many", HEADER, 1), ("9 images", HEADER, 1), (9, landmark_line(NAMES[0], 1), 2), (9, "", 2)],
)
def test_a_list_without_its_two_first_lines_is_refused(folder: Path, count: object, header: str, line: int) -> None:
    write(folder, LANDMARK_LIST, landmark_lines(), header, count)
    with pytest.raises(InvalidDataError, match=rf"{LANDMARK_LIST}', line {line}: "):
        load(folder)


@pytest.mark.parametrize("text", ["", "0\n", "0\nimage_name x_1 y_1 x_2 y_2\n"])
def test_an_empty_list_is_refused(folder: Path, text: str) -> None:
    (folder / BOX_LIST).write_text(text)
    with pytest.raises(InvalidDataError, match=BOX_LIST):
        load(folder)


GOOD = landmark_line(NAMES[2], 3).strip()


@pytest.mark.parametrize(
    "bad",
    [
        GOOD.rsplit(maxsplit=1)[0],
        GOOD + " 0 001 001",
        GOOD.replace("  3 3 ", "  1 3 ", 1),
        GOOD.replace("  3 3 ", "  4 3 ", 1),
        GOOD.replace("  3 3 ", "  3 6 ", 1),
        GOOD.replace(" 0 035", " 3 035", 1),
        GOOD.replace(" 035", " x35", 1),
        GOOD.replace(" 035", " nan", 1),
        NAMES[2],
        landmark_line(NAMES[0], 3),
    ],
    ids=["short", "long", "other type", "type", "variation", "visibility", "word", "nan", "name", "again"],
)
def test_a_malformed_line_of_landmarks_is_named_by_file_and_number(folder: Path, bad: str) -> None:
    lines = landmark_lines()
    lines[2] = bad
    write(folder, LANDMARK_LIST, lines, HEADER)
    with pytest.raises(InvalidDataError, match=rf"{LANDMARK_LIST}', line 5: "):
        load(folder)


@pytest.mark.parametrize("rest", ["001 002 003", "001 002 003 004 005", "001 002 003 inf", "a b c d", ""])
def test_a_malformed_box_is_named_by_file_and_number(folder: Path, rest: str) -> None:
    lines = box_lines()
    lines[5] = f"{NAMES[5]} {rest}"
    write(folder, BOX_LIST, lines)
    with pytest.raises(InvalidDataError, match=rf"{BOX_LIST}', line 8: .*x_1 y_1 x_2 y_2"):
        load(folder)


@pytest.mark.parametrize("line", [f"{NAMES[0]} valid", NAMES[0], f"{NAMES[0]} train test", f"{NAMES[1]} train"])
def test_a_malformed_part_is_named_by_file_and_number(folder: Path, line: str) -> None:
    lines = part_lines()
    lines[-1] = line
    write(folder, PARTITION_LIST, lines)
    with pytest.raises(InvalidDataError, match=rf"{PARTITION_LIST}', line 11: "):
        load(folder)


@pytest.mark.parametrize(("file", "make"), [(BOX_LIST, box_lines), (PARTITION_LIST, part_lines)])
def test_an_image_without_box_or_part_is_named_with_its_line(folder: Path, file: str, make: Any) -> None:
    lines = make()
    del lines[4], lines[2]
    write(folder, file, lines)
    with pytest.raises(InvalidDataError, match=rf"{LANDMARK_LIST}', line 5: .*{file}.*{NAMES[2]}.*2 of 9 images"):
        load(folder)


def test_a_type_of_clothes_without_lines_is_refused(folder: Path) -> None:
    write(folder, LANDMARK_LIST, [landmark_line(name, 1) for name in NAMES], HEADER)
    with pytest.raises(InvalidDataError, match=r"lower-body clothes"):
        load(folder, "lower")


@pytest.mark.parametrize("gone", [LANDMARK_LIST, BOX_LIST, None])
def test_without_folder_or_list_the_error_says_where_to_get_the_set(folder: Path, gone: str | None) -> None:
    if gone is not None:
        (folder / gone).unlink()
    with pytest.raises(InvalidParameterError, match=r"folder.*ECCV 2016"):
        load(folder if gone is not None else folder / "nowhere")


@pytest.mark.parametrize("options", [{"clothes": "uper"}, {"image_size": 0}, {"box_scale": 0}, {"box_scale": np.nan}])
def test_options_out_of_range_are_refused(folder: Path, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameterError, match=next(iter(options))):
        load(folder, **options)


# Label files


def labels_of(folder, **options):
    dataset = Fld()
    return dataset.labels(folder, dataset.check_options(options))


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (90, 90), (80, 90, 100)).save(path, format="JPEG")


def written(labels, out, changes=None):
    out.mkdir()
    return labels.write(changes or {}, out)


FLD = [
    "3",
    "image_name clothes_type variation_type landmark_visibility_1 ...",
    "img/a.jpg  2 1 0 010 020 1 030 020  0 012 090 2 000 000",
    "img/b.jpg 1 1 0 010 020 0 030 020 0 012 090 0 010 010 0 011 012 0 013 014",
    "img/c.jpg 2 1 0 011 021 0 031 021 0 013 085 0 015 080 ",
]


@pytest.fixture
def clothes(tmp_path):
    root = tmp_path / "fld"
    for name in "abc":
        picture(root / "img" / f"{name}.jpg")
    (root / "Anno").mkdir()
    (root / "Anno" / "list_landmarks.txt").write_bytes("\r\n".join(FLD).encode())
    boxes = [f"img/{name}.jpg 001 002 080 085" for name in "abc"]
    (root / "Anno" / "list_bbox.txt").write_text("\n".join(["3", "image_name x_1 y_1 x_2 y_2", *boxes]))
    return root


def test_missing_landmarks_are_written_as_occluded(clothes, tmp_path):
    labels = labels_of(clothes, clothes="lower")
    assert labels.ids == ("img/a.jpg", "img/c.jpg")
    np.testing.assert_array_equal(labels.values[0], [10, 20, np.nan, np.nan, 12, 90, np.nan, np.nan])
    written(labels, tmp_path / "same")
    list_ = "Anno/list_landmarks.txt"
    assert (tmp_path / "same" / list_).read_bytes() == (clothes / list_).read_bytes()
    first, second = labels.values.copy()
    first[:4] = np.nan, np.nan, 33, 24.5
    second[2] = 7
    written(labels, tmp_path / "new", {"img/a.jpg": first, "img/c.jpg": second})
    lines = (tmp_path / "new" / list_).read_bytes().decode().split("\r\n")
    assert lines[:2] + lines[3:4] == FLD[:2] + FLD[3:4]
    assert lines[2] == "img/a.jpg  2 1 1 010 020 0 033 024.5  0 012 090 2 000 000"
    assert lines[4] == "img/c.jpg 2 1 0 011 021 0 007 021 0 013 085 0 015 080 "
    again = labels_of(tmp_path / "new", clothes="lower")
    np.testing.assert_array_equal(again.values, [first, second])
    pool = load_fld(tmp_path / "new", "lower", 16, cache_dir=tmp_path / "cache")
    assert pool.data.ids == labels.ids
    np.testing.assert_array_equal(np.isnan(pool.data.targets.numpy()), np.isnan([first, second]))
    # Written back, the landmark is occluded again and keeps its new coordinates.
    written(again, tmp_path / "back", dict(zip(labels.ids, labels.values, strict=True)))
    assert (tmp_path / "back" / list_).read_bytes().decode().split("\r\n")[4] == FLD[4]
    assert labels.left_out({"img/a.jpg": first}) == ()


def test_a_type_of_clothes_that_is_not_there_is_named(clothes):
    with pytest.raises(InvalidDataError, match=r"full-body clothes\. Found none"):
        labels_of(clothes, clothes="full")
    assert labels_of(clothes).ids == ("img/b.jpg",)  # the default of the data set


def test_lists_are_copied_and_images_are_linked(clothes, tmp_path):
    written(labels_of(clothes), tmp_path / "new")
    boxes = [root / "Anno" / "list_bbox.txt" for root in (clothes, tmp_path / "new")]
    assert not boxes[0].samefile(boxes[1])
    assert boxes[0].read_bytes() == boxes[1].read_bytes()
    assert (clothes / "img" / "a.jpg").samefile(tmp_path / "new" / "img" / "a.jpg")


# The split


@pytest.mark.parametrize(("clothes", "count"), [("upper", 12), ("lower", 6), ("full", 6)])
def test_one_type_of_clothes_is_divided_at_random(make_small: Any, clothes: str, count: int) -> None:
    small = make_small("fld")
    subset = small.load(options={"clothes": clothes})
    assert (len(subset.train), len(subset.validation), len(subset.test)) == (count - 5, 2, 3)
    assert subset.train.targets.shape == (count - 5, 2 * len(LANDMARKS[clothes]))
    assert subset.train.targets[:, -2:].isnan().all()
    assert not subset.train.targets[:, :-2].isnan().any()
    smaller = small.load(options={"clothes": clothes}, train_size=1)
    assert len(smaller.train) == 1
    assert (smaller.validation.ids, smaller.test.ids) == (subset.validation.ids, subset.test.ids)


def test_the_default_is_5000_images_each_for_validation_and_test(make_small: Any) -> None:
    with pytest.raises(InvalidDataError, match="validation = 5000 and test = 5000"):
        make_small("fld").load(validation_size=None, test_size=None)
