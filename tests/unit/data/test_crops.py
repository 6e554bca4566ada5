"""A known point of an image is where the crop's coordinates say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from deepgum.data.crops import Square, cut_square, read_crop


def blob(x: float, y: float, width: int, height: int, sigma: float = 3.0) -> Image.Image:
    """Return an image of a blurred dot whose centre is at the continuous coordinates (x, y)."""
    columns, rows = np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5
    values = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))
    return Image.fromarray(values.round().astype(np.uint8))


def centroid(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the brightness centre of (h, w) in fractions of the sides."""
    mass = pixels / pixels.sum()
    rows, columns = ((np.arange(side) + 0.5) / side for side in pixels.shape)
    return np.array([mass.sum(axis=0) @ columns, mass.sum(axis=1) @ rows])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    x=st.floats(0.25, 0.75),
    y=st.floats(0.25, 0.75),
    side=st.floats(60, 150),
    left=st.floats(-40, 60),
    top=st.floats(-40, 40),
    size=st.sampled_from([16, 48, 97]),
)
def test_a_dot_lands_at_its_fractions_of_the_square(
    x: float, y: float, side: float, left: float, top: float, size: int
) -> None:
    square = Square(left, top, side)
    point = np.array([left + x * side, top + y * side])
    # Only dots whose whole blur is in the image have their centre of brightness where they were drawn.
    if not (12 < point[0] < 188 and 12 < point[1] < 148):
        return
    image = blob(*point, width=200, height=160)
    pixels = np.asarray(cut_square(image, square, size))
    assert pixels.shape == (size, size)
    np.testing.assert_allclose(centroid(pixels), square.fractions(point), atol=0.1 / size + 0.001)
    np.testing.assert_allclose(square.fractions(point), [x, y], atol=1e-9)


def test_the_square_is_centred_on_the_box_and_as_wide_as_its_longer_side() -> None:
    wide, tall = (Square.around(*box, scale=1.1) for box in [(10, 50, 30, 40), (25, 35, 15, 55)])
    assert wide.side == pytest.approx(44)
    assert tall.side == pytest.approx(44)
    for square in (wide, tall):
        assert (square.left + square.side / 2, square.top + square.side / 2) == pytest.approx((30, 35))


def test_pixels_beyond_the_image_repeat_its_border() -> None:
    left_dark = np.full((40, 40), 200, np.uint8)
    left_dark[:, :20] = 50
    crop = np.asarray(cut_square(Image.fromarray(left_dark), Square(-20, -20, 80), 80))
    assert (crop[:, :39] == 50).all()
    assert (crop[:, 41:] == 200).all()


def test_the_inside_is_not_changed_by_what_lies_beyond() -> None:
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (40, 40), dtype=np.uint8))
    crop = np.asarray(cut_square(image, Square(-10, -10, 60), 60))
    np.testing.assert_array_equal(crop[10:50, 10:50], np.asarray(image))


def test_fine_stripes_become_gray_instead_of_aliasing() -> None:
    stripes = np.tile(np.array([0, 255], np.uint8), (120, 60))
    crop = np.asarray(cut_square(Image.fromarray(stripes), Square(0, 0, 120), 24))
    assert np.abs(crop.astype(float) - 127.5).max() < 20


@pytest.mark.parametrize("square", [Square(500, 0, 20), Square(0, -90, 40), Square(-1000, -1000, 2040)])
def test_a_box_of_another_image_is_refused(square: Square) -> None:
    with pytest.raises(ValueError, match="does not fit an image of 40 x 40"):
        cut_square(Image.new("L", (40, 40)), square, 8)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_any_stored_mode_is_read_as_gray_or_colour(tmp_path: Path, mode: str) -> None:
    Image.new("RGB", (30, 30), (200, 100, 50)).convert(mode).save(tmp_path / "a.jpg", quality=95)
    gray = read_crop(tmp_path / "a.jpg", Square(0, 0, 30), 10, colour=False)
    colour = read_crop(tmp_path / "a.jpg", Square(0, 0, 30), 10, colour=True)
    assert (gray.shape, colour.shape) == ((1, 10, 10), (3, 10, 10))
    assert gray.dtype == colour.dtype == np.uint8
    luma = 0.299 * 200 + 0.587 * 100 + 0.114 * 50
    np.testing.assert_allclose(gray, luma, atol=3)
    np.testing.assert_allclose(colour[:, 5, 5], [200, 100, 50] if mode != "L" else [luma] * 3, atol=4)


def test_an_orientation_note_does_not_turn_the_pixels(tmp_path: Path) -> None:
    image = blob(10, 20, 40, 40)
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", quality=95, exif=exif)
    crop = read_crop(tmp_path / "turned.jpg", Square(0, 0, 40), 40, colour=False)
    np.testing.assert_allclose(centroid(np.where(crop[0] > 20, crop[0], 0)), [0.25, 0.5], atol=0.01)
