"""The command `deepgum reproduce`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deepgum.cli.common import RESUMES, list_files, session, verify_files
from deepgum.cli.options import CACHE_DIR, SKIP_MISSING, SKIP_UNREADABLE, THREADS, VERIFY, option
from deepgum.cli.values import FOLDER, NAMES, NUMBERS, PATH, WHOLE
from deepgum.errors import ComparisonError, InvalidParameterError
from deepgum.storage.output import is_same_file

if TYPE_CHECKING:
    from deepgum.experiments.paper.options import CompareOptions
    from deepgum.report.terminal.console import Terminal
    from deepgum.report.terminal.progress import Reporter

__all__ = ["reproduce"]

_RATES = (0.0, 0.2, 0.4, 0.6)


@click.command(short_help="Make a table or a figure of the paper.")
@click.argument("artefact")
@option("--data", type=FOLDER, metavar="DIR", unset="none", help="Folder of the data set, or a folder of such folders.")
@option(
    "--dataset",
    metavar="NAME",
    unset="the one in DIR",
    help="Data set to use, if DIR holds several possible data sets.",
)
@option("--scale", default="cpu", help="paper (a GPU) or cpu (two cores).")
@option(
    "--weights", type=PATH, metavar="FILE", unset="none", help="Pretrained weights of VGG-16; imagenet downloads them."
)
@option("--rate", "rates", metavar="RATES", callback=NUMBERS, unset="see above", help="Shares of wrong labels, 0 to 1.")
@option(
    "--noise",
    "noises",
    metavar="NAMES",
    callback=NAMES,
    default="l-ugo,g-ugo,ngo",
    help="Kinds of noise in Figure 5.",
)
@option("--methods", metavar="NAMES", callback=NAMES, unset="the methods of the paper", help="Methods to train.")
@option("--seed", "seeds", metavar="SEEDS", callback=WHOLE, default="0", help="One table per seed.")
@option("--clothes", default="upper", help="Clothes of FLD: upper, lower or full.")
@option("--holm", is_flag=True, help="Correct the stars for the number of tests, by Holm's method.")
@option("--precision", unset="set by the scale", help="float32 or bf16.")
@option("--device", unset="cpu", help="cpu, cuda, cuda:1, mps.")
@THREADS
@SKIP_MISSING
@SKIP_UNREADABLE
@CACHE_DIR
@VERIFY
@option("--out", type=FOLDER, required=True, metavar="DIR", help="Output folder: new, or of this command.")
def reproduce(
    artefact: str,
    data: Path | None,
    dataset: str | None,
    scale: str,
    weights: Path | None,
    rates: tuple[float, ...] | None,
    noises: tuple[str, ...],
    methods: tuple[str, ...] | None,
    seeds: tuple[int, ...],
    clothes: str,
    holm: bool,
    precision: str | None,
    device: str | None,
    threads: int | None,
    skip_missing: bool,
    skip_unreadable: bool,
    cache_dir: Path | None,
    verify: bool,
    out: Path,
) -> None:
    """Make ARTEFACT, a table or a figure of the paper: train the missing runs, and write ARTEFACT in the paper's
    layout.

    \b
    Artefacts, and their possible data sets (the first is that of the paper):
      table1    fashion landmarks, MAE in pixels                 fld
      table2    head pose, MAE and RMSE over 7 folds             mcgill, head-pose
      figure2   gradients of the losses                          no data
      figure3   predicted fashion landmarks on images            fld
      figure4   age: MAE, and the images flagged as outliers     cacd, utkface
      figure5   facial landmarks, three noises, growing rates    lfw-net

    Runs are kept in DIR/runs. A run that two tables need is trained once. Tables are written as Markdown and LaTeX,
    with separate columns for the published values of the paper. Figures are written as PNG and SVG. The scale "cpu" has
    smaller images, a smaller network and a shorter training. A note below the table lists each number that the scale
    changes.

    --rate is the share of labels that are made wrong. In Figure 5, each kind of noise makes them wrong (default: 0,
    0.2, 0.4 and 0.6). In the other artefacts, uniform random labels replace them (default: 0, no label is changed).

    \b
    Examples:
      deepgum reproduce figure2 --out paper
      deepgum reproduce figure5 --data ~/lfw_net --skip-missing --out paper
      deepgum reproduce figure4 --data ~/utkface --weights vgg16.safetensors --rate 0,0.3 --out paper
      deepgum reproduce table2 --data ~/head_pose --scale cpu --out paper
    """
    with session(threads, RESUMES) as (terminal, reporter):
        from deepgum.checks import check_choice
        from deepgum.experiments.paper.reproduce import (
            ARTEFACTS,
            figure5_options,
            find_data,
            folders_of,
            make_plan,
            run_all,
        )
        from deepgum.experiments.paper.scales import SCALES
        from deepgum.report.paper.reproduction import render

        check_choice("artefact", artefact, ARTEFACTS)
        chosen = SCALES[check_choice("scale", scale, SCALES)]
        changes = {name: value for name, value in (("precision", precision), ("device", device)) if value}
        chosen = chosen.with_training(**changes)
        if artefact == "figure2":
            _figure2(terminal, out)
            return
        if data is None:
            raise InvalidParameterError("data", f"a folder with {' or '.join(ARTEFACTS[artefact].datasets)}", None)
        verify_files(verify, cache_dir)
        if is_same_file(data, out):
            raise InvalidParameterError("out", "another folder than the data", str(out), "Images would be added to it.")
        name, folder = find_data(artefact, data, dataset)
        if artefact == "figure5":
            options = figure5_options(
                folder,
                chosen,
                noises=noises,
                rates=rates or _RATES,
                methods=methods,
                seeds=seeds,
                weights=weights,
                skip_missing=skip_missing,
                skip_unreadable=skip_unreadable,
                cache_dir=cache_dir,
            )
            _figure5(terminal, reporter, options, chosen.differences("faces"), scale, out)
            return
        plans = [
            make_plan(
                artefact,
                name,
                folder,
                chosen,
                rate=rate,
                seed=seed,
                methods=methods,
                weights=weights,
                clothes=clothes,
                skip_missing=skip_missing,
                skip_unreadable=skip_unreadable,
                cache_dir=cache_dir,
            )
            for seed in seeds
            for rate in rates or (0.0,)
        ]
        failure, folders = None, folders_of(plans, out)
        try:
            finished = set(run_all(plans, out, reporter))
        except ComparisonError as error:
            failure, finished = error, set(error.records)
        whole = [plan for plan in plans if finished.issuperset(one.digest for one in plan.runs)]
        rendered = [render(plan, folders, out, scale, "holm" if holm else "none") for plan in whole]
    for result in rendered:
        if result.table is not None:
            terminal.print(result.table.to_rich())
        list_files(terminal, result.files)
    if failure is not None:
        raise failure


def _figure2(terminal: Terminal, out: Path) -> None:
    from deepgum.report.paper.figure2 import draw_figure2
    from deepgum.report.style import save

    list_files(terminal, save(draw_figure2(), out / "figure2"))


def _figure5(
    terminal: Terminal,
    reporter: Reporter,
    options: CompareOptions,
    differences: Mapping[str, tuple[object, object]],
    scale: str,
    out: Path,
) -> None:
    """Train the missing runs, and write Figure 5 and one table per kind of noise, even if some runs failed."""
    from deepgum.experiments.paper.compare import compare
    from deepgum.report.paper.reproduction import render_figure5

    failure = None
    try:
        records = compare(options, out / "figure5-runs", reporter)
    except ComparisonError as error:
        failure, records = error, list(error.records)
    if records:
        for result in render_figure5(records, differences, out, scale):
            if result.table is not None:
                terminal.print(result.table.to_rich())
            list_files(terminal, result.files)
    if failure is not None:
        raise failure
