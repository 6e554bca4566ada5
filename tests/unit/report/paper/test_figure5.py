from dataclasses import replace

import numpy as np
import pytest

from deepgum.errors import InvalidDataError
from deepgum.experiments.paper.records import RunRecord
from deepgum.report.paper.figure5 import draw_figure5
from deepgum.report.runs.comparison import draw_comparison
from deepgum.report.style import method_style, save
from deepgum.training import METHODS

RECORD = RunRecord("deepgum", "l-ugo", 0.4, 0, 0.2, 0.03, 0.02, 0.9, 0.8, 0.9, 9, 1.5, 3000, 48)


def grid():
    rates, seeds = (0.0, 0.2, 0.4), (0, 1)
    return [
        replace(
            RECORD,
            method=method,
            noise=noise,
            rate=rate,
            seed=seed,
            failure_rate=0.1 + rate * 0.5 + 0.02 * seed,
            precision=None if method == "l2" or rate == 0 else 0.9,
            recall=None if method == "l2" or rate == 0 else 0.8,
        )
        for method in ("l2", "deepgum", "oracle")
        for noise in ("g-ugo", "ngo")
        for rate in rates
        for seed in seeds
    ]


def lines(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def test_one_column_per_noise_in_the_papers_order_and_three_rows():
    figure = draw_figure5(grid())
    panels = np.array(figure.axes).reshape(3, 2)
    assert [axes.get_title() for axes in panels[0]] == ["NGO", "g-UGO"]
    assert [axes.get_ylabel().split(" (")[0] for axes in panels[:, 0]] == ["failure rate", "precision", "recall"]


def test_lines_are_means_in_percent_and_bands_reach_from_lowest_to_highest():
    axes = draw_figure5(grid()).axes[0]
    line = lines(axes)["DeepGUM"]
    np.testing.assert_allclose(line.get_xdata(), [0, 20, 40])
    np.testing.assert_allclose(line.get_ydata(), [11, 21, 31])
    band = axes.collections[0].get_paths()[0].vertices
    at_20 = band[np.isclose(band[:, 0], 20), 1]
    assert (at_20.min(), at_20.max()) == pytest.approx((20, 22))


def test_methods_without_flags_and_oracles_have_no_line_below():
    figure = draw_figure5(grid())
    assert set(lines(figure.axes[0])) == {"$L_2$", "DeepGUM", "oracle, $L_2$"}
    precision = lines(figure.axes[2])
    assert set(precision) == {"DeepGUM"}
    # Without wrong labels there is nothing to find, so the line begins at the first rate above 0.
    np.testing.assert_allclose(precision["DeepGUM"].get_xdata(), [20, 40])


def test_a_single_seed_has_no_band():
    assert not draw_figure5([record for record in grid() if record.seed == 0]).axes[0].collections


def test_methods_can_be_distinguished_without_colour():
    names = list(METHODS)
    assert len({(method_style(name).marker, str(method_style(name).dashes)) for name in names}) == len(names)
    assert method_style("somebody's").label == "somebody's"


def test_runs_that_cannot_be_compared_are_refused():
    with pytest.raises(InvalidDataError, match="at least one"):
        draw_figure5([])
    with pytest.raises(InvalidDataError, match=r"share `train_size`. Found \[3000, 100\]"):
        draw_figure5([RECORD, replace(RECORD, train_size=100, seed=1)])


def test_groups_may_differ_between_panels_but_not_within_one():
    landmark = replace(RECORD, noise="l-ugo", rate=0.0, groups="landmark")
    draw_figure5([landmark, replace(landmark, noise="g-ugo", groups="sample")])
    with pytest.raises(InvalidDataError, match=r"share `groups`. Found \['landmark', 'sample'\] under l-UGO"):
        draw_figure5([landmark, replace(landmark, rate=0.4, groups="sample")])


def test_a_figure_is_written_as_png_and_svg_and_the_same_twice(tmp_path):
    first = save(draw_figure5(grid()), tmp_path / "new" / "figure5")
    assert [path.name for path in first] == ["figure5.png", "figure5.svg"]
    assert first[0].read_bytes().startswith(b"\x89PNG")
    second = save(draw_figure5(grid()), tmp_path / "again")
    assert [a.read_bytes() == b.read_bytes() for a, b in zip(first, second, strict=True)] == [True, True]


def test_bars_show_the_result_of_each_method():
    figure = draw_comparison([replace(RECORD, method="l2", precision=None, recall=None), RECORD], "Digits")
    left, right = figure.axes
    assert [round(bar.get_width(), 6) for bar in left.patches] == [20, 20]
    assert sorted(round(bar.get_width(), 6) for bar in right.patches) == [80, 90]
    assert "has no flag rule" in [text.get_text() for text in right.texts]
