import numpy as np
import pytest

from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.report.runs.predictions import draw_predictions
from deepgum.report.style import save

NAN = float("nan")
NAMES = ["left collar", "right collar", "left sleeve"]
IMAGES = np.zeros((5, 1, 16, 8), dtype=np.uint8)
POINTS = np.random.default_rng(0).uniform(0.1, 0.9, size=(5, 3, 2))


def shown(figure):
    return [axes for axes in figure.axes if axes.images]


def landmarks(axes):
    """Positions of the predicted landmarks that are drawn, by marker."""
    found = [line for line in axes.get_lines() if line.get_linestyle() == "None"]
    return {line.get_marker(): (line.get_xdata()[0], line.get_ydata()[0]) for line in found}


def test_landmarks_are_where_they_are_in_fractions_of_the_width():
    panels = shown(draw_predictions(IMAGES, POINTS, names=NAMES))
    assert len(panels) == 5
    for axes, points in zip(panels, POINTS, strict=True):
        assert list(landmarks(axes).values()) == [tuple(point) for point in points]
        # 16 pixels high and 8 wide: y reaches 2.
        assert axes.images[0].get_extent() == [0, 1, 2, 0]
        assert (axes.get_xlim(), axes.get_ylim()) == ((0, 1), (2, 0))


def test_a_landmark_looks_the_same_in_every_image_and_in_the_legend():
    figure = draw_predictions(IMAGES, POINTS, names=NAMES)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == NAMES
    keys = [(line.get_marker(), line.get_markerfacecolor()) for line in legend.get_lines()]
    for axes in shown(figure):
        assert [(line.get_marker(), line.get_markerfacecolor()) for line in axes.get_lines()] == keys


@pytest.mark.parametrize("count", [8, 20])
def test_landmarks_are_told_apart(count):
    figure = draw_predictions(IMAGES[:1], np.full((1, count, 2), 0.5), names=[f"n{i}" for i in range(count)])
    keys = [(line.get_marker(), line.get_markerfacecolor()) for line in figure.legends[0].get_lines()]
    assert len(set(keys)) == count
    if count <= 8:
        assert len({marker for marker, _ in keys}) == len({colour for _, colour in keys}) == count


def test_a_missing_landmark_is_left_out_and_the_others_keep_their_look():
    points = POINTS.copy()
    points[0, 0, 0] = points[1, 2] = NAN
    full, holed = (shown(draw_predictions(IMAGES, p, names=NAMES)) for p in (POINTS, points))
    assert list(landmarks(holed[0]).items()) == list(landmarks(full[0]).items())[1:]
    assert list(landmarks(holed[1]).items()) == list(landmarks(full[1]).items())[:2]


def test_a_line_leads_to_the_label_where_there_is_one():
    labels = POINTS + 0.05
    labels[0, 1] = NAN
    figure = draw_predictions(IMAGES, POINTS, labels, names=NAMES)
    axes = shown(figure)[0]
    links = {
        tuple(np.ravel(line.get_xydata()))
        for line in axes.get_lines()
        if line.get_linestyle() == "-" and len(line.get_xydata()) == 2
    }
    assert links == {(*POINTS[0, i], *labels[0, i]) for i in (0, 2)}
    assert len(landmarks(axes)) == 3
    assert figure.legends[0].get_texts()[-1].get_text() == "its label"


@pytest.mark.parametrize("count", [1, 4, 9, 24])
def test_all_is_on_the_picture_and_images_are_large_enough(count):
    images = np.zeros((count, 3, 8, 8), dtype=np.uint8)
    figure = draw_predictions(images, np.full((count, 3, 2), 0.5), names=NAMES, title="Landmarks")
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert 0 <= box.x0 < box.x1 <= figure.bbox.x1
    assert box.y0 >= 0
    pixels = [axes.images[0].get_window_extent() for axes in shown(figure)]
    assert not any(extent.overlaps(box) for extent in pixels)
    assert min(extent.width for extent in pixels) / figure.dpi > 1.2


def test_the_same_bytes_twice(tmp_path):
    files = [save(draw_predictions(IMAGES, POINTS, names=NAMES), tmp_path / name, ["svg"]) for name in ("one", "two")]
    assert [a.read_bytes() == b.read_bytes() for a, b in zip(*files, strict=True)] == [True]


def test_bad_input_is_refused():
    with pytest.raises(InvalidDataError, match=r"`predictions` should have shape \(5, 3, 2\)"):
        draw_predictions(IMAGES, POINTS.reshape(5, 6), names=NAMES)
    with pytest.raises(InvalidDataError, match=r"`labels` should have shape"):
        draw_predictions(IMAGES, POINTS, POINTS[:, :2], names=NAMES)
    with pytest.raises(InvalidDataError, match="at least one image"):
        draw_predictions(IMAGES[:0], POINTS[:0], names=NAMES)
    with pytest.raises(InvalidParameterError, match="columns"):
        draw_predictions(IMAGES, POINTS, names=NAMES, columns=0)
