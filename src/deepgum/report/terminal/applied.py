"""A table for a terminal that shows what a patch changed in a data set."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.table import Table

from deepgum.audit.corrections.apply import Applied
from deepgum.audit.corrections.outcomes import OUTCOMES

__all__ = ["applied_table"]


def applied_table(applied: Applied) -> Table:
    """Return a table with the numbers of replaced, dropped, kept and unchanged labels, and the number of samples
    left out.
    """
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_header=True)
    table.add_column("labels")
    table.add_column("", justify="right")
    table.add_column("")
    fixed = applied.fixed - applied.taken - applied.by_hand
    for name, count, meaning in (
        (OUTCOMES["take"], applied.taken, "have the suggested value"),
        (OUTCOMES["fix"], applied.by_hand, "have a value of the reviewer"),
        *([("fixed", fixed, "have a new value")] if fixed else ()),
        ("dropped", applied.dropped, "are missing now"),
        ("kept", applied.kept, "were checked and are right"),
        ("unchanged", applied.untouched, "have no decision"),
    ):
        table.add_row(name, f"{count:,}", meaning)
    if applied.left_out:
        table.add_row(
            "samples left out", f"{len(applied.left_out):,}", "lost a label, and the format allows no missing ones"
        )
    return table
