"""The renderers of a table; each output is parsed again."""

import io
import re

import pytest
from rich.console import Console

from deepgum.errors import InvalidDataError
from deepgum.report.paper.paper_table import Cell, Column, PaperTable, Row
from deepgum.styles import plain

COLUMNS = (
    Column("MAE", "here (UTKFace)"),
    Column("flagged (%)", "here (UTKFace)", digits=1),
    Column("MAE", "paper (CACD, as published)", published=True),
)
TABLE = PaperTable(
    "Age & more",
    COLUMNS,
    (
        Row("Dex [30]", (Cell(), Cell(), Cell(5.25))),
        Row("$L_2$", (Cell(7.126, 0.5), Cell(float("nan")), Cell(5.75))),
        Row("my_net", (Cell(6.2, stars="***", best=True), Cell(7.04), Cell())),
    ),
    ("100 % of p < 0.05 | a_b → c ± d†",),
)


def terminal(table, width):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(table.to_rich())
    return console.file.getvalue()


def markdown_cells(line):
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_markdown_has_one_cell_per_column_and_names_the_papers_columns():
    head, rule, *rows = (line for line in TABLE.to_markdown().splitlines() if line.startswith("|"))
    assert markdown_cells(head) == ["method", "MAE", "flagged (%)", "paper (CACD, as published): MAE"]
    assert rule == "|:--|--:|--:|--:|"
    assert [markdown_cells(row) for row in rows] == [
        [r"Dex \[30\]", "-", "-", "5.25"],
        ["L2", "7.13 ± 0.50", "-", "5.75"],
        [r"my\_net", r"**6.20**\*\*\*", "7.0", "-"],
    ]


def test_markdown_escapes_what_would_be_markup():
    assert TABLE.to_markdown().endswith("\n\n- 100 % of p \\< 0.05 \\| a\\_b → c ± d†\n")


def latex_rows():
    body = TABLE.to_latex().split(r"\midrule")[1].split(r"\bottomrule")[0]
    return [[cell.strip() for cell in line.removesuffix(r"\\").split(" & ")] for line in body.strip().splitlines()]


def test_latex_has_one_cell_per_column_under_two_headings():
    text = TABLE.to_latex()
    assert r"\begin{tabular}{lrrr}" in text
    assert r"\multicolumn{2}{c}{here (UTKFace)} & \multicolumn{1}{c}{paper (CACD, as published)} \\" in text
    assert r"\cmidrule(lr){2-3}" in text
    assert r"\cmidrule(lr){4-4}" in text
    rows = latex_rows()
    assert rows[0] == ["Dex [30]", "--", "--", "5.25"]
    assert rows[1] == ["$L_2$", r"7.13 $\pm$ 0.50", "--", "5.75"]
    assert rows[2][:2] == [r"my\_net", r"\textbf{6.20}\makebox[0pt][l]{\textsuperscript{***}}"]


def test_latex_is_escaped_and_balanced():
    text = TABLE.to_latex()
    assert r"\caption{Age \& more}" in text
    assert r"100 \% of p \textless{} 0.05 \textbar{} a\_b $\to$ c $\pm$ d\textsuperscript{\textdagger}" in text
    assert text.count("{") == text.count("}")
    assert re.findall(r"\\(begin|end)\{(\w+)\}", text) == [
        ("begin", "table"),
        ("begin", "tabular"),
        ("end", "tabular"),
        ("begin", "minipage"),
        ("end", "minipage"),
        ("end", "table"),
    ]
    without_row_ends = text.replace(" & ", "").replace("% needs", "")
    assert not re.search(r"(?<!\\)[%&#]", without_row_ends)


def test_latex_takes_every_special_character_as_text():
    table = PaperTable(r"\ { } $ & # ^ _ ~ %", (), (Row("*[a]", ()),))
    assert r"\caption{\textbackslash{} \{ \} \$ \& \# \textasciicircum{} \_ \textasciitilde{} \%}" in table.to_latex()
    # Otherwise TeX reads the star and the bracket as arguments of the line break before.
    assert "\n{}*[a] \\\\\n" in table.to_latex()


def test_a_wide_terminal_shows_the_paper_beside_ours():
    lines = terminal(TABLE, 100).splitlines()
    (row,) = (line.split() for line in lines if "L2" in line)
    assert row == ["L2", "7.13", "±", "0.50", "-", "5.75"]
    (row,) = (line.split() for line in lines if "Dex" in line)
    assert row == ["Dex", "[30]", "-", "-", "5.25"]
    assert "published)" in "".join(lines)


def test_a_narrow_terminal_shows_the_paper_below_ours_and_loses_no_value():
    text = terminal(TABLE, 44)
    ours, theirs = text.split("paper (CACD, as published)")
    assert ["L2", "7.13", "±", "0.50", "-"] in [line.split() for line in ours.splitlines()]
    assert ["L2", "5.75"] in [line.split() for line in theirs.splitlines()]
    # A method without values in a part has no row in it.
    assert "Dex" not in ours
    assert "my_net" not in theirs
    assert "…" not in terminal(TABLE, 20)


def test_digits_are_aligned_with_and_without_stars():
    rows = Row("a", (Cell(7.13),)), Row("b", (Cell(16.2, stars="***"),)), Row("c", (Cell(),))
    lines = terminal(PaperTable("t", COLUMNS[:1], rows), 100).splitlines()
    ends = [line.index(number) + len(number) for number in ("7.13", "16.20") for line in lines if number in line]
    assert ends[0] == ends[1]
    assert "16.20***" in "".join(lines)


def test_a_number_has_its_deviation_and_a_missing_value_is_a_dash():
    assert Cell(1.005, 0.25).number(1) == "1.0 ± 0.2"
    assert Cell(1.0, float("nan")).number(0) == "1"
    assert Cell(float("nan"), 1.0).number(2) == Cell().number(2) == "-"


def test_labels_lose_their_mathematics_only():
    assert [plain(label) for label in ("$L_1$", "a_b", "cost $5")] == ["L1", "a_b", "cost $5"]


def test_tables_that_do_not_fit_are_refused():
    with pytest.raises(InvalidDataError, match="should have 3 cells"):
        PaperTable("t", COLUMNS, (Row("a", (Cell(),)),))
    with pytest.raises(InvalidDataError, match=r"all columns with your own values .* first"):
        PaperTable("t", COLUMNS[::-1], ())
