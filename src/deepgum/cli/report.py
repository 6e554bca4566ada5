"""The command `deepgum report`."""

from __future__ import annotations

from pathlib import Path

import click

from deepgum.cli.common import FOLDER, PATH, list_files, session

__all__ = ["report"]


@click.command(short_help="Make an audit's report again: one HTML file.")
@click.argument("run", type=FOLDER)
@click.option("--out", type=PATH, metavar="FILE", help="Where to.  [default: report.html in RUN]")
@click.option(
    "--most",
    type=click.IntRange(min=1),
    default=20_000,
    show_default=True,
    help="Flagged labels in the gallery, the worst.",
)
@click.option("--open", "show", is_flag=True, help="Show it in the browser.")
def report(run: Path, out: Path | None, most: int, show: bool) -> None:
    """Make the report of the finished audit in the folder RUN: a page that holds all it needs, to be sent or kept.

    Above, how many labels are wrong, by landmark, and how the mixture was fitted to the residuals. Below, a
    gallery of the flagged labels, worst first: each with its picture, the label that was given and the one
    that is predicted, how probably it is right, and what seems wrong with it. By landmark, reason, probability
    and id it can be filtered and ordered; j and k, n and p, Enter and ? are its keys.

    The page loads nothing from anywhere, and sends nothing. About 4 kB a picture. Images that cannot
    be read, or that lie outside of the data's folder, are shown as such.

    \b
    Examples:
      deepgum report runs/faces --open
      deepgum report runs/faces --out faces.html --most 1000

    \b
    To decide about what is flagged:
      deepgum review runs/faces
    """
    with session(None, "Nothing was written.") as (terminal, reporter):
        from deepgum.audit.folder import AuditFolder
        from deepgum.report.page import write_report

        path = write_report(AuditFolder(run), out, most=most, progress=reporter.reading)
    list_files(terminal, [path])
    if show and click.launch(path.resolve().as_uri()):
        terminal.print("No browser was found to show it; open the file in one.", highlight=False)
