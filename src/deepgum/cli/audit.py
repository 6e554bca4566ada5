"""The command `deepgum audit`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from deepgum.cli.common import (
    APPLY_ORIENTATION,
    DECIMAL,
    FOLDER,
    INLIERS,
    MISSING,
    NAMES,
    PAIRS,
    PATH,
    PERIODS,
    SWAP,
    THOUSANDS,
    THREADS,
    UNITS,
    VERIFY,
    list_audit,
    renamed,
    session,
    verify_files,
)
from deepgum.cli.sections import SectionedCommand
from deepgum.plugins import code_named

__all__ = ["audit"]

_RESUMES = "All trained networks are kept. Run the same command again to continue with the next network."

# Options of the command, and the keys of the configuration that they set.
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
_COLUMNS = (
    "targets",
    "image",
    "features",
    "landmarks",
    "swap_pairs",
    "mirror",
    "keep_together",
    "id",
    "root",
    "apply_orientation",
    "coordinates",
    "box",
    "images",
    "category",
    "missing",
    "decimal",
    "thousands",
)


_SECTIONS = {
    "Labels and inputs of a table": (
        "targets",
        "image",
        "features",
        "landmarks",
        "coordinates",
        "box",
        "swap_pairs",
        "mirror",
        "id",
        "keep_together",
        "part_column",
        "root",
    ),
    "Other data": ("dataset", "images", "category", "part", "apply_orientation", "image_size"),
    "What a label means": ("groups", "periods", "unit", "missing", "decimal", "thousands"),
    "Networks and rounds": ("backbone", "weights", "frozen", "folds", "rounds", "epochs", "learning_rate", "seed"),
    "Judgement, and a test of it": ("inliers", "reasons", "noise", "rate"),
    "Output and machine": ("out", "device", "threads", "verify"),
}


@click.command(
    cls=SectionedCommand,
    sections=_SECTIONS,
    short_help="Find the wrong labels of a data set with networks that did not learn from them.",
)
@click.argument("data", type=PATH)
@click.option("--out", type=FOLDER, required=True, metavar="RUN", help="Output folder: new, or of the same audit.")
@click.option(
    "--dataset", metavar="NAME", help="Data set of `deepgum compare --help`.  [default: detected from the files]"
)
@click.option("--targets", callback=NAMES, metavar="COLUMNS", help="Columns of the labels: x1,y1 or 'kp_*' or x1-y68.")
@click.option("--image", metavar="COLUMN", help="Column of image files in a table, relative to the table or --root.")
@click.option(
    "--features",
    callback=NAMES,
    metavar="COLUMNS",
    help="Columns of numbers or categories in a table, instead of images.",
)
@click.option("--landmarks", is_flag=True, help="The labels are points, x y x y ..., in pixels of the image files.")
@click.option("--swap", "swap_pairs", callback=PAIRS, metavar="PAIRS", help=SWAP)
@click.option(
    "--mirror",
    type=click.Choice(["keep"]),
    help="Mirror images in training; labels such as ages stay the same.  [default: only with --swap]",
)
@click.option(
    "--keep-together",
    metavar="COLUMN",
    help="Column of runs: rows that stay in one fold and may be wrong together, such as a person, a day or a sensor.",
)
@renamed("--group", "--keep-together")
@click.option("--id", metavar="COLUMN", help="Column of the names of samples.  [default: the image files]")
@click.option(
    "--root", metavar="DIR", help="Folder that image files are relative to.  [default: the folder of the table]"
)
@APPLY_ORIENTATION
@click.option(
    "--coordinates",
    type=click.Choice(["pixel", "fraction", "percent"]),
    help="Unit of landmarks and boxes; fraction and percent of width and height.  [default: pixel]",
)
@click.option("--box", callback=NAMES, metavar="COLUMNS", help="Four columns of a box to crop: x,y,w,h or x1,y1,x2,y2.")
@click.option("--images", metavar="DIR", help="Folder of the images of a keypoint file.  [default: beside the file]")
@click.option("--category", metavar="NAME", help="Category of a COCO file, if several have keypoints.")
@click.option(
    "--image-size",
    type=int,
    metavar="PIXELS",
    help="Side of the images for the networks.  [default: that of the data set, 64 for a table]",
)
@click.option(
    "--backbone",
    metavar="NAME",
    help="Network: facenet, mlp, vgg16, efficientnet-lite0, torchvision:NAME, timm:NAME or package.module:factory.  "
    "[default: facenet; mlp for features]",
)
@click.option("--weights", metavar="FILE", help="Pretrained weights of the network.  [default: none]")
@click.option("--frozen", metavar="MODULE", help="Module up to which the network is not trained.")
@click.option(
    "--groups",
    type=UNITS,
    help="Labels that are right or wrong as one unit.  [default: landmark for landmarks; coordinate for other tables]",
)
@click.option(
    "--period",
    "periods",
    multiple=True,
    callback=PERIODS,
    metavar="NAME=NUMBER",
    help="Period of a label: yaw=360; repeatable.",
)
@click.option("--unit", metavar="TEXT", help="Unit of the labels in texts: years.  [default: px for landmarks]")
@MISSING
@DECIMAL
@THOUSANDS
@click.option(
    "--reason", "reasons", multiple=True, metavar="PATH", help="A reason of your own, package.module:name; repeatable."
)
@click.option(
    "--split",
    "part_column",
    metavar="COLUMN",
    help="Column of train, val and test, or of folds; the test part is left out.",
)
@click.option("--part", metavar="NAME", help="train, validation, test or all.  [default: all but the test part]")
@click.option("--folds", type=int, help="Networks per round.  [default: 5]")
@click.option("--rounds", type=int, help="Largest number of rounds; fewer if the flags no longer change.  [default: 3]")
@click.option("--epochs", type=int, help="Epochs of each network.  [default: 25]")
@click.option("--learning-rate", type=float, help="Highest learning rate of the one-cycle schedule.  [default: 0.002]")
@click.option("--inliers", metavar="NAME", help=INLIERS)
@click.option("--noise", metavar="NAME", help="Make labels wrong on purpose, as a test: uniform, l-ugo, ngo, g-ugo.")
@click.option("--rate", type=float, help="Share of labels that --noise makes wrong, 0 to 1.  [default: 0]")
@click.option("--seed", type=int, help="Seed of folds, networks and noise.  [default: 0]")
@click.option("--device", metavar="NAME", help="cpu, cuda, mps.  [default: cpu]")
@VERIFY
@THREADS
def audit(data: Path, out: Path, verify: bool, threads: int | None, **options: Any) -> None:
    """Find the wrong labels of DATA: the folder of a data set, a table, a file of keypoints, or a TOML file.

    Networks are trained in rounds. In every round, each sample is held out from one network, and this network predicts
    the labels of the sample. From the predictions, the command computes for each label the probability that the label
    is right, the probable kind of error, and a suggested value. You need neither an outlier rate nor a threshold: a
    label is flagged if it is more probably wrong than right.

    \b
    Writes the folder RUN:
      report.html       the report, to open in a browser
      scores.parquet    one row per sample and group of labels, in the format of `deepgum score`
      summary.json      the share of wrong labels, with its interval
      audit.toml        all settings; with the same settings, an interrupted audit is resumed

    \b
    Examples:
      deepgum audit faces.csv --image file --targets x1,y1,x2,y2 --landmarks --swap 0:1 --out runs/faces
      deepgum audit flats.csv --features rooms,area --targets rent --out runs/flats
      deepgum audit lfw_net/ --out runs/lfw
      deepgum audit annotations.json --images photos/ --out runs/persons       COCO keypoints
      deepgum audit photos/ --dataset utkface --backbone vgg16 --weights vgg16.safetensors \\
          --frozen features.23 --out runs/ages
      deepgum audit audit.toml --out runs/mine       the same, with all settings of `deepgum fit`
    """
    with session(threads, _RESUMES) as (terminal, reporter):
        from deepgum.audit.folder import AuditFolder
        from deepgum.audit.scoring.tally import worst_of
        from deepgum.data.swap_pairs import pairs_in_words
        from deepgum.experiments.audits.config import config_of
        from deepgum.experiments.audits.run import run_audit
        from deepgum.experiments.own_files import check_config
        from deepgum.report.page import write_report
        from deepgum.report.terminal.score import scores

        # The comparison is with `is`, because 0 is an explicit value but equals False.
        unset = [name for name, value in options.items() if value is None or value is False or value in ((), {})]
        given = {name: value for name, value in options.items() if name not in unset}
        columns = {name: given.pop(name) for name in _COLUMNS if name in given}
        if "part_column" in given:
            columns["part"] = given.pop("part_column")
        config = config_of(data, {_KEYS[name]: value for name, value in given.items()}, columns)
        verify_files(verify, config.run.data.cache_dir)
        check_config(data, AuditFolder(out).config_file)
        folder = run_audit(config, out, reporter)
        summary, labels = folder.summary(), folder.labels()
        report = write_report(folder)
    terminal.print(scores(summary, worst_of(labels)))
    if isinstance(columns.get("swap_pairs"), str):
        terminal.say(f"Left and right: {pairs_in_words(summary.data.swap_pairs, labels.target_names)}.")
    named = code_named({name: config.to_mapping()[name] for name in ("data", "audit")})
    list_audit(terminal, folder, report, summary.flags, trust=bool(named))
