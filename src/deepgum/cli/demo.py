"""The command `deepgum demo`."""

from __future__ import annotations

from pathlib import Path

import click

from deepgum.cli.common import list_files, session
from deepgum.cli.options import option
from deepgum.cli.values import FOLDER

__all__ = ["demo"]

_NOT_RESUMED = "A demo cannot be resumed; each one needs a new or empty folder."


@click.command()
@option(
    "--out", type=FOLDER, metavar="DIR", unset="runs/demo, runs/demo-2, ...", help="Folder for results and figures."
)
# One thread by default. With images this small, more threads gain little, and they lose much on busy cores.
@option("--threads", type=click.IntRange(min=1), metavar="N", default=1, help="Threads of the CPU.")
def demo(out: Path | None, threads: int) -> None:
    """Find wrong landmarks on images of digits, which are installed with scikit-learn.

    The images are scanned digits, moved, turned and scaled at random on a canvas. The landmarks are the four corners of
    each digit. Two in five landmarks are moved to wrong places. Four methods learn from these labels: L2, Cauchy,
    DeepGUM, and an oracle that knows which labels are wrong. The command prints a comparison of the four methods, and
    draws three figures: the comparison, the least probable labels, and the posteriors.

    \b
    Examples:
      deepgum demo
      deepgum demo --out my-demo --threads 4
    """
    with session(threads, _NOT_RESUMED) as (terminal, reporter):
        from deepgum.experiments.paper.demo import free_folder, run_demo
        from deepgum.report.paper.tables import tables
        from deepgum.report.runs.demo import draw_demo

        folder = out or free_folder(Path("runs/demo"))
        result = run_demo(folder, reporter)
        pictures = draw_demo(result, folder)
    for table in tables(result.records):
        terminal.print(table)
    list_files(terminal, [folder / "results.jsonl", folder / "posteriors", *pictures])
