"""The commands of one run: `deepgum fit`, `predict` and `evaluate`."""

from __future__ import annotations

from pathlib import Path

import click

from deepgum.cli.common import FOLDER, PATH, list_files, session

__all__ = ["evaluate", "fit", "predict"]

_GOES_ON = "This run is not finished; the same command goes on after its last completed epoch."


@click.command(short_help="Train one network as a TOML file says.")
@click.argument("config", type=PATH)
@click.option("--out", type=FOLDER, required=True, metavar="RUN", help="The run's folder: new, or of the same run.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change a key of the file; repeatable.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of the CPU.  [default: all cores]")
def fit(config: Path, out: Path, changes: tuple[str, ...], threads: int | None) -> None:
    """Train one network on labels some of which may be wrong, as the TOML file CONFIG says.

    Writes the run's folder: config.toml with every default spelled out, history.jsonl, metrics.json,
    posteriors.parquet (how probably right each label is), predictions.parquet (of the test samples),
    weights.safetensors and pictures. A run that is finished is not trained again; one that was stopped, by
    Ctrl-C or otherwise, goes on after its last completed epoch when the same command is given again.

    \b
    The shortest file, for a table of your own with image paths and one column of labels:
      [data]
      name = "table"
      folder = "labels.csv"
      options = { image = "file", targets = ["age"] }

    \b
    Its sections, each with defaults (docs/configuration.md):
      [data]        name, folder, image_size, sizes, fold, skip_missing, options
      [model]       name (facenet, vgg16, mlp, package.module:factory), weights, frozen
      [method]      name (deepgum, l2, huber, dex, ...), groups, options
      [corruption]  noise and rate, to try a method on labels made wrong on purpose
      [training]    optimizer, learning_rate, batch_size, patience, ...
      seed = 0      before the first section

    \b
    Examples:
      deepgum fit examples/digits.toml --out runs/digits
      deepgum fit ages.toml --out runs/l2 --set method.name=l2 --set training.patience=10
    """
    with session(threads, _GOES_ON) as (terminal, reporter):
        from deepgum.experiments.runs.config_file import read_config
        from deepgum.experiments.runs.run import run
        from deepgum.report.runs.run import draw_run, metrics_table

        configured = read_config(config, changes)
        reporter.started(1, 0)
        folder = run(configured, out, reporter)
        pictures = draw_run(folder)
    terminal.print(metrics_table(folder.metrics()))
    list_files(terminal, [folder.metrics_file, folder.posteriors, folder.predictions, *pictures])
    dataset, inputs = configured.data.dataset, "IMAGES"
    if not dataset.has_images(configured.data.options):
        inputs = "TABLE" if dataset.is_file else "FEATURES.npz"
    terminal.print(f"Use it: deepgum predict {out} {inputs} --out predictions.csv", highlight=False, soft_wrap=True)


@click.command(short_help="Let a run's network predict.")
@click.argument("run", type=FOLDER)
@click.argument("inputs", nargs=-1, required=True, type=PATH)
@click.option("--out", type=PATH, required=True, metavar="FILE", help="Ends in .csv or .parquet.")
@click.option("--skip-missing", is_flag=True, help="Go on without images that a table names and that are not there.")
@click.option("--skip-unreadable", is_flag=True, help="Go on without images that cannot be decoded.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of the CPU.  [default: all cores]")
def predict(
    run: Path, inputs: tuple[Path, ...], out: Path, skip_missing: bool, skip_unreadable: bool, threads: int | None
) -> None:
    """Predict with the network of the finished RUN for INPUTS.

    INPUTS are image files, folders of images, or one table (CSV or Parquet) with the columns that the run's
    own table had, or one .npz file with an array "features". A table gets a line for each of its lines, in
    its order. Images are shown whole, in the smallest square around them. Landmarks come in pixels of the
    image file, other targets in the unit of the labels.

    \b
    Examples:
      deepgum predict runs/ages photos/ --out ages.csv
      deepgum predict runs/ages labels.csv --out ages.parquet
    """
    with session(threads, "Nothing was written.") as (terminal, reporter):
        from deepgum.experiments.runs.predict import predict_inputs
        from deepgum.experiments.runs.tables import check_output

        check_output(out)
        predictions = predict_inputs(
            run, inputs, skip_missing=skip_missing, skip_unreadable=skip_unreadable, observer=reporter
        )
        predictions.write(out)
    list_files(terminal, [out])


@click.command(short_help="Score a run's network on labelled data.")
@click.argument("run", type=FOLDER)
@click.option("--data", type=PATH, metavar="DIR", help="Folder or table to test on.  [default: the run's own]")
@click.option("--part", help="train, validation, test or all.  [default: test; with --data all]")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of the CPU.  [default: all cores]")
def evaluate(run: Path, data: Path | None, part: str | None, threads: int | None) -> None:
    """Score the network of the finished RUN on its test samples, or on another data set of the same format.

    Of another data set all samples are scored, whatever a split column says. A part is what the run's own
    split makes of it; a table with a split column is split by that.

    \b
    Examples:
      deepgum evaluate runs/ages
      deepgum evaluate runs/ages --part validation
      deepgum evaluate runs/ages --data other.csv
    """
    with session(threads, "Nothing was written.") as (terminal, reporter):
        from deepgum.experiments.runs.predict import evaluate_run
        from deepgum.report.runs.run import evaluation_table

        evaluation = evaluate_run(run, data, part, observer=reporter)
    terminal.print(evaluation_table(evaluation))
