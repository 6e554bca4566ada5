"""The command `deepgum compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from deepgum.cli.common import RESUMES, list_files, session, share_threads, verify_files
from deepgum.cli.options import CACHE_DIR, SKIP_MISSING, SKIP_UNREADABLE, THREADS, VERIFY, option
from deepgum.cli.values import FOLDER, NAMES, NUMBERS, PATH, WHOLE
from deepgum.errors import ComparisonError

__all__ = ["compare"]


class _Compare(click.Command):
    """A command whose help text lists the methods of the package."""

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from deepgum.styles import METHOD_STYLES

        assert self.help is not None
        lines = (f"{name:<21} {style.summary}" for name, style in METHOD_STYLES.items())
        # The lines have the indentation of the docstring.
        self.help = self.help.replace("METHODS", "\n      ".join(lines))
        super().format_help_text(ctx, formatter)


@click.command(cls=_Compare, short_help="Train several methods, with noise of your choice.")
@option("--dataset", default="lfw-net", help="One of the data sets above.")
@option(
    "--data",
    type=PATH,
    metavar="DIR",
    unset="none",
    help="Folder of the data set; for lfw-net, the folder of its two lists.",
)
@option("--noise", metavar="NAMES", callback=NAMES, default="l-ugo", help="Kinds of noise.")
@option(
    "--rate",
    metavar="RATES",
    callback=NUMBERS,
    default="0.4",
    help="Shares of wrong labels, 0 to 1.",
)
@option(
    "--missing",
    type=float,
    default=0.0,
    metavar="SHARE",
    help="Share of labels, right or wrong, that are also deleted; 0 to below 1.",
)
@option(
    "--methods",
    metavar="NAMES",
    callback=NAMES,
    default="l2,cauchy,deepgum,oracle",
    help="Methods to train.",
)
@option(
    "--seed",
    metavar="SEEDS",
    callback=WHOLE,
    default="0",
    help="Seeds of the subset, the noise and the weights.",
)
@option("--train-size", type=int, metavar="N", unset="9 of 10", help="Training samples.")
@option("--validation-size", type=int, metavar="N", unset="a ninth of --train-size", help="Validation samples.")
@option("--image-size", type=int, metavar="S", unset="48; digits 32", help="Side of the images in pixels.")
@option("--epochs-max", type=int, default=100, metavar="E", help="Largest number of epochs.")
@option(
    "--patience",
    type=int,
    metavar="E",
    unset="5 with the schedule constant; otherwise no early stop",
    help="Epochs without progress before the stop.",
)
@option("--optimizer", default="adam", help="adam, adamw or sgd.")
@option("--learning-rate", type=float, default=1e-3, help="Highest learning rate.")
@option("--schedule", default="constant", help="constant, cosine or one-cycle.")
@option("--batch-size", type=int, default=64, help="Samples per step.")
@option("--precision", default="float32", help="float32 or bf16.")
@option("--groups", unset="by noise, as in the paper", help="sample, landmark or coordinate.")
@option("--model", default="facenet", help="facenet, vgg16, mlp, or as in [model] name.")
@option(
    "--weights", type=PATH, metavar="FILE", unset="none", help="Pretrained weights; imagenet downloads those of vgg16."
)
@option(
    "--frozen",
    default="",
    metavar="MODULE",
    unset="none",
    help="Module up to which the network is not trained: features.23",
)
@option("--fc-width", type=int, default=4096, help="Width of fc6 and fc7 of vgg16.")
@option("--device", default="cpu", metavar="D", help="cpu, cuda, cuda:1, mps.")
@THREADS
@SKIP_MISSING
@SKIP_UNREADABLE
@CACHE_DIR
@VERIFY
@option("--out", type=FOLDER, required=True, metavar="DIR", help="Output folder: new, or of the same settings.")
def compare(
    noise: tuple[str, ...],
    rate: tuple[float, ...],
    seed: tuple[int, ...],
    threads: int | None,
    out: Path,
    verify: bool,
    **settings: Any,
) -> None:
    """Train several methods under every noise, rate and seed. All methods are trained with the same options and the
    same number of epochs at most.

    The file DIR/results.jsonl gets one line per run. The folder DIR/posteriors gets one table per run, with one row per
    sample and group. After Ctrl-C, run the same command again: finished runs are not repeated, and the interrupted run
    continues after its last completed epoch. Only the options --noise, --rate, --methods and --seed may differ from the
    first call.

    \b
    Methods:
      METHODS
      package.module:name   your own loss; its package may be in the working folder

    \b
    Noise, on training and validation labels:
      ngo                   landmarks moved by about 25 pixels, in a face 224 pixels wide
      l-ugo                 landmarks moved by up to the width of the image
      g-ugo                 all landmarks of some images, moved as in l-ugo
      uniform               all labels of some samples, replaced by uniform random ones within their range

    \b
    Data sets:
      lfw-net, digits, fld  landmarks; digits needs no folder
      utkface, cacd         ages
      head-pose, mcgill     angles, the first of seven folds
      table                 your own table: it needs the names of columns, so use deepgum fit
      coco, deeplabcut, sleap, label-studio, ultralytics, pts
                            keypoints in files of these programs
      package.module:name   your own class, as docs/datasets.md describes

    \b
    Examples:
      deepgum compare --dataset digits --train-size 1000 --out runs/digits
      deepgum compare --data ~/lfw_net --skip-missing --train-size 3000 --out runs/faces \\
          --noise ngo,l-ugo,g-ugo --rate 0,0.2,0.4 --methods l2,biweight,deepgum --seed 0,1 \\
          --schedule one-cycle --epochs-max 25
      deepgum compare --data ~/lfw_net --skip-missing --train-size 3000 --out runs/deleted \\
          --rate 0.3 --missing 0.2 --methods deepgum,oracle
    """
    failure = None
    with session(threads, RESUMES) as (terminal, reporter):
        from deepgum.data.sets.registry import get_dataset
        from deepgum.experiments.paper.compare import compare as run_comparison
        from deepgum.experiments.paper.options import CompareOptions
        from deepgum.experiments.runs.config import ModelConfig
        from deepgum.report.paper.tables import tables
        from deepgum.training import SGDOptions

        sgd_names = (
            "epochs_max",
            "patience",
            "optimizer",
            "learning_rate",
            "schedule",
            "batch_size",
            "precision",
            "device",
        )
        sgd = SGDOptions(**{name: settings.pop(name) for name in sgd_names})
        model_names = ("weights", "frozen", "fc_width")
        model = ModelConfig(settings.pop("model"), **{name: settings.pop(name) for name in model_names})
        options = CompareOptions(model=model, noises=noise, rates=rate, seeds=seed, sgd=sgd, **settings)
        share_threads(threads, images=get_dataset(options.dataset).has_images({}))
        verify_files(verify, options.cache_dir)
        try:
            records = run_comparison(options, out, reporter)
        except ComparisonError as error:
            failure, records = error, list(error.records)
    if records:
        for table in tables(records):
            terminal.print(table)
        list_files(terminal, [out / "results.jsonl", out / "posteriors"])
        terminal.say(f"Draw the results: deepgum plot {out}")
    if failure is not None:
        raise failure
