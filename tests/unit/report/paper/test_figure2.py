from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from matplotlib.figure import Figure

from deepgum.errors import InvalidParameterError, UnknownNameError
from deepgum.report.paper.figure2 import SETTINGS, draw_figure2, gum_gradient, plot_gradients


def test_gradient_is_eq_2_times_l2s():
    delta, prior, density = np.linspace(-9, 9, 200), 0.8, 0.02
    inlier = prior * scipy.stats.norm.pdf(delta)
    r = inlier / (inlier + (1 - prior) * density)
    np.testing.assert_allclose(gum_gradient(delta, prior, density), 2 * r * delta, rtol=1e-12)


def test_gradient_vanishes_at_both_ends_and_never_overflows():
    delta = np.array([0.0, 1e-9, 40.0, 1e6, 1e150])
    gradient = gum_gradient(delta, 0.9, 0.01)
    assert gradient[0] == 0
    assert gradient[1] == pytest.approx(2e-9, rel=0.01)
    assert np.abs(gradient[2:]).max() < 1e-300


def test_more_inliers_or_wider_outliers_give_the_inliers_more_weight():
    # As in the paper's text about Figure 2.
    delta = np.linspace(0.1, 6, 50)
    assert (gum_gradient(delta, 0.9, 0.01) > gum_gradient(delta, 0.5, 0.01)).all()
    assert (gum_gradient(delta, 0.9, 0.001) > gum_gradient(delta, 0.9, 0.01)).all()


def test_curves_of_the_papers_figure():
    figure = draw_figure2()
    lines = {line.get_label(): line.get_xydata() for line in figure.axes[0].lines}
    assert len(lines) == 3 + len(SETTINGS)
    l2, huber, biweight = (np.asarray(lines[name]) for name in ("$L_2$", "Huber", "Biweight"))
    below = l2[:, 0] <= 4.6851
    np.testing.assert_allclose(huber[below], l2[below])
    assert (huber[~below, 1] == huber[-1, 1]).all()
    assert (biweight[~below, 1] == 0).all()
    for prior, density in SETTINGS:
        drawn = np.asarray(lines[rf"DeepGUM, $\pi={prior:g}$, $\gamma={density:g}$"])
        np.testing.assert_allclose(drawn[:, 1], gum_gradient(drawn[:, 0], prior, density))


def test_options_choose_the_curves():
    axes = Figure().add_subplot()
    many = [(prior, 0.01) for prior in (0.1, 0.3, 0.5, 0.7, 0.9)]
    plot_gradients(axes, settings=many, losses=["l1", "cauchy"], largest=3.0)
    assert len(axes.lines) == 7
    assert axes.get_xlim() == (0, 3)
    looks = {(str(line.get_color()), str(line.get_linestyle())) for line in axes.lines}
    assert len(looks) == 7


@pytest.mark.parametrize(("ending", "head"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_written_by_the_ending(tmp_path: Path, ending: str, head: bytes):
    path = tmp_path / f"figure2.{ending}"
    draw_figure2(path)
    assert path.read_bytes().startswith(head)


def test_refused_before_anything_is_written(tmp_path: Path):
    with pytest.raises(InvalidParameterError, match=r"`path`.*png"):
        draw_figure2(tmp_path / "figure2.gnp")
    with pytest.raises(UnknownNameError, match="Did you mean 'huber'"):
        draw_figure2(tmp_path / "figure2.png", losses=["hubert"])
    for settings in ([(0.0, 0.1)], [(1.0, 0.1)], [(0.5, 0.0)]):
        with pytest.raises(InvalidParameterError):
            draw_figure2(tmp_path / "figure2.png", settings=settings)
    assert list(tmp_path.iterdir()) == []


def test_leaves_pyplots_state_alone():
    code = (
        "import sys, deepgum.report.paper.figure2 as f; f.draw_figure2(); sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
