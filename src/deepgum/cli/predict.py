"""The command `deepgum predict`."""

from __future__ import annotations

from pathlib import Path

import click

from deepgum.cli.common import list_files, session
from deepgum.cli.options import APPLY_ORIENTATION, SKIP_MISSING, SKIP_UNREADABLE, THREADS, TRUST, option
from deepgum.cli.values import FOLDER, PATH

__all__ = ["predict"]


@click.command(short_help="Predict with the network of a run.")
@click.argument("run", type=FOLDER)
@click.argument("inputs", nargs=-1, required=True, type=PATH)
@option("--out", type=PATH, required=True, metavar="FILE", help="A .csv or .parquet file; replaced if it exists.")
@SKIP_MISSING
@SKIP_UNREADABLE
@APPLY_ORIENTATION
@TRUST
@THREADS
def predict(
    run: Path,
    inputs: tuple[Path, ...],
    out: Path,
    skip_missing: bool,
    skip_unreadable: bool,
    apply_orientation: bool,
    trust: bool,
    threads: int | None,
) -> None:
    """Predict labels for INPUTS with the network of the finished run RUN.

    INPUTS are image files, folders of images, one table (CSV or Parquet) with the same columns as the table of the run,
    or one .npz file with an array "features". For a table, the output has the same rows in the same order. The network
    sees the smallest square around each whole image. Predicted landmarks are in pixels of the image file, other
    predictions in the unit of the labels.

    \b
    Examples:
      deepgum predict runs/ages photos/ --out ages.csv
      deepgum predict runs/ages labels.csv --out ages.parquet
    """
    with session(threads, "Nothing was written.") as (terminal, reporter):
        from deepgum.experiments.own_files import own_files_near
        from deepgum.experiments.runs.predict import predict_inputs
        from deepgum.experiments.runs.run_folder import RunFolder
        from deepgum.storage.output import check_file

        check_file(out, inputs=[*inputs, *RunFolder(run).own_files, *own_files_near(out)])
        predictions = predict_inputs(
            run,
            inputs,
            skip_missing=skip_missing,
            skip_unreadable=skip_unreadable,
            apply_orientation=apply_orientation,
            observer=reporter,
            trust=trust,
        )
        predictions.write(out)
    list_files(terminal, [out])
