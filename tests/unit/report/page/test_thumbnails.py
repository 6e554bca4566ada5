import io
import os

import numpy as np
import pytest
from PIL import Image

from deepgum.audit.summary import DataSource
from deepgum.data.crops import Square
from deepgum.data.pictures import Pictures
from deepgum.report.page.thumbnails import PictureViewer, enlarged, visible_box

# Red, green, blue and white quarters: what is where is seen from any crop.
QUARTERS = np.zeros((200, 300, 3), dtype=np.uint8)
QUARTERS[:100, :150], QUARTERS[:100, 150:], QUARTERS[100:, :150] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
QUARTERS[100:, 150:] = 255
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def viewer(folder, names, squares=None, **options):
    return PictureViewer(Pictures(folder, tuple(names), squares or (None,) * len(names)), **options)


def decoded(jpeg):
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")).astype(int)


def is_colour(pixels, place, colour):
    rows, columns = pixels.shape[:2]
    found = pixels[int(place[1] * rows), int(place[0] * columns)]
    return bool(np.abs(found - colour).max() < 40)


@pytest.fixture
def quarters(tmp_path):
    Image.fromarray(QUARTERS).save(tmp_path / "a.png")
    return tmp_path


def test_a_whole_image_is_shown_in_the_square_around_it(quarters):
    view, jpeg = viewer(quarters, ["a.png"]).jpeg(0, 120)
    assert view.crop == Square(0.0, -50.0, 300.0)
    assert view.size == (300, 200)
    pixels = decoded(jpeg)
    assert pixels.shape == (80, 120, 3)  # what the image fills of a crop of 120
    for place, colour in (((0.2, 0.2), RED), ((0.8, 0.2), GREEN), ((0.2, 0.8), BLUE), ((0.8, 0.8), WHITE)):
        assert is_colour(pixels, place, colour)


@pytest.mark.parametrize("ending", ["png", "jpg"])  # a large JPEG is decoded at a fraction of its size
def test_the_part_of_the_image_in_the_square_is_shown(tmp_path, ending):
    large = np.kron(QUARTERS, np.ones((8, 8, 1), dtype=np.uint8))
    Image.fromarray(large).save(tmp_path / f"a.{ending}")
    around_the_middle = Square(1100.0, 700.0, 200.0)  # the corner of the four lies at its middle
    pixels = decoded(viewer(tmp_path, [f"a.{ending}"], (around_the_middle,)).jpeg(0, 64)[1])
    assert pixels.shape == (64, 64, 3)
    for place, colour in (((0.3, 0.3), RED), ((0.7, 0.3), GREEN), ((0.3, 0.7), BLUE), ((0.7, 0.7), WHITE)):
        assert is_colour(pixels, place, colour)


def test_a_point_of_the_file_lies_in_the_picture_where_the_crop_says(quarters):
    square = Square(-40.0, 20.0, 160.0)
    view, jpeg = viewer(quarters, ["a.png"], (square,), scale=1.15).jpeg(0, 128)
    pixels = decoded(jpeg)
    left, top, right, bottom = visible_box(view.crop, view.size)
    for x, y, colour in ((20, 50, RED), (20, 150, BLUE), (100, 95, RED), (100, 106, BLUE)):
        # As a browser does it: into the crop, and from there into the part of it that the picture fills.
        u, v = view.crop.fractions((x, y))
        (a, b), (c, d) = view.crop.fractions((left, top)), view.crop.fractions((right, bottom))
        assert is_colour(pixels, ((u - a) / (c - a), (v - b) / (d - b)), colour)


def test_an_orientation_noted_in_the_file_is_not_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(QUARTERS).save(tmp_path / "a.jpg", exif=exif)
    view, jpeg = viewer(tmp_path, ["a.jpg"]).jpeg(0, 120)
    assert view.size == (300, 200)
    assert is_colour(decoded(jpeg), (0.2, 0.2), RED)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1", "LA", "I;16"])
def test_every_kind_of_pixels_becomes_a_jpeg(tmp_path, mode):
    name = "a.tif" if mode == "CMYK" else "a.png"
    pixels = Image.fromarray(QUARTERS)
    image = Image.fromarray(np.zeros((20, 20), np.uint16)) if mode == "I;16" else pixels.convert(mode)
    image.save(tmp_path / name)
    view, jpeg = viewer(tmp_path, [name]).jpeg(0, 64)
    assert view.problem == ""
    assert jpeg.startswith(b"\xff\xd8")


def test_the_header_of_a_file_gives_the_visible_part(quarters):
    shows = viewer(quarters, ["a.png"], scale=1.15)
    assert shows.view(0) == shows.jpeg(0, 64)[0]
    assert shows.view(0).crop == enlarged(Square(0.0, -50.0, 300.0), 1.15)


def test_unreadable_pictures_have_a_reason_and_the_others_are_shown(quarters):
    (quarters / "text.png").write_text("no image")
    (quarters / "empty.png").write_bytes(b"")
    whole = (quarters / "a.png").read_bytes()
    (quarters / "cut.png").write_bytes(whole[: len(whole) // 2])
    (quarters / "folder.png").mkdir()
    os.mkfifo(quarters / "pipe.png")
    names = ["a.png", "gone.png", "text.png", "empty.png", "cut.png", "folder.png", "pipe.png", "nul\0.png", "a.png"]
    squares = (None,) * 8 + (Square(900.0, 900.0, 10.0),)
    found = list(viewer(quarters, names, squares).jpegs(range(len(names)), 64))
    assert [jpeg is not None for _, jpeg in found] == [True] + 8 * [False]
    problems = [view.problem for view, _ in found]
    expected = ["", "no such file", "not an image", "not an image", "Cannot be read", "no such file", "no such file"]
    for problem, words in zip(problems, [*expected, "Cannot be read", "outside of the image"], strict=True):
        assert words in problem
    assert all(view.crop is None for view, _ in found[1:])


def test_an_image_that_would_fill_the_memory_is_not_decoded(quarters, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert "exceeds limit" in viewer(quarters, ["a.png"]).view(0).problem


@pytest.mark.parametrize("link", [False, True])
def test_nothing_outside_of_the_data_s_folder_is_opened(tmp_path, link):
    data = tmp_path / "data"
    data.mkdir()
    Image.fromarray(QUARTERS).save(tmp_path / "secret.png")
    (data / "link.png").symlink_to(tmp_path / "secret.png")
    name = "link.png" if link else "../secret.png"
    for names in ([name], [str(tmp_path / "secret.png")]):
        view, jpeg = viewer(data, names).jpeg(0, 64)
        assert (view.crop, view.size, jpeg) == (None, None, None)
        assert "outside of the data's folder" in view.problem


def test_files_of_the_root_may_lie_beside_the_table(tmp_path):
    (tmp_path / "tables").mkdir()
    Image.fromarray(QUARTERS).save(tmp_path / "a.png")
    pictures = Pictures(tmp_path / "tables", ("../a.png",), (None,))
    for root, problem in ((str(tmp_path), ""), ("", "Not opened: the path leads outside of the data's folder.")):
        source = DataSource("table", root=root, landmarks=True)
        assert PictureViewer.of(source, pictures).view(0).problem == problem


def test_pictures_come_in_the_order_of_the_rows(tmp_path):
    shades = np.arange(0, 200, 2)
    for shade in shades:
        Image.new("RGB", (8, 8), (int(shade),) * 3).save(tmp_path / f"{shade}.png")
    order = np.random.default_rng(0).permutation(len(shades))
    found = viewer(tmp_path, [f"{shade}.png" for shade in shades]).jpegs(order.tolist(), 16)
    seen = [decoded(jpeg)[8, 8, 0] for _, jpeg in found]
    np.testing.assert_allclose(seen, shades[order], atol=2)
