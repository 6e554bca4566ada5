"""The command `deepgum compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from deepgum.cli.common import FOLDER, GOES_ON, NAMES, NUMBERS, PATH, WHOLE, list_files, session
from deepgum.errors import ComparisonError

__all__ = ["compare"]


class _Compare(click.Command):
    """Lists the methods of the package in its help."""

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from deepgum.styles import METHOD_STYLES

        assert self.help is not None
        lines = (f"{name:<21} {style.summary}" for name, style in METHOD_STYLES.items())
        # With the indentation of the docstring.
        self.help = self.help.replace("METHODS", "\n      ".join(lines))
        super().format_help_text(ctx, formatter)


@click.command(cls=_Compare, short_help="Train methods side by side under noise you choose.")
@click.option("--dataset", default="lfw-net", show_default=True, help="One of those above.")
@click.option("--data", type=PATH, metavar="DIR", help="The data set's folder; for lfw-net the one with the two lists.")
@click.option(
    "--noise",
    metavar="NAMES",
    callback=NAMES,
    default="l-ugo",
    show_default=True,
    help="Of those above.",
)
@click.option(
    "--rate",
    metavar="RATES",
    callback=NUMBERS,
    default="0.4",
    show_default=True,
    help="Shares of wrong labels, 0 to 1.",
)
@click.option(
    "--missing",
    type=float,
    default=0.0,
    show_default=True,
    metavar="SHARE",
    help="Of labels, right or wrong, deleted on top; 0 to below 1.",
)
@click.option(
    "--methods",
    metavar="NAMES",
    callback=NAMES,
    default="l2,cauchy,deepgum,oracle",
    show_default=True,
    help="Of those above, with commas between them.",
)
@click.option(
    "--seed",
    metavar="SEEDS",
    callback=WHOLE,
    default="0",
    show_default=True,
    help="Each draws its own subset, noise and weights.",
)
@click.option("--train-size", type=int, metavar="N", help="Training samples.  [default: 9 in 10 of all]")
@click.option("--validation-size", type=int, metavar="N", help="On top of those.  [default: a ninth of them]")
@click.option("--image-size", type=int, metavar="S", help="Side of the images in pixels.  [default: 48; digits 32]")
@click.option("--epochs-max", type=int, default=100, show_default=True, metavar="E", help="Of one run of SGD.")
@click.option("--patience", type=int, default=5, show_default=True, help="Epochs without progress before it stops.")
@click.option("--optimizer", default="adam", show_default=True, help="adam, adamw or sgd.")
@click.option("--learning-rate", type=float, default=1e-3, show_default=True, help="The highest that is reached.")
@click.option("--schedule", default="constant", show_default=True, help="constant, cosine or one-cycle.")
@click.option("--batch-size", type=int, default=64, show_default=True, help="Samples a step.")
@click.option("--precision", default="float32", show_default=True, help="float32 or bf16.")
@click.option("--groups", help="sample, landmark or coordinate.  [default: as the paper, by noise]")
@click.option("--model", default="facenet", show_default=True, help="vgg16, mlp, or package.module:factory.")
@click.option("--weights", type=PATH, metavar="FILE", help="Pretrained weights; imagenet fetches those of vgg16.")
@click.option("--frozen", default="", metavar="MODULE", help="Frozen up to this module, such as features.23 of vgg16.")
@click.option("--fc-width", type=int, default=4096, show_default=True, help="Of fc6 and fc7 of vgg16.")
@click.option("--device", default="cpu", show_default=True, metavar="D", help="cpu, cuda, cuda:1, mps.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of the CPU.  [default: all cores]")
@click.option("--skip-missing", is_flag=True, help="Go on without images that are not there.")
@click.option("--skip-unreadable", is_flag=True, help="Go on without images that cannot be decoded.")
@click.option("--cache-dir", type=FOLDER, metavar="DIR", help="For decoded images.  [default: the user's cache]")
@click.option("--out", type=FOLDER, required=True, metavar="DIR", help="New, or of the same settings to go on with.")
def compare(
    noise: tuple[str, ...],
    rate: tuple[float, ...],
    seed: tuple[int, ...],
    threads: int | None,
    out: Path,
    **settings: Any,
) -> None:
    """Train methods side by side: each under every noise, rate and seed, all with the same budget.

    Writes DIR/results.jsonl, one line a run, and DIR/posteriors/, a table a run with a line for each
    sample and group. Stop it with Ctrl-C and start it again with the same options: finished runs are not
    repeated, and the one that was stopped goes on after its last completed epoch. Options of the grid
    (noise, rate, methods, seed) may change in between, others may not.

    \b
    Methods:
      METHODS
      package.module:name   a loss of your own, one run; found in the working folder, too

    \b
    Noise, on training and validation labels:
      ngo                   landmarks moved by about 25 pixels of a face 224 wide
      l-ugo                 landmarks moved by anything up to the width
      g-ugo                 all landmarks of some images, so moved
      uniform               all labels of some samples drawn anew, within their range

    \b
    Data sets:
      lfw-net, digits, fld  landmarks; digits needs no folder
      utkface, cacd         ages
      head-pose, mcgill     angles, the first of seven folds
      table                 your own: needs its columns, so use deepgum fit
      package.module:name   a class of your own, as docs/datasets.md describes

    \b
    Examples:
      deepgum compare --dataset digits --train-size 1000 --out runs/digits
      deepgum compare --data ~/lfw_net --skip-missing --train-size 3000 --out runs/faces \\
          --noise ngo,l-ugo,g-ugo --rate 0,0.2,0.4 --methods l2,biweight,deepgum --seed 0,1 \\
          --schedule one-cycle --epochs-max 25 --patience 25
      deepgum compare --data ~/lfw_net --skip-missing --train-size 3000 --out runs/deleted \\
          --rate 0.3 --missing 0.2 --methods deepgum,oracle
    """
    failure = None
    with session(threads, GOES_ON) as (terminal, reporter):
        from deepgum.experiments.paper.compare import compare as run_comparison
        from deepgum.experiments.paper.options import CompareOptions
        from deepgum.experiments.runs.config import ModelConfig
        from deepgum.report.paper.tables import tables
        from deepgum.training import SGDOptions

        of_sgd = (
            "epochs_max",
            "patience",
            "optimizer",
            "learning_rate",
            "schedule",
            "batch_size",
            "precision",
            "device",
        )
        sgd = SGDOptions(**{name: settings.pop(name) for name in of_sgd})
        of_model = ("weights", "frozen", "fc_width")
        model = ModelConfig(settings.pop("model"), **{name: settings.pop(name) for name in of_model})
        options = CompareOptions(model=model, noises=noise, rates=rate, seeds=seed, sgd=sgd, **settings)
        try:
            records = run_comparison(options, out, reporter)
        except ComparisonError as error:
            failure, records = error, list(error.records)
    if records:
        for table in tables(records):
            terminal.print(table)
        list_files(terminal, [out / "results.jsonl", out / "posteriors"])
        terminal.print(f"Draw them: deepgum plot {out}", highlight=False, soft_wrap=True)
    if failure is not None:
        raise failure
