"""The notice on images whose files note an orientation, and landmarks on turned images."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from PIL import Image

from deepgum.data.orientation import orientation_notice
from deepgum.data.sets.table_samples import load_table
from deepgum.errors import DataNotice

WIDTH, HEIGHT = 48, 64  # as stored; every viewer shows 64 x 48


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Four images, two of them with orientation 6 and a point that only the turned image contains."""
    exif = Image.Exif()
    exif[274] = 6
    for k in range(4):
        image = Image.new("RGB", (WIDTH, HEIGHT), (40 * k, 90, 90))
        image.save(tmp_path / f"{k}.jpg", **({"exif": exif} if k < 2 else {}))
    path = tmp_path / "t.csv"
    path.write_text("file,x,y,age\n0.jpg,63,10,1\n1.jpg,60,12,2\n2.jpg,24,32,3\n3.jpg,12,60,4\n")
    return path


def load(path: Path, **options: object):
    options = {"targets": ["x", "y"], "landmarks": True} | options
    return load_table(path, image="file", image_size=16, cache_dir=path.parent / "cache", **options)


@pytest.mark.case(9)
def test_a_notice_counts_the_images_and_names_the_reading_that_fits(table: Path) -> None:
    with pytest.warns(DataNotice) as caught:
        pool = load(table)
    assert len(caught) == len(pool.notices) == 1
    notice = pool.notices[0]
    assert notice.startswith("2 of 4 images carry an EXIF orientation that is not applied: 0.jpg, 1.jpg.")
    assert "The labels of 2 of them lie outside of the stored image" in notice
    assert "--apply-orientation" in notice
    assert (pool.data.targets[:2] > 0.95).any()


@pytest.mark.case(9)
def test_turned_landmarks_keep_their_labels_and_lie_inside(table: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pool = load(table, apply_orientation=True)
    assert pool.notices == ()
    assert pool.data.pictures is not None
    square = pool.data.pictures.square(0)
    assert square == (0.0, -8.0, 64.0)  # around 64 x 48
    assert_allclose(pool.data.targets[0], [63 / 64, (10 + 8) / 64])
    assert_allclose(pool.data.targets[3], [(12 + 8) / 64, 60 / 64])  # an image without orientation stays as it is


@pytest.mark.case(9)
def test_targets_that_are_no_points_get_the_count(table: Path) -> None:
    with pytest.warns(DataNotice, match="2 of 4 images carry .* give --apply-orientation"):
        load(table, targets=["age"], landmarks=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(table, targets=["age"], landmarks=False, apply_orientation=True)


@pytest.mark.case(9)
def test_the_reading_that_fits_is_the_one_that_contains_the_points() -> None:
    names, sizes = ["a", "b", "c"], {0: (WIDTH, HEIGHT), 2: (WIDTH, HEIGHT)}

    def notice(points: list[list[float]], *, applied: bool = False) -> str:
        return orientation_notice(names, [0, 2], applied=applied, points=np.array(points), sizes=sizes)

    fits_stored, fits_turned, fits_both = [20, 60], [60, 20], [20, 20]
    assert "fit only the stored image" in notice([fits_stored, fits_turned, fits_both])
    assert "inside of the image as viewers turn it" in notice([fits_turned, fits_turned, fits_both])
    assert "Viewers and browsers turn" in notice([fits_both] * 3)
    assert "Viewers and browsers turn" in notice([fits_stored, fits_both, fits_turned])
    assert "fit" not in notice([[np.nan, np.nan]] * 3).replace("fits", "")
    # With the turned sizes given, the roles change.
    assert "leave out --apply-orientation" in notice([fits_turned, fits_both, fits_turned], applied=True)
    assert notice([fits_stored, fits_both, fits_both], applied=True) == ""
    assert orientation_notice(names, [], applied=False) == ""
