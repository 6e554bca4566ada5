"""A table of ours and the paper's values, for a terminal of any width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from deepgum.report.markup import plain

if TYPE_CHECKING:
    from deepgum.report.paper_table import PaperTable

__all__ = ["TerminalTable"]

# As wide as no terminal is: what a table is measured in.
_WIDEST = 10_000


@dataclass(frozen=True)
class TerminalTable:
    """A table for a terminal, which knows the width that it is drawn at only when it is drawn.

    Examples
    --------
    >>> from rich.console import Console
    >>> from deepgum.report.paper_table import Cell, Column, PaperTable, Row
    >>> Console().print(PaperTable("Age", (Column("MAE", "here"),), (Row("$L_2$", (Cell(7.1),)),)).to_rich())
    Age
    <BLANKLINE>
     method   MAE
     ────────────
     L2      7.10
    <BLANKLINE>
    """

    table: PaperTable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        columns = range(len(self.table.columns))
        theirs = [index for index in columns if self.table.columns[index].published]
        ours = [index for index in columns if index not in theirs]
        yield Text(self.table.title, style="bold")
        beside = self._part([*ours, *theirs])
        if console.measure(beside, options=options.update_width(_WIDEST)).maximum <= options.max_width:
            yield beside
        else:
            yield self._part(ours)
            if theirs:
                yield Text(self.table.columns[theirs[0]].group, style="bold")
                yield self._part(theirs)
        for note in self.table.notes:
            # A grid of its own, for the end of a long note to stand below its beginning.
            line = Table.grid(padding=(0, 1))
            line.add_row("-", Text(note))
            yield line

    def _part(self, shown: Sequence[int]) -> Table:
        both = len({self.table.columns[index].published for index in shown}) > 1
        part = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
        part.add_column("method", vertical="bottom", overflow="fold")
        texts = {}
        for index in shown:
            column = self.table.columns[index]
            # Broken where the words allow it, so that a heading is not much wider than its values.
            group = column.group.replace(" (", "\n(").replace(", ", ",\n")
            header = f"{group}\n{column.header}" if column.published and both else column.header
            # Not set right by rich: the digits are to stand below each other, whatever the stars after them.
            part.add_column(Text(header, justify="right"), overflow="fold")
            texts[index] = self._texts(index, max(map(len, header.splitlines())))
        for number, row in enumerate(self.table.rows):
            if not all(row.cells[index].missing for index in shown):
                part.add_row(plain(row.label), *(texts[index][number] for index in shown))
        return part

    def _texts(self, index: int, heading: int) -> list[Text]:
        """Return the cells of a column, all of one width, at least that of its heading."""
        cells = [row.cells[index] for row in self.table.rows]
        column = self.table.columns[index]
        numbers = [cell.number(column.digits) for cell in cells]
        stars = max((len(cell.stars) for cell in cells), default=0)
        width = max([heading - stars, *map(len, numbers)])
        return [
            Text(number.rjust(width) + cell.stars.ljust(stars), style="bold" if cell.best else "")
            for number, cell in zip(numbers, cells, strict=True)
        ]
