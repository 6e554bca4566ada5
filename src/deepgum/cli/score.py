"""The command `deepgum score`."""

from __future__ import annotations

from pathlib import Path

import click

from deepgum.cli.common import INLIERS, PAIRS, PATH, PERIODS, session

__all__ = ["score"]


@click.command(short_help="Find wrong labels by the predictions of any model.")
@click.argument("table", type=PATH)
@click.option("--pred", multiple=True, metavar="COLUMN", help="Predictions: a column or 'pattern_*'; repeatable.")
@click.option("--target", multiple=True, metavar="COLUMN", help="Labels: a column or 'pattern_*'; repeatable.")
@click.option(
    "--groups",
    type=click.Choice(["sample", "landmark", "coordinate"]),
    help="What is wrong together: all labels of a sample, the x and y of a landmark, or nothing.  "
    "[default: landmark if the labels' names come in pairs of x and y, else coordinate]",
)
@click.option("--id", metavar="COLUMN", help="Names of the samples.  [default: id, else the images, else the rows]")
@click.option("--image", metavar="COLUMN", help="Image files, relative to the table's folder.")
@click.option(
    "--period",
    multiple=True,
    metavar="NAME=NUMBER",
    callback=PERIODS,
    help="After how much a label comes round again.",
)
@click.option("--swap", metavar="PAIRS", callback=PAIRS, help="Landmarks that are each other's left and right: 0:1,3:4")
@click.option("--unit", default="", metavar="TEXT", help="What the labels are in: px, years.")
@click.option("--inliers", default="auto", metavar="NAME", help=INLIERS)
@click.option("--out", type=PATH, metavar="FILE", help="Every score; ends in .csv or .parquet.  [default: the summary]")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of the CPU.  [default: all cores]")
def score(
    table: Path,
    pred: tuple[str, ...],
    target: tuple[str, ...],
    groups: str | None,
    id: str | None,
    image: str | None,
    period: dict[str, float],
    swap: tuple[tuple[int, int], ...],
    unit: str,
    inliers: str,
    out: Path | None,
    threads: int | None,
) -> None:
    """Find the labels of TABLE that are probably wrong, by the predictions beside them. Nothing is trained.

    TABLE is a CSV or Parquet file with a row a sample: predictions of any model of any framework, and labels; an
    empty cell is a missing label. The predictions should be of samples that the model was not trained on, as
    those of a cross-validation are: a model that has learned wrong labels by heart predicts them.

    \b
    Columns are paired by their names, or by patterns, in which the star stands for the same on both sides:
      age, pred_age                          also predicted_age, age_hat, age_pred; label_age for age
      x1, y1, x1_hat, y1_hat                 a landmark, whose x and y are right or wrong together
      --pred 'p_*' --target 't_*'            t_age by p_age
      --pred yhat --target age               one column by another

    \b
    FILE gets a row a sample and group of labels, in the order of TABLE:
      id, group
      responsibility   how probably the label is right; below 0.5 it is flagged
      residual_norm    how far it is from the prediction, in the unit of the labels
      mahalanobis      the same in standard deviations of right labels
      error_kind, why  of a flagged label: what seems wrong with it
      given, predicted, suggested, uncertainty

    A table that does not fit in memory is scored in batches.

    \b
    Examples:
      deepgum score predictions.csv
      deepgum score faces.parquet --groups landmark --image file --unit px --out scores.parquet
      deepgum score poses.csv --pred 'net_*' --target 'deg_*' --period deg_yaw=360 --out scores.csv
    """
    with session(threads, "Nothing was written.") as (terminal, reporter):
        from deepgum.audit.scoring.score_table import score_table
        from deepgum.experiments.runs.tables import check_output
        from deepgum.report.terminal.score import next_steps, scores

        if out is not None:
            check_output(out)
        scored = score_table(
            table,
            pred=pred,
            target=target,
            groups=groups,
            id=id,
            image=image,
            periods=period,
            swap_pairs=swap,
            unit=unit,
            inliers=inliers,
            out=out,
            on_stage=reporter.say,
        )
    terminal.print(scores(scored.summary, scored.worst, scored.pairs))
    for line in next_steps(scored.summary, table, out):
        terminal.print(line, highlight=False, markup=False, soft_wrap=True)
