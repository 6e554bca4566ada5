"""The command `deepgum plot`."""

from __future__ import annotations

from pathlib import Path

import click

from deepgum.cli.common import console, list_files
from deepgum.cli.options import option
from deepgum.cli.values import NAMES, PATH

__all__ = ["plot"]


@click.command()
@click.argument("results", nargs=-1, required=True, type=PATH)
@option(
    "--out",
    type=PATH,
    unset="figure5 beside the first file",
    help="Path of the figures, without ending; replaced if they exist.",
)
@option("--methods", callback=NAMES, unset="all", help="Methods to draw, in this order.")
def plot(results: tuple[Path, ...], out: Path | None, methods: tuple[str, ...] | None) -> None:
    """Draw Figure 5 of the paper from RESULTS: results files, or folders that hold a results file.

    There is one column per kind of noise, with the failure rate on top, and precision and recall of the flags below.
    Lines are means over the seeds. Bands go from the lowest to the highest value over the seeds. The figure is written
    as PNG and as SVG.

    \b
    Examples:
      deepgum plot runs/faces
      deepgum plot runs/faces --methods l2,huber,biweight,deepgum
      deepgum plot runs/a/results.jsonl runs/b/results.jsonl --out figures/both
    """
    from deepgum.experiments.own_files import own_files_near
    from deepgum.experiments.paper.records import read_records, select
    from deepgum.report.paper.figure5 import draw_figure5
    from deepgum.report.style import FORMATS, save
    from deepgum.storage.output import check_file

    figure = draw_figure5(select(read_records(results), methods))
    beside = results[0] if results[0].is_dir() else results[0].parent
    stem = out or beside / "figure5"
    if stem.suffix.lower() in {f".{kind}" for kind in FORMATS}:
        stem = stem.with_suffix("")
    for kind in FORMATS:
        file = stem.with_name(f"{stem.name}.{kind}")
        check_file(file, suffixes=(), inputs=[*results, *own_files_near(file)])
    list_files(console(), save(figure, stem))
