"""Histograms of the posteriors of a mixture, for right labels and for wrong labels."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from deepgum.errors import InvalidDataError
from deepgum.experiments.runs.tables import Posteriors

__all__ = ["draw_posteriors"]


def draw_posteriors(posteriors: Posteriors, title: str = "") -> Figure:
    """Draw a histogram of the responsibilities.

    If labels were made wrong on purpose, there is one histogram for right labels and one for wrong labels. Otherwise
    nobody knows which labels are wrong, and there is one histogram for labels that are kept and one for flagged labels.

    Raises
    ------
    InvalidDataError
        If there are no responsibilities, because the method has no mixture.
    """
    r, truth = posteriors.responsibilities, posteriors.true_outliers
    if r is None:
        raise InvalidDataError("`posteriors` should hold responsibilities. Found none: the method has no mixture.")
    observed = posteriors.observed
    if truth is None or not truth.any():
        flagged = r < 0.5 if posteriors.flagged is None else posteriors.flagged
        parts = [
            ("labels kept", r[observed & ~flagged], "#888888"),
            ("labels flagged", r[observed & flagged], "#D55E00"),
        ]
    else:
        parts = [
            ("right labels", r[observed & ~truth], "#0072B2"),
            ("wrong labels", r[observed & truth], "#D55E00"),
        ]
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.hist(
        [values for _, values, _ in parts],
        bins=np.linspace(0, 1, 21).tolist(),
        color=[colour for _, _, colour in parts],
        label=[f"{name} ({len(values):,})" for name, values, _ in parts],
    )
    axes.axvline(0.5, color="black", linewidth=1, linestyle=":")
    axes.text(0.49, 0.6, "flagged", transform=axes.get_xaxis_transform(), ha="right", fontsize=9)
    axes.set_yscale("log")
    axes.set_xlim(0, 1)
    axes.set_xlabel("probability that the label is right")
    axes.set_ylabel("labels")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper center", framealpha=1, edgecolor="none")
    if title:
        axes.set_title(title, fontsize=11)
    return figure
