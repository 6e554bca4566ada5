"""The lists of LFW + NET, on small files in the published format."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from deepgum.data.regression import RegressionData
from deepgum.data.sets.lfw_net import LANDMARKS, TEST_LIST, TRAIN_LIST, LfwNet, load_lfw_net
from deepgum.errors import (
    DeepGUMWarning,
    InvalidDataError,
    InvalidParameterError,
    MissingImagesError,
    UnreadableImagesError,
)

REAL = Path(os.environ.get("DEEPGUM_DATA") or "nowhere") / "lfw_net"
BOX = (40, 100, 30, 88)  # left right top bottom: 60 wide, 58 high, so the crop's side is 66 and it begins at (37, 26)
POINTS = ((56.25, 48.75), (84.75, 50.25), (70.25, 62.75), (58.25, 75.75), (80.75, 76.25))
TRAIN = [f"lfw_5590\\Given_Family_{i:04d}.jpg" for i in range(5)] + [f"net_7876\\{i:04d}_2.jpg" for i in range(4)]
TEST = [f"net_7876\\{i:04d}_0.jpg" for i in range(3)]


def line(name: str, box: Any = BOX, points: Any = POINTS) -> str:
    return f"{name} {' '.join(map(str, box))} {' '.join(f'{v:.6f}' for point in points for v in point)}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a complete small set; the k-th image shows a bright dot at landmark k mod 5."""
    root = tmp_path / "set"
    columns, rows = np.arange(140) + 0.5, np.arange(120)[:, None] + 0.5
    for index, name in enumerate(TRAIN + TEST):
        x, y = POINTS[index % 5]
        pixels = 250 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 18)
        path = root / name.replace("\\", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).convert("RGB").save(path, quality=95)
    write(root, TRAIN_LIST, [line(name) for name in TRAIN])
    write(root, TEST_LIST, [line(name) for name in TEST])
    return root


def write(root: Path, name: str, lines: list[str]) -> None:
    (root / name).write_bytes("".join(text + "\r\n" for text in lines).encode())


def load(folder: Path, **options: Any) -> tuple[RegressionData, RegressionData]:
    return load_lfw_net(folder, **({"cache_dir": folder.parent / "cache"} | options))


def test_the_set_is_read_in_the_order_of_its_lists(folder: Path) -> None:
    train, test = load(folder, image_size=33)
    assert train.ids == tuple(name.replace("\\", "/") for name in TRAIN)
    assert test.ids == tuple(name.replace("\\", "/") for name in TEST)
    assert train.inputs.shape == (9, 1, 33, 33)
    assert test.inputs.shape == (3, 1, 33, 33)
    assert train.target_names == tuple(f"{name}_{axis}" for name in LANDMARKS for axis in "xy")


def test_targets_are_fractions_of_the_crop_and_lie_on_the_dots(folder: Path) -> None:
    for data, first in zip(load(folder, image_size=66), (0, len(TRAIN)), strict=True):
        for row in range(len(data)):
            landmark = (first + row) % 5
            mass = np.asarray(data.inputs[row, 0], dtype=float)
            mass[mass < 25] = 0
            centres = (np.arange(66) + 0.5) / 66
            centroid = [mass.sum(axis=0) @ centres / mass.sum(), mass.sum(axis=1) @ centres / mass.sum()]
            target = data.targets[row].view(5, 2)[landmark]
            assert target.tolist() == pytest.approx(centroid, abs=0.004)
    expected = (np.array(POINTS) - (37, 26)) / 66
    np.testing.assert_allclose(data.targets[0].view(5, 2), expected, rtol=1e-6)


def test_the_normaliser_is_the_width_of_the_box_in_crops(folder: Path) -> None:
    tall = (40, 90, 30, 90)  # 50 wide, but the crop's side is 1.1 times 60
    write(folder, TEST_LIST, [line(name, box=tall) for name in TEST])
    train, test = load(folder)
    np.testing.assert_allclose(train.normaliser, 60 / 66, rtol=1e-6)
    np.testing.assert_allclose(test.normaliser, 50 / 66, rtol=1e-6)


def test_the_error_in_pixels_does_not_depend_on_the_scale_of_the_crop(folder: Path) -> None:
    normalised = []
    for scale in (1.0, 1.1, 1.5):
        data, _ = load(folder, box_scale=scale)
        eyes = data.targets.view(-1, 5, 2)[:, 1] - data.targets.view(-1, 5, 2)[:, 0]
        normalised.append(eyes.norm(dim=1) / data.normaliser)
    torch.testing.assert_close(normalised[0], normalised[1])
    torch.testing.assert_close(normalised[0], normalised[2])


def test_colour(folder: Path) -> None:
    gray, _ = load(folder)
    colour, _ = load(folder, colour=True)
    assert colour.inputs.shape == (9, 3, 48, 48)
    np.testing.assert_allclose(np.asarray(colour.inputs).mean(axis=1), np.asarray(gray.inputs)[:, 0], atol=2)


def test_the_two_sets_do_not_change_when_loaded_from_the_cache(folder: Path) -> None:
    for first, second in zip(load(folder), load(folder), strict=True):
        np.testing.assert_array_equal(first.inputs, second.inputs)
        assert torch.equal(first.targets, second.targets)


def test_missing_images_are_counted_and_named_for_each_list(folder: Path) -> None:
    for name in [*TRAIN[:7], TEST[1]]:
        (folder / name.replace("\\", "/")).unlink()
    with pytest.raises(MissingImagesError) as caught:
        load(folder)
    message = str(caught.value)
    assert f"7 of the 9 images of '{TRAIN_LIST}': lfw_5590/Given_Family_0000.jpg, " in message
    assert "and 2 more" in message
    assert f"1 of the 3 images of '{TEST_LIST}': net_7876/0001_0.jpg" in message
    assert "skip_missing" in message
    with pytest.warns(DeepGUMWarning, match="7 of the 9 images") as caught_warnings:
        train, test = load(folder, skip_missing=True)
    assert len(caught_warnings) == 1
    assert train.ids == tuple(name.replace("\\", "/") for name in TRAIN[7:])
    assert test.ids == ("net_7876/0000_0.jpg", "net_7876/0002_0.jpg")
    assert len(train.targets) == len(train.inputs) == 2


def test_a_list_without_any_image_is_refused_even_when_skipping(folder: Path) -> None:
    for name in TEST:
        (folder / name.replace("\\", "/")).unlink()
    with pytest.raises(MissingImagesError, match="images of every list"):
        load(folder, skip_missing=True)


def test_all_unreadable_images_of_both_lists_are_named(folder: Path) -> None:
    spoilt = [TRAIN[0], TRAIN[8], TEST[2]]
    for name in spoilt:
        (folder / name.replace("\\", "/")).write_bytes(b"spoilt")
    with pytest.raises(UnreadableImagesError, match="3 of 12") as caught:
        load(folder, skip_missing=True)
    assert all(name.replace("\\", "/") in str(caught.value) for name in spoilt)


def test_unreadable_images_are_left_out_of_their_list_on_request(folder: Path) -> None:
    whole_train, whole_test = load(folder)
    spoilt = [TRAIN[0], TRAIN[8], TEST[2]]
    for name in spoilt:
        (folder / name.replace("\\", "/")).write_bytes(b"spoilt")
    for _ in range(2):
        with pytest.warns(
            DeepGUMWarning, match="3 of 12 images .* left out: lfw_5590/Given_Family_0000.jpg: "
        ) as caught:
            train, test = load(folder, skip_unreadable=True)
        assert len(caught) == 1
        assert caught[0].filename == __file__
        for data, whole, rows in ((train, whole_train, range(1, 8)), (test, whole_test, range(2))):
            assert data.ids == tuple(whole.ids[row] for row in rows)
            assert torch.equal(data.targets, whole.targets[list(rows)])
            np.testing.assert_array_equal(data.inputs, whole.inputs[list(rows)])


@pytest.mark.parametrize(("names", "title"), [(TRAIN, TRAIN_LIST), (TEST, TEST_LIST)])
def test_a_list_without_readable_images_is_refused(folder: Path, names: list[str], title: str) -> None:
    for name in names:
        (folder / name.replace("\\", "/")).write_bytes(b"spoilt")
    with pytest.warns(DeepGUMWarning), pytest.raises(UnreadableImagesError, match=title):
        load(folder, skip_unreadable=True)


@pytest.mark.parametrize(
    "bad",
    [
        line(TRAIN[2])[:-9],
        line(TRAIN[2]) + " 1.0",
        line(TRAIN[2]).replace("56.25", "five"),
        line(TRAIN[2]).replace("56.25", "nan"),
        line(TRAIN[2], box=(100, 40, 30, 88)),
        line(TRAIN[2], box=(40, 100, 30, 30)),
        "only_a_name.jpg",
    ],
    ids=["short", "long", "word", "nan", "right of left", "no height", "name"],
)
def test_a_malformed_line_is_named_by_file_and_number(folder: Path, bad: str) -> None:
    lines = [line(name) for name in TRAIN]
    lines[2] = bad
    lines.insert(1, "")  # a blank line is accepted, and counted
    write(folder, TRAIN_LIST, lines)
    with pytest.raises(InvalidDataError, match=rf"{TRAIN_LIST}', line 4: "):
        load(folder)


def test_an_empty_list_is_refused(folder: Path) -> None:
    write(folder, TEST_LIST, [])
    with pytest.raises(InvalidDataError, match="at least one line"):
        load(folder)


@pytest.mark.parametrize("gone", [TRAIN_LIST, TEST_LIST, None])
def test_without_folder_or_list_the_error_says_where_to_get_the_set(folder: Path, gone: str | None) -> None:
    if gone is not None:
        (folder / gone).unlink()
    with pytest.raises(InvalidParameterError, match=r"folder.*CVPR 2013"):
        load(folder if gone is not None else folder / "nowhere")


@pytest.mark.parametrize("options", [{"image_size": 0}, {"image_size": 48.5}, {"box_scale": 0}, {"box_scale": np.nan}])
def test_options_out_of_range_are_refused(folder: Path, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameterError, match=next(iter(options))):
        load(folder, **options)


# Label files


def labels_of(folder, **options):
    dataset = LfwNet()
    return dataset.labels(folder, dataset.check_options(options))


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (90, 90), (80, 90, 100)).save(path, format="JPEG")


def written(labels, out, changes=None):
    out.mkdir()
    return labels.write(changes or {}, out)


NASTY = (
    'a "quoted".jpg', "with space.jpg", "<b>bold<b>.jpg", "a..b.jpg", "Zoë_Straße.jpg", "写真.jpg", "фото & 'co'.jpg",
)  # fmt: skip


@pytest.fixture
def faces(tmp_path):
    """Both lists with blank lines, a byte order mark and bytes that are not UTF-8."""
    root = tmp_path / "faces"
    for name in NASTY:
        picture(root / "lfw_5590" / name)
        picture(root / "net_7876" / name)
    lines = [
        f"{folder}\\{name} 10 70 10 70 " + " ".join(f"{20 + 3 * i + k / 4:.6f}" for k in range(10))
        for folder in ("lfw_5590", "net_7876")
        for i, name in enumerate(NASTY)
    ]
    half = len(NASTY)
    (root / "trainImageList.txt").write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*lines[:half], ""]).encode())
    (root / "testImageList.txt").write_bytes(("\n".join(lines[half:]) + "\n\n").encode())
    return root


LISTS = ("trainImageList.txt", "testImageList.txt")


def test_lists_without_changes_are_the_same_files_with_their_images(faces, tmp_path):
    labels = labels_of(faces)
    assert written(labels, tmp_path / "new") == ()
    for name in LISTS:
        assert (tmp_path / "new" / name).read_bytes() == (faces / name).read_bytes()
    before, after = (load_lfw_net(root, cache_dir=tmp_path / "cache") for root in (faces, tmp_path / "new"))
    for old, new in zip(before, after, strict=True):
        assert old.ids == new.ids
        np.testing.assert_array_equal(old.inputs, new.inputs)
    assert labels.ids == before[0].ids + before[1].ids
    assert labels.names == before[0].target_names


def test_only_changed_numbers_differ_and_the_old_values_give_the_old_list(faces, tmp_path):
    labels = labels_of(faces)
    name = f"lfw_5590/{NASTY[0]}"  # behind the byte order mark
    new = labels.values[labels.rows[name]].copy()
    new[4:6] = 31.5, 40.123456789
    written(labels, tmp_path / "new", {name: new})
    old, made = ((root / LISTS[0]).read_bytes().split(b"\r\n") for root in (faces, tmp_path / "new"))
    assert [place for place, (a, b) in enumerate(zip(old, made, strict=True)) if a != b] == [0]
    assert made[0].replace(b"31.500000 40.123456789", b"21.000000 21.250000") == old[0]
    again = labels_of(tmp_path / "new")
    np.testing.assert_array_equal(again.values[again.rows[name]], new)
    written(again, tmp_path / "back", {name: labels.values[labels.rows[name]]})
    assert (tmp_path / "back" / LISTS[0]).read_bytes() == (faces / LISTS[0]).read_bytes()


def test_a_face_that_loses_a_landmark_is_left_out_of_its_list(faces, tmp_path):
    labels = labels_of(faces)
    name = f"net_7876/{NASTY[3]}"
    new = labels.values[labels.rows[name]].copy()
    new[:2] = np.nan
    assert labels.left_out({name: new}) == (name,)
    written(labels, tmp_path / "new", {name: new})
    again = labels_of(tmp_path / "new")
    assert again.ids == tuple(other for other in labels.ids if other != name)
    assert (tmp_path / "new" / LISTS[0]).read_bytes() == (faces / LISTS[0]).read_bytes()
    assert not (tmp_path / "new" / name).exists()
    assert (faces / name).exists()


def test_a_list_is_never_left_without_a_line(faces, tmp_path):
    labels = labels_of(faces)
    gone = {name: np.full(10, np.nan) for name in labels.ids if name.startswith("net")}
    with pytest.raises(InvalidDataError, match=r"'testImageList\.txt' should keep at least one line"):
        written(labels, tmp_path / "new", gone)


def test_a_sample_that_is_named_twice_is_refused(faces):
    lines = (faces / LISTS[0]).read_bytes()
    (faces / LISTS[1]).write_bytes(lines)
    with pytest.raises(InvalidDataError, match=r"have each sample once.*lfw_5590"):
        labels_of(faces)


@pytest.mark.skipif(not REAL.is_dir(), reason="LFW + NET is not here: DEEPGUM_DATA names no folder that holds lfw_net")
def test_the_published_lists_are_written_as_they_are(tmp_path):
    # Only the lists: they name thousands of images.
    lists = tmp_path / "lists"
    lists.mkdir()
    for name in LISTS:
        shutil.copyfile(REAL / name, lists / name)
    labels = labels_of(lists)
    assert labels.values.shape == (10_000 + 3466, 10)
    written(labels, tmp_path / "same")
    rows = np.random.default_rng(0).choice(len(labels), 200, replace=False)
    moved = {labels.ids[row]: labels.values[row] + 0.25 for row in rows}
    written(labels, tmp_path / "new", moved)
    written(
        labels_of(tmp_path / "new"),
        tmp_path / "back",
        {name: labels.values[labels.rows[name]] for name in moved},
    )
    for name in LISTS:
        assert (tmp_path / "same" / name).read_bytes() == (lists / name).read_bytes()
        assert (tmp_path / "new" / name).read_bytes() != (lists / name).read_bytes()
        assert (tmp_path / "back" / name).read_bytes() == (lists / name).read_bytes()


# The split


def test_the_official_training_list_is_divided_and_the_test_list_is_not(make_small: Any) -> None:
    small = make_small("lfw-net")
    for changes, sizes in (({}, (18, 2, 5)), ({"train_size": 9, "validation_size": 4}, (9, 4, 5))):
        subset = small.load(**changes)
        assert (len(subset.train), len(subset.validation), len(subset.test)) == sizes
        assert all(name.startswith("test") for name in subset.test.ids)
    with pytest.raises(InvalidParameterError, match="from 1 to 16, with 4 for validation"):
        small.load(train_size=17, validation_size=4)
