"""A table in the paper's layout, for a terminal, Markdown and LaTeX. The paper's values have separate columns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderResult
from rich.table import Table
from rich.text import Text

from deepgum.errors import InvalidDataError
from deepgum.report.paper.markup import latex, markdown
from deepgum.styles import plain

__all__ = ["Cell", "Column", "PaperTable", "Row", "TerminalTable"]


@dataclass(frozen=True)
class Cell:
    """One value of a table.

    Attributes
    ----------
    value : float or None
        The value. None and NaN are shown as "-".
    deviation : float or None
        Standard deviation, shown after the sign ±. None if there is no standard deviation.
    stars : str
        Stars of significance, shown after the value.
    best : bool
        Whether the value is the lowest in a comparison. The lowest value is shown bold.
    """

    value: float | None = None
    deviation: float | None = None
    stars: str = ""
    best: bool = False

    @property
    def missing(self) -> bool:
        """Whether the cell has no value."""
        return self.value is None or math.isnan(self.value)

    def number(self, digits: int) -> str:
        """Return the value as a string, with the standard deviation if the cell has one, and without stars.

        Examples
        --------
        >>> Cell(7.613, 1.004).number(2), Cell().number(2)
        ('7.61 ± 1.00', '-')
        """
        if self.value is None or self.missing:
            return "-"
        known = self.deviation is not None and not math.isnan(self.deviation)
        return f"{self.value:.{digits}f}" + (f" ± {self.deviation:.{digits}f}" if known else "")


@dataclass(frozen=True)
class Column:
    """One column of values.

    Attributes
    ----------
    header : str
        Name of the measure.
    group : str
        Source and data set of the values. Columns with the same source and data set have one common heading.
    published : bool
        True if the values are from the paper, False if they are our own.
    digits : int
        Number of decimals.
    """

    header: str
    group: str
    published: bool = False
    digits: int = 2


@dataclass(frozen=True)
class Row:
    """One row of a table: a method's label, which may contain mathematics between dollar signs, and a cell per
    column.
    """

    label: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class PaperTable:
    r"""A table of our values, with the paper's values in separate columns.

    Attributes
    ----------
    title : str
    columns : tuple of Column
        Columns with our values first, then columns with the paper's values.
    rows : tuple of Row
    notes : tuple of str
        Sentences below the table.

    Raises
    ------
    InvalidDataError
        If a row does not have one cell per column, or if a column with our values comes after a column with the paper's
        values.

    Examples
    --------
    >>> columns = Column("MAE", "here (UTKFace)"), Column("MAE", "paper (CACD, as published)", published=True)
    >>> rows = Row("$L_2$", (Cell(7.1), Cell(5.75))), Row("DeepGUM", (Cell(6.2, stars="*", best=True), Cell(5.08)))
    >>> print(PaperTable("Age", columns, rows, ("One seed.",)).to_markdown())
    **Age**
    <BLANKLINE>
    | method | MAE | paper (CACD, as published): MAE |
    |:--|--:|--:|
    | L2 | 7.10 | 5.75 |
    | DeepGUM | **6.20**\* | 5.08 |
    <BLANKLINE>
    - One seed.
    <BLANKLINE>
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row.cells) != len(self.columns):
                raise InvalidDataError(
                    f"Each of `rows` should have {len(self.columns)} cells, one per column. "
                    f"Found {len(row.cells)} cells in the row {row.label}."
                )
        published = [column.published for column in self.columns]
        if published != sorted(published):
            raise InvalidDataError(
                "`columns` should list all columns with your own values (`published=False`) first, then all columns "
                f"with values of the paper (`published=True`). Found {[each.header for each in self.columns]}."
            )

    def to_rich(self) -> ConsoleRenderable:
        """Return the table for a terminal. On a narrow terminal, the columns with the paper's values are below the
        columns with our values.
        """
        return TerminalTable(self)

    def to_markdown(self) -> str:
        """Return the table as Markdown, with the title above the table and the notes below the table."""
        headers = [f"{column.group}: {column.header}" if column.published else column.header for column in self.columns]
        lines = [
            f"**{markdown(self.title)}**",
            "",
            _markdown_row(["method", *map(markdown, headers)]),
            "|:--|" + "--:|" * len(self.columns),
        ]
        for row in self.rows:
            cells = [_markdown_cell(cell, column) for cell, column in zip(row.cells, self.columns, strict=True)]
            lines.append(_markdown_row([markdown(plain(row.label)), *cells]))
        notes = ["", *(f"- {markdown(note)}" for note in self.notes)] if self.notes else []
        return "\n".join([*lines, *notes]) + "\n"

    def to_latex(self) -> str:
        r"""Return the table as a `table` environment for LaTeX with the package booktabs. All strings are escaped."""
        lines = [
            "% needs \\usepackage{booktabs}",
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{latex(self.title)}}}",
            rf"\begin{{tabular}}{{l{'r' * len(self.columns)}}}",
            r"\toprule",
            " & ".join(["", *(rf"\multicolumn{{{len(g)}}}{{c}}{{{latex(g[0].group)}}}" for g in self._groups())])
            + r" \\",
        ]
        start = 2
        for group in self._groups():
            lines.append(rf"\cmidrule(lr){{{start}-{start + len(group) - 1}}}")
            start += len(group)
        lines += [_latex_row(["method", *(latex(column.header) for column in self.columns)]), r"\midrule"]
        for row in self.rows:
            cells = [_latex_cell(cell, column) for cell, column in zip(row.cells, self.columns, strict=True)]
            lines.append(_latex_row([latex(row.label), *cells]))
        lines += [r"\bottomrule", r"\end{tabular}"]
        if self.notes:
            # TeX ends the small paragraph before the font size is restored.
            notes = [rf"{latex(note)}\par" for note in self.notes]
            lines += [r"\par\smallskip", r"\begin{minipage}{\linewidth}\footnotesize", *notes, r"\end{minipage}"]
        return "\n".join([*lines, r"\end{table}"]) + "\n"

    def _groups(self) -> Iterator[Sequence[Column]]:
        return (list(group) for _, group in groupby(self.columns, key=lambda column: column.group))


def _markdown_cell(cell: Cell, column: Column) -> str:
    number = cell.number(column.digits)
    return (f"**{number}**" if cell.best else number) + markdown(cell.stars)


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _latex_cell(cell: Cell, column: Column) -> str:
    number = "--" if cell.missing else latex(cell.number(column.digits))
    return (rf"\textbf{{{number}}}" if cell.best else number) + (
        # The stars have no width, so that the digits are aligned.
        rf"\makebox[0pt][l]{{\textsuperscript{{{cell.stars}}}}}" if cell.stars else ""
    )


def _latex_row(cells: Sequence[str]) -> str:
    # TeX would read a bracket or a star as an argument of the line break before.
    return ("{}" if cells[0].startswith(("[", "*")) else "") + " & ".join(cells) + r" \\"


# A width above that of any terminal, to measure a table without line breaks.
_UNLIMITED = 10_000


@dataclass(frozen=True)
class TerminalTable:
    """A table for a terminal, whose width is known only when the table is drawn.

    Examples
    --------
    >>> from rich.console import Console
    >>> from deepgum.report.paper.paper_table import Cell, Column, PaperTable, Row
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
        complete = self._part([*ours, *theirs])
        if console.measure(complete, options=options.update_width(_UNLIMITED)).maximum <= options.max_width:
            yield complete
        else:
            yield self._part(ours)
            if theirs:
                yield Text(self.table.columns[theirs[0]].group, style="bold")
                yield self._part(theirs)
        for note in self.table.notes:
            # In a grid, the second line of a long note is indented like the first.
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
            # Line breaks make the heading about as narrow as the values.
            group = column.group.replace(" (", "\n(").replace(", ", ",\n")
            header = f"{group}\n{column.header}" if column.published and both else column.header
            # The texts have spaces on the left. If rich aligned the texts, stars would shift the digits.
            part.add_column(Text(header, justify="right"), overflow="fold")
            texts[index] = self._texts(index, max(map(len, header.splitlines())))
        for number, row in enumerate(self.table.rows):
            if not all(row.cells[index].missing for index in shown):
                part.add_row(plain(row.label), *(texts[index][number] for index in shown))
        return part

    def _texts(self, index: int, heading: int) -> list[Text]:
        """Return the strings in the column `index`, padded to the same width. This width is at least `heading`, the
        width of the heading.
        """
        cells = [row.cells[index] for row in self.table.rows]
        column = self.table.columns[index]
        numbers = [cell.number(column.digits) for cell in cells]
        stars = max((len(cell.stars) for cell in cells), default=0)
        width = max([heading - stars, *map(len, numbers)])
        return [
            Text(number.rjust(width) + cell.stars.ljust(stars), style="bold" if cell.best else "")
            for number, cell in zip(numbers, cells, strict=True)
        ]
