import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from deepgum.audit.duplicates import conflicts, content_groups, label_size
from deepgum.data.crops import Square
from deepgum.data.listed_images import image_names
from deepgum.data.pictures import Pictures
from deepgum.data.sets.ages import ages_in_names
from deepgum.errors import InvalidDataError

REAL = Path(os.environ.get("DEEPGUM_DATA") or "nowhere") / "utkface"
needs_the_set = pytest.mark.skipif(
    not REAL.is_dir(), reason="UTKFace is not here: DEEPGUM_DATA names no folder that holds utkface"
)


def pictures(folder: Path, *names: str, squares=None) -> Pictures:
    return Pictures(folder, names, (None,) * len(names) if squares is None else squares)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, gray in (("a.png", 10), ("b.png", 10), ("c.png", 11), ("d.png", 12)):
        Image.new("L", (8, 8), gray).save(tmp_path / name)
    shutil.copy(tmp_path / "c.png", tmp_path / "e.png")
    return tmp_path


def test_files_with_the_same_bytes_are_the_same_content_whatever_their_names(folder):
    found = content_groups(pictures(folder, "d.png", "e.png", "a.png", "c.png", "b.png"))
    assert found.groups == ((1, 3), (2, 4))
    assert found.unreadable == {}


def test_files_of_equal_size_and_other_bytes_are_not(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 300_000 + b"1")
    (tmp_path / "b").write_bytes(b"x" * 300_000 + b"2")
    (tmp_path / "c").write_bytes(b"x" * 300_000 + b"1")
    assert content_groups(pictures(tmp_path, "a", "b", "c")).groups == ((0, 2),)


def test_two_squares_of_one_picture_are_two_samples_and_equal_ones_are_one(folder):
    one, other = Square(0, 0, 4), Square(2, 0, 4)
    squares = (one, other, one, None, one)
    names = ("a.png", "a.png", "b.png", "a.png", "d.png")
    assert content_groups(pictures(folder, *names, squares=squares)).groups == ((0, 2),)


def test_unreadable_files_are_reported_and_the_others_are_compared(folder):
    (folder / "one").mkdir()
    (folder / "two").mkdir()
    found = content_groups(pictures(folder, "gone.png", "c.png", "one", "two", "e.png"))
    assert found.groups == ((1, 4),)
    assert set(found.unreadable) == {0, 2, 3}
    assert "gone.png" in found.unreadable[0]


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_rows_of_arrays_are_the_same_if_their_bytes_are(dtype):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (6, 1, 4, 4)).astype(dtype)
    images[4] = images[1]
    images[5] = images[1]
    images[5, 0, 0, 0] += 1
    assert content_groups(images).groups == ((1, 4),)
    assert content_groups(torch.from_numpy(images)).groups == ((1, 4),)
    assert content_groups(images[:, :, :, ::2]).groups == ((1, 4),)


def test_bfloat16_rows_are_compared():
    rows = torch.arange(12.0).reshape(4, 3).to(torch.bfloat16)
    rows[3] = rows[0]
    assert content_groups(rows).groups == ((0, 3),)


def test_copies_conflict_if_their_labels_differ_and_only_then():
    given = np.array([[30.0, 1.0], [31.0, 1.0], [7.0, 2.0], [7.0, 2.0], [5.0, 3.0], [5.0, 4.0], [5.0, 3.0]])
    assert conflicts([(0, 1), (2, 3), (4, 5, 6)], given, list("abcdefg")) == (("a", "b"), ("e", "f", "g"))


def test_a_missing_label_contradicts_none():
    nan = np.nan
    given = np.array([[30.0, nan], [nan, 1.0], [30.0, nan], [nan, nan], [31.0, nan]])
    ids = list("abcde")
    assert conflicts([(0, 1, 2, 3)], given, ids) == ()
    assert conflicts([(0, 1, 2, 3, 4)], given, ids) == (("a", "b", "c", "e"),)
    given[4] = nan, 2.0  # contradicts the second alone
    assert conflicts([(0, 1, 4)], given, ids) == (("a", "b", "e"),)


@pytest.mark.parametrize("value", [0.1234567, 123.456, -1e6])
def test_a_difference_beyond_float32_rounding_is_a_conflict(value):
    given = np.array([[value], [np.float32(value)], [value * (1 + 1e-5)]])
    assert conflicts([(0, 1)], given, list("abc")) == ()
    assert conflicts([(0, 2)], given, list("abc")) == (("a", "c"),)


def test_rounding_is_relative_to_the_size_of_the_labels():
    given = np.array([[0.0], [1e-9], [0.01], [40.0], [60.0]])
    assert conflicts([(0, 1)], given, list("abcde")) == ()
    assert conflicts([(0, 2)], given, list("abcde")) == (("a", "c"),)


def test_equal_angles_do_not_conflict():
    given = np.array([[180.0], [-180.0], [179.0]])
    assert conflicts([(0, 1)], given, list("abc"), (360.0,)) == ()
    assert conflicts([(0, 1)], given, list("abc")) == (("a", "b"),)
    assert conflicts([(0, 1, 2)], given, list("abc"), (360.0,)) == (("a", "b", "c"),)


def test_another_number_of_ids_is_refused():
    with pytest.raises(InvalidDataError, match="one row per id"):
        conflicts([(0, 1)], np.zeros((3, 1)), ["a"])


@needs_the_set
def test_all_conflicts_of_utkface_are_found_and_none_is_invented():
    names = image_names(REAL)
    ages = ages_in_names(names)[:, None].astype(np.float64)
    found = conflicts(content_groups(pictures(REAL, *names)), ages, names)
    by_name = dict(zip(names, ages[:, 0], strict=True))
    apart = [max(by_name[name] for name in each) - min(by_name[name] for name in each) for each in found]
    assert len(found) == 105
    assert sum(years > 5 for years in apart) == 43
    assert min(apart) > 0
    for each in found:
        assert len({(REAL / name).read_bytes() for name in each}) == 1


@pytest.mark.parametrize("rows", [0, 1, 9])
def test_the_size_of_labels_is_the_median_of_their_absolute_values(rows: int) -> None:
    given = np.random.default_rng(0).normal(0, 5, (rows, 4))
    given[::2, 1] = np.nan
    given[:, 2] = np.nan
    expected = [np.median(np.abs(seen)) if len(seen := each[~np.isnan(each)]) else 0.0 for each in given.T]
    assert label_size(given).tolist() == expected
