"""Gallery of images that are flagged as outliers, with captions that show the labels (right part of Figure 4 in the
paper).
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure, FigureBase
from numpy.typing import NDArray

from deepgum.checks import check_count, check_fraction
from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.report.runs.grid import check_images, grid_columns, image_panels

__all__ = ["draw_gallery", "gallery_size", "label_caption", "plot_gallery"]

Images = Sequence[NDArray[np.uint8]] | NDArray[np.uint8]

# Sizes of an image and of a line of a caption in inches, and of the letters in points.
_WIDTH, _LINE = 1.35, 0.15
_MAIN, _MORE = 10, 8
_NARROWEST = 3.2


def label_caption(given: float, predicted: float, responsibility: float) -> str:
    """Return a caption of three lines: label, prediction, and probability that the label is right.

    Raises
    ------
    InvalidParameterError
        If the responsibility is not in [0, 1], or a label or prediction is not finite.

    Examples
    --------
    >>> print(label_caption(62, 31.4, 0.00012))
    labelled 62
    predicted 31
    r < 0.001
    """
    check_fraction("responsibility", responsibility)
    for name, value in (("given", given), ("predicted", predicted)):
        if not math.isfinite(value):
            raise InvalidParameterError(name, "finite", value)
    r = "r < 0.001" if responsibility < 0.001 else f"r = {responsibility:.3f}"
    return f"labelled {given:.0f}\npredicted {predicted:.0f}\n{r}"


def draw_gallery(images: Images, captions: Sequence[str], title: str = "", *, columns: int | None = None) -> Figure:
    r"""Draw images in the given order, with their captions below.

    Parameters
    ----------
    images : uint8 array (k, c, h, w), or sequence of k uint8 arrays (c, h, w)
        Gray images (c = 1) or RGB images (c = 3). The images may differ in size.
    captions : sequence of str, length k
        One caption per image. The first line of a caption is large, the other lines are small and grey.
    title : str
        Title of the figure.
    columns : int, optional
        Images per row; by default the result of `grid_columns`.

    Raises
    ------
    InvalidDataError
        If there are no images, if an image has a wrong shape, or if there is not one caption per image.
    InvalidParameterError
        If `columns` is not a whole number of at least 1.

    Examples
    --------
    >>> figure = draw_gallery(np.zeros((2, 1, 8, 8), dtype=np.uint8), ["62\nr < 0.001", "14"])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['62', 'r < 0.001']
    """
    width, height = gallery_size(images, captions, columns)
    width = max(width, _NARROWEST)
    # Thirteen letters of the title per inch.
    heading = textwrap.fill(title, int(13 * width))
    lines = heading.count("\n") + 1 if heading else 0
    figure = Figure(figsize=(width, height + 0.2 * lines), layout="constrained")
    plot_gallery(figure, images, captions, columns)
    if heading:
        figure.suptitle(heading, fontsize=11)
    return figure


def gallery_size(images: Images, captions: Sequence[str], columns: int | None = None) -> tuple[float, float]:
    """Return the width and height in inches that a gallery needs. Parameters and errors are as in `draw_gallery`.

    Examples
    --------
    >>> width, height = gallery_size(np.zeros((6, 1, 8, 8), dtype=np.uint8), ["14"] * 6, columns=3)
    >>> round(width / height, 1)
    1.2
    """
    check_images(images)
    if len(captions) != len(images):
        raise InvalidDataError(
            f"`captions` should hold {len(images)} captions, one per image. Found {len(captions)} captions."
        )
    columns = grid_columns(len(images)) if columns is None else check_count("columns", columns)
    tallest = max(image.shape[1] / image.shape[2] for image in images)
    lines = max(caption.count("\n") + 1 for caption in captions)
    rows = math.ceil(len(images) / columns)
    return _WIDTH * columns + 0.1, rows * (_WIDTH * tallest + _LINE * lines + 0.12) + 0.1


def plot_gallery(figure: FigureBase, images: Images, captions: Sequence[str], columns: int | None = None) -> None:
    """Draw a gallery on a figure or subfigure with a constrained layout. Parameters are as in `draw_gallery`.

    Examples
    --------
    >>> figure = Figure(layout="constrained")
    >>> plot_gallery(figure, np.zeros((1, 1, 8, 8), dtype=np.uint8), ["62"])
    """
    gallery_size(images, captions, columns)
    panels = image_panels(figure, images, columns or grid_columns(len(images)))
    for axes, caption in zip(panels, captions, strict=True):
        main, _, more = caption.partition("\n")
        centre: dict[str, Any] = {
            "xycoords": "axes fraction",
            "textcoords": "offset points",
            "ha": "center",
            "va": "top",
        }
        # A dollar sign in a caption does not begin mathematics.
        axes.annotate(main, (0.5, 0), (0, -3), fontsize=_MAIN, parse_math=False, **centre)
        if more:
            below = (0, -4 - 1.2 * _MAIN)
            axes.annotate(more, (0.5, 0), below, fontsize=_MORE, color="0.35", parse_math=False, **centre)
