"""Grids of images with given and predicted landmarks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from deepgum.errors import InvalidDataError

__all__ = ["draw_gallery", "worst_first"]

# The markers differ in shape and in colour.
_GIVEN = {"marker": "x", "color": "#D32F2F", "markersize": 6, "markeredgewidth": 1.8}
_PREDICTED = {"marker": "o", "color": "#2E9E4F", "markersize": 8, "markeredgewidth": 1.6, "markerfacecolor": "none"}
_FLAG = {"marker": "o", "color": "#D32F2F", "markersize": 14, "markeredgewidth": 1.2, "markerfacecolor": "none"}
_LINK = {"color": "#D32F2F", "linewidth": 1, "linestyle": ":"}
_MARGIN = 0.25


def worst_first(responsibilities: NDArray[np.float64], residual_norms: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the row numbers of the samples, sorted so that samples with the least probable labels are first.

    Samples are sorted by the responsibility of their least probable group. Samples with equal responsibilities are
    sorted by their longest residual. A group without a label (NaN) is ignored. A sample without any label is last.

    Examples
    --------
    >>> worst_first(np.array([[0.9, 0.8], [0.0, 0.9], [0.0, 0.9]]), np.array([[0.1, 0.1], [0.2, 0.1], [0.5, 0.1]]))
    array([2, 1, 0])
    """
    longest = np.nan_to_num(residual_norms).max(axis=1)
    # A sample without labels comes after a sample that is certainly right.
    least = np.nan_to_num(responsibilities, nan=2.0).min(axis=1)
    return np.lexsort((-longest, least.round(6)))


def draw_gallery(
    images: NDArray[np.uint8],
    given: NDArray[np.floating],
    predicted: NDArray[np.floating],
    responsibilities: NDArray[np.float64] | None = None,
    captions: Sequence[str] | None = None,
    *,
    columns: int = 6,
    title: str = "",
) -> Figure:
    """Draw images in a grid, with given landmarks as red crosses and predicted landmarks as green circles.

    Parameters
    ----------
    images : uint8 array (n, c, h, w) with c = 1 or 3
    given, predicted : arrays (n, 2 l)
        Coordinates x1 y1 x2 y2 ... in fractions of the image's width; NaN marks a missing label.
    responsibilities : array (n, l) or (n, 1), optional
        Probability that a given landmark is right. If it is below 1/2, a ring is drawn around the given landmark, and a
        line from it to the predicted landmark. An arrow points to a landmark outside the margin of the image.
    captions : sequence of str, length n, optional
        Texts below the images.
    columns : int
        Images per row.
    title : str
        Title of the figure.

    Raises
    ------
    InvalidDataError
        If there are no images, or if an array has a shape other than above.
    """
    n, landmarks = len(images), given.shape[-1] // 2
    if n == 0 or images.ndim != 4 or given.shape != (n, 2 * landmarks) or predicted.shape != given.shape:
        shapes = f"{images.shape}, {given.shape} and {predicted.shape}"
        raise InvalidDataError(
            f"`images`, `given`, `predicted` should be (n, c, h, w), (n, 2 l), (n, 2 l). Found {shapes}."
        )
    flags = np.zeros((n, landmarks), dtype=bool)
    if responsibilities is not None:
        if responsibilities.shape not in ((n, landmarks), (n, 1)):
            found = f"Found {responsibilities.shape}."
            raise InvalidDataError(f"`responsibilities` should have the shape {(n, landmarks)} or {(n, 1)}. {found}")
        flags = np.broadcast_to(responsibilities < 0.5, (n, landmarks))
    columns = min(columns, n)
    rows = math.ceil(n / columns)
    figure = Figure(figsize=(1.75 * columns, 1.95 * rows + 0.8), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    for index, axes in enumerate(panels):
        if index >= n:
            axes.set_axis_off()
        else:
            _draw_image(axes, images[index])
            _draw_landmarks(axes, given[index].reshape(-1, 2), predicted[index].reshape(-1, 2), flags[index])
            if captions is not None:
                axes.set_title(captions[index], fontsize=8)
    keys = [
        Line2D([], [], linestyle="None", label="given", **_GIVEN),  # type: ignore[arg-type]
        Line2D([], [], linestyle="None", label="predicted", **_PREDICTED),  # type: ignore[arg-type]
        Line2D([], [], linestyle="None", label="flagged as wrong", **_FLAG),  # type: ignore[arg-type]
        Line2D([], [], linestyle="None", label="given, outside the picture", marker="$\\rightarrow$", color="#D32F2F"),
    ]
    figure.legend(handles=keys, loc="outside lower center", ncols=4, frameon=False)
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def _draw_image(axes: Axes, image: NDArray[np.uint8]) -> None:
    pixels = image[0] if image.shape[0] == 1 else image.transpose(1, 2, 0)
    # Landmarks have continuous coordinates: the image's edges are 0 and 1, whatever its size.
    height = image.shape[1] / image.shape[2]
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, extent=(0, 1, height, 0), interpolation="nearest")
    # All images have one scale, so that distances are comparable. Arrows point to labels outside the margin.
    axes.set_xlim(-_MARGIN, 1 + _MARGIN)
    axes.set_ylim(height + _MARGIN, -_MARGIN)
    axes.set_autoscale_on(False)
    axes.set(xticks=[], yticks=[], facecolor="0.94")
    axes.spines[:].set_visible(False)


def _draw_landmarks(
    axes: Axes, given: NDArray[np.floating], predicted: NDArray[np.floating], flags: NDArray[np.bool_]
) -> None:
    for (x, y), (u, v), flagged in zip(given, predicted, flags, strict=True):
        seen = min(axes.get_xlim()) <= x <= max(axes.get_xlim()) and min(axes.get_ylim()) <= y <= max(axes.get_ylim())
        axes.plot(u, v, **_PREDICTED)  # type: ignore[arg-type]
        if np.isfinite(x + y) and not seen:
            _draw_arrow(axes, (u, v), (x, y))
            continue
        if flagged:
            axes.plot([x, u], [y, v], **_LINK)  # type: ignore[arg-type]
            axes.plot(x, y, **_FLAG)  # type: ignore[arg-type]
        axes.plot(x, y, **_GIVEN)  # type: ignore[arg-type]


def _draw_arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw an arrow from `start` towards a position `end` outside the margin of the image. The arrow stops at the edge
    of the margin.
    """
    reach = 1.0
    for from_, to, (low, high) in zip(start, end, (sorted(axes.get_xlim()), sorted(axes.get_ylim())), strict=True):
        if not low <= to <= high:
            reach = min(reach, ((high if to > high else low) - from_) / (to - from_))
    edge = (start[0] + reach * (end[0] - start[0]), start[1] + reach * (end[1] - start[1]))
    axes.annotate("", edge, start, arrowprops={"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0, **_LINK})
