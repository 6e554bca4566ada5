"""The figures of the report: residuals with the fitted mixture, shares of wrong labels, rounds, reliability."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, MultipleLocator, NullFormatter
from numpy.typing import NDArray

from deepgum.audit.calibration import Calibration, Reliability
from deepgum.audit.labels import ScoredLabels
from deepgum.audit.summary import GroupSummary, Round
from deepgum.posteriors.shares import Share
from deepgum.report.page.mixture import DistanceMixture
from deepgum.report.page.svg import INK, LINE, PREDICTED, SOFT, WRONG, label_text

__all__ = ["SHOWN", "draw_history", "draw_reliability", "draw_residuals", "draw_shares"]

_WIDTH = 4.4
_BINS = 48
SHOWN = 16
"""Largest number of groups in the figure of shares."""


def draw_residuals(labels: ScoredLabels, place: int, group: GroupSummary) -> Figure:
    """Draw a histogram of the distances between the labels and the predictions of one group, and the fitted mixture.

    Labels with a missing coordinate are left out, because their distances are computed from fewer coordinates. Both
    axes are logarithmic, because wrong labels are few and far from their predictions.
    """
    columns = list(labels.partition[place])
    whole = ~np.isnan(labels.given[:, columns]).any(axis=1)
    distance, flagged = labels.mahalanobis[whole, place], labels.flags[whole, place]
    seen = np.isfinite(distance) & (distance > 0)
    distance, flagged = distance[seen], flagged[seen]
    figure, axes = _axes(2.5)
    _annotate(axes, "standard deviations from the prediction", "labels")
    if len(distance):
        _draw_distances(axes, distance, flagged, DistanceMixture.of(group))
    return figure


def _draw_distances(
    axes: Axes, distance: NDArray[np.float64], flagged: NDArray[np.bool_], mixture: DistanceMixture
) -> None:
    low, high = max(distance.min(), 0.02), max(distance.max(), 10.0)
    edges = np.geomspace(low, 1.02 * high, _BINS + 1)
    total, _ = np.histogram(np.clip(distance, low, None), edges)
    wrong, _ = np.histogram(np.clip(distance[flagged], low, None), edges)
    step = dict(width=np.diff(edges), align="edge", linewidth=0)
    axes.bar(edges[:-1], total, color=SOFT, alpha=0.35, **step)  # type: ignore[arg-type]
    axes.bar(edges[:-1], wrong, color=WRONG, alpha=0.75, **step)  # type: ignore[arg-type]
    n, ratio = len(distance), edges[1] / edges[0]
    along = np.geomspace(edges[0], edges[-1], 400)
    # The expected number of labels in a bin around each point. Beyond the reach there are no wrong labels.
    right = n * (mixture.right(along * ratio**0.5) - mixture.right(along / ratio**0.5))
    axes.plot(along, np.where(right > 0.05, right, np.nan), color=PREDICTED, linewidth=1.8)
    along = along[along * ratio**0.5 < mixture.reach]
    expected_wrong = n * (mixture.wrong(along * ratio**0.5) - mixture.wrong(along / ratio**0.5))
    axes.plot(
        [*along, *along[-1:]],
        [*expected_wrong, *(0.01 for _ in along[-1:])],
        color=WRONG,
        linestyle="--",
        linewidth=1.8,
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0.6, 2.0 * max(total.max(), 5))
    plain = FuncFormatter(lambda value, _: f"{value:,g}")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(10, numticks=6))
        axis.set_major_formatter(plain)
        axis.set_minor_formatter(NullFormatter())


def draw_shares(groups: Sequence[GroupSummary], overall: Share | None) -> Figure:
    """Draw the estimated share of wrong labels in each group: with its interval, or with a bar up to its lower bound.

    Groups with an unknown share are left out. If there are more than `SHOWN` other groups, only the groups with the
    largest shares are drawn. The largest share is at the top.
    """
    known = [(group.share.estimate, group) for group in groups if group.share is not None]
    groups = [group for _, group in sorted(known, key=lambda each: -each[0])[:SHOWN]]
    figure, axes = _axes(0.75 + 0.26 * len(groups))
    _annotate(axes, "share of wrong labels", "")
    if overall is not None:
        if overall.is_two_sided:
            axes.axvspan(overall.low, overall.high, color=SOFT, alpha=0.15, linewidth=0)
        axes.axvline(overall.estimate, color=SOFT, linewidth=1, linestyle=":")
    for row, group in enumerate(groups):
        if group.share is not None:
            ends = [group.share.low, group.share.high] if group.share.is_two_sided else [0.0, group.share.low]
            axes.plot(ends, [row, row], color=WRONG, linewidth=1.6)
            axes.plot(group.share.estimate, row, "o", color=WRONG, markersize=5.5)
    axes.set_yticks(range(len(groups)))
    axes.set_yticklabels([label_text(group.name) for group in groups], parse_math=False)
    axes.set_ylim(len(groups) - 0.5, -0.5)
    shares = [group.share for group in groups if group.share is not None]
    highest = max([0.02, *(each.high if each.is_two_sided else each.estimate for each in shares)])
    axes.set_xlim(0, min(1.0, 1.08 * highest))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.3g} %"))
    axes.grid(axis="x", color=LINE, linewidth=0.8)
    axes.tick_params(axis="y", length=0)
    return figure


def draw_history(rounds: Sequence[Round]) -> Figure:
    """Draw the number of flagged labels and the number of changed flags, for each round of the audit."""
    figure, axes = _axes(2.2)
    _annotate(axes, "round", "labels")
    at = [each.round + 1 for each in rounds]  # the first round is 1, as on the terminal
    for values, colour, marker, words in (
        ([each.flags for each in rounds], WRONG, "o", "flagged"),
        ([each.changed for each in rounds], SOFT, "s", "flag changed"),
    ):
        axes.plot(at, values, color=colour, marker=marker, linewidth=1.6, markersize=5)
        axes.annotate(
            words, (at[-1], values[-1]), (6, 0), textcoords="offset points", va="center", color=colour, fontsize=9
        )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlim(at[0] - 0.1, at[-1] + 0.35 * max(1, at[-1] - at[0]))
    axes.set_ylim(0, None)
    axes.grid(axis="y", color=LINE, linewidth=0.8)
    return figure


def draw_reliability(calibration: Calibration) -> Figure:
    """Draw the share of wrong labels against the computed probability that a label is wrong.

    One curve is for the probabilities of eq. 1, one for the probabilities of the audit.

    The area of a mark grows with the number of labels in its bin. This number is the weight of the bin in the
    calibration error.
    """
    figure, axes = _axes(3.4)
    _annotate(axes, "probability of being wrong", "share that is wrong")
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle=":")
    for found, colour, marker, line in (
        (calibration.before, SOFT, "s", "--"),
        (calibration.after, PREDICTED, "o", "-"),
    ):
        bins = _filled_bins(found)
        axes.plot(bins[:, 0], bins[:, 1], color=colour, linestyle=line, linewidth=1.4)
        axes.scatter(bins[:, 0], bins[:, 1], s=12 + 90 * np.sqrt(bins[:, 2]), color=colour, marker=marker, alpha=0.8)
    axes.set_xlim(-0.04, 1.04)
    axes.set_ylim(-0.04, 1.04)
    axes.set_aspect("equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MultipleLocator(0.25))
    axes.grid(color=LINE, linewidth=0.8)
    return figure


def _filled_bins(found: Reliability) -> NDArray[np.float64]:
    """Return an array (b, 3) with a row for each bin that holds labels.

    The three columns are the mean probability of the labels in the bin, the share of these labels that are wrong, and
    the share of all labels that are in the bin.
    """
    total = sum(found.counts)
    bins = zip(found.predicted, found.observed, found.counts, strict=True)
    return np.array([(p, o, count / total) for p, o, count in bins if p is not None and o is not None])


def _axes(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    axes = figure.subplots()
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(LINE)
    axes.tick_params(which="both", colors=SOFT, labelcolor=SOFT, labelsize=9)
    return figure, axes


def _annotate(axes: Axes, along: str, up: str) -> None:
    axes.set_xlabel(along, color=INK, fontsize=9.5)
    axes.set_ylabel(up, color=INK, fontsize=9.5)
