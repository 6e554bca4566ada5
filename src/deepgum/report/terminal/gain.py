"""A table for a terminal that shows the gain of a patch."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from deepgum.audit.corrections.gain import Difference, Gain
from deepgum.evaluation.significance import stars
from deepgum.report.terminal.printable import printable

__all__ = ["gain_table"]


def gain_table(gain: Gain) -> RenderableType:
    """Return a table with one row for the mean of all errors, and one row per landmark or target. The conclusion is
    below the table.

    Examples
    --------
    >>> from rich.console import Console
    >>> whole = Difference("", 0.051, 0.042, 0.009, 0.004, 0.013, 0.0004, 500)
    >>> gain = Gain("l2", (0, 1, 2), 400, 500, 20, 1, "of the normaliser", (whole,), None, True)
    >>> Console(width=90).print(gain_table(gain))
    l2, 3 trainings before and after: 400 samples to train on, 20 labels replaced, 1 dropped
    <BLANKLINE>
     error of the normaliser   before   after                 lower by            p
     ──────────────────────────────────────────────────────────────────────────────
     all                        0.051   0.042   0.009 (0.004 to 0.013)   <0.001 ***
    <BLANKLINE>
    500 test samples of the official test part; errors are means over the trainings.
    The corrections help: the error on the test set falls by more than chance explains.
    """
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(Text(f"error {gain.unit}".strip()), overflow="fold")
    for heading in ("before", "after", "lower by", "p"):
        table.add_column(heading, justify="right")
    for each in gain.errors:
        table.add_row(Text(printable(each.name) or "all"), *_cells(each, 1.0))
    if gain.failures is not None:
        table.add_row("failures, %", *_cells(gain.failures, 100.0))
    trainings = len(gain.seeds)
    head = (
        f"{gain.method}, {trainings} training{'s' if trainings > 1 else ''} before and after: "
        f"{gain.train:,} samples to train on, {gain.fixed} labels replaced, {gain.dropped} dropped"
    )
    source = "of the official test part" if gain.official else "held out from samples without changes"
    tested = f"{gain.test:,} test samples {source}; errors are means over the trainings."
    return Group(Text(head), table, Text(tested), Text(gain.verdict, style="bold"))


def _cells(each: Difference, factor: float) -> tuple[str, ...]:
    before, after, lower, low, high = (factor * v for v in (each.before, each.after, each.lower, each.low, each.high))
    p = "<0.001" if each.p_value < 0.001 else f"{each.p_value:.3f}"
    return (
        f"{before:.4g}",
        f"{after:.4g}",
        f"{lower:.2g} ({low:.2g} to {high:.2g})",
        f"{p} {stars(each.p_value)}".strip(),
    )
