"""The command `deepgum audit`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from deepgum.cli.common import FOLDER, INLIERS, NAMES, PAIRS, PATH, PERIODS, list_files, renamed, session

__all__ = ["audit"]

_GOES_ON = "The networks that are trained are kept; the same command goes on with the next."

# The option of the command, and the key of the configuration that it sets.
_KEYS = {
    "dataset": "data.name",
    "image_size": "data.image_size",
    "backbone": "model.name",
    "weights": "model.weights",
    "frozen": "model.frozen",
    "groups": "method.groups",
    "noise": "corruption.noise",
    "rate": "corruption.rate",
    "epochs": "training.epochs_max",
    "learning_rate": "training.learning_rate",
    "device": "training.device",
    "part": "audit.part",
    "folds": "audit.folds",
    "rounds": "audit.rounds",
    "inliers": "audit.inliers",
    "periods": "audit.periods",
    "unit": "audit.unit",
    "reasons": "audit.reasons",
    "seed": "seed",
}
_COLUMNS = ("targets", "image", "features", "landmarks", "swap_pairs", "mirror", "keep_together", "id", "root")


@click.command(short_help="Train out of fold, and find the wrong labels of a data set.")
@click.argument("data", type=PATH)
@click.option("--out", type=FOLDER, required=True, metavar="RUN", help="The audit's folder: new, or of the same audit.")
@click.option("--dataset", metavar="NAME", help="One of `deepgum compare --help`.  [default: detected by the files]")
@click.option("--targets", callback=NAMES, metavar="COLUMNS", help="Of a table: the labels, with commas between them.")
@click.option("--image", metavar="COLUMN", help="Of a table: image files, relative to its folder or --root.")
@click.option("--features", callback=NAMES, metavar="COLUMNS", help="Of a table: numbers, instead of images.")
@click.option("--landmarks", is_flag=True, help="The labels are points, x y x y ..., in pixels of the image files.")
@click.option("--swap", "swap_pairs", callback=PAIRS, metavar="PAIRS", help="Left and right landmarks: 0:1,3:4")
@click.option("--mirror", type=click.Choice(["keep"]), help="Mirrored images keep their labels, as ages do.")
@click.option("--keep-together", metavar="COLUMN", help="Column whose values stay in one fold: a person, a video.")
@renamed("--group", "--keep-together")
@click.option("--id", metavar="COLUMN", help="Names of the samples.  [default: the image files]")
@click.option("--root", metavar="DIR", help="What image files are relative to.")
@click.option("--image-size", type=int, metavar="PIXELS", help="Side of the images that networks see.")
@click.option("--backbone", metavar="NAME", help="facenet, mlp, vgg16 or package.module:factory.")
@click.option("--weights", metavar="FILE", help="Pretrained weights of the backbone.")
@click.option("--frozen", metavar="MODULE", help="Up to which the backbone is computed once, and not trained.")
@click.option(
    "--groups", type=click.Choice(["sample", "landmark", "coordinate"]), help="What is right or wrong together."
)
@click.option(
    "--period", "periods", multiple=True, callback=PERIODS, metavar="NAME=NUMBER", help="yaw=360; repeatable."
)
@click.option("--unit", metavar="TEXT", help="What the labels are in: years.")
@click.option(
    "--reason", "reasons", multiple=True, metavar="PATH", help="A reason of your own, package.module:name; repeatable."
)
@click.option("--part", metavar="NAME", help="train, validation, test or all.  [default: all but a test part]")
@click.option("--folds", type=int, help="Networks in a round.  [default: 5]")
@click.option("--rounds", type=int, help="At most; fewer if the flags settle.  [default: 3]")
@click.option("--epochs", type=int, help="Of each network.  [default: 25]")
@click.option("--learning-rate", type=float, help="The highest of one cycle.  [default: 0.002]")
@click.option("--inliers", metavar="NAME", help=INLIERS)
@click.option("--noise", metavar="NAME", help="Make labels wrong on purpose, to try it: uniform, l-ugo, ngo, g-ugo.")
@click.option("--rate", type=float, help="How many of them.")
@click.option("--seed", type=int, help="Of folds, networks and noise.  [default: 0]")
@click.option("--device", metavar="NAME", help="cpu, cuda, mps.  [default: cpu]")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of the CPU.  [default: all cores]")
def audit(data: Path, out: Path, threads: int | None, **options: Any) -> None:
    """Find the wrong labels of DATA: a data set's folder, a table (CSV or Parquet), or a TOML file.

    Networks are trained in rounds, each sample held out from one of every round's. What they predict for it tells
    how probably its labels are right, what seems wrong, and what they should be. No outlier rate is asked for, and
    no threshold: what is more likely wrong than right is flagged.

    \b
    Writes the folder RUN:
      report.html       to be opened in a browser, from the disk
      scores.parquet    a row a sample and group of labels; as of `deepgum score`
      summary.json      the share of wrong labels, what can be told and what not
      audit.toml        all settings; an audit that was stopped goes on when it is given again

    \b
    Examples:
      deepgum audit faces.csv --image file --targets x1,y1,x2,y2 --landmarks --swap 0:1 --out runs/faces
      deepgum audit flats.csv --features rooms,area --targets rent --out runs/flats
      deepgum audit lfw_net/ --out runs/lfw
      deepgum audit photos/ --dataset utkface --backbone vgg16 --weights vgg16.safetensors \\
          --frozen features.23 --out runs/ages
      deepgum audit audit.toml --out runs/mine       the same, with everything that `deepgum fit` reads
    """
    with session(threads, _GOES_ON) as (terminal, reporter):
        from deepgum.audit.scoring.tally import worst_of
        from deepgum.experiments.audits.config import config_of
        from deepgum.experiments.audits.run import run_audit
        from deepgum.report.page import write_report
        from deepgum.report.terminal.score import scores

        # By identity: 0 equals False, and was said.
        unsaid = [name for name, value in options.items() if value is None or value is False or value in ((), {})]
        told = {name: value for name, value in options.items() if name not in unsaid}
        columns = {name: told.pop(name) for name in _COLUMNS if name in told}
        config = config_of(data, {_KEYS[name]: value for name, value in told.items()}, columns)
        folder = run_audit(config, out, reporter)
        summary, labels = folder.summary(), folder.labels()
        report = write_report(folder)
    terminal.print(scores(summary, worst_of(labels)))
    list_files(terminal, [folder.scores_file, report])
    if summary.flags:
        words = f"Look at it:  deepgum review {shlex.quote(str(out))}"
        terminal.print(words, highlight=False, markup=False, soft_wrap=True)
