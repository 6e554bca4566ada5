from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from deepgum.errors import InvalidDataError
from deepgum.experiments.runs.tables import Posteriors
from deepgum.report.runs.histogram import draw_posteriors
from deepgum.report.runs.landmarks import draw_gallery, worst_first
from deepgum.report.runs.run import captions_of

IMAGES = np.zeros((2, 1, 8, 8), dtype=np.uint8)
GIVEN = np.array([[0.25, 0.5, 0.75, 0.5], [0.2, 0.2, 3.0, 0.5]])
PREDICTED = np.array([[0.25, 0.4, 0.75, 0.5], [0.2, 0.2, 0.8, 0.5]])
R = np.array([[0.1, 0.9], [1.0, 0.0]])


def points(axes, marker):
    return [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.get_lines() if line.get_marker() == marker]


def test_given_and_predicted_landmarks_are_where_they_are():
    axes = draw_gallery(IMAGES, GIVEN, PREDICTED).axes[0]
    assert points(axes, "x") == [(0.25, 0.5), (0.75, 0.5)]
    assert points(axes, "o") == [(0.25, 0.4), (0.75, 0.5)]
    # Continuous coordinates: the image's edges are 0 and 1, y downwards.
    assert axes.images[0].get_extent() == [0, 1, 1, 0]


def test_flagged_landmarks_are_ringed_and_tied_to_the_prediction():
    axes = draw_gallery(IMAGES, GIVEN, PREDICTED, R).axes[0]
    assert points(axes, "o").count((0.25, 0.5)) == 1
    assert (0.75, 0.5) in points(axes, "o")
    assert [list(line.get_ydata()) for line in axes.get_lines() if line.get_linestyle() == ":"] == [[0.5, 0.4]]


def test_one_posterior_a_sample_flags_all_its_landmarks():
    figure = draw_gallery(IMAGES, GIVEN, PREDICTED, np.array([[0.1], [0.9]]))
    links = [sum(line.get_linestyle() == ":" for line in axes.get_lines()) for axes in figure.axes]
    assert links == [2, 0]


def test_a_label_outside_the_picture_gets_an_arrow_to_the_edge():
    axes = draw_gallery(IMAGES, GIVEN, PREDICTED, R).axes[1]
    assert points(axes, "x") == [(0.2, 0.2)]
    (arrow,) = axes.texts
    assert arrow.xy == pytest.approx((1.25, 0.5))


def test_missing_labels_are_not_drawn():
    given = GIVEN.copy()
    given[0, :2] = np.nan
    axes = draw_gallery(IMAGES, given, PREDICTED, np.ones((2, 2))).axes[0]
    assert (0.75, 0.5) in points(axes, "x")
    assert not axes.texts


def test_every_image_has_a_panel_and_its_caption():
    figure = draw_gallery(
        np.zeros((5, 3, 8, 8), dtype=np.uint8), *np.zeros((2, 5, 4)), captions=list("abcde"), columns=3, title="T"
    )
    assert [axes.get_title() for axes in figure.axes if axes.images] == list("abcde")


@pytest.mark.parametrize(
    "arguments",
    [
        (IMAGES[:0], GIVEN[:0], PREDICTED[:0]),
        (IMAGES, GIVEN[:1], PREDICTED),
        (IMAGES, GIVEN, PREDICTED[:, :2]),
        (IMAGES, GIVEN, PREDICTED, np.ones((2, 3))),
    ],
)
def test_shapes_that_do_not_fit_are_refused(arguments):
    with pytest.raises(InvalidDataError, match="should"):
        draw_gallery(*arguments)


def test_the_worst_come_first():
    r = np.array([[0.9, 0.9], [0.2, 0.9], [1e-12, 1.0], [0.0, 1.0]])
    norms = np.array([[0.1, 0.1], [0.3, 0.1], [0.9, 0.0], [0.5, np.nan]])
    assert worst_first(r, norms).tolist() == [2, 3, 1, 0]


def test_a_sample_without_labels_is_not_suspected():
    nan = np.nan
    r = np.array([[nan, nan], [1.0, 1.0], [nan, 0.4], [0.6, nan]])
    norms = np.array([[nan, nan], [0.1, 0.1], [nan, 0.3], [0.2, nan]])
    assert worst_first(r, norms).tolist() == [2, 3, 1, 0]


def test_a_caption_has_a_dash_where_there_is_no_label():
    examples = SimpleNamespace(
        given=np.array([[12.0, np.nan]]), predicted=np.array([[31.4, 7.2]]), responsibilities=np.array([0.25])
    )
    assert captions_of(examples, "degrees") == ["12, -\npredicted 31, 7\nr = 0.250"]


def test_the_histogram_counts_right_and_wrong_labels_apart():
    posteriors = Posteriors(
        ("a", "b", "c"),
        ("sample",),
        np.array([[0.1], [0.2], [np.nan]]),
        np.array([[0.99], [0.01], [0.5]]),
        np.array([[False], [True], [False]]),
    )
    axes = draw_posteriors(posteriors).axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["right labels (1)", "wrong labels (1)"]
    unknown = Posteriors(("a",), ("sample",), np.array([[0.1]]), np.array([[0.99]]))
    texts = [text.get_text() for text in draw_posteriors(unknown).axes[0].get_legend().get_texts()]
    assert texts == ["labels kept (1)", "labels flagged (0)"]
    # Without labels that were made wrong on purpose, nobody knows which labels are right.
    nobody = replace(posteriors, true_outliers=np.zeros((3, 1), dtype=bool))
    texts = [text.get_text() for text in draw_posteriors(nobody).axes[0].get_legend().get_texts()]
    assert texts == ["labels kept (1)", "labels flagged (1)"]
    with pytest.raises(InvalidDataError, match="no mixture"):
        draw_posteriors(Posteriors(("a",), ("sample",), np.array([[0.1]])))
