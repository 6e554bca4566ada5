"""A table in the paper's layout, for a terminal, Markdown and LaTeX: the paper's values in columns of their own."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.console import ConsoleRenderable

from deepgum.errors import InvalidDataError
from deepgum.report.markup import latex, markdown, plain
from deepgum.report.terminal import TerminalTable

__all__ = ["Cell", "Column", "PaperTable", "Row"]


@dataclass(frozen=True)
class Cell:
    """One value of a table.

    Attributes
    ----------
    value : float or None
        None or NaN is shown as "-".
    deviation : float or None
        To stand after the sign ±.
    stars : str
        Significance, after the value.
    best : bool
        Whether it is the lowest of what it is compared with; shown bold.
    """

    value: float | None = None
    deviation: float | None = None
    stars: str = ""
    best: bool = False

    @property
    def missing(self) -> bool:
        """Whether there is nothing to show."""
        return self.value is None or math.isnan(self.value)

    def number(self, digits: int) -> str:
        """Return the value, and its deviation where there is one, without stars.

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
        What is measured.
    group : str
        Whose values these are, and on what; it spans all columns of the group.
    published : bool
        Whether the values are the paper's, and not ours.
    digits : int
        Decimals that are shown.
    """

    header: str
    group: str
    published: bool = False
    digits: int = 2


@dataclass(frozen=True)
class Row:
    """One method: its label, which may hold mathematics between dollar signs, and a cell a column."""

    label: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class PaperTable:
    r"""Values of ours and, in columns of their own, the paper's.

    Attributes
    ----------
    title : str
    columns : tuple of Column
        Ours first, then the paper's.
    rows : tuple of Row
    notes : tuple of str
        Sentences to stand below the table.

    Raises
    ------
    InvalidDataError
        A row does not have a cell a column, or a column of ours stands after one of the paper's.

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
                    f"`rows` should have {len(self.columns)} cells, one a column. "
                    f"Found {len(row.cells)} of {row.label}."
                )
        published = [column.published for column in self.columns]
        if published != sorted(published):
            raise InvalidDataError(
                f"`columns` should hold ours before the paper's. Found {[column.header for column in self.columns]}."
            )

    def to_rich(self) -> ConsoleRenderable:
        """Return the table for a terminal; where that is too narrow, the paper's columns stand below ours."""
        return TerminalTable(self)

    def to_markdown(self) -> str:
        """Return the table for Markdown, the title before and the notes below it."""
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
        r"""Return a `table` environment for LaTeX with the package booktabs; all text is escaped."""
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
            # \par on lines of their own: TeX ends the small paragraph before the size goes back.
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
        # Of no width, for the digits to stand below each other.
        rf"\makebox[0pt][l]{{\textsuperscript{{{cell.stars}}}}}" if cell.stars else ""
    )


def _latex_row(cells: Sequence[str]) -> str:
    # After the row before, TeX would take a bracket or a star for an argument of its line break.
    return ("{}" if cells[0].startswith(("[", "*")) else "") + " & ".join(cells) + r" \\"
