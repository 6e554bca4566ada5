"""The command `deepgum apply`."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from deepgum.cli.common import console
from deepgum.cli.options import TRUST, option
from deepgum.cli.values import PATH

__all__ = ["apply"]


@click.command(short_help="Write a data set with the corrected labels of a review.")
@click.argument("patch", type=PATH)
@click.argument("data", type=PATH)
@option(
    "--out",
    type=PATH,
    required=True,
    metavar="NEW",
    help="A new or empty folder; for a table or a keypoint file a new file.",
)
@TRUST
def apply(patch: Path, data: Path, out: Path, trust: bool) -> None:
    """Write a copy of DATA with the corrected labels of PATCH to NEW, in the format of DATA.

    `deepgum review RUN --export patch=FILE` writes a patch. docs/patch.md shows how to write a patch by hand. DATA is
    the audited folder or table. DATA itself is never changed. Labels that the patch does not name are copied unchanged,
    byte by byte if the format allows it.

    \b
    NEW is:
      for a table   a file of the same kind; only the corrected cells differ
      for keypoints a file (or folder) of the same format; only the corrected keypoints differ
      otherwise     a folder with the same layout as DATA: new label files, and images as hard links
                    (as copies on another disk)

    A dropped label is missing in NEW: it becomes an empty cell, a null, NaN or an occluded landmark. If the format of
    DATA cannot have missing labels, the sample is left out.

    Nothing is written if a label of DATA differs from the label that the patch replaces, or if NEW is not empty.

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

    decided = read_patch(patch, trust=trust)
    dataset = get_dataset(decided.dataset)
    applied = apply_patch(decided, dataset.labels(data, dataset.check_options(decided.options)), out)
    terminal = console()
    terminal.print(applied_table(applied))

    if applied.left_out:
        terminal.say(f"Left out: {listing([repr(name) for name in applied.left_out])}.")
    for note in applied.notes:
        terminal.say(f"Note: {note}")
    terminal.say(f"Written: {out}")
    new = shlex.quote(str(out))
    if decided.options.get("image") and out.resolve().parent != data.resolve().parent:
        folder = shlex.quote(str(data.parent))
        terminal.say(
            f"The images are not moved. If your configuration has no root, add: --set data.options.root={folder}"
        )
    terminal.say(f"Measure the gain:  deepgum gain RUN {shlex.quote(str(patch))}    RUN is the folder of the audit")
    terminal.say(f"Train on it:       as before, with {new} in place of {shlex.quote(str(data))}")
