"""Figures and tables of one run, made from the folder of the run."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from deepgum.errors import DeepGUMWarning, InvalidDataError
from deepgum.experiments.runs.examples import Examples
from deepgum.experiments.runs.tables import Posteriors
from deepgum.report.runs.curves import draw_history
from deepgum.report.runs.gallery import draw_gallery
from deepgum.report.runs.histogram import draw_posteriors
from deepgum.report.runs.predictions import draw_predictions
from deepgum.report.style import method_style, save
from deepgum.report.terminal.printable import printable
from deepgum.storage.decoding import decoding

if TYPE_CHECKING:
    from deepgum.experiments.runs.evaluate import Evaluation
    from deepgum.experiments.runs.metrics import Metrics
    from deepgum.experiments.runs.run_folder import RunFolder

__all__ = ["captions_of", "draw_run", "evaluation_table", "metrics_table"]

SHOWN = 24
"""Maximum number of images in a picture."""


def draw_run(folder: RunFolder) -> list[Path]:
    """Draw figures of a finished run, and return their files. They show history, posteriors, flagged labels and
    predictions.

    If the example images of the run cannot be read, the figures with images are left out, and a warning is given.
    """
    metrics, (epochs, rounds) = folder.metrics(), folder.history()
    posteriors = Posteriors.read(folder.posteriors)
    title = f"{method_style(metrics.method, metrics.label).plain}, {metrics.dataset}"
    names = posteriors.group_names if rounds else None
    with decoding(folder.history_file, "the history of a run"):
        figures = {"history": draw_history(epochs, rounds, samples=metrics.train_size, group_names=names, title=title)}
    if posteriors.responsibilities is not None:
        figures["posteriors"] = draw_posteriors(posteriors, title)
    if folder.examples.is_file():
        try:
            examples = Examples.read(folder.examples)
        except InvalidDataError as error:
            warnings.warn(f"{error} Its images are not drawn.", DeepGUMWarning, stacklevel=2)
        else:
            figures |= _pictures(examples, metrics)
    return [path for name, figure in figures.items() for path in save(figure, folder.path / name)]


def _pictures(examples: Examples, metrics: Metrics) -> dict[str, Figure]:
    figures: dict[str, Figure] = {}
    names = list(metrics.each)
    flagged = int((examples.responsibilities < 0.5).sum())
    suspects = slice(0, min(SHOWN, flagged))
    if len(names) == examples.given.shape[1]:
        if flagged:
            captions = captions_of(examples, metrics.unit)[suspects]
            title = "Training labels that are probably wrong, the least probable first"
            figures["suspects"] = draw_gallery(examples.suspects[suspects], captions, title)
        return figures
    points = (len(names), 2)
    if flagged:
        figures["suspects"] = draw_predictions(
            examples.suspects[suspects],
            examples.predicted[suspects].reshape(-1, *points),
            examples.given[suspects].reshape(-1, *points),
            names=names,
            title="Training labels that are probably wrong: a line goes from the prediction to the label",
        )
    shown = slice(0, SHOWN)
    figures["predictions"] = draw_predictions(
        examples.tests[shown], examples.test_predicted[shown].reshape(-1, *points), names=names, title="Test images"
    )
    return figures


def captions_of(examples: Examples, unit: str) -> list[str]:
    """Return a caption for each flagged sample: the label, the prediction, and the probability that the label is right.

    A dash in a caption marks a coordinate without a label.
    """
    captions = []
    for given, predicted, r in zip(examples.given, examples.predicted, examples.responsibilities, strict=True):
        label, prediction = (
            ", ".join("-" if np.isnan(value) else f"{value:.4g}" for value in values)
            for values in (given, np.round(predicted))
        )
        certainty = "r < 0.001" if r < 0.001 else f"r = {r:.3f}"
        captions.append(f"{label}\npredicted {prediction}\n{certainty}")
    return captions


def metrics_table(metrics: Metrics) -> Table:
    """Return the scores of a run as a table for a terminal."""
    method = method_style(metrics.method, metrics.label).plain
    table = _table(f"{method} on {metrics.dataset}, {metrics.test_size:,} test samples")
    _add_errors(table, metrics.mae, metrics.rmse, metrics.each, metrics.failure_rate, metrics.unit)
    if metrics.flagged is not None:
        table.add_row("training labels flagged", f"{100 * metrics.flagged:.1f} %")
    for name, value in (("precision", metrics.precision), ("recall", metrics.recall)):
        if value is not None:
            table.add_row(f"{name} of the flags", f"{100 * value:.1f} %")
    table.add_row("training", f"{metrics.epochs} epochs, {metrics.seconds:.0f} s")
    return table


def evaluation_table(evaluation: Evaluation) -> Table:
    """Return the scores of an evaluation as a table for a terminal."""
    part = "" if evaluation.part == "all" else f"{evaluation.part} "
    table = _table(f"{evaluation.dataset}, {evaluation.samples:,} {part}samples")
    _add_errors(table, evaluation.mae, evaluation.rmse, evaluation.each, evaluation.failure_rate, evaluation.unit)
    return table


def _table(title: str) -> Table:
    table = Table(
        title=Text(printable(title)), title_justify="left", title_style="bold", box=SIMPLE_HEAD, show_header=False
    )
    table.add_column("score")
    table.add_column("value", justify="right")
    return table


def _add_errors(
    table: Table,
    mae: float | None,
    rmse: float | None,
    each: dict[str, float | None],
    failure_rate: float | None,
    unit: str,
) -> None:
    for name, value in (("MAE", mae), ("RMSE", rmse)):
        table.add_row(name, "-" if value is None else f"{value:.4g} {unit}".rstrip())
    if len(each) > 1:
        for name, value in each.items():
            table.add_row(Text(printable(f"  MAE, {name}")), "-" if value is None else f"{value:.4g}")
    if failure_rate is not None:
        table.add_row("failures (beyond 5 % of the width)", f"{100 * failure_rate:.1f} %")
