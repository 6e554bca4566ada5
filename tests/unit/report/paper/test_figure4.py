from itertools import pairwise

import numpy as np
import pytest

from deepgum.errors import InvalidDataError
from deepgum.report.paper.conditions import Conditions
from deepgum.report.paper.figure4 import draw_figure4, table_size
from deepgum.report.paper.paper_table import PaperTable, Row
from deepgum.report.paper.reproduced import figure4_table
from deepgum.report.style import save

IMAGES = np.zeros((8, 3, 8, 8), dtype=np.uint8)
CAPTIONS = [f"labelled {i}\npredicted 30" for i in range(8)]


@pytest.fixture(scope="module")
def table():
    base = np.random.default_rng(0).gamma(2.0, 3.0, size=60)
    here = Conditions("UTKFace", "cpu", {"image side in pixels": (224, 64)}, remarks=["It costs $5 and $_{ nothing."])
    return figure4_table({"l2": base + 1, "deepgum": base}, {"deepgum": 0.0712}, here)


@pytest.fixture(scope="module")
def figure(table):
    drawn = draw_figure4(table, IMAGES, CAPTIONS)
    drawn.draw_without_rendering()
    return drawn


def test_every_value_of_the_table_is_written_in_its_row(figure, table):
    axes = figure.subfigs[0].axes[0]
    rows: dict[float, list[str]] = {}
    for text in sorted(axes.texts, key=lambda text: text.get_window_extent().x0):
        rows.setdefault(text.get_position()[1], []).append(text.get_text())
    written = list(rows.values())
    for row in table.rows:
        cells = [
            part
            for cell, c in zip(row.cells, table.columns, strict=True)
            for part in (cell.number(c.digits), cell.stars)
        ]
        assert [row.label, *filter(None, cells)] in written
    assert ["method", "MAE", "flagged (%)", "MAE", "flagged (%)"] in written
    assert ["(UTKFace)", "(CACD, as published)"] in written


def test_the_lowest_and_the_title_are_bold(figure, table):
    bold = [text.get_text() for text in figure.subfigs[0].axes[0].texts if text.get_fontweight() == "bold"]
    best = next(row.cells[0] for row in table.rows if row.cells[0].best)
    assert bold[-1] == best.number(2)
    assert " ".join(text.strip() for text in bold[:-1]) == table.title


def test_all_notes_are_written_whole(figure, table):
    text = " ".join(text.get_text().strip() for text in figure.subfigs[0].axes[0].texts)
    for note in table.notes:
        assert note in text


def test_no_text_of_the_table_overlaps_another_or_leaves_its_half(figure):
    # A text's box is taller than its letters, which is why its middle half is looked at.
    boxes = []
    for text in figure.subfigs[0].axes[0].texts:
        box = text.get_window_extent()
        boxes.append(type(box).from_extents(box.x0, box.y0 + box.height / 4, box.x1, box.y1 - box.height / 4))
    for index, box in enumerate(boxes):
        assert not [other for other in boxes[index + 1 :] if box.overlaps(other)]
    assert max(box.x1 for box in boxes) < figure.subfigs[1].bbox.x0
    assert min(box.y0 for box in boxes) > 0


def test_the_gallery_is_as_drawn_alone(figure):
    panels = [axes for axes in figure.axes if axes.images]
    assert [axes.texts[0].get_text() for axes in panels] == [caption.split("\n")[0] for caption in CAPTIONS]
    assert all(axes.get_window_extent().x0 > figure.subfigs[0].bbox.x1 for axes in panels)


def test_images_are_not_spread_over_the_height_of_a_long_table(table):
    figure = draw_figure4(table, IMAGES, CAPTIONS, columns=4)
    figure.draw_without_rendering()
    panels = [axes.get_window_extent() for axes in figure.axes if axes.images]
    first, second = panels[0], panels[4]
    captions = 2 * 12 * figure.dpi / 72
    assert first.y0 - second.y1 < 2.5 * captions
    assert figure.bbox.height > 1.5 * (first.y1 - second.y0)


def test_columns_stand_in_order_from_left_to_right(figure):
    header = [text for text in figure.subfigs[0].axes[0].texts if text.get_text() in ("method", "MAE", "flagged (%)")]
    ends = [text.get_window_extent().x1 for text in header]
    assert all(left < right for left, right in pairwise(ends))


def test_a_longer_table_is_higher_and_a_longer_label_makes_it_wider(table):
    width, height = table_size(table)
    more = PaperTable(
        table.title, table.columns, (*table.rows, Row("a method with a name", table.rows[0].cells)), table.notes
    )
    wider, higher = table_size(more)
    assert wider > width
    assert higher != height


def test_the_same_bytes_twice(tmp_path, table):
    files = [save(draw_figure4(table, IMAGES[:2], CAPTIONS[:2]), tmp_path / name, ["svg"]) for name in ("one", "two")]
    assert [a.read_bytes() == b.read_bytes() for a, b in zip(*files, strict=True)] == [True]


def test_captions_that_do_not_fit_are_refused(table):
    with pytest.raises(InvalidDataError, match="one per image"):
        draw_figure4(table, IMAGES, CAPTIONS[:1])
