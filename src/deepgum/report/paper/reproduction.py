"""The paper's tables and figures, made from the folders of finished runs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from deepgum.experiments.runs.examples import Examples
from deepgum.experiments.runs.run_folder import RunFolder
from deepgum.experiments.runs.tables import Predictions
from deepgum.report.paper.conditions import Conditions
from deepgum.report.paper.figure4 import draw_figure4
from deepgum.report.paper.figure5 import draw_figure5
from deepgum.report.paper.marked import Correction
from deepgum.report.paper.paper_table import Cell, Column, PaperTable, Row
from deepgum.report.paper.reproduced import figure4_table, table1, table2
from deepgum.report.paper.summary import Spread, spread
from deepgum.report.runs.predictions import draw_predictions
from deepgum.report.runs.run import captions_of
from deepgum.report.style import is_oracle, method_style, noise_label, save
from deepgum.storage.disk import write_atomically

if TYPE_CHECKING:
    from deepgum.experiments.paper.records import RunRecord
    from deepgum.experiments.paper.reproduce import Plan
    from deepgum.experiments.runs.config import RunConfig

__all__ = ["Rendered", "render", "render_figure5"]

GALLERY = 28
"""Images in the gallery of Figure 4."""

SHOWN = ("deepgum-alternate", "deepgum", "deepgum-paper", "deepgum-authors", "dexgum")
"""Figures 3 and 4 show the landmarks and the flags of the first of these methods that was run."""


@dataclass(frozen=True)
class Rendered:
    """The output of a plan: the written files, and the table if the plan has a table."""

    table: PaperTable | None
    files: tuple[Path, ...]


def render(
    plan: Plan, folders: Mapping[str, RunFolder], out: Path, scale: str, correction: Correction = "none"
) -> Rendered:
    """Make the table or figure of a plan from finished runs, and write the files.

    A table is written as Markdown and LaTeX, a figure as PNG and SVG.

    Parameters
    ----------
    plan : Plan
    folders : mapping of str to RunFolder
        Folders of the runs of the plan: digest of a run -> folder.
    out : Path
    scale : str
        Name of the scale, for the notes.
    correction : {"none", "holm"}
        Correction for the number of tests.
    """
    clothes = plan.runs[0].data.options.get("clothes", "upper")
    name = plan.artefact + ("" if clothes == "upper" else f"-{clothes}")
    name += f"-uniform{100 * plan.rate:g}" if plan.rate else ""
    # Each seed has a separate table, because a test counts every sample once.
    name += f"-seed{plan.seed}" if plan.seed else ""
    return _MAKERS[plan.artefact](plan, folders, out / name, scale, correction)


def _table1(plan: Plan, folders: Mapping[str, RunFolder], stem: Path, scale: str, correction: Correction) -> Rendered:
    runs = {run.method.name: run for run in plan.runs}
    errors = {method: _predictions(run, folders).errors(landmarks=True) for method, run in runs.items()}
    metrics = folders[plan.runs[0].digest].metrics()
    table = table1(
        errors,
        [_short(name) for name in metrics.each],
        _conditions(plan, folders, scale),
        failure_threshold=0.05 * metrics.factor,
        # The paper has the upper-body subset. The other subsets are in the supplementary material of the paper.
        published=plan.runs[0].data.options["clothes"] == "upper",
        correction=correction,
    )
    return Rendered(table, _write(table, stem))


def _table2(plan: Plan, folders: Mapping[str, RunFolder], stem: Path, scale: str, correction: Correction) -> Rendered:
    errors = {
        method: [_predictions(run, folders).errors(landmarks=False) for run in runs]
        for method, runs in _by_method(plan).items()
    }
    table = table2(errors, _conditions(plan, folders, scale), correction=correction)
    return Rendered(table, _write(table, stem))


def _figure3(plan: Plan, folders: Mapping[str, RunFolder], stem: Path, scale: str, correction: Correction) -> Rendered:
    runs = {run.method.name: run for run in plan.runs}
    # As in the paper, the figure shows DeepGUM. If the user names only other methods, it shows the first method.
    run = _shown(runs) or plan.runs[0]
    folder = folders[run.digest]
    examples, names = Examples.read(folder.examples), list(folder.metrics().each)
    points = examples.test_predicted.reshape(len(examples.tests), len(names), 2)[:GALLERY]
    figure = draw_predictions(examples.tests[:GALLERY], points, names=names)
    return Rendered(None, tuple(save(figure, stem)))


def _figure4(plan: Plan, folders: Mapping[str, RunFolder], stem: Path, scale: str, correction: Correction) -> Rendered:
    runs = {run.method.name: run for run in plan.runs}
    errors = {method: _predictions(run, folders).errors(landmarks=False)[:, 0] for method, run in runs.items()}
    flagged = {method: folders[run.digest].metrics().flagged for method, run in runs.items()}
    table = figure4_table(errors, flagged, _conditions(plan, folders, scale), correction=correction)
    files = _write(table, stem)
    shown = _shown(runs)
    if shown is not None:
        folder = folders[shown.digest]
        examples = Examples.read(folder.examples)
        count = min(GALLERY, int((examples.responsibilities < 0.5).sum()))
        if count:
            captions = captions_of(examples, folder.metrics().unit)[:count]
            files += tuple(save(draw_figure4(table, examples.suspects[:count], captions), stem))
    return Rendered(table, files)


def render_figure5(
    records: Sequence[RunRecord], differences: Mapping[str, tuple[object, object]], out: Path, scale: str
) -> list[Rendered]:
    """Draw Figure 5, and write a table of failure rates for each kind of noise. The paper does not have these tables.

    Parameters
    ----------
    records : sequence of RunRecord
    differences : mapping
        Settings that the scale changes: name of the setting -> (value in the paper, value here).
    out : Path
    scale : str
    """
    figure = Rendered(None, tuple(save(draw_figure5(records), out / "figure5")))
    rendered = [figure]
    for noise in dict.fromkeys(record.noise for record in records):
        of_noise = [record for record in records if record.noise == noise]
        conditions = Conditions(
            "LFW + NET",
            scale,
            differences,
            seeds=sorted({record.seed for record in of_noise}),
            counts={"training": of_noise[0].train_size},
        )
        table = _failures(of_noise, noise, conditions)
        rendered.append(Rendered(table, _write(table, out / f"figure5-{noise}")))
    return rendered


def _failures(records: Sequence[RunRecord], noise: str, conditions: Conditions) -> PaperTable:
    rates = sorted({record.rate for record in records})
    methods = list(dict.fromkeys(record.method for record in records))
    cells: dict[tuple[str, float], Spread] = {}
    for method, rate in itertools.product(methods, rates):
        found = [record.failure_rate for record in records if (record.method, record.rate) == (method, rate)]
        if (value := spread(found)) is not None:
            cells[method, rate] = value
    lowest = {
        rate: min((m for m in methods if not is_oracle(m) and (m, rate) in cells), key=lambda m: cells[m, rate].mean)
        for rate in rates
    }
    rows = []
    for method in methods:
        row = []
        for rate in rates:
            value = cells.get((method, rate))
            row.append(
                Cell() if value is None else Cell(100 * value.mean, 100 * value.deviation, best=method == lowest[rate])
            )
        rows.append(Row(method_style(method).label, tuple(row)))
    group = "here (LFW + NET)"
    columns = tuple(Column(f"{100 * rate:g} % wrong", group, digits=1) for rate in rates)
    title = f"Figure 5, {noise_label(noise)}: failure rate in %, clean test labels"
    notes = (*conditions.sentences(), "The paper shows the failure rates as curves, and prints no numbers.")
    return PaperTable(title, columns, tuple(rows), notes)


_MAKERS: Mapping[str, Callable[..., Rendered]] = MappingProxyType(
    {"table1": _table1, "table2": _table2, "figure3": _figure3, "figure4": _figure4}
)


def _shown(runs: Mapping[str, RunConfig]) -> RunConfig | None:
    return next((runs[name] for name in SHOWN if name in runs), None)


def _by_method(plan: Plan) -> dict[str, list[RunConfig]]:
    names = list(dict.fromkeys(run.method.name for run in plan.runs))
    ordered = sorted(plan.runs, key=lambda run: names.index(run.method.name))
    return {name: list(runs) for name, runs in itertools.groupby(ordered, key=lambda run: run.method.name)}


def _predictions(run: RunConfig, folders: Mapping[str, RunFolder]) -> Predictions:
    return Predictions.read(folders[run.digest].predictions)


def _conditions(plan: Plan, folders: Mapping[str, RunFolder], scale: str) -> Conditions:
    metrics = folders[plan.runs[0].digest].metrics()
    model = plan.runs[0].model
    remarks = []
    if plan.rate:
        remarks.append(
            f"{100 * plan.rate:g} % of the training and validation labels are replaced by uniform random ones; "
            "the test labels are unchanged."
        )
    if model.weights is not None:
        fresh = model.name == "vgg16" and (model.fc_width, plan.runs[0].data.image_size) != (4096, 224)
        rest = "; fc6 and fc7 start at random, because their sizes are not the published ones" if fresh else ""
        remarks.append(f"The network starts from the weights '{model.weights.name}'{rest}.")
    return Conditions(
        plan.dataset,
        scale,
        plan.differences,
        seeds=[plan.seed],
        counts={"training": metrics.train_size, "validation": metrics.validation_size},
        remarks=remarks,
    )


def _short(name: str) -> str:
    """Return the short name of a landmark in the tables of the paper: "left collar" or "left_collar" becomes "LC"."""
    return "".join(word[0].upper() for word in name.replace("_", " ").split())


def _write(table: PaperTable, stem: Path) -> tuple[Path, ...]:
    written = []
    for ending, text in ((".md", table.to_markdown()), (".tex", table.to_latex())):
        path = stem.with_name(stem.name + ending)
        with write_atomically(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        written.append(path)
    return tuple(written)
