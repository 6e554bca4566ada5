"""Images of a keypoint file are found by relative names, absolute names and URLs; each instance gets its square."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deepgum.data.image_reading import ImageReading
from deepgum.data.keypoint_images import (
    check_places,
    check_sizes,
    find_images,
    folder_of_images,
    image_sizes,
)
from deepgum.errors import InvalidDataError, InvalidParameterError


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("cats/1.jpg", "cats/1.jpg"),
        ("data/set/cats/1.jpg", "cats/1.jpg"),
        ("/home/someone/cats/1.jpg", "cats/1.jpg"),
        ("C:\\data\\cats\\1.jpg", "cats/1.jpg"),
        ("https://example.org/cats/1.jpg", "cats/1.jpg"),
        ("https://example.org/else/2%20b.jpg?size=large", "2 b.jpg"),
        ("else/2 b.jpg", "2 b.jpg"),
        ("dogs/9.jpg", "dogs/9.jpg"),
    ],
)
def test_a_name_leads_to_the_longest_end_that_is_a_file(tmp_path: Path, name: str, file: str) -> None:
    touch(tmp_path, "cats/1.jpg", "1.jpg", "2 b.jpg")
    assert dict(find_images(tmp_path, [name, name])) == {name: file}


@pytest.mark.parametrize("name", ["\0.jpg", "a" * 5000, "/", "..", "http://", "C:"])
def test_a_name_that_no_file_can_have_is_a_missing_image(tmp_path: Path, name: str) -> None:
    (file,) = find_images(tmp_path, [name]).values()
    assert isinstance(file, str)


def test_two_names_never_share_a_file(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg")
    with pytest.raises(InvalidDataError, match=r"'train/1\.jpg' and 'val/1\.jpg' should be two files"):
        find_images(tmp_path, ["train/1.jpg", "val/1.jpg"])


@pytest.mark.parametrize("place", ["set/1.jpg", "set/images/1.jpg", "images/1.jpg", "1.jpg"])
def test_the_folder_of_the_images_is_found_near_the_file(tmp_path: Path, place: str) -> None:
    touch(tmp_path, "set/labels.json", place)
    assert folder_of_images(tmp_path / "set" / "labels.json", ["1.jpg"], "") == (tmp_path / place).parent
    with pytest.raises(InvalidParameterError, match="no such folder"):
        folder_of_images(tmp_path / "set" / "labels.json", ["1.jpg"], str(tmp_path / "nowhere"))


def test_sizes_are_those_of_the_files_and_contradictions_are_refused(tmp_path: Path) -> None:
    Image.new("L", (30, 20)).save(tmp_path / "a.png")
    touch(tmp_path, "broken.png")
    files = ["a.png", "broken.png", "none.png"]
    found = image_sizes(tmp_path, files, ImageReading())
    np.testing.assert_array_equal(found, [[30, 20], [np.nan, np.nan], [np.nan, np.nan]])
    check_sizes(files, np.full((3, 2), np.nan), found)
    check_sizes(files, np.array([[0.0, 0.0], [5.0, 5.0], [5.0, 5.0]]), found)
    with pytest.raises(InvalidDataError, match=r"a\.png \(60 x 40, and 30 x 20 in the image\)\. Use"):
        check_sizes(files, np.array([[60.0, 40.0]] * 3), found)
    with pytest.raises(InvalidDataError, match="turned by 90 degrees: --apply-orientation"):
        check_sizes(files, np.array([[20.0, 30.0]] * 3), found)


def test_points_that_are_no_pixels_of_their_images_are_refused() -> None:
    rng = np.random.default_rng(0)
    points, sizes = rng.uniform(0, 60, (10, 4, 2)), np.full((10, 2), 60.0)
    points[0, 0] = np.nan
    assert check_places(points, sizes) == ""
    assert check_places(points + 0.9, sizes) == ""  # some programs count pixels from 1
    with pytest.raises(InvalidDataError, match="seem to be fractions"):
        check_places(points / 60, sizes)
    assert check_places(points / 60, np.full((10, 2), 8.0)) == ""  # a tiny image
    with pytest.raises(InvalidDataError, match="39 of 39 outside"):
        check_places(points + 100, sizes)
    points[1:3, 1] += 70
    assert check_places(points, sizes) == "2 of 39 labelled keypoints lie outside of their images."
    assert check_places(points, np.full((10, 2), np.nan)) == ""


def test_corners_of_the_image_are_inside() -> None:
    points = np.array([[[0.0, 0.0], [100.0, 80.0]]])
    assert check_places(points, np.array([[100.0, 80.0]])) == ""
