"""The command `deepgum export`."""

from __future__ import annotations

from pathlib import Path

import click

from deepgum.cli.common import FOLDER, PATH, session

__all__ = ["export"]


@click.command(short_help="Write a run's network or posteriors for other programs.")
@click.argument("run", type=FOLDER)
@click.option("--to", "files", type=PATH, multiple=True, required=True, metavar="FILE", help="As above; repeatable.")
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of the CPU.  [default: all cores]")
def export(run: Path, files: tuple[Path, ...], overwrite: bool, threads: int | None) -> None:
    """Write the network or the posteriors of the finished RUN to FILE, in the format that its ending names.

    \b
    The network alone:
      .safetensors    its weights, for `deepgum.models.load_weights` and every reader of the format
      .onnx           all of it, to run without Python and without this library; any number of
                      samples a batch. Needs: pip install "deepgum[onnx]"

    \b
    What was found of the training labels, a line a sample and group:
      .csv, .parquet  sample_id, group, responsibility (how probably the label is right),
                      residual_norm, flagged, true_outlier (of noise made on purpose)

    The network in ONNX is run on random inputs and compared with the one in RUN before its file is put
    in place. What it takes stands in its metadata: images as float32 in [0, 1] (bytes divided by 255),
    features as they are in the data.

    \b
    Examples:
      deepgum export runs/ages --to ages.onnx
      deepgum export runs/ages --to ages.safetensors --to doubts.csv
    """
    with session(threads, "Files that were written are whole.") as (terminal, _):
        from deepgum.export import export_run

        held = export_run(run, files, overwrite=overwrite)
    for file, what in held.items():
        terminal.print(f"Written: {file} ({what})", highlight=False, markup=False, soft_wrap=True)
