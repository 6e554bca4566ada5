"""Figure 4 of the paper: a table of the methods' errors on the left, and a gallery of images flagged as outliers on the
right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.textpath import TextPath
from numpy.typing import NDArray

from deepgum.report.paper.paper_table import PaperTable
from deepgum.report.runs.gallery import gallery_size, plot_gallery

__all__ = ["draw_figure4", "plot_table", "table_size"]

# Sizes in points: font, height of a row, gap between columns, margin; font and line height of the notes.
_FONT, _ROW, _GAP, _MARGIN = 9.0, 15.0, 14.0, 10.0
_NOTE_FONT, _NOTE_LINE = 6.5, 8.6
_INCH = 72.0
# Sizes in inches: height of the gallery's title, gap between table and gallery.
_TITLE_HEIGHT, _TABLE_GAP = 0.35, 0.15
# Small letters are drawn on whole pixels, a little wider than measured, so a line is filled only to this share.
_LINE_FILL = 0.95
_HEADING_LINES = 2
"""Lines of the heading of a group of columns."""


def draw_figure4(
    table: PaperTable,
    images: Sequence[NDArray[np.uint8]] | NDArray[np.uint8],
    captions: Sequence[str],
    *,
    title: str = "Flagged as outliers; below each image its annotation",
    columns: int | None = None,
) -> Figure:
    """Draw Figure 4 of the paper: a table with its notes on the left, and a gallery of images on the right.

    Parameters
    ----------
    table : PaperTable
        The table of `figure4_table`, or any other table.
    images, captions, columns
        See `draw_gallery`.
    title : str
        Title of the gallery.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        As in `draw_gallery`.

    Examples
    --------
    >>> from deepgum.report.paper.conditions import Conditions
    >>> from deepgum.report.paper.reproduced import figure4_table
    >>> table = figure4_table({"l2": [4.0, 6.0], "deepgum": [3.0, 5.0]}, {}, Conditions("UTKFace"))
    >>> figure = draw_figure4(table, np.zeros((2, 3, 8, 8), dtype=np.uint8), ["62", "14"])
    >>> len(figure.subfigs)
    2
    """
    right, gallery_height = gallery_size(images, captions, columns)
    left, table_height = table_size(table)
    left += _TABLE_GAP
    height = max(table_height, gallery_height + _TITLE_HEIGHT)
    figure = Figure(figsize=(left + right, height), layout="constrained")
    parts = figure.subfigures(1, 2, squeeze=False, width_ratios=[left, right])[0]
    # The axes count in points from the upper left corner. They are outside the constrained layout, which would resize
    # them.
    axes = parts[0].add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, left * _INCH), ylim=(height * _INCH, 0))
    plot_table(axes, table)
    gallery = parts[1]
    if height > gallery_height + _TITLE_HEIGHT:
        # The gallery is only as high as its images. Otherwise the images would be spread over the height of the table.
        gallery = gallery.subfigures(
            2, 1, squeeze=False, height_ratios=[gallery_height + _TITLE_HEIGHT, height - gallery_height - _TITLE_HEIGHT]
        )[0, 0]
    plot_gallery(gallery, images, captions, columns)
    gallery.suptitle(title, fontsize=11)
    return figure


def table_size(table: PaperTable) -> tuple[float, float]:
    """Return the width and height in inches of a table with its notes.

    Examples
    --------
    >>> width, height = table_size(PaperTable("Age", (), ()))
    >>> 0 < width < 1, 0 < height < 2
    (True, True)
    """
    layout = _Layout.of(table)
    return layout.width / _INCH, layout.bottom / _INCH


def plot_table(axes: Axes, table: PaperTable) -> None:
    """Draw a table on axes whose unit is 1/72 inch, with the origin in the upper left corner and y downwards.

    Examples
    --------
    >>> axes = Figure(figsize=(1, 1)).add_axes((0, 0, 1, 1), xlim=(0, 72), ylim=(72, 0))
    >>> plot_table(axes, PaperTable("Age", (), ()))
    >>> axes.texts[0].get_text()
    'Age'
    """
    layout = _Layout.of(table)
    axes.set_axis_off()
    left, right = _MARGIN, layout.width - _MARGIN
    y = _MARGIN + _ROW / 2
    for line in layout.title:
        _write(axes, left, y, line, weight="bold")
        y += _ROW
    y += _ROW / 2
    _rule(axes, left, right, y - _ROW / 2, 1.2)
    for heading, start, end in layout.groups:
        for number, line in enumerate(heading):
            _write(axes, (start + end) / 2, y + number * 0.8 * _ROW, line, ha="center", style="italic")
        _rule(axes, start, end, y + (_HEADING_LINES - 1) * 0.8 * _ROW + _ROW / 2, 0.6)
    y += (_HEADING_LINES - 1) * 0.8 * _ROW + _ROW
    _write(axes, left, y, "method")
    for column, end in zip(table.columns, layout.ends, strict=True):
        _write(axes, end, y, column.header, ha="right")
    _rule(axes, left, right, y + _ROW / 2, 0.8)
    for row in table.rows:
        y += _ROW
        _write(axes, left, y, row.label, parse_math=True)
        for cell, column, end in zip(row.cells, table.columns, layout.ends, strict=True):
            weight = "bold" if cell.best else "normal"
            _write(axes, end, y, cell.number(column.digits), ha="right", weight=weight)
            # Stars stand in the gap between columns, so that the digits are aligned.
            _write(axes, end + 0.5, y, cell.stars)
    _rule(axes, left, right, y + _ROW / 2, 1.2)
    y += 1.2 * _ROW
    for line in layout.notes:
        _write(axes, left, y, line, fontsize=_NOTE_FONT, color="0.3")
        y += _NOTE_LINE


@dataclass(frozen=True)
class _Layout:
    """Positions of the parts of a table, in units of 1/72 inch."""

    ends: tuple[float, ...]  # right edge of each column's digits
    groups: tuple[tuple[tuple[str, ...], float, float], ...]  # heading, left and right edge
    width: float
    title: tuple[str, ...]
    notes: tuple[str, ...]
    bottom: float

    @classmethod
    def of(cls, table: PaperTable) -> _Layout:
        x = _MARGIN + max((_width(text) for text in ("method", *(row.label for row in table.rows))), default=0)
        ends: list[float] = []
        groups: list[tuple[tuple[str, ...], float, float]] = []
        for name, members in groupby(range(len(table.columns)), key=lambda index: table.columns[index].group):
            heading = tuple(name.replace(" (", "\n(").split("\n")) if name else ()
            columns = list(members)
            widths = [_column_width(table, index) for index in columns]
            needed = max((_width(line, style="italic") for line in heading), default=0)
            # A heading wider than its columns moves them apart.
            spare = max(0.0, needed - sum(widths) - _GAP * (len(widths) - 1)) / len(widths)
            start = x + _GAP
            for width in widths:
                x += _GAP + width + spare
                ends.append(x)
            groups.append((heading, start, x))
            x += max((_width(row.cells[columns[-1]].stars) for row in table.rows), default=0)
        width = x + _MARGIN
        room = width - 2 * _MARGIN
        notes = tuple(line for note in table.notes for line in _wrap(note, room, _NOTE_FONT))
        title = tuple(_wrap(table.title, room, _FONT, weight="bold"))
        rows = len(title) + 0.5 + (_HEADING_LINES - 1) * 0.8 + 2 + len(table.rows) + 1.2
        return cls(tuple(ends), tuple(groups), width, title, notes, 2 * _MARGIN + _ROW * rows + _NOTE_LINE * len(notes))


def _column_width(table: PaperTable, index: int) -> float:
    column = table.columns[index]
    cells = [row.cells[index] for row in table.rows]
    numbers = [_width(cell.number(column.digits), weight="bold" if cell.best else "normal") for cell in cells]
    return max([_width(column.header), *numbers])


def _wrap(text: str, room: float, letters: float, weight: str = "normal") -> list[str]:
    """Break a string between words into lines that are at most `room` / 72 inches wide. A wider word is alone on its
    line.
    """
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _width(longer.replace("$", "S"), weight) * letters / _FONT <= _LINE_FILL * room:
            lines[-1] = longer
        else:
            lines.append(f"   {word}" if lines else word)
    return lines


def _width(text: str, weight: str = "normal", style: Literal["normal", "italic"] = "normal") -> float:
    """Return the width of a drawn string, in units of 1/72 inch."""
    if not text:
        return 0.0
    properties = FontProperties(weight=weight, style=style)
    if "$" in text:
        return float(TextPath((0, 0), text, size=_FONT, prop=properties).get_extents().x1)
    # Measuring with the font itself is many times faster. The font has 10 dots per point and 64 units per dot.
    font = get_font(findfont(properties))
    font.set_size(_FONT, 10 * _INCH)
    font.set_text(text)
    return float(font.get_width_height()[0]) / 640


def _write(axes: Axes, x: float, y: float, text: str, **style: object) -> None:
    # Only the labels of methods contain mathematics. Elsewhere, a dollar sign is plain text.
    plain = {"fontsize": _FONT, "va": "center_baseline", "parse_math": False}
    if text:
        axes.text(x, y, text, **(plain | style))  # type: ignore[arg-type]


def _rule(axes: Axes, start: float, end: float, y: float, width: float) -> None:
    axes.plot([start, end], [y, y], color="black", linewidth=width, solid_capstyle="butt")
