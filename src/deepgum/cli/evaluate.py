"""The command `deepgum evaluate`."""

from __future__ import annotations

from pathlib import Path

import click

from deepgum.cli.common import session
from deepgum.cli.options import THREADS, TRUST, option
from deepgum.cli.values import FOLDER, PATH

__all__ = ["evaluate"]


@click.command(short_help="Measure the errors of a run's network on labelled data.")
@click.argument("run", type=FOLDER)
@option("--data", type=PATH, metavar="DATA", unset="the data of the run", help="Folder or file to test on.")
@option("--part", metavar="NAME", unset="test, or all with --data", help="train, validation, test or all.")
@TRUST
@THREADS
def evaluate(run: Path, data: Path | None, part: str | None, trust: bool, threads: int | None) -> None:
    """Measure the errors of the network of the finished run RUN, on its test samples or on another data set.

    The other data set has the same format as the data set of the run. All its samples are used, unless --part names a
    part. A table with a split column is split by this column. Other data sets are split in the same way as in the run.

    \b
    Examples:
      deepgum evaluate runs/ages
      deepgum evaluate runs/ages --part validation
      deepgum evaluate runs/ages --data other.csv
    """
    with session(threads, "Nothing was written.") as (terminal, reporter):
        from deepgum.experiments.runs.evaluate import evaluate_run
        from deepgum.report.runs.run import evaluation_table

        evaluation = evaluate_run(run, data, part, observer=reporter, trust=trust)
    terminal.print(evaluation_table(evaluation))
