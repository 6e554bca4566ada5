"""Ages from UTKFace's file names, on a small folder, and on the real set if it is there."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from deepgum.data.listed_images import image_names
from deepgum.data.sets.ages import ages_in_names, plausible
from deepgum.data.sets.utkface import UtkFace, load_utkface
from deepgum.errors import DeepGUMWarning, InvalidDataError, InvalidParameterError

REAL = Path(os.environ.get("DEEPGUM_DATA") or "nowhere") / "utkface"
needs_the_set = pytest.mark.skipif(
    not REAL.is_dir(), reason="UTKFace is not here: DEEPGUM_DATA names no folder that holds utkface"
)

AGES = {  # with two copies of one image under different ages, and a name without the race
    "100_0_0_20170112213500903.jpg.chip.jpg": 100,
    "1_1_2_20161219154556757.jpg.chip.jpg": 1,
    "26_0_1_20170104.jpg.chip.jpg": 26,
    "30_0_1_20170105.jpg.chip.jpg": 30,
    "39_1_20170116174525125.jpg.chip.jpg": 39,
}
COPIES = [name for name in AGES if name.startswith(("26_", "30_"))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "utkface"
    root.mkdir()
    for name, age in AGES.items():
        Image.new("RGB", (20, 20), (2 * age, age, 10)).save(root / name, format="JPEG", quality=95)
    shutil.copy(root / COPIES[0], root / COPIES[1])
    (root / "readme.txt").write_text("not an image")
    (root / "._26_0_1_20170104.jpg.chip.jpg").write_bytes(b"a file that some systems add")
    (root / "5_0_0_folder.jpg").mkdir()
    return root


def load(folder: Path, image_size: int = 16, **options: Any) -> Any:
    return load_utkface(folder, image_size, **({"cache_dir": folder.parent / "cache"} | options))


def test_ages_come_from_the_names_in_their_order(folder: Path) -> None:
    pool = load(folder)
    assert pool.data.ids == tuple(sorted(AGES))
    assert pool.data.targets.tolist() == [[AGES[name]] for name in sorted(AGES)]
    assert pool.data.target_names == ("age",)
    assert pool.data.inputs.shape == (5, 3, 16, 16)
    assert pool.parts is None
    red = np.asarray(pool.data.inputs)[:, 0].mean(axis=(1, 2))
    shown = [2 * (26 if name in COPIES else AGES[name]) for name in sorted(AGES)]
    np.testing.assert_allclose(red, shown, atol=3)
    assert load(folder, colour=False).data.inputs.shape == (5, 1, 16, 16)


def test_copies_are_kept_together_and_other_images_are_on_their_own(folder: Path) -> None:
    pool = load(folder)
    groups = dict(zip(pool.data.ids, pool.keep_together, strict=True))
    assert groups[COPIES[0]] == groups[COPIES[1]]
    assert len(set(pool.keep_together)) == 4


def test_a_mirrored_face_has_the_same_age(folder: Path) -> None:
    data = load(folder).data
    assert torch.equal(data.mirror.targets(data.targets), data.targets)


@pytest.mark.parametrize(
    "name", ["121_0_0_1.jpg", "face_26.jpg", "_0_1_2.jpg", "-3_0_0_1.jpg", "26.jpg", "2x6_0_0_1.jpg", "2.5_0_0_1.png"]
)
def test_a_name_without_an_age_is_named_or_left_out(folder: Path, name: str) -> None:
    shutil.copy(folder / COPIES[0], folder / name)
    with pytest.raises(InvalidDataError, match=rf"0 to 120 .*1 of 6 images that break this: {name}.*skip_unreadable"):
        load(folder)
    with pytest.warns(DeepGUMWarning, match=name) as caught:
        pool = load(folder, skip_unreadable=True)
    assert [warning.filename for warning in caught] == [__file__]
    assert pool.data.ids == tuple(sorted(AGES))


def test_the_ends_of_the_range_are_ages(folder: Path) -> None:
    shutil.copy(folder / COPIES[0], folder / "0_0_0_1.jpg")
    shutil.copy(folder / COPIES[0], folder / "120_0_0_1.JPG")
    ages = load(folder).data.targets.flatten().tolist()
    assert min(ages) == 0
    assert max(ages) == 120


def test_names_without_any_age_are_refused_even_when_skipping(folder: Path) -> None:
    for name in AGES:
        (folder / name).rename(folder / f"face_{name}")
    with pytest.raises(InvalidDataError, match="5 of 5"):
        load(folder, skip_unreadable=True)


def test_a_folder_without_images_is_refused_with_where_to_get_the_set(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for wrong in (tmp_path / "empty", tmp_path / "nowhere"):
        with pytest.raises(InvalidParameterError, match=r"folder.*CVPR 2017"):
            load(wrong)
    with pytest.raises(InvalidParameterError, match="image_size"):
        load(folder, 0)


@needs_the_set
def test_every_real_name_gives_an_age_and_copies_have_different_ages() -> None:
    names = image_names(REAL)
    ages = ages_in_names(names)
    assert len(names) == 6000
    assert plausible(ages).all()
    assert (ages.min(), ages.max()) == (1, 116)
    copies = defaultdict(set)
    for name, age in zip(names, ages, strict=True):
        copies[hashlib.sha256((REAL / name).read_bytes()).hexdigest()].add(age)
    assert len(copies) < 6000
    assert any(len(of_one_image) > 1 for of_one_image in copies.values())


@needs_the_set
def test_real_images_are_read_with_their_copies_kept_together(tmp_path: Path) -> None:
    names = image_names(REAL)
    by_content = defaultdict(list)
    for name in names:
        by_content[hashlib.sha256((REAL / name).read_bytes()).hexdigest()].append(name)
    copies = next(same for same in by_content.values() if len({name.split("_")[0] for name in same}) > 1)
    odd = "39_1_20170116174525125.jpg.chip.jpg"
    chosen = sorted({*names[::150], *copies, odd})
    root = tmp_path / "some"
    root.mkdir()
    for name in chosen:
        (root / name).symlink_to(REAL.resolve() / name)
    pool = load(root, 40)
    assert pool.data.ids == tuple(chosen)
    assert pool.data.inputs.shape == (len(chosen), 3, 40, 40)
    assert pool.data.targets[chosen.index(odd)].item() == 39
    assert len({pool.keep_together[chosen.index(name)] for name in copies}) == 1
    assert len(set(pool.keep_together)) == len(chosen) - len(copies) + 1
    with Image.open(REAL / odd) as image:
        expected = np.asarray(image.resize((40, 40), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    shown = np.asarray(pool.data.inputs[chosen.index(odd)], dtype=int)
    assert np.abs(shown - expected).max() <= 1


# Label files


def labels_of(folder, **options):
    dataset = UtkFace()
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


YEARS = (31, 58, 4, 7, 44, 9, 70)


@pytest.fixture
def aged(tmp_path):
    root = tmp_path / "aged"
    for age, name in zip(YEARS, NASTY, strict=True):
        picture(root / f"{age}_1_0_{name}")
    picture(root / "no age.jpg")
    picture(root / "31_1_0_twin.jpg.chip.jpg")
    picture(root / "13_1_0_twin.jpg.chip.jpg")
    return root


def test_an_age_is_corrected_in_the_name(aged, tmp_path):
    labels = labels_of(aged)
    assert labels.ids == tuple(sorted(path.name for path in aged.iterdir()))
    with pytest.warns(DeepGUMWarning, match="no age"):
        pool = load_utkface(aged, 16, skip_unreadable=True, cache_dir=tmp_path / "cache")
    assert [labels.values[labels.rows[name], 0] for name in pool.data.ids] == pool.data.targets.flatten().tolist()
    old = f"31_1_0_{NASTY[0]}"
    ages = {old: 33.4, f"4_1_0_{NASTY[2]}": np.nan, "no age.jpg": 5.0}
    notes = written(labels, tmp_path / "new", {name: np.array([age]) for name, age in ages.items()})
    assert notes == ("New labels were rounded to whole numbers: a file name can hold only whole numbers.",)
    names = {path.name for path in (tmp_path / "new").iterdir()}
    expected = set(labels.ids) - {old, f"4_1_0_{NASTY[2]}", "no age.jpg"} | {f"33_1_0_{NASTY[0]}", "5_no age.jpg"}
    assert names == expected
    assert (aged / old).samefile(tmp_path / "new" / f"33_1_0_{NASTY[0]}")
    again = labels_of(tmp_path / "new")
    written(again, tmp_path / "back", {f"33_1_0_{NASTY[0]}": np.array([31.0])})
    assert (tmp_path / "back" / old).exists()


def test_no_image_is_lost_where_a_corrected_name_is_taken(aged, tmp_path):
    labels = labels_of(aged)
    notes = written(labels, tmp_path / "new", {"13_1_0_twin.jpg.chip.jpg": np.array([31.0])})
    assert "Some new names were already in use" in notes[0]
    assert (aged / "13_1_0_twin.jpg.chip.jpg").samefile(tmp_path / "new" / "31_1_0_twin_2.jpg.chip.jpg")
    assert (aged / "31_1_0_twin.jpg.chip.jpg").samefile(tmp_path / "new" / "31_1_0_twin.jpg.chip.jpg")
    # Two images that swap their ages keep their unique names.
    swapped = {"13_1_0_twin.jpg.chip.jpg": np.array([31.0]), "31_1_0_twin.jpg.chip.jpg": np.array([13.0])}
    assert written(labels, tmp_path / "swapped", swapped) == ()
    assert (aged / "13_1_0_twin.jpg.chip.jpg").samefile(tmp_path / "swapped" / "31_1_0_twin.jpg.chip.jpg")


@pytest.mark.parametrize("age", [-3.0, 121.0])
def test_an_age_that_the_loader_would_refuse_is_refused(aged, tmp_path, age):
    labels = labels_of(aged)
    with pytest.raises(InvalidDataError, match=f"from 0 to 120 years. Found {age}"):
        written(labels, tmp_path / "new", {labels.ids[0]: np.array([age])})


@needs_the_set
def test_the_published_labels_are_those_of_the_names() -> None:
    labels = labels_of(REAL)
    assert len(labels) == 6000
    assert not np.isnan(labels.values).any()
    assert UtkFace().detect(REAL)


# The split


def test_a_tenth_validates_and_a_fifth_is_tested_on(make_small: Any) -> None:
    small = make_small("utkface")
    for seed in range(3):
        subset = small.load(seed)
        assert abs(len(subset.validation) - 4) <= 1
        assert abs(len(subset.test) - 8) <= 1
    assert len(small.load(validation_size=8, test_size=10, train_size=5).train) == 5
    with pytest.raises(InvalidParameterError, match="train_size"):
        small.load(train_size=40)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("100_0_0_20170112213500903.jpg.chip.jpg", True),
        ("26_0_1_20170104.jpg", True),
        ("39_1_20170116174525125.jpg.chip.jpg", False),  # lacks a field, as a few names of the set do
        ("53_Given_Family_0001.jpg", False),  # of CACD
        ("Given_Family_0001.jpg", False),  # of LFW
        ("26_0_1_20170104.png", False),
        ("1_2.jpg", False),
    ],
)
def test_one_name_of_the_published_form_is_enough_for_detection(tmp_path: Path, name: str, known: bool) -> None:
    (tmp_path / "readme.txt").write_text("")
    (tmp_path / name).write_bytes(b"")
    assert UtkFace().detect(tmp_path) is known
