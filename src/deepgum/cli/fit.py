"""The command `deepgum fit`."""

from __future__ import annotations

from pathlib import Path

import click

from deepgum.cli.common import list_files, session, share_threads, verify_files
from deepgum.cli.options import APPLY_ORIENTATION, THREADS, VERIFY, option
from deepgum.cli.values import FOLDER, PATH
from deepgum.plugins import code_named

__all__ = ["fit"]

_RESUMES = "This run is not finished. Run the same command again to continue after its last completed epoch."


@click.command(short_help="Train one network, configured in a TOML file.")
@click.argument("config", type=PATH)
@option("--out", type=FOLDER, required=True, metavar="RUN", help="Folder of the run: new, or of the same run.")
@option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change a key of the file; repeatable.")
@APPLY_ORIENTATION
@VERIFY
@THREADS
def fit(
    config: Path, out: Path, changes: tuple[str, ...], apply_orientation: bool, verify: bool, threads: int | None
) -> None:
    """Train one network, configured in the TOML file CONFIG, on labels that may be partly wrong.

    The folder RUN gets config.toml with all defaults, history.jsonl, metrics.json, posteriors.parquet (the probability
    that each label is right), predictions.parquet (for the test samples), weights.safetensors and figures. A finished
    run is not trained again. The same command continues an interrupted run after its last completed epoch.

    \b
    The shortest file, for your own table with image paths and one column of labels:
      [data]
      name = "table"
      folder = "labels.csv"
      options = { image = "file", targets = ["age"] }

    \b
    Its sections, each with defaults (docs/configuration.md):
      [data]        name, folder, image_size, sizes, fold, skip_missing, options
      [model]       name (facenet, vgg16, mlp, timm:NAME, package.module:factory), weights, frozen
      [method]      name (deepgum, l2, huber, dex, ...), groups, options
      [corruption]  noise and rate: labels made wrong on purpose, to test a method
      [training]    optimizer, learning_rate, batch_size, patience, ...
      seed = 0      before the first section

    \b
    Examples:
      deepgum fit examples/digits.toml --out runs/digits
      deepgum fit ages.toml --out runs/l2 --set method.name=l2 --set training.patience=10
    """
    with session(threads, _RESUMES) as (terminal, reporter):
        from deepgum.experiments.own_files import check_config
        from deepgum.experiments.runs.config_file import read_config
        from deepgum.experiments.runs.run import run
        from deepgum.experiments.runs.run_folder import RunFolder
        from deepgum.report.runs.run import draw_run, metrics_table

        if apply_orientation:
            changes = (*changes, "data.options.apply_orientation=true")
        configured = read_config(config, changes)
        check_config(config, RunFolder(out).config)
        share_threads(threads, images=configured.data.has_images)
        verify_files(verify, configured.data.cache_dir)
        reporter.started(1, 0)
        folder = run(configured, out, reporter)
        pictures = draw_run(folder)
    metrics = folder.metrics()
    terminal.print(metrics_table(metrics))
    if metrics.verdict:
        terminal.say(metrics.verdict)
    list_files(terminal, [folder.metrics_file, folder.posteriors, folder.predictions, *pictures])
    inputs = "IMAGES"
    if not configured.data.has_images:
        inputs = "TABLE" if configured.data.dataset.is_file else "FEATURES.npz"
    trust = " --trust" if code_named(configured.to_mapping()) else ""
    words = f"Use the network: deepgum predict {out} {inputs} --out predictions.csv{trust}"
    terminal.say(words)
