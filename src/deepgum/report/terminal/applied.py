"""A table for a terminal that shows what a patch changed in a data set."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.table import Table

from deepgum.audit.corrections.apply import Applied

__all__ = ["applied_table"]


def applied_table(applied: Applied) -> Table:
    """Return a table with the numbers of fixed, dropped, kept and unchanged labels, and the number of samples left
    out.
    """
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_header=True)
    table.add_column("labels")
    table.add_column("", justify="right")
    table.add_column("")
    for name, count, meaning in (
        ("fixed", applied.fixed, "have a new value"),
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
