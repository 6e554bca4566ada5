import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.stats import multivariate_normal, multivariate_t

from deepgum.audit.calibration import Calibration, Reliability
from deepgum.audit.labels import ScoredLabels
from deepgum.audit.scoring.score import score_labels
from deepgum.audit.summary import GroupSummary, Round
from deepgum.posteriors.densities import Gaussian, StudentT
from deepgum.posteriors.power_law import PowerLaw
from deepgum.posteriors.shares import Share
from deepgum.report.page.mixture import DistanceMixture
from deepgum.report.page.plots import SHOWN, draw_history, draw_reliability, draw_residuals, draw_shares
from deepgum.report.page.svg import INK, inline_svg, label_text


def group(k, *, prior=0.8, nu=None, log_uniform=-5.0, name="nose", **more):
    spread = np.random.default_rng(k).normal(size=(k, k))
    covariance = spread @ spread.T + np.eye(k)
    return GroupSummary(
        name, 100, 10, 1.0, Share(0.2, 0.1, 0.3), "CONVERGED", "", prior, tuple(map(tuple, covariance.tolist())),
        log_uniform, nu, **more,
    )  # fmt: skip


def test_shares_that_are_known_are_drawn_from_the_largest_down():
    """The first groups of a long list may all be unknown."""

    def of(place, share):
        return replace(group(1, name=f"g{place}"), share=share)

    groups = [of(place, None) for place in range(20)]
    groups += [of(20 + place, Share.at_least(0.0, 0.001 * (1 + place * 7 % 30))) for place in range(30)]
    labels = [text.get_text() for text in draw_shares(groups, None).axes[0].get_yticklabels()]
    expected = sorted(groups[20:], key=lambda each: -each.share.estimate)[:SHOWN]
    assert labels == [each.name for each in expected]
    few = [groups[0], groups[21], groups[20]]
    assert [text.get_text() for text in draw_shares(few, None).axes[0].get_yticklabels()] == ["g21", "g20"]


@pytest.mark.parametrize("k", [1, 2, 3, 10])
@pytest.mark.parametrize("nu", [None, 4.0])
def test_distances_of_right_labels_match_samples_of_their_density(k, nu):
    one = group(k, nu=nu)
    covariance, rng = np.array(one.covariance), np.random.default_rng(0)
    density = multivariate_normal(cov=covariance) if nu is None else multivariate_t(shape=covariance, df=nu)
    residuals = np.reshape(density.rvs(40_000, random_state=rng), (-1, k))
    covariance = covariance if nu is None else covariance * nu / (nu - 2)
    distance = np.sqrt(np.einsum("ni,ij,nj->n", residuals, np.linalg.inv(covariance), residuals))
    edges = np.quantile(distance, [0.05, 0.25, 0.5, 0.75, 0.95])
    found = DistanceMixture.of(one).right(edges)
    np.testing.assert_allclose(found, 0.8 * np.array([0.05, 0.25, 0.5, 0.75, 0.95]), atol=0.008)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_wrong_labels_have_the_fitted_density(k):
    one = group(k, log_uniform=-12.0)
    covariance, mixture = np.array(one.covariance), DistanceMixture.of(one)
    rng = np.random.default_rng(0)
    # A uniform density of that height over a box around the ellipsoid of radius 3, by Monte Carlo.
    box = 3 * np.sqrt(np.diag(covariance))
    points = rng.uniform(-box, box, (200_000, k))
    inside = np.einsum("ni,ij,nj->n", points, np.linalg.inv(covariance), points) < 9
    expected = 0.2 * np.exp(-12.0) * np.prod(2 * box) * inside.mean()
    assert mixture.wrong(np.array([3.0]))[0] == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("nu", [None, 3.0])
def test_right_and_wrong_labels_sum_to_all_labels(nu):
    mixture = DistanceMixture.of(group(2, nu=nu))
    far = np.array([0.0, 1e9])
    np.testing.assert_allclose(mixture.right(far), [0, 0.8])
    np.testing.assert_allclose(mixture.wrong(far), [0, 0.2])


@pytest.mark.parametrize("inliers", ["gaussian", "student-t"])
def test_a_fitted_mixture_matches_the_labels(inliers):
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 100, size=(4000, 2))
    residuals = rng.standard_t(4, size=(4000, 2)) if inliers == "student-t" else rng.normal(size=(4000, 2))
    angle, far = rng.uniform(0, 2 * np.pi, 800), rng.uniform(0, 200, 800)
    residuals[:800] = far[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    scored = score_labels(truth, truth + residuals, groups="landmark", inliers=inliers)
    distance, mixture = scored.labels.mahalanobis[:, 0], DistanceMixture.of(scored.summary.groups[0])
    within = np.quantile(distance, [0.2, 0.5, 0.8, 0.9, 0.99])
    # Distances of wrong labels are uniform, which a uniform density in the plane does not describe.
    tolerance = 0.01 if inliers == "student-t" else 0.06
    expected = mixture.right(within) + mixture.wrong(within)
    np.testing.assert_allclose(expected, [0.2, 0.5, 0.8, 0.9, 0.99], atol=tolerance)


def test_extreme_uniform_densities_are_accepted():
    for log_uniform in (-5000.0, 500.0):
        mixture = DistanceMixture.of(group(1, log_uniform=log_uniform))
        assert np.isfinite(mixture.wrong(np.array([0.0, 1.0, 1e6]))).all()


def scored(distance, flags, given=None):
    n = len(distance)
    values = np.zeros((n, 2))
    return ScoredLabels(
        tuple(map(str, range(n))), ("x", "y"), ("nose",), ((0, 1),), values if given is None else given, values,
        np.where(flags, 0.1, 0.9)[:, None], np.asarray(distance)[:, None], values, values,
    )  # fmt: skip


def test_complete_labels_are_in_one_bar_and_flagged_ones_in_a_second():
    rng = np.random.default_rng(0)
    distance = np.concatenate([np.sqrt(rng.chisquare(2, 400)), rng.uniform(10, 900, 50), [0.0001]])
    flags = distance > 8
    given = np.zeros((451, 2))
    given[:7, 1] = np.nan
    axes = draw_residuals(scored(distance, flags, given), 0, group(2)).axes[0]
    every, wrong = (sum(bar.get_height() for bar in bars) for bars in axes.containers)
    assert (every, wrong) == (451 - 7, 50)
    bars = axes.containers[0]
    assert all(bar.get_x() <= 900 for bar in bars)


def test_the_curve_of_right_labels_sums_to_their_number():
    distance = np.sqrt(np.random.default_rng(0).chisquare(2, 3000))
    axes = draw_residuals(scored(distance, distance > 99), 0, group(2, prior=0.97)).axes[0]
    x, y = axes.lines[0].get_data()
    edges = np.array([bar.get_x() for bar in axes.containers[0]])
    # The curve is what a bin of the bars' width holds: over all of them it is the number of right labels.
    per_log = np.nan_to_num(y) / np.log(edges[1] / edges[0])
    assert np.trapezoid(per_log, np.log(x)) == pytest.approx(0.97 * 3000, rel=0.01)


@pytest.mark.parametrize("distance", [[], [0.0, 0.0], [1.0], [np.nan, 2.0], [1e-9, 1e9]])
def test_residuals_of_few_or_unusual_labels_are_drawn(distance):
    distance = np.array(distance, dtype=float)
    figure = draw_residuals(scored(distance, distance > 5), 0, group(2))
    assert inline_svg(figure, "x", "x").startswith("<svg")


def test_shares_have_one_row_per_group_with_a_known_share():
    groups = [group(1, name=name) for name in ("$a_b$", "b\nc", "c")]
    groups[1] = replace(groups[1], share=None)
    axes = draw_shares(groups, Share(0.2, 0.1, 0.3)).axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["$a_b$", "c"]
    marks = [line for line in axes.lines if line.get_marker() == "o"]
    assert [(float(m.get_xdata()[0]), float(m.get_ydata()[0])) for m in marks] == [(0.2, 0.0), (0.2, 1.0)]


def test_a_share_without_an_upper_bound_has_a_bar_up_to_its_lower_bound():
    axes = draw_shares([replace(group(1), share=Share.at_least(0.1, 0.15))], Share.at_least(0.1, 0.15)).axes[0]
    (bar,) = [line for line in axes.lines if line.get_linestyle() == "-" and len(line.get_xdata()) == 2]
    assert list(bar.get_xdata()) == [0.0, 0.1]
    assert axes.get_xlim()[1] < 0.2
    assert not axes.patches


def test_the_groups_with_the_largest_shares_are_drawn():
    groups = [replace(group(1, name=f"{i}"), share=Share(i / 1000, 0.0, 0.2)) for i in range(100)]
    axes = draw_shares(groups, None).axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == [f"{99 - i}" for i in range(SHOWN)]


def test_history_has_the_numbers_of_each_round():
    rounds = [Round(0, 5, 30, 30, 0.1, 1.0), Round(1, 5, 25, 9, None, 1.0)]
    flags, changed = draw_history(rounds).axes[0].lines
    assert (list(flags.get_ydata()), list(changed.get_ydata())) == ([30, 25], [30, 9])


def svg(name="one", text="<b>&\"'顔"):
    figure = Figure(figsize=(3, 2))
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], "o", color=INK)
    axes.set_title(text, color=INK)
    return inline_svg(figure, name, text)


def test_a_figure_has_the_colours_of_the_page_and_keeps_its_text():
    root = ElementTree.fromstring(svg())
    assert "<b>&\"'顔" in [element.text for element in root.iter("text")]
    assert root.get("aria-label") == "<b>&\"'顔"
    assert INK not in svg()
    assert "var(--ink)" in svg()
    assert "font-family" not in svg()
    assert {element.tag for element in root.iter()} <= {"svg", "g", "defs", "path", "use", "text", "clipPath", "rect"}


def test_ids_of_two_figures_do_not_clash_and_each_reference_has_its_element():
    ids = {}
    for name in ("one", "two"):
        text = svg(name)
        ids[name] = set(re.findall(r'\bid="([^"]*)"', text))
        assert {*re.findall(r'href="#([^"]*)"', text), *re.findall(r"url\(#([^)]*)\)", text)} <= ids[name]
    assert ids["one"].isdisjoint(ids["two"])


def test_the_same_figure_gives_the_same_bytes_and_no_warning():
    assert svg() == svg()
    assert "http" not in svg()


def test_names_fit_on_one_line():
    assert label_text("a\tb\u2028c") == "a b c"
    assert len(label_text("x" * 100)) == 28
    ElementTree.fromstring(svg(text=label_text("\x01\x1b\udcff")))


def test_wrong_labels_that_crowd_are_as_many_at_every_distance():
    mixture = DistanceMixture(2, 0.8, StudentT(4.0), PowerLaw(exponent=1.0, radius=101.0, variance=2.0))
    far = np.array([21.0, 41.0, 61.0, 81.0, 101.0])
    steps = np.diff(mixture.wrong(far))
    np.testing.assert_allclose(steps, steps[0], rtol=1e-12)
    assert mixture.wrong(np.array([101.0, 500.0])).tolist() == pytest.approx([0.2, 0.2])


def test_an_exponent_of_the_dimensions_is_a_uniform_density():
    distance = np.array([0.1, 1.0, 7.0, 50.0])
    uniform = DistanceMixture(3, 0.9, Gaussian(), PowerLaw(exponent=3.0, radius=50.0))
    np.testing.assert_allclose(uniform.wrong(distance), 0.1 * (distance / 50) ** 3, rtol=1e-12)
    # The summary of a group without an exponent, as older ones are, is that of a uniform density.
    one = group(3, prior=0.9, radius=50.0)
    np.testing.assert_allclose(DistanceMixture.of(one).wrong(distance), uniform.wrong(distance), rtol=1e-12)


def test_reliability_has_a_mark_for_each_bin_that_holds_labels():
    before = Reliability(0.3, (6, 0, 2), (0.1, None, 0.9), (0.4, None, 0.5))
    after = Reliability(0.0, (4, 3, 1), (0.2, 0.5, 0.8), (0.25, 0.5, 1.0))
    axes = draw_reliability(Calibration(0.4, 0.9, 0.8, 0.7, before, after)).axes[0]
    marks = [np.asarray(each.get_offsets()).tolist() for each in axes.collections]
    assert marks == [[[0.1, 0.4], [0.9, 0.5]], [[0.2, 0.25], [0.5, 0.5], [0.8, 1.0]]]
    sizes = axes.collections[1].get_sizes()
    assert sizes[0] > sizes[1] > sizes[2]
    # Marks stand apart from nothing but the diagonal of equal axes.
    assert axes.get_aspect() == 1
    assert axes.lines[0].get_xydata().tolist() == [[0, 0], [1, 1]]
