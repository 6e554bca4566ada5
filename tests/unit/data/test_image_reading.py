"""Pixels of 8 bits from image files of every mode, and the orientation that a file notes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from deepgum.data.crop_cache import CropPlan, load_readable_crops
from deepgum.data.crops import read_crop
from deepgum.data.image_files import open_image
from deepgum.data.image_reading import ImageReading, orientation_of, survey_images
from deepgum.data.pictures import Pictures
from deepgum.errors import UnreadableImageError
from deepgum.report.page.thumbnails import PictureViewer

RAMP = np.linspace(0, 1, 64, dtype=np.float64).reshape(8, 8)
MARK = np.zeros((40, 60, 3), np.uint8)
MARK[4:12, 50:58] = 255  # a white square near the upper right corner of the stored image


def crop(path: Path, size: int = 8, **options: object) -> np.ndarray:
    """The crop as the loader makes it, with the ranges of this file."""
    reading = ImageReading(ranges=survey_images([path]).ranges, **options)
    return read_crop(path, None, size, colour=False, reading=reading)[0]


@pytest.mark.case(8)
@pytest.mark.parametrize(
    ("top", "dtype", "suffix"),
    [
        (65535, "uint16", ".png"),
        (4095, "uint16", ".png"),
        (4095, "uint16", ".tif"),
        (1023, ">u2", ".tif"),
        (4095, "int32", ".tif"),
        (1.0, "float32", ".tif"),
        (255.0, "float32", ".tif"),
        (0.3, "float32", ".tif"),
        (0.01, "float32", ".tif"),
        (7.0, "float32", ".tif"),
    ],
)
def test_deep_images_use_all_grey_levels(tmp_path: Path, top: float, dtype: str, suffix: str) -> None:
    values = (RAMP * top).astype(dtype)
    path = tmp_path / f"a{suffix}"
    Image.fromarray(values).save(path)
    (low, high) = next(iter(survey_images([path]).ranges.values()))
    assert (low, high) == pytest.approx((0, 1.0 if top == 0.3 else top))  # floats from 0 to 0.3 are dark, not bright
    assert_array_equal(crop(path), np.rint(values.astype(np.float64) / high * 255).astype(np.uint8))


def test_a_mode_of_8_bits_is_read_as_before(tmp_path: Path) -> None:
    grey = (RAMP * 255).astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / "l.png")
    Image.fromarray(grey > 127).save(tmp_path / "one.png")
    Image.fromarray(np.stack([grey] * 3, axis=2)).quantize(64).save(tmp_path / "p.png")
    Image.fromarray(np.stack([255 - grey] * 3 + [np.zeros_like(grey)], axis=2), "CMYK").save(tmp_path / "c.tif")
    Image.fromarray(np.stack([grey, np.full_like(grey, 255)], axis=2)).save(tmp_path / "la.png")
    assert survey_images(sorted(tmp_path.iterdir())).ranges == {}
    assert_array_equal(crop(tmp_path / "l.png"), grey)
    assert_array_equal(crop(tmp_path / "la.png"), grey)
    assert_array_equal(crop(tmp_path / "one.png"), np.where(grey > 127, 255, 0))
    assert np.abs(crop(tmp_path / "p.png").astype(int) - grey).max() <= 4
    assert np.abs(crop(tmp_path / "c.tif").astype(int) - grey).max() <= 1


@pytest.mark.parametrize("colour", [0, 255])
def test_a_drawing_on_a_transparent_ground_stays_visible(tmp_path: Path, colour: int) -> None:
    pixels = np.full((8, 8, 4), colour, np.uint8)
    pixels[:, :, 3] = 0
    pixels[2:6, 2:6, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = crop(tmp_path / "a.png")
    assert (found[2:6, 2:6] == colour).all()
    assert (found[0] == 128).all()


def test_a_dark_image_of_a_data_set_stays_darker_than_a_bright_one(tmp_path: Path) -> None:
    for name, top in (("dark.png", 400), ("bright.png", 4000)):
        Image.fromarray((RAMP * top).astype(np.uint16)).save(tmp_path / name)
    names = ("bright.png", "dark.png")
    plan = CropPlan(tmp_path, names, (None, None), 8, colour=False)
    first, again = (load_readable_crops(plan, tmp_path / "cache") for _ in range(2))
    assert first.survey.ranges == again.survey.ranges == {"16 bits": (0.0, 4095.0)}
    assert_array_equal(first.crops[1][0], np.rint((RAMP * 400).astype(np.uint16) / 4095 * 255).astype(np.uint8))
    assert_array_equal(first.crops, again.crops)
    # With the range of a training, an image alone has the same pixels as in the data set.
    alone = CropPlan(tmp_path, names[1:], (None,), 8, False, ImageReading(ranges=first.survey.ranges))
    assert_array_equal(load_readable_crops(alone, tmp_path / "cache").crops[0], first.crops[1])
    own = CropPlan(tmp_path, names[1:], (None,), 8, False)
    assert load_readable_crops(own, tmp_path / "cache").survey.ranges == {"16 bits": (0.0, 511.0)}


@pytest.mark.case(8)
def test_pixels_that_lie_close_together_are_stretched_and_gaps_are_black(tmp_path: Path) -> None:
    warm = (29_000 + RAMP * 2000).astype(np.uint16)  # hundredths of a kelvin
    Image.fromarray(warm).save(tmp_path / "warm.png")
    assert survey_images([tmp_path / "warm.png"]).ranges == {"16 bits": (29_000.0, 31_000.0)}
    depth = np.where(RAMP > 0.5, RAMP * 7, np.nan).astype(np.float32)
    Image.fromarray(depth).save(tmp_path / "depth.tif")
    found = crop(tmp_path / "depth.tif")
    assert found[0, 0] == 0
    assert found[-1, -1] == 255
    Image.fromarray(np.full((8, 8), np.nan, np.float32)).save(tmp_path / "empty.tif")
    assert (crop(tmp_path / "empty.tif") == 0).all()
    Image.fromarray(np.full((8, 8), 60_000, np.uint16)).save(tmp_path / "flat.png")
    assert (crop(tmp_path / "flat.png") == round(60_000 / 65_535 * 255)).all()


def oriented(path: Path, orientation: int, **options: object) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(MARK).save(path, exif=exif, **options)


@pytest.mark.case(9)
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_an_orientation_is_applied_only_on_request(tmp_path: Path, orientation: int, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    oriented(path, orientation, **({"quality": 100} if suffix == ".jpg" else {}))
    # The meaning of each orientation, written out: the stored rows and columns of the shown image.
    turns = [MARK, MARK[:, ::-1], MARK[::-1, ::-1], MARK[::-1], MARK.transpose(1, 0, 2), np.rot90(MARK, -1)]
    turns += [MARK[::-1, ::-1].transpose(1, 0, 2), np.rot90(MARK)]
    shown = turns[orientation - 1]
    with open_image(path) as image:
        assert orientation_of(image) == orientation
        for reading, expected in ((ImageReading(), MARK), (ImageReading(apply_orientation=True), shown)):
            pixels = np.asarray(reading.pixels(image, "RGB")).astype(int)
            assert reading.size(image) == expected.shape[1::-1]
            assert np.abs(pixels - expected).max() < 40


def test_the_cache_keeps_stored_and_turned_crops_apart(tmp_path: Path) -> None:
    oriented(tmp_path / "a.png", 6)
    plans = [CropPlan(tmp_path, ("a.png",), (None,), 60, False, ImageReading(turned)) for turned in (False, True)]
    stored, turned = (load_readable_crops(plan, tmp_path / "cache") for plan in plans)
    assert stored.survey.orientations == turned.survey.orientations == {0: 6}
    assert load_readable_crops(plans[0], tmp_path / "cache").survey.orientations == {0: 6}
    assert_array_equal(np.rot90(stored.crops[0, 0], -1), turned.crops[0, 0])


@pytest.mark.parametrize("turned", [False, True])
def test_a_thumbnail_shows_the_pixels_that_the_network_saw(tmp_path: Path, turned: bool) -> None:
    oriented(tmp_path / "a.jpg", 6, quality=100)
    reading = ImageReading(turned)
    view, jpeg = PictureViewer(Pictures(tmp_path, ("a.jpg",), (None,), reading=reading)).jpeg(0, 30)
    assert jpeg is not None
    assert view.size == ((40, 60) if turned else (60, 40))
    (tmp_path / "thumbnail.jpg").write_bytes(jpeg)
    with open_image(tmp_path / "thumbnail.jpg") as image:
        assert orientation_of(image) == 1  # a browser turns nothing
        small = np.asarray(image.convert("L"))
    assert small.shape == ((30, 20) if turned else (20, 30))
    row, column = np.unravel_index(small.argmax(), small.shape)
    # The mark is at the upper right of the stored image; a quarter turn clockwise moves it to the lower right.
    assert column > small.shape[1] / 2
    assert (row > small.shape[0] / 2) == turned


def test_a_thumbnail_of_a_deep_image_is_not_white(tmp_path: Path) -> None:
    Image.fromarray((RAMP * 60_000).astype(np.uint16)).resize((64, 64), Image.Resampling.NEAREST).save(
        tmp_path / "a.png"
    )
    _, jpeg = PictureViewer(Pictures(tmp_path, ("a.png",), (None,))).jpeg(0, 64)
    assert jpeg is not None
    (tmp_path / "a.jpg").write_bytes(jpeg)
    with open_image(tmp_path / "a.jpg") as image:
        assert np.asarray(image.convert("L")).std() > 50


def test_a_tiff_that_pillow_turns_wrongly_is_refused(tmp_path: Path) -> None:
    for name, options in (("raw.tif", {}), ("packed.tif", {"compression": "tiff_deflate"})):
        oriented(tmp_path / name, 6, **options)
    assert read_crop(tmp_path / "packed.tif", None, 60, colour=False).shape == (1, 60, 60)
    expected = np.rot90(MARK, -1)
    with open_image(tmp_path / "packed.tif") as image:
        assert ImageReading().size(image) == (40, 60)
        assert_array_equal(np.asarray(ImageReading().pixels(image, "RGB")), expected)
    with Image.open(tmp_path / "raw.tif") as image:
        before = image.size
        image.load()
        has_the_fault = image.size != before
    if has_the_fault:
        with pytest.raises(UnreadableImageError, match="orientation of this TIFF"):
            read_crop(tmp_path / "raw.tif", None, 60, colour=True)
    else:
        packed = read_crop(tmp_path / "packed.tif", None, 60, colour=True)
        assert_array_equal(read_crop(tmp_path / "raw.tif", None, 60, colour=True), packed)
