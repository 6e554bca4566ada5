"""The command `deepgum export`."""

from __future__ import annotations

from pathlib import Path

import click

from deepgum.cli.common import session
from deepgum.cli.options import THREADS, TRUST, option
from deepgum.cli.values import FOLDER, PATH

__all__ = ["export"]


@click.command(short_help="Write the network or the posteriors of a run for other programs.")
@click.argument("run", type=FOLDER)
@option(
    "--to",
    "files",
    type=PATH,
    multiple=True,
    required=True,
    metavar="FILE",
    help="A file with an ending above; repeatable.",
)
@option("--overwrite", is_flag=True, help="Replace files that exist.")
@TRUST
@THREADS
def export(run: Path, files: tuple[Path, ...], overwrite: bool, trust: bool, threads: int | None) -> None:
    """Write the network or the posteriors of the finished run RUN to FILE. The ending of FILE selects the format.

    \b
    The network:
      .safetensors    its weights, for `deepgum.models.load_weights` and every reader of the format
      .onnx           the whole network, which runs without Python and without this library, for any
                      number of samples per batch. Needs: pip install "deepgum[onnx]"

    \b
    The posteriors of the training labels, one row per sample and group:
      .csv, .parquet  sample_id, group, responsibility (the probability that the label is right),
                      residual_norm, flagged, true_outlier (for noise made on purpose)

    Before an ONNX file is written, its predictions on random inputs are compared with those of the network of RUN. The
    metadata of the file describe the inputs: images are float32 in [0, 1] (bytes divided by 255), features are
    unchanged from the data.

    \b
    Examples:
      deepgum export runs/ages --to ages.onnx
      deepgum export runs/ages --to ages.safetensors --to doubts.csv
    """
    with session(threads, "Each written file is complete.") as (terminal, _):
        from deepgum.export import export_run

        exported = export_run(run, files, overwrite=overwrite, trust=trust)
    for file, content in exported.items():
        terminal.say(f"Written: {file} ({content})")
