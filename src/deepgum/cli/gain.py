"""The command `deepgum gain`."""

from __future__ import annotations

from pathlib import Path

import click

from deepgum.cli.common import FOLDER, PATH, list_files, session

__all__ = ["gain"]


@click.command(short_help="Train before and after a patch, and compare.")
@click.argument("run", type=FOLDER)
@click.argument("patch", type=PATH)
@click.option("--method", default="l2", show_default=True, help="How both are trained; of `deepgum compare --help`.")
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(min=1), help="Trainings before and after.")
@click.option("--out", type=PATH, metavar="FILE", help="JSON.  [default: gain.json in RUN]")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of the CPU.  [default: all cores]")
def gain(run: Path, patch: Path, method: str, seeds: int, out: Path | None, threads: int | None) -> None:
    """Say what the corrections of PATCH gain: networks are trained on the labels as they were and as corrected.

    RUN is the folder of the audit that PATCH came from; its data, network and training are used. Both are tested
    on the data set's own test samples, or where it has none on a fifth that is held out of those that PATCH does
    not touch. Errors are paired by test sample: the interval is of a bootstrap, the test is Wilcoxon's.

    \b
    Examples:
      deepgum gain runs/faces fixes.patch.jsonl
      deepgum gain runs/faces fixes.patch.jsonl --method deepgum --seeds 5
    """
    with session(threads, "Nothing was written.") as (terminal, reporter):
        from deepgum.audit.corrections.patch_file import read_patch
        from deepgum.audit.folder import AuditFolder
        from deepgum.experiments.audits.gain import gain_of
        from deepgum.experiments.runs.tables import check_output
        from deepgum.report.terminal.gain import gain_table

        path = out or AuditFolder(run).gain_file
        check_output(path, suffixes=(".json",))
        found = gain_of(AuditFolder(run), read_patch(patch), method=method, seeds=seeds, observer=reporter)
        found.write(path)
    terminal.print(gain_table(found))
    list_files(terminal, [path])
