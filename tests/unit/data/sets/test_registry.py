"""Every data set that an experiment can name, on a small set in its published format: its parts and their rules."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image

from deepgum.data.sets.fld import BOX_LIST, LANDMARK_LIST, LANDMARKS
from deepgum.data.sets.lfw_net import TEST_LIST, TRAIN_LIST
from deepgum.data.sets.registry import DATASETS, FOLDS, check_options, load_all
from deepgum.data.sets.request import Request, Subset
from deepgum.errors import InvalidDataError, InvalidParameterError, UnknownNameError
from deepgum.experiments.runs.config import RunConfig
from deepgum.experiments.runs.run_data import load_subset

PARTS = ("train", "validation", "test")


def load(name: str, folder: Path | None, seed: int = 0, **settings: Any) -> Subset:
    options = check_options(name, settings.pop("options", {}))
    cache = None if folder is None else folder.parent / "cache"
    size = settings.pop("image_size", 16)
    request = Request(folder, image_size=size, colour=True, cache_dir=cache, options=options, **settings)
    return DATASETS[name].load(request, seed)


def ids(subset: Subset) -> list[set[str]]:
    return [set(getattr(subset, part).ids) for part in PARTS]


def check_parts(subset: Subset, sizes: Iterable[int]) -> None:
    """Assert that the parts have these sizes, and that nothing is in two of them."""
    found = ids(subset)
    assert [len(part) for part in found] == list(sizes)
    assert len(set.union(*found)) == sum(sizes)
    assert [len(getattr(subset, part)) for part in PARTS] == list(sizes)


def check_sides(subset: Subset, group_of: Any) -> None:
    """Assert that no group has samples in two parts."""
    groups = [{group_of(name) for name in part} for part in ids(subset)]
    assert not groups[0] & groups[1]
    assert not groups[0] & groups[2]
    assert not groups[1] & groups[2]


def check_seeds(name: str, folder: Path | None, **settings: Any) -> None:
    """Assert that the seed, and nothing else, draws the split."""
    assert ids(load(name, folder, 0, **settings)) == ids(load(name, folder, 0, **settings))
    assert ids(load(name, folder, 0, **settings)) != ids(load(name, folder, 1, **settings))


def picture(path: Path, level: int, size: tuple[int, int] = (20, 20)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (level % 256,) * 3).save(path, format="PNG" if path.suffix == ".png" else "JPEG")


@pytest.fixture
def fld(tmp_path: Path) -> Path:
    root, counts = tmp_path / "fld", {1: 6, 2: 4, 3: 8}
    lines, boxes = [], []
    for index in range(24):
        kind, name = (1, 1, 2, 3)[index % 4], f"img/img_{index + 1:08d}.jpg"
        picture(root / name, index)
        # The last landmark of every image cannot be seen.
        points = [f"{int(k == counts[kind] - 1)} {4 + k:03d} {5 + k:03d}" for k in range(counts[kind])]
        lines.append(f"{name}  {kind} 3 {' '.join(points)} ")
        boxes.append(f"{name} 002 002 018 018")
    for file, body in ((LANDMARK_LIST, lines), (BOX_LIST, boxes)):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text("\r\n".join([str(len(body)), "image_name ...", *body]) + "\r\n")
    return root


@pytest.mark.parametrize(("clothes", "count"), [("upper", 12), ("lower", 6), ("full", 6)])
def test_fld_is_drawn_at_random_of_one_type_of_clothes(fld: Path, clothes: str, count: int) -> None:
    settings: dict[str, Any] = {"options": {"clothes": clothes}, "validation_size": 2, "test_size": 3}
    subset = load("fld", fld, **settings)
    check_parts(subset, (count - 5, 2, 3))
    check_seeds("fld", fld, **settings)
    d = 2 * len(LANDMARKS[clothes])
    assert subset.train.targets.shape == (count - 5, d)
    assert subset.train.targets[:, -2:].isnan().all()
    assert not subset.train.targets[:, :-2].isnan().any()
    check_parts(load("fld", fld, train_size=2, **settings) if count > 6 else subset, (2 if count > 6 else 1, 2, 3))


def test_fld_wants_5000_images_for_each_of_validation_and_test_unless_told(fld: Path) -> None:
    with pytest.raises(InvalidDataError, match="5000"):
        load("fld", fld)


@pytest.fixture
def cacd(tmp_path: Path) -> Path:
    root = tmp_path / "cacd"
    rows = [(f"{20 + i}_Person_{i % 10:02d}_{i:04d}.jpg", 20 + i, i % 10 + 1) for i in range(40)]
    for name, age, _ in rows:
        picture(root / "CACD2000" / name, age)
    names = np.empty((len(rows), 1), dtype=object)
    names[:, 0] = [row[0] for row in rows]
    of = {"age": [[row[1]] for row in rows], "identity": [[row[2]] for row in rows], "name": names}
    scipy.io.savemat(root / "celebrity2000_meta.mat", {"celebrityImageData": of})
    return root


def celebrity(name: str) -> str:
    return name.split("_")[2]


def test_cacd_is_split_by_celebrity(cacd: Path) -> None:
    settings: dict[str, Any] = {"validation_size": 2, "test_size": 3}
    subset = load("cacd", cacd, **settings)
    check_parts(subset, (20, 8, 12))  # each of ten has four images
    check_sides(subset, celebrity)
    check_seeds("cacd", cacd, **settings)
    check_parts(load("cacd", cacd, train_size=7, **settings), (7, 8, 12))


def test_cacd_wants_80_and_120_celebrities_unless_told(cacd: Path) -> None:
    with pytest.raises(InvalidDataError, match=r"validation = 80 and test = 120"):
        load("cacd", cacd)


def test_cacd_can_be_split_as_a_file_says(cacd: Path) -> None:
    parts = ["test", "test", "validation", *["train"] * 7]
    split = cacd / "split.csv"
    split.write_text("identity,part\n" + "".join(f"{i + 1},{part}\n" for i, part in enumerate(parts)))
    subset = load("cacd", cacd, options={"split_file": str(split)})
    check_parts(subset, (28, 4, 8))
    assert {celebrity(name) for name in subset.test.ids} == {"00", "01"}


@pytest.fixture
def utkface(tmp_path: Path) -> Path:
    root = tmp_path / "utkface"
    for index in range(30):
        picture(root / f"{10 + index}_0_1_2017{index:04d}.jpg.chip.jpg", 5 * index)
    for index in range(0, 30, 3):  # a copy under another age
        copy = root / f"{60 + index}_0_1_2017{index:04d}.jpg.chip.jpg"
        shutil.copy(root / f"{10 + index}_0_1_2017{index:04d}.jpg.chip.jpg", copy)
    return root


def time_of(name: str) -> str:
    return name.split("_")[3][:8]


def test_utkface_gives_a_tenth_and_a_fifth_and_keeps_copies_together(utkface: Path) -> None:
    for seed in range(3):
        subset = load("utkface", utkface, seed)
        sizes = [len(getattr(subset, part)) for part in PARTS]
        check_parts(subset, sizes)
        assert sum(sizes) == 40
        assert abs(sizes[1] - 4) <= 1
        assert abs(sizes[2] - 8) <= 1
        check_sides(subset, time_of)
    check_seeds("utkface", utkface)
    assert len(load("utkface", utkface, validation_size=8, test_size=10, train_size=5).train) == 5
    with pytest.raises(InvalidParameterError, match="train_size"):
        load("utkface", utkface, train_size=40)


@pytest.fixture
def mcgill(tmp_path: Path) -> Path:
    root, lines = tmp_path / "mcgill", ["video,frame,yaw"]
    for video in range(9):
        for frame in range(3 + video % 3):
            picture(root / f"v{video}" / f"frame_{frame:04d}.png", 20 * video + frame)
            lines.append(f"v{video},{frame},{10 * video + frame}")
    (root / "yaw.csv").write_text("\n".join(lines) + "\n")
    shutil.copy(root / "yaw.csv", root / "other.csv")
    return root


def test_mcgill_tests_each_video_in_one_of_seven_folds(mcgill: Path) -> None:
    tested: list[str] = []
    for fold in range(FOLDS):
        subset = load("mcgill", mcgill, fold=fold)
        check_parts(subset, [len(getattr(subset, part)) for part in PARTS])
        check_sides(subset, lambda name: name.split("/")[0])
        assert len(set.union(*ids(subset))) == 36
        tested += subset.test.ids
    assert len(tested) == len(set(tested)) == 36
    assert ids(load("mcgill", mcgill, options={"table": "other.csv"})) == ids(load("mcgill", mcgill))


@pytest.fixture
def head_pose(tmp_path: Path) -> Path:
    root = tmp_path / "head_pose"
    root.mkdir()
    rng = np.random.default_rng(0)
    for name, n in (("biwi_train", 40), ("biwi_test", 12), ("aflw2000", 9)):
        np.savez(root / f"{name}.npz", features=rng.random((n, 6), np.float32), poses=rng.uniform(-60, 60, (n, 3)))
    return root


ROWS = [f"biwi_train:{row:06d}" for row in range(40)] + [f"biwi_test:{row:06d}" for row in range(12)]


def test_head_pose_tests_each_row_in_one_of_seven_blocks(head_pose: Path) -> None:
    tested: list[str] = []
    for fold in range(FOLDS):
        subset = load("head-pose", head_pose, fold=fold)
        check_parts(subset, [len(getattr(subset, part)) for part in PARTS])
        assert set.union(*ids(subset)) == set(ROWS)
        places = [ROWS.index(name) for name in subset.test.ids]
        assert places == list(range(places[0], places[0] + len(places)))
        assert abs(len(places) - 52 / FOLDS) < 1
        tested += subset.test.ids
    assert tested == ROWS


def test_extra_rows_of_head_pose_are_only_trained_on(head_pose: Path) -> None:
    for fold in range(FOLDS):
        plain, more = (load("head-pose", head_pose, fold=fold, options={"extra": e}) for e in ("", "aflw2000.npz"))
        assert ids(more)[1:] == ids(plain)[1:]
        assert ids(more)[0] - ids(plain)[0] == {f"aflw2000:{row:06d}" for row in range(9)}
        assert ids(plain)[0] <= ids(more)[0]
        for part in PARTS:
            of = dict(zip(getattr(more, part).ids, getattr(more, part).targets.tolist(), strict=True))
            mine = getattr(plain, part)
            assert [of[name] for name in mine.ids] == mine.targets.tolist()


def test_a_fold_that_is_not_there_is_refused(head_pose: Path, mcgill: Path) -> None:
    for name, folder in (("head-pose", head_pose), ("mcgill", mcgill)):
        with pytest.raises(InvalidParameterError, match=r"`fold` should be a whole number from 0 to 6"):
            load(name, folder, fold=7)


def test_a_subset_of_the_training_part_leaves_the_other_parts(head_pose: Path) -> None:
    plain, few = (load("head-pose", head_pose, fold=2, train_size=size) for size in (None, 11))
    check_parts(few, (11, len(plain.validation), len(plain.test)))
    assert ids(few)[0] < ids(plain)[0]
    assert ids(few)[1:] == ids(plain)[1:]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    lines = ["file,who,part,x,y,age"]
    for index in range(40):
        picture(tmp_path / "images" / f"{index}.png", 6 * index, (20, 30))
        part = "train" if index < 30 else "test"
        lines.append(f"images/{index}.png,person {index // 2},{part},{index / 2},{index},{20 + index}")
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "table.csv"


IMAGES = {"targets": ["age"], "image": "file"}


def person(name: str) -> int:
    return int(Path(name).stem) // 2


def test_a_table_without_parts_is_divided_and_its_groups_are_not(table: Path) -> None:
    check_parts(load("table", table, options=IMAGES), (28, 4, 8))
    check_seeds("table", table, options=IMAGES)
    subset = load("table", table, options={**IMAGES, "group": "who"}, validation_size=6, test_size=10)
    check_parts(subset, (24, 6, 10))
    check_sides(subset, person)


def test_a_table_with_a_training_and_a_test_part_gets_a_validation_part(table: Path) -> None:
    for group in ("", "who"):
        subset = load("table", table, options={**IMAGES, "part": "part", "group": group})
        sizes = [len(getattr(subset, part)) for part in PARTS]
        check_parts(subset, sizes)
        assert {int(Path(name).stem) for name in subset.test.ids} == set(range(30, 40))
        assert 2 <= sizes[1] <= 4
        if group:
            check_sides(subset, person)


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_table_that_lacks_a_part_is_refused(table: Path, part: str) -> None:
    lines = table.read_text().splitlines()
    table.write_text("\n".join(line for line in lines if f",{part}," not in line) + "\n")
    with pytest.raises(InvalidDataError, match=f"samples of the part '{part}'"):
        load("table", table, options={**IMAGES, "part": "part"})


def test_a_table_with_parts_is_divided_by_them(table: Path) -> None:
    text = table.read_text()
    for index in range(20, 30):
        text = text.replace(f"person {index // 2},train,{index / 2}", f"person {index // 2},Val,{index / 2}")
    table.write_text(text)
    subset = load("table", table, options={**IMAGES, "part": "part"})
    check_parts(subset, (20, 10, 10))
    assert [int(Path(name).stem) for name in subset.validation.ids] == list(range(20, 30))


def test_a_table_holds_landmarks_or_features_as_well(table: Path) -> None:
    points = load("table", table, options={"targets": ["x", "y"], "image": "file", "landmarks": True})
    of = dict(zip(points.train.ids, points.train.targets.tolist(), strict=True))
    # Each image is 20 wide and 30 high, so the square around it begins 5 to the left of it.
    assert of["images/12.png"] == pytest.approx([(6 + 5) / 30, 12 / 30]) if "images/12.png" in of else of
    assert points.train.mirror is None
    vectors = load("table", table, options={"targets": ["age"], "features": ["x", "y"]})
    assert vectors.train.inputs.shape == (28, 2)
    assert load("table", table, options={**IMAGES, "mirror": "keep"}).train.mirror is not None


def test_a_table_needs_targets(table: Path) -> None:
    with pytest.raises(InvalidParameterError, match=r"`options\.targets` should be the names of one or more columns"):
        load("table", table)


@pytest.fixture
def lfw_net(tmp_path: Path) -> Path:
    root = tmp_path / "lfw_net"
    for list_name, count in ((TRAIN_LIST, 20), (TEST_LIST, 5)):
        names = [f"{list_name[:4]}_folder\\{index:04d}.jpg" for index in range(count)]
        for index, name in enumerate(names):
            picture(root / name.replace("\\", "/"), index, (60, 60))
        points = " ".join(f"{value}.5" for value in (20, 20, 40, 20, 30, 30, 22, 40, 38, 40))
        (root / list_name).write_text("".join(f"{name} 10 50 10 50 {points}\r\n" for name in names))
    return root


def test_lfw_net_tests_on_its_own_list(lfw_net: Path) -> None:
    subset = load("lfw-net", lfw_net)
    check_parts(subset, (18, 2, 5))
    assert all(name.startswith("test") for name in subset.test.ids)
    check_seeds("lfw-net", lfw_net)
    check_parts(load("lfw-net", lfw_net, train_size=9, validation_size=4), (9, 4, 5))
    with pytest.raises(InvalidParameterError, match="from 1 to 16, with 4 for validation"):
        load("lfw-net", lfw_net, train_size=17, validation_size=4)


def test_digits_have_the_sizes_that_are_asked_for() -> None:
    settings = {"train_size": 18, "validation_size": 6, "test_size": 7}
    subset = load("digits", None, **settings)
    check_parts(subset, (18, 6, 7))
    check_seeds("digits", None, **settings)


@pytest.mark.parametrize("name", [name for name, dataset in DATASETS.items() if dataset.needs_folder])
def test_a_data_set_that_is_not_there_is_refused(tmp_path: Path, name: str) -> None:
    options = {"targets": ["age"], "image": "file"} if name == "table" else {}
    with pytest.raises(InvalidParameterError):
        load(name, tmp_path / "nowhere", options=options)
    with pytest.raises(InvalidParameterError, match="folder"):
        load(name, None, options=options)


def test_a_table_that_is_not_there_is_named_by_its_key(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameterError, match=r"`data\.folder` should be a CSV or Parquet file.*nowhere"):
        load("table", tmp_path / "nowhere", options={"targets": ["age"], "image": "file"})


def everything(name: str, folder: Path | None, **settings: Any) -> list[str]:
    options = check_options(name, settings.pop("options", {}))
    cache = None if folder is None else folder.parent / "cache"
    request = Request(folder, image_size=16, colour=True, cache_dir=cache, options=options, **settings)
    return [sample for part in load_all(name, request, 0) for sample in part.ids]


def test_all_of_a_table_is_all_of_its_rows_whatever_its_columns_say(table: Path) -> None:
    names = [f"images/{index}.png" for index in range(40)]
    options = {**IMAGES, "part": "part", "group": "who"}
    sizes = {"train_size": 3, "validation_size": 2, "test_size": 2}
    assert everything("table", table, options=options, **sizes) == names
    lines = table.read_text().splitlines()
    # Of one sample, and without the columns that only a split needs.
    table.write_text("file,age\nimages/7.png,30\n")
    assert everything("table", table, options=options) == ["images/7.png"]
    table.write_text("\n".join([lines[0], *lines[-10:]]) + "\n")
    assert everything("table", table, options=options) == names[-10:]


@pytest.mark.parametrize(
    ("name", "count", "settings"),
    [
        ("fld", 12, {"train_size": 4}),
        ("cacd", 40, {"options": {"split_file": "is not looked at.csv"}}),
        ("utkface", 40, {"train_size": 5, "validation_size": 8}),
        ("mcgill", 36, {"fold": 3, "train_size": 5}),
        ("head_pose", 52, {"fold": 6, "train_size": 5}),
        ("lfw_net", 25, {"train_size": 9, "validation_size": 4}),
    ],
)
def test_all_of_a_data_set_is_each_sample_once(
    request: pytest.FixtureRequest, name: str, count: int, settings: dict[str, Any]
) -> None:
    found = everything(name.replace("_", "-"), request.getfixturevalue(name), **settings)
    assert len(found) == len(set(found)) == count


def test_all_of_the_digits_is_what_was_made() -> None:
    assert len(everything("digits", None, train_size=18, validation_size=6, test_size=7)) == 31


def test_options_of_a_data_set_are_checked_and_filled_in() -> None:
    assert check_options("fld", {}) == {"clothes": "upper"}
    assert check_options("table", {"targets": ["age"]})["image"] == ""
    with pytest.raises(UnknownNameError, match="Did you mean 'clothes'"):
        check_options("fld", {"cloths": "upper"})
    with pytest.raises(UnknownNameError):
        check_options("digits", {"clothes": "upper"})
    with pytest.raises(InvalidParameterError, match=r"`options\.parts` should be a list"):
        check_options("head-pose", {"parts": "biwi_train.npz"})
    for dataset, name in (("table", "targets"), ("table", "features"), ("head-pose", "parts")):
        with pytest.raises(InvalidParameterError, match=rf"`options\.{name}` should be a list of texts"):
            check_options(dataset, {name: ["a", 1]})
    assert check_options("table", {"swap_pairs": [[0, 1]]})["swap_pairs"] == [[0, 1]]


def test_every_data_set_says_how_its_errors_are_counted(tmp_path: Path) -> None:
    for name, dataset in DATASETS.items():
        assert dataset.measure.landmarks == (dataset.groups == "landmark"), name
        assert dataset.folds in (0, FOLDS)
    assert torch.tensor(DATASETS["fld"].measure.factor) == 224


@pytest.mark.parametrize(
    ("options", "order"),
    [
        ({}, None),
        ({"mirror": "landmarks"}, (0, 1, 2, 3)),
        ({"swap_pairs": [[0, 1]]}, (2, 3, 0, 1)),
        ({"mirror": "landmarks", "swap_pairs": [[0, 1]]}, (2, 3, 0, 1)),
    ],
)
def test_a_table_says_how_landmarks_are_mirrored(
    tmp_path: Path, options: dict[str, Any], order: tuple[int, ...] | None
) -> None:
    names = [f"{index}.png" for index in range(10)]
    for name in names:
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / name)
    table = tmp_path / "points.csv"
    table.write_text("file,x1,y1,x2,y2\n" + "".join(f"{name},1,2,3,4\n" for name in names))
    columns = {"image": "file", "targets": ["x1", "y1", "x2", "y2"], "landmarks": True}
    config = RunConfig.from_mapping(
        {"data": {"name": "table", "folder": str(table), "image_size": 16, "options": {**columns, **options}}}
    )
    config = replace(config, data=replace(config.data, cache_dir=tmp_path / "cache"))
    mirror = load_subset(config).train.mirror
    assert (None if mirror is None else mirror.permutation) == order
