"""The command `deepgum score`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from deepgum.cli.common import list_audit, session
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
    option,
)
from deepgum.cli.sections import SectionedCommand
from deepgum.cli.values import NAMES, PATH, UNITS
from deepgum.errors import InvalidParameterError

__all__ = ["score"]


_SECTIONS = {
    "Columns of a table": ("pred", "target", "id", "image", "features", "runs"),
    "Images, and keypoint files": ("images", "category", "apply_orientation"),
    "What a label means": ("groups", "swap_pairs", "periods", "unit", "missing", "decimal", "thousands"),
    "Judgement": ("inliers", "reasons"),
    "Output and machine": ("out", "threads"),
}


@click.command(
    cls=SectionedCommand,
    sections=_SECTIONS,
    short_help="Find wrong labels with the predictions of any model.",
)
@click.argument("table", type=PATH)
@click.argument("predictions", type=PATH, required=False)
@option(
    "--pred", multiple=True, metavar="COLUMN", help="Predictions: a column, 'pattern_*' or a range a-b; repeatable."
)
@option("--target", multiple=True, metavar="COLUMN", help="Labels: a column, 'pattern_*' or a range a-b; repeatable.")
@option(
    "--groups",
    type=UNITS,
    unset="landmark if the names of the labels are pairs of x and y, else coordinate",
    help="Labels that are right or wrong as one unit: all of a sample, x and y of a landmark, or each coordinate.",
)
@option("--id", metavar="COLUMN", unset="id, else the images, else row numbers", help="Column of the names of samples.")
@option("--image", metavar="COLUMN", unset="none", help="Column of image files, relative to the folder of the table.")
@option(
    "--features",
    callback=NAMES,
    metavar="COLUMNS",
    unset="none",
    help="Columns to show beside each flagged label in the report and the review; they change no score.",
)
@option(
    "--runs",
    metavar="COLUMN",
    unset="none",
    help="Column of days, sensors or sources, whose labels may be wrong together.",
)
@PERIOD
@SWAP
@option("--unit", metavar="TEXT", unset="none; px for a keypoint file", help="Unit of the labels in texts: px, years.")
@MISSING
@DECIMAL
@THOUSANDS
@IMAGES
@CATEGORY
@APPLY_ORIENTATION
@INLIERS
@REASON
@option(
    "--out",
    type=PATH,
    metavar="RUN|FILE",
    unset="none",
    help="A folder for the report and the review; or a file for the scores alone, .csv or .parquet, replaced if it "
    "exists.",
)
@THREADS
def score(
    table: Path,
    predictions: Path | None,
    pred: tuple[str, ...],
    target: tuple[str, ...],
    groups: str | None,
    id: str | None,
    image: str | None,
    features: tuple[str, ...] | None,
    runs: str | None,
    periods: dict[str, float],
    swap_pairs: str | tuple[tuple[int, int], ...],
    unit: str | None,
    missing: tuple[str, ...],
    decimal: str | None,
    thousands: str | None,
    images: str | None,
    category: str | None,
    apply_orientation: bool,
    inliers: str | None,
    reasons: tuple[str, ...],
    out: Path | None,
    threads: int | None,
) -> None:
    """Find the probably wrong labels of TABLE with the predictions in the same table. Nothing is trained.

    TABLE is a CSV or Parquet file with one row per sample. The row has the labels and the predictions of a model, which
    may be any model of any framework. An empty cell is a missing label. The predictions should be out of fold, as in a
    cross-validation, because a model may have memorised the wrong labels on which it was trained.

    \b
    Columns are paired by their names, or by patterns, in which * stands for the same text on both sides:
      age, pred_age                          also predicted_age, age_hat, age_pred; label_age for age
      x1, y1, x1_hat, y1_hat                 a landmark; x and y are right or wrong as one unit
      --pred 'p_*' --target 't_*'            p_age with t_age
      --pred yhat --target age               one column with another

    \b
    If --out is a folder, it gets what `deepgum audit` writes, and `deepgum review` and `deepgum apply` take it:
      report.html      the report, to open in a browser, with pictures if there are images
      scores.parquet   all scores
      summary.json     the share of wrong labels, with its interval

    \b
    A file of scores has one row per sample and group of labels, in the order of TABLE:
      id, group
      responsibility   probability that the label is right; flagged if below 0.5
      residual_norm    distance from the prediction, in the unit of the labels
      mahalanobis      the same distance in standard deviations of right labels
      error_kind, why  the probable error of a flagged label
      given, predicted, suggested, uncertainty

    A table that does not fit in memory is scored in batches.

    TABLE may also be a keypoint file, with the predictions of a model in the file PREDICTIONS: for a COCO file, COCO
    results; for labels of DeepLabCut, SLEAP, Label Studio or Ultralytics, the output of their models. Labelled and
    predicted instances of an image are paired; one without a partner is counted, not scored.

    \b
    Examples:
      deepgum score predictions.csv
      deepgum score faces.parquet --groups landmark --image file --unit px --out runs/faces
      deepgum score flats.csv --features area,city --out runs/flats          shows area and city of flagged rows
      deepgum score sensors.csv --runs day
      deepgum score annotations.json results.json --images photos/ --out runs/persons      COCO keypoints
      deepgum score CollectedData_ada.csv mouseDLC_resnet50.h5               DeepLabCut
      deepgum score labels.slp                                               SLEAP, labels and predictions in one file
      deepgum score poses.csv --pred 'net_*' --target 'deg_*' --period deg_yaw=360 --out scores.csv
    """
    with session(threads, "Nothing was written.") as (terminal, reporter):
        from deepgum.audit.scoring.score_file import score_file
        from deepgum.experiments.audits.score_folder import names_folder, score_to_folder
        from deepgum.experiments.own_files import own_files_near
        from deepgum.posteriors.inliers import AUTO
        from deepgum.report.page import write_report
        from deepgum.report.terminal.score import next_steps, scores
        from deepgum.storage.output import check_file

        inputs = [table, *filter(None, [predictions])]
        to_folder = out is not None and names_folder(out)
        if features and not to_folder:
            hint = "The report shows them: --out RUN."
            raise InvalidParameterError("features", "left out if --out is no folder", features, hint)
        if out is not None and not to_folder:
            check_file(out, inputs=[*inputs, *own_files_near(out)])
        columns: dict[str, Any] = {"pred": pred, "target": target, "groups": groups, "id": id, "image": image}
        columns |= {"features": features, "runs": runs, "periods": periods, "unit": unit}
        columns |= {"missing": missing, "decimal": decimal, "thousands": thousands}
        options = {"images": images, "category": category}
        arguments: dict[str, Any] = {
            "columns": {name: value for name, value in columns.items() if value},
            "options": {name: value for name, value in options.items() if value},
            "swap_pairs": swap_pairs,
            "apply_orientation": apply_orientation,
            "inliers": inliers or AUTO,
            "reasons": reasons,
            "on_stage": reporter.say,
            "on_progress": reporter.scoring,
        }
        if out is not None and to_folder:
            folder, scored = score_to_folder(table, predictions, out, **arguments)
            report = write_report(folder, progress=reporter.reading)
        else:
            scored = score_file(table, predictions, out=out, **arguments)
    rest = "The report has all." if to_folder else "The report has all: --out RUN."
    terminal.print(scores(scored.summary, scored.worst, scored.pairs, rest))
    if to_folder:
        list_audit(terminal, folder, report, scored.summary.flags)
    else:
        for line in next_steps(scored.summary, inputs, out):
            terminal.say(line)
