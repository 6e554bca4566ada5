"""The command `deepgum audit`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from deepgum.cli.common import list_audit, session, share_threads, verify_files
from deepgum.cli.options import (
    APPLY_ORIENTATION,
    CATEGORY,
    DECIMAL,
    IMAGES,
    INLIERS,
    MISSING,
    PERIOD,
    REASON,
    SWAP,
    THOUSANDS,
    THREADS,
    VERIFY,
    option,
    renamed,
)
from deepgum.cli.sections import SectionedCommand
from deepgum.cli.values import FOLDER, NAMES, PATH, UNITS
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
    "audited_part": "audit.part",
    "folds": "audit.folds",
    "rounds": "audit.rounds",
    "inliers": "audit.inliers",
    "periods": "audit.periods",
    "unit": "audit.unit",
    "reasons": "audit.reasons",
    "quick": "audit.quick",
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
    "part",
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
        "part",
        "root",
    ),
    "Other data": ("dataset", "images", "category", "audited_part", "apply_orientation", "image_size"),
    "What a label means": ("groups", "periods", "unit", "missing", "decimal", "thousands"),
    "Networks and rounds": (
        "quick",
        "backbone",
        "weights",
        "frozen",
        "folds",
        "rounds",
        "epochs",
        "learning_rate",
        "seed",
    ),
    "Judgement, and a test of it": ("inliers", "reasons", "noise", "rate"),
    "Output and machine": ("out", "device", "threads", "verify"),
}


@click.command(
    cls=SectionedCommand,
    sections=_SECTIONS,
    short_help="Find the wrong labels of a data set with networks that did not learn from them.",
)
@click.argument("data", type=PATH)
@option("--out", type=FOLDER, required=True, metavar="RUN", help="Output folder: new, or of the same audit.")
@option("--dataset", metavar="NAME", unset="detected from the files", help="A data set of `deepgum compare --help`.")
@option(
    "--targets",
    callback=NAMES,
    metavar="COLUMNS",
    unset="those of the data set",
    help="Columns of the labels: x1,y1 or 'kp_*' or x1-y68.",
)
@option(
    "--image", metavar="COLUMN", unset="none", help="Column of image files in a table, relative to the table or --root."
)
@option(
    "--features",
    callback=NAMES,
    metavar="COLUMNS",
    unset="none",
    help="Columns of numbers, categories or texts in a table, instead of images: '*,!note' is all but one.",
)
@option(
    "--landmarks",
    is_flag=True,
    help="The labels are points, x y x y ..., in pixels unless --coordinates says otherwise.",
)
@SWAP
@option(
    "--mirror",
    type=click.Choice(["keep"]),
    unset="only with --swap",
    help="Mirror images in training, and keep their labels, such as ages.",
)
@option(
    "--keep-together",
    metavar="COLUMN",
    unset="rows of one image",
    help="Column of persons, days or sensors, whose rows stay in one fold and may be wrong together.",
)
@renamed("--group", "--keep-together")
@option("--id", metavar="COLUMN", unset="the image files", help="Column of the names of samples.")
@option("--root", metavar="DIR", unset="the folder of the table", help="Folder that image files are relative to.")
@APPLY_ORIENTATION
@option(
    "--coordinates",
    type=click.Choice(["pixel", "fraction", "percent"]),
    unset="pixel",
    help="Unit of landmarks and boxes; fraction and percent of width and height.",
)
@option(
    "--box",
    callback=NAMES,
    metavar="COLUMNS",
    unset="the whole image",
    help="Four columns of a box to crop: x,y,w,h or x1,y1,x2,y2.",
)
@IMAGES
@CATEGORY
@option(
    "--image-size",
    type=int,
    metavar="PIXELS",
    unset="that of the data set, 64 for a table",
    help="Side of the images for the networks.",
)
@option(
    "--backbone",
    metavar="NAME",
    unset="facenet; mlp for features",
    help="Network: facenet, mlp, vgg16, efficientnet-lite0, torchvision:NAME, timm:NAME or package.module:factory.",
)
@option("--weights", metavar="FILE", unset="none", help="Pretrained weights of the network.")
@option("--frozen", metavar="MODULE", unset="none", help="Module up to which the network is not trained.")
@option(
    "--groups",
    type=UNITS,
    unset="landmark for landmarks; coordinate for other tables",
    help="Labels that are right or wrong as one unit: all of a sample, x and y of a landmark, or each coordinate.",
)
@PERIOD
@option("--unit", metavar="TEXT", unset="px for landmarks", help="Unit of the labels in texts: px, years.")
@MISSING
@DECIMAL
@THOUSANDS
@REASON
@option(
    "--split",
    "part",
    metavar="COLUMN",
    unset="none",
    help="Column of train, val and test, or of folds; the test part is left out.",
)
@option(
    "--part",
    "audited_part",
    metavar="NAME",
    unset="all but the test part",
    help="Part to audit: train, validation, test or all.",
)
@option(
    "--quick",
    is_flag=True,
    help="A first look in little time: --folds 2 --rounds 1 --epochs 12, unless you set them.",
)
@option("--folds", type=int, unset="5", help="Networks per round.")
@option("--rounds", type=int, unset="3", help="Largest number of rounds; fewer if the flags no longer change.")
@option("--epochs", type=int, unset="25", help="Epochs of each network.")
@option("--learning-rate", type=float, unset="0.002", help="Highest learning rate of the one-cycle schedule.")
@INLIERS
@option(
    "--noise", metavar="NAME", unset="none", help="Make labels wrong on purpose, as a test: uniform, l-ugo, ngo, g-ugo."
)
@option("--rate", type=float, unset="0", help="Share of labels that --noise makes wrong, 0 to 1.")
@option("--seed", type=int, unset="0", help="Seed of folds, networks and noise.")
@option("--device", metavar="NAME", unset="cpu", help="cpu, cuda, mps.")
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
        config = config_of(data, {_KEYS[name]: value for name, value in given.items()}, columns)
        share_threads(threads, images=config.run.data.has_images)
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
