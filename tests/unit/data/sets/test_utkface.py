"""Ages from UTKFace's file names, on a small folder in that form, and on the real one where it is."""

from __future__ import annotations

import hashlib
import os
import shutil
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from deepgum.data.listed_images import image_names
from deepgum.data.sets.ages import ages_in_names, plausible
from deepgum.data.sets.utkface import load_utkface
from deepgum.errors import DeepGUMWarning, InvalidDataError, InvalidParameterError, UnreadableImagesError

REAL = Path(os.environ.get("DEEPGUM_DATA") or "nowhere") / "utkface"
needs_the_set = pytest.mark.skipif(
    not REAL.is_dir(), reason="UTKFace is not here: DEEPGUM_DATA names no folder that holds utkface"
)

AGES = {  # two copies of one image under different ages, and a name that lacks the race
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
    (root / "._26_0_1_20170104.jpg.chip.jpg").write_bytes(b"what some systems put beside a file")
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


def test_copies_form_a_group_and_every_other_image_its_own(folder: Path) -> None:
    pool = load(folder)
    groups = dict(zip(pool.data.ids, pool.groups, strict=True))
    assert groups[COPIES[0]] == groups[COPIES[1]]
    assert len(set(pool.groups)) == 4


def test_a_mirrored_face_is_as_old(folder: Path) -> None:
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


def test_an_unreadable_image_is_named_or_left_out_with_its_label(folder: Path) -> None:
    whole = load(folder)
    spoilt = sorted(AGES)[1]
    (folder / spoilt).write_bytes(b"spoilt")
    with pytest.raises(UnreadableImagesError, match=spoilt):
        load(folder)
    with pytest.warns(DeepGUMWarning, match=rf"1 of 5 .*{spoilt}") as caught:
        pool = load(folder, skip_unreadable=True)
    assert [warning.filename for warning in caught] == [__file__]
    rows = [0, 2, 3, 4]
    assert pool.data.ids == tuple(whole.data.ids[row] for row in rows)
    assert pool.groups == tuple(whole.groups[row] for row in rows)
    assert torch.equal(pool.data.targets, whole.data.targets[rows])
    np.testing.assert_array_equal(pool.data.inputs, whole.data.inputs[rows])


def test_a_sound_set_gives_no_warning(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(folder, skip_missing=True, skip_unreadable=True)


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
def test_real_images_are_read_with_their_copies_in_one_group(tmp_path: Path) -> None:
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
    assert len({pool.groups[chosen.index(name)] for name in copies}) == 1
    assert len(set(pool.groups)) == len(chosen) - len(copies) + 1
    with Image.open(REAL / odd) as image:
        expected = np.asarray(image.resize((40, 40), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    shown = np.asarray(pool.data.inputs[chosen.index(odd)], dtype=int)
    assert np.abs(shown - expected).max() <= 1
