"""Bar chart that compares methods under one corruption."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from deepgum.experiments.paper.records import RunRecord
from deepgum.report.style import is_oracle, method_styles

__all__ = ["draw_comparison"]


def draw_comparison(records: Sequence[RunRecord], title: str = "") -> Figure:
    """Draw two bar charts: the failure rate of each record, and the precision and the recall of its flags."""
    figure = Figure(figsize=(8.4, 1.5 + 0.42 * len(records)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    styles = method_styles(records)
    for row, record in enumerate(records):
        style = styles[record.method]
        rate = 100 * (record.failure_rate or 0.0)
        left.barh(
            row,
            rate,
            height=0.62,
            color=style.colour,
            hatch="///" if is_oracle(record.method) else None,
            edgecolor="white",
        )
        left.annotate(f"{rate:.1f}", (rate, row), (4, 0), textcoords="offset points", va="center")
        if record.precision is None or record.recall is None:
            reason = "knows the wrong labels" if is_oracle(record.method) else "has no flag rule"
            right.annotate(
                reason, (0, row), (4, 0), textcoords="offset points", va="center", color="0.45", style="italic"
            )
            continue
        for value, offset, alpha, name in (
            (record.precision, -0.17, 1.0, "precision"),
            (record.recall, 0.17, 0.55, "recall"),
        ):
            right.barh(row + offset, 100 * value, height=0.32, color=style.colour, alpha=alpha)
            right.annotate(
                f"{name} {100 * value:.1f}",
                (100 * value, row + offset),
                (4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
    left.set_yticks(range(len(records)), [styles[record.method].label for record in records])
    left.invert_yaxis()
    left.set_xlabel("failure rate on clean test labels (%)")
    left.margins(x=0.15)
    right.set_xlabel("wrong training labels found (%)")
    right.set_xlim(0, 130)
    right.set_xticks(range(0, 101, 20))
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
    if title:
        figure.suptitle(title, fontsize=11)
    return figure
