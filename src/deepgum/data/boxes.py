"""Columns of boxes around the objects in images. The names of the four columns tell what they are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from deepgum.data.columns import Columns
from deepgum.errors import InvalidParameterError

__all__ = ["box_columns", "read_boxes"]

Values = NDArray[np.float64]

_NAMES = {
    "left": ("left", "l", "x", "xmin", "minx", "xtl"),
    "top": ("top", "t", "y", "ymin", "miny", "ytl"),
    "right": ("right", "r", "x2", "xmax", "maxx", "xbr"),
    "bottom": ("bottom", "b", "y2", "ymax", "maxy", "ybr"),
    "width": ("width", "w"),
    "height": ("height", "h"),
}
_EXPECTED = "four columns whose names tell x, y, width and height, or left, top, right and bottom"


def box_columns(names: Sequence[str]) -> dict[str, str]:
    """Return the columns of the parts of a box: left and top, and width and height or right and bottom.

    The columns may be in any order, and their names may have a common beginning or end.

    Raises
    ------
    InvalidParameterError
        If the names do not tell the parts.

    Examples
    --------
    >>> box_columns(["bbox_x", "bbox_y", "bbox_w", "bbox_h"])
    {'left': 'bbox_x', 'top': 'bbox_y', 'width': 'bbox_w', 'height': 'bbox_h'}
    >>> box_columns(["x1", "y1", "x2", "y2"])
    {'left': 'x1', 'top': 'y1', 'right': 'x2', 'bottom': 'y2'}
    """
    if len(names) != 4 or len(set(names)) != 4:
        raise InvalidParameterError("box", _EXPECTED, tuple(names))
    short = _without_common_parts([name.lower() for name in names])
    corners = {"x0": "left", "y0": "top", "x1": "right", "y1": "bottom"} if "x0" in short else {}
    corners = corners or {"x1": "left", "y1": "top"}
    known = {name: part for part, others in _NAMES.items() for name in others} | corners
    for shorter in (short, [each[1:] for each in short] if len({each[:1] for each in short}) == 1 else short):
        parts = {known.get(each, each): name for each, name in zip(shorter, names, strict=True)}
        for wanted in (("left", "top", "width", "height"), ("left", "top", "right", "bottom")):
            if set(wanted) == set(parts):
                return {part: parts[part] for part in wanted}
    raise InvalidParameterError("box", _EXPECTED, tuple(names), "Rename the columns, for example to x, y, w, h.")


def _without_common_parts(names: Sequence[str]) -> list[str]:
    """Return names without the words that all of them begin or end with, and without separators."""
    words = [re.findall(r"[a-z]+[0-9]*|[0-9]+", name) for name in names]
    while min(map(len, words)) > 1 and len({each[0] for each in words}) == 1:
        words = [each[1:] for each in words]
    while min(map(len, words)) > 1 and len({each[-1] for each in words}) == 1:
        words = [each[:-1] for each in words]
    return ["".join(each) for each in words]


def read_boxes(table: Columns, columns: Mapping[str, str]) -> Values:
    """Return the boxes (n, 4) of a table: left, top, width and height, NaN where a cell is empty.

    Raises
    ------
    InvalidDataError
        If a cell is not a number, or a width or a height is not positive. The message names the cell.
    """
    left, top = (table.numbers(columns[part], missing=True) for part in ("left", "top"))
    if "width" in columns:
        ends = [table.numbers(columns[part], missing=True) for part in ("width", "height")]
        sides, names = ends, (columns["width"], columns["height"])
    else:
        ends = [table.numbers(columns[part], missing=True) for part in ("right", "bottom")]
        sides, names = [ends[0] - left, ends[1] - top], (columns["right"], columns["bottom"])
    for name, side, words in zip(names, sides, ("width", "height"), strict=True):
        table.refuse(name, np.flatnonzero(side <= 0).tolist(), f"a number that gives the box a positive {words}")
    boxes = np.stack([left, top, *sides], axis=1)
    boxes[np.isnan(boxes).any(axis=1)] = np.nan
    return boxes
