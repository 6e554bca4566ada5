"""Predicted landmarks drawn on their images (Figure 3 of the paper)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from deepgum.checks import check_count
from deepgum.errors import InvalidDataError
from deepgum.report.runs.grid import check_images, grid_columns, image_panels

__all__ = ["draw_predictions"]

# Okabe and Ito's colours, the brightest first, and the same number of markers. Eight landmarks differ in both.
_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#D55E00", "#0072B2", "#CC79A7", "#FFFFFF")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_SIZE = 7.0
_WIDTH = 1.9


def draw_predictions(
    images: NDArray[np.uint8],
    predictions: NDArray[np.floating],
    labels: NDArray[np.floating] | None = None,
    *,
    names: Sequence[str],
    columns: int | None = None,
    title: str = "",
) -> Figure:
    """Draw images in a grid, with their predicted landmarks. A landmark has the same colour and marker in all images.

    Parameters
    ----------
    images : uint8 array (k, c, h, w) with c = 1 or 3
    predictions : array (k, l, 2)
        x and y of each landmark, in fractions of the image's width. A landmark with NaN is not drawn.
    labels : array (k, l, 2), optional
        The labels, in the same unit. A line goes from each prediction to a small cross at the label of the same
        landmark.
    names : sequence of str, length l
        Names of the landmarks, for the legend.
    columns : int, optional
        Images per row; by default the result of `grid_columns`.
    title : str
        Title of the figure.

    Raises
    ------
    InvalidDataError
        If there are no images, or if an array has a shape other than above.
    InvalidParameterError
        If `columns` is not a whole number of at least 1.

    Examples
    --------
    >>> figure = draw_predictions(np.zeros((1, 3, 8, 8), np.uint8), np.array([[[0.2, 0.5], [0.8, 0.5]]]), names="LR")
    >>> [text.get_text() for text in figure.legends[0].get_texts()]
    ['L', 'R']
    """
    check_images(images)
    expected = (len(images), len(names), 2)
    for name, points in (("predictions", predictions), ("labels", labels)):
        if points is not None and points.shape != expected:
            raise InvalidDataError(
                f"`{name}` should have shape {expected}, one row per image and name. Found shape {points.shape}."
            )
    columns = grid_columns(len(images)) if columns is None else check_count("columns", columns)
    columns = min(columns, len(images))
    tallest = max(image.shape[1] / image.shape[2] for image in images)
    width = max(_WIDTH * columns, 4.0)
    keys = [Line2D([], [], linestyle="None", label=name, **_style(index)) for index, name in enumerate(names)]
    if labels is not None:
        keys.append(Line2D([], [], color="0.2", linewidth=1, marker="+", markersize=_SIZE, label="its label"))
    # Width of the longest name with its marker, in inches.
    longest = 0.6 + 0.085 * max(len(str(key.get_label())) for key in keys)
    lines = math.ceil(len(keys) / max(1, int(width / longest)))
    height = math.ceil(len(images) / columns) * (_WIDTH * tallest + 0.08) + 0.25 * lines
    figure = Figure(figsize=(width, height + 0.1 + (0.3 if title else 0)), layout="constrained")
    for index, axes in enumerate(image_panels(figure, images, columns)):
        _draw_landmarks(axes, predictions[index], None if labels is None else labels[index])
    figure.legend(handles=keys, loc="outside lower center", ncols=math.ceil(len(keys) / lines), frameon=False)
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def _style(landmark: int) -> dict[str, Any]:
    """Return the colour and the marker of the landmark with this number. When the colours repeat, the markers are
    shifted by one.
    """
    return {
        "marker": _MARKERS[(landmark + landmark // len(_COLOURS)) % len(_MARKERS)],
        "markersize": _SIZE,
        "markerfacecolor": _COLOURS[landmark % len(_COLOURS)],
        # Dark edges, so that a bright marker is visible on bright clothes and skin.
        "markeredgecolor": "black",
        "markeredgewidth": 0.8,
    }


def _draw_landmarks(axes: Axes, predicted: NDArray[np.floating], labels: NDArray[np.floating] | None) -> None:
    for index, (x, y) in enumerate(predicted):
        if not np.isfinite(x + y):
            continue
        colour = _COLOURS[index % len(_COLOURS)]
        if labels is not None and np.isfinite(labels[index]).all():
            u, v = labels[index]
            for width, line in ((2.4, "black"), (1.2, colour)):
                axes.plot([x, u], [y, v], color=line, linewidth=width, solid_capstyle="round")
                axes.plot(u, v, marker="+", color=line, markersize=_SIZE, markeredgewidth=width)
        axes.plot(x, y, linestyle="None", **_style(index))
