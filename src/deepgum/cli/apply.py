"""The command `deepgum apply`."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from deepgum.cli.common import PATH, console

__all__ = ["apply"]


@click.command(short_help="Write a data set with the labels that a review decided.")
@click.argument("patch", type=PATH)
@click.argument("data", type=PATH)
@click.option("--out", type=PATH, required=True, metavar="NEW", help="New or empty folder; for a table a new file.")
def apply(patch: Path, data: Path, out: Path) -> None:
    """Write DATA with the labels of PATCH to NEW, in DATA's own format.

    PATCH is what `deepgum review RUN --export patch=FILE` wrote; docs/patch.md says how to write one by hand.
    DATA is the folder or the table that was audited. What is not in the patch stays as it is, to the byte
    where the format allows it, and DATA itself is never changed.

    \b
    What NEW is:
      a table         a file of the same kind; only the changed cells differ
      anything else   a folder that can be trained on as DATA can: label files of its own, images as hard
                      links (as copies on another disk)

    A label that is dropped is missing in NEW: an empty cell, a null, NaN, an occluded landmark. Lists and file
    names that cannot say so leave the sample out.

    Nothing is written where a label of DATA is not the one that the patch has looked at, or where NEW holds
    anything.

    \b
    Examples:
      deepgum apply fixes.patch.jsonl faces.csv --out faces-fixed.csv
      deepgum apply fixes.patch.jsonl data/lfw_net --out data/lfw_net-fixed
    """
    from deepgum.audit.corrections.apply import apply_patch
    from deepgum.audit.corrections.patch_file import read_patch
    from deepgum.data.sets.registry import get_dataset
    from deepgum.errors import listing
    from deepgum.report.terminal.applied import applied_table

    decided = read_patch(patch)
    dataset = get_dataset(decided.dataset)
    applied = apply_patch(decided, dataset.labels(data, dataset.check_options(decided.options)), out)
    terminal = console()
    terminal.print(applied_table(applied))

    def say(text: str) -> None:
        terminal.print(text, highlight=False, markup=False, soft_wrap=True)

    if applied.left_out:
        say(f"Left out: {listing([repr(name) for name in applied.left_out])}.")
    for note in applied.notes:
        say(f"Note: {note}")
    say(f"Written: {out}")
    new = shlex.quote(str(out))
    if decided.options.get("image") and out.resolve().parent != data.resolve().parent:
        folder = shlex.quote(str(data.parent))
        say(f"Images stay where they are: unless your configuration has a root, add --set data.options.root={folder}")
    say(f"What it gains:  deepgum gain RUN {shlex.quote(str(patch))}")
    say(f"Train on it:    deepgum fit CONFIG --out FOLDER --set data.folder={new}")
