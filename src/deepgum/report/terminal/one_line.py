"""A cell of a table on one line: a long text is cut in the middle, because the ends of file names tell them apart."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.text import Text

from deepgum.report.terminal.printable import printable

__all__ = ["OneLine"]

_SHORTEST = 12
"""Columns of the terminal that a cut text keeps at least."""


class OneLine:
    """A text that is never broken over several lines.

    Parameters
    ----------
    text : str

    Examples
    --------
    >>> from rich.table import Table
    >>> table = Table.grid()
    >>> table.add_row(OneLine("photos/2019/summer/0001.jpg"))
    >>> Console(width=20).print(table)
    photos/20…r/0001.jpg
    """

    def __init__(self, text: str) -> None:
        self._text = printable(text)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Return the widths of the shortest and of the whole text."""
        whole = cell_len(self._text)
        return Measurement(min(_SHORTEST, whole), whole).with_maximum(options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the text, cut to the width of its column."""
        text, width = self._text, options.max_width
        if cell_len(text) > width:
            end = width // 2
            text = f"{set_cell_size(text, width - 1 - end)}…{set_cell_size(text[::-1], end)[::-1]}"
        yield Text(text, no_wrap=True, overflow="crop")
