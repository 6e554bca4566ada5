"""The command `deepgum gain`."""

from __future__ import annotations

from pathlib import Path

import click

from deepgum.cli.common import list_files, session, share_threads
from deepgum.cli.options import THREADS, TRUST, option
from deepgum.cli.values import FOLDER, PATH

__all__ = ["gain"]


@click.command(short_help="Train before and after a patch, and compare the errors.")
@click.argument("run", type=FOLDER)
@click.argument("patch", type=PATH)
@option("--method", default="l2", help="A method of `deepgum compare --help`, for all trainings.")
@option(
    "--seeds",
    default=3,
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of pairs of trainings, before and after.",
)
@option("--out", type=PATH, metavar="FILE", unset="gain.json in RUN", help="A .json file; replaced if it exists.")
@TRUST
@THREADS
def gain(run: Path, patch: Path, method: str, seeds: int, out: Path | None, trust: bool, threads: int | None) -> None:
    """Measure the gain of the corrections in PATCH: train on the original labels and on the corrected labels.

    RUN is the folder of the audit to which PATCH belongs. The data, the network and the training of this audit are
    used. All networks are tested on the test samples of the data set. If the data set has no test samples, a fifth of
    the samples is held out, among the samples that PATCH does not change. The errors before and after are paired by
    test sample. The interval is a bootstrap interval, and the test is Wilcoxon's signed-rank test.

    \b
    Examples:
      deepgum gain runs/faces fixes.patch.jsonl
      deepgum gain runs/faces fixes.patch.jsonl --method deepgum --seeds 5
    """
    with session(threads, "Nothing was written.") as (terminal, reporter):
        from deepgum.audit.corrections.patch_file import read_patch
        from deepgum.audit.folder import AuditFolder
        from deepgum.experiments.audits.config import read_recorded
        from deepgum.experiments.audits.gain import gain_of
        from deepgum.experiments.own_files import own_files_near
        from deepgum.report.terminal.gain import gain_table
        from deepgum.storage.output import check_file

        folder = AuditFolder(run, trust=trust)
        path = out or folder.gain_file
        kept = [patch, *folder.own_files, *own_files_near(path)]
        check_file(path, suffixes=(".json",), inputs=kept, product=folder.gain_file)
        if folder.config_file.is_file():
            data = read_recorded(folder.config_file, trust=folder.trust).run.data
            share_threads(threads, images=data.has_images)
        gained = gain_of(folder, read_patch(patch, trust=trust), method=method, seeds=seeds, observer=reporter)
        gained.write(path)
    terminal.print(gain_table(gained))
    list_files(terminal, [path])
