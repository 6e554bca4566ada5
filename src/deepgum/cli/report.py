"""The command `deepgum report`."""

from __future__ import annotations

from pathlib import Path

import click

from deepgum.cli.common import list_files, session
from deepgum.cli.options import TRUST, option
from deepgum.cli.values import FOLDER, PATH

__all__ = ["report"]


@click.command(short_help="Make the report of an audit or of scores again: one HTML file.")
@click.argument("run", type=FOLDER)
@option("--out", type=PATH, metavar="FILE", unset="report.html in RUN", help="The .html file; replaced if it exists.")
@option(
    "--most",
    type=click.IntRange(min=1),
    metavar="N",
    default=20_000,
    help="Largest number of flagged labels in the gallery.",
)
@option("--open", "show", is_flag=True, help="Open the report in the browser.")
@TRUST
def report(run: Path, out: Path | None, most: int, show: bool, trust: bool) -> None:
    """Make the report of RUN, a finished audit or scores in a folder: one complete HTML page.

    At the top, the page shows the share of wrong labels for each landmark, and the fit of the mixture to the residuals.
    Below, a gallery shows the flagged labels, worst first. For each label it shows the picture, the given and the
    predicted label, the probability that the label is right, and the probable kind of error. The gallery can be
    filtered and sorted by landmark, reason, probability and id. Press ? on the page for a list of its keys.

    The page loads nothing and sends nothing. A picture needs about 4 kB. If an image cannot be read, or lies outside
    the folder of the data, there is a note instead of the picture.

    \b
    Examples:
      deepgum report runs/faces --open
      deepgum report runs/faces --out faces.html --most 1000

    \b
    To decide about the flagged labels:
      deepgum review runs/faces
    """
    with session(None, "Nothing was written.") as (terminal, reporter):
        from deepgum.audit.folder import AuditFolder
        from deepgum.report.page import write_report

        path = write_report(AuditFolder(run, trust=trust), out, most=most, progress=reporter.reading)
    list_files(terminal, [path])
    if show and click.launch(path.resolve().as_uri()):
        terminal.say("No browser was found. Open the file in a browser.")
