"""The command `deepgum score`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from deepgum.cli.common import session
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
from deepgum.cli.values import PATH, UNITS

__all__ = ["score"]


_SECTIONS = {
    "Columns of a table": ("pred", "target", "id", "image", "runs"),
    "Keypoint files": ("images", "category"),
    "Images": ("apply_orientation",),
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
@option("--id", metavar="COLUMN", unset="id, else the images, else row numbers", help="Names of the samples.")
@option("--image", metavar="COLUMN", unset="none", help="Image files, relative to the table's folder.")
@option(
    "--runs",
    metavar="COLUMN",
    unset="none",
    help="Samples whose labels may be wrong together: a day, a sensor, a source.",
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
    metavar="FILE",
    unset="none",
    help="File for all scores, .csv or .parquet; replaced if it exists.",
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
    FILE has one row per sample and group of labels, in the order of TABLE:
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
      deepgum score faces.parquet --groups landmark --image file --unit px --out scores.parquet
      deepgum score sensors.csv --runs day
      deepgum score annotations.json results.json --out scores.parquet       COCO keypoints
      deepgum score CollectedData_ada.csv mouseDLC_resnet50.h5               DeepLabCut
      deepgum score labels.slp                                               SLEAP, labels and predictions in one file
      deepgum score poses.csv --pred 'net_*' --target 'deg_*' --period deg_yaw=360 --out scores.csv
    """
    with session(threads, "Nothing was written.") as (terminal, reporter):
        from deepgum.audit.scoring.score_file import score_file
        from deepgum.experiments.own_files import own_files_near
        from deepgum.posteriors.inliers import AUTO
        from deepgum.report.terminal.score import next_steps, scores
        from deepgum.storage.output import check_file

        if out is not None:
            check_file(out, inputs=[table, *filter(None, [predictions]), *own_files_near(out)])
        columns: dict[str, Any] = {"pred": pred, "target": target, "groups": groups, "id": id, "image": image}
        columns |= {"runs": runs, "periods": periods, "unit": unit}
        columns |= {"missing": missing, "decimal": decimal, "thousands": thousands}
        options = {"images": images, "category": category}
        scored = score_file(
            table,
            predictions,
            columns={name: value for name, value in columns.items() if value},
            options={name: value for name, value in options.items() if value},
            swap_pairs=swap_pairs,
            apply_orientation=apply_orientation,
            inliers=inliers or AUTO,
            reasons=reasons,
            out=out,
            on_stage=reporter.say,
            on_progress=reporter.scoring,
        )
    terminal.print(scores(scored.summary, scored.worst, scored.pairs, rest=""))
    for line in next_steps(scored.summary, [table, *filter(None, [predictions])], out):
        terminal.say(line)
