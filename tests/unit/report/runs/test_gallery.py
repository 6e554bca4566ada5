import numpy as np
import pytest

from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.report.runs.gallery import draw_gallery, gallery_size, label_caption
from deepgum.report.runs.grid import grid_columns
from deepgum.report.style import save

IMAGES = (np.arange(13)[:, None, None, None] * np.ones((13, 3, 6, 6))).astype(np.uint8)
CAPTIONS = [f"labelled {i}\npredicted {i + 1}\nr < 0.001" for i in range(13)]


def shown(figure):
    return [axes for axes in figure.axes if axes.images]


@pytest.mark.parametrize("count", [1, 2, 5, 13, 24, 40])
def test_there_is_a_panel_an_image_in_the_order_given(count):
    images = np.resize(IMAGES, (count, 3, 6, 6))
    captions = [str(i) for i in range(count)]
    panels = shown(draw_gallery(images, captions))
    assert [axes.texts[0].get_text() for axes in panels] == captions
    assert [axes.images[0].get_array()[0, 0, 0] for axes in panels] == images[:, 0, 0, 0].tolist()


@pytest.mark.parametrize("count", range(1, 41))
def test_a_grid_has_room_for_all_and_no_empty_row(count):
    columns = grid_columns(count)
    rows = -(-count // columns)
    assert 1 <= columns <= 8
    assert rows * columns - count < columns
    assert rows <= columns + 1


def test_captions_stand_below_the_first_line_large_the_others_small_and_grey():
    figure = draw_gallery(IMAGES, CAPTIONS)
    figure.draw_without_rendering()
    for axes in shown(figure):
        main, more = axes.texts
        assert (
            more.get_text()
            == main.get_text()
            .replace("labelled", "predicted")
            .replace(main.get_text().split()[1], str(int(main.get_text().split()[1]) + 1))
            + "\nr < 0.001"
        )
        assert more.get_fontsize() < main.get_fontsize()
        assert more.get_color() != main.get_color()
        image, above, below = (part.get_window_extent() for part in (axes.images[0], main, more))
        assert below.y1 <= above.y0
        assert above.y1 <= image.y0


def test_neither_captions_nor_title_overlap_a_neighbour_or_leave_the_picture():
    figure = draw_gallery(IMAGES, CAPTIONS, "Thirteen images that were flagged")
    figure.draw_without_rendering()
    texts = [text.get_window_extent() for axes in shown(figure) for text in axes.texts]
    images = [axes.images[0].get_window_extent() for axes in shown(figure)]
    boxes = [*texts, *images, figure.get_suptitle() and figure._suptitle.get_window_extent()]
    for index, box in enumerate(boxes):
        assert not [other for other in boxes[index + 1 :] if box.overlaps(other)]
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1


def test_a_long_title_over_one_image_is_broken():
    figure = draw_gallery(IMAGES[:1], CAPTIONS[:1], "One image that was flagged as an outlier, and a longer title")
    figure.draw_without_rendering()
    assert "\n" in figure.get_suptitle()
    assert figure._suptitle.get_window_extent().width < figure.bbox.width


def test_gray_images_and_images_of_several_sizes_are_shown_as_they_are():
    images = [np.full((1, 4, 4), 7, np.uint8), np.full((3, 9, 3), 9, np.uint8)]
    first, second = shown(draw_gallery(images, ["14", "20"]))
    assert first.images[0].get_cmap().name == "gray"
    assert first.images[0].get_clim() == (0, 255)
    # The shape of an image's pixels is kept: fractions of the width, edges at 0 and 1.
    assert second.images[0].get_extent() == [0, 1, 3, 0]


def test_a_dollar_sign_is_no_mathematics():
    figure = draw_gallery(IMAGES[:1], ["$_{\n$^{"])
    figure.draw_without_rendering()
    assert [text.get_text() for text in figure.axes[0].texts] == ["$_{", "$^{"]


def test_a_caption_rounds_and_never_says_zero_of_a_probability():
    assert label_caption(62, 31.4, 0.0021) == "labelled 62\npredicted 31\nr = 0.002"
    assert label_caption(62, 31.6, 0.0) == "labelled 62\npredicted 32\nr < 0.001"


def test_the_same_bytes_twice(tmp_path):
    files = [save(draw_gallery(IMAGES[:2], CAPTIONS[:2], "T"), tmp_path / name, ["svg"]) for name in ("one", "two")]
    assert [a.read_bytes() == b.read_bytes() for a, b in zip(*files, strict=True)] == [True]


@pytest.mark.parametrize(
    ("images", "captions", "message"),
    [
        (IMAGES[:0], [], "at least one image"),
        (IMAGES, CAPTIONS[:2], "13 captions, one per image. Found 2"),
        (IMAGES[:, 0], CAPTIONS, r"images\[0\].*shape \(6, 6\)"),
        (IMAGES[:, :2], CAPTIONS, "c = 1 or 3"),
        (IMAGES.astype(float), CAPTIONS, "float64"),
    ],
)
def test_images_that_cannot_be_shown_are_refused(images, captions, message):
    with pytest.raises(InvalidDataError, match=message):
        draw_gallery(images, captions)


def test_other_bad_input_is_refused():
    with pytest.raises(InvalidParameterError, match="columns"):
        gallery_size(IMAGES, CAPTIONS, 0)
    with pytest.raises(InvalidParameterError, match="responsibility"):
        label_caption(1, 1, 1.5)
    with pytest.raises(InvalidParameterError, match="predicted"):
        label_caption(1, float("nan"), 0.5)
