"""The command `deepgum demo`."""

from __future__ import annotations

from pathlib import Path

import click

from deepgum.cli.common import FOLDER, list_files, session

__all__ = ["demo"]

_STARTS_ANEW = "A demo starts anew each time, in another folder. With --out, give a folder that is new or empty."


@click.command()
@click.option("--out", type=FOLDER, help="Folder for results and pictures.  [default: the first free runs/demo...]")
# One by default: images this small gain little from more, and lose much where other work shares the cores.
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads of the CPU.")
def demo(out: Path | None, threads: int) -> None:
    """Find wrong landmarks in data that is already installed.

    The images are scanned digits of scikit-learn, placed on a canvas by random maps; the landmarks are the four
    corners of each digit. Two corners in five are moved away. L2, Cauchy, DeepGUM and an oracle that knows which
    labels are wrong learn from them. Prints how the four compare, and writes three pictures: the comparison, the
    worst labels found, and the posteriors.

    \b
    Examples:
      deepgum demo
      deepgum demo --out my-demo --threads 4
    """
    with session(threads, _STARTS_ANEW) as (terminal, reporter):
        from deepgum.experiments.paper.demo import free_folder, run_demo
        from deepgum.report.paper.tables import tables
        from deepgum.report.runs.demo import draw_demo

        folder = out or free_folder(Path("runs/demo"))
        result = run_demo(folder, reporter)
        pictures = draw_demo(result, folder)
    for table in tables(result.records):
        terminal.print(table)
    list_files(terminal, [folder / "results.jsonl", folder / "posteriors", *pictures])
