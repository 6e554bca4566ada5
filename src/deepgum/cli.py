"""The command `deepgum`: options in, calls out. What takes long to import is imported by the command that needs it."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deepgum import __version__
from deepgum.errors import ComparisonError, DeepGUMError, InvalidParameterError

if TYPE_CHECKING:
    from rich.console import Console

    from deepgum.report.progress import Reporter

__all__ = ["main"]

_INTERRUPTED = 130
_GOES_ON = "What was finished is kept; the same command goes on from there."
_STARTS_ANEW = "A demo starts anew each time, in another folder: with --out, name one that is new or empty."


class _Group(click.Group):
    """Shows an error that the library raises on purpose as one message and no traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except DeepGUMError as error:
            click.secho(f"Error: {error}", fg="red", err=True)
            ctx.exit(2)


_Read = Callable[[click.Context, click.Parameter, str | None], tuple[Any, ...] | None]


def _listed(kind: Callable[[str], Any], what: str) -> _Read:
    """Read values with commas between them; what is in the list is checked by the library."""

    def read(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[Any, ...] | None:
        if value is None:
            return None
        try:
            return tuple(kind(part.strip()) for part in value.split(","))
        except ValueError:
            raise InvalidParameterError(str(param.name), f"{what} with commas between them", value) from None

    return read


_NAMES, _NUMBERS, _WHOLE = _listed(str, "names"), _listed(float, "numbers"), _listed(int, "whole numbers")
_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="deepgum")
def main() -> None:
    """Train regression networks on labels some of which are wrong, and find those.

    A mixture of a Gaussian (labels that are right) and a uniform density (labels that are wrong) is
    fitted to the network's residuals; each label's probability of being right weights it in the loss.

    \b
    Begin here:
      deepgum demo                     two minutes, no data needed
      deepgum compare --dataset digits --out runs/first
      deepgum plot runs/first          Figure 5 of the paper from those results
    """


@main.command()
@click.option("--out", type=_FOLDER, help="Folder for results and pictures.  [default: the first free runs/demo...]")
# One by default: images this small gain little from more, and lose much where other work shares the cores.
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads of the CPU.")
def demo(out: Path | None, threads: int) -> None:
    """See wrong landmarks found, on data that is already installed.

    The four corners of scikit-learn's scanned digits, placed on a canvas by random maps, are the
    landmarks. Two in five are moved away. L2, Cauchy, DeepGUM and an oracle that knows which labels are
    wrong learn from them. Prints how they compare and writes three pictures: the comparison, the worst
    labels found, and the posteriors.

    \b
    Examples:
      deepgum demo
      deepgum demo --out my-demo --threads 4
    """
    with _session(threads, _STARTS_ANEW) as (console, reporter):
        from deepgum.experiments.demo import free_folder, run_demo
        from deepgum.report.demo import draw_demo
        from deepgum.report.tables import tables

        folder = out or free_folder(Path("runs/demo"))
        result = run_demo(folder, reporter)
        pictures = draw_demo(result, folder)
    for table in tables(result.records):
        console.print(table)
    _list_files(console, [folder / "results.jsonl", folder / "posteriors", *pictures])


@main.command(short_help="Train methods side by side under noise you choose.")
@click.option(
    "--dataset", default="lfw-net", show_default=True, help="lfw-net (real faces) or digits (no data needed)."
)
@click.option(
    "--data", type=_FOLDER, metavar="DIR", help="The data set's folder; for lfw-net the one with the two lists."
)
@click.option(
    "--noise",
    metavar="NAMES",
    callback=_NAMES,
    default="l-ugo",
    show_default=True,
    help="Of ngo, l-ugo, g-ugo; see below.",
)
@click.option(
    "--rate",
    metavar="RATES",
    callback=_NUMBERS,
    default="0.4",
    show_default=True,
    help="Shares of wrong labels, 0 to 1.",
)
@click.option(
    "--methods",
    metavar="NAMES",
    callback=_NAMES,
    default="l2,cauchy,deepgum,oracle",
    show_default=True,
    help="See below.",
)
@click.option(
    "--seed",
    metavar="SEEDS",
    callback=_WHOLE,
    default="0",
    show_default=True,
    help="Each draws its own subset, noise and weights.",
)
@click.option("--train-size", type=int, metavar="N", help="Training samples.  [default: 9 in 10 of all]")
@click.option("--validation-size", type=int, metavar="N", help="On top of those.  [default: a ninth of them]")
@click.option("--image-size", type=int, metavar="S", help="Side of the images in pixels.  [default: 48; digits 32]")
@click.option("--epochs-max", type=int, default=100, show_default=True, metavar="E", help="Of one run of SGD.")
@click.option("--patience", type=int, default=5, show_default=True, help="Epochs without progress before it stops.")
@click.option("--optimizer", default="adam", show_default=True, help="adam, adamw or sgd.")
@click.option("--learning-rate", type=float, default=1e-3, show_default=True, help="The highest that is reached.")
@click.option("--schedule", default="constant", show_default=True, help="constant, cosine or one-cycle.")
@click.option("--batch-size", type=int, default=64, show_default=True, help="Samples a step.")
@click.option("--precision", default="float32", show_default=True, help="float32 or bf16.")
@click.option("--groups", help="sample, landmark or coordinate.  [default: as the paper, by noise]")
@click.option("--model", default="facenet", show_default=True, help="Or a factory: torchvision.models:resnet18.")
@click.option("--device", default="cpu", show_default=True, metavar="D", help="cpu, cuda, cuda:1, mps.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of the CPU.  [default: all cores]")
@click.option("--skip-missing", is_flag=True, help="Go on without images that are not there.")
@click.option("--cache-dir", type=_FOLDER, metavar="DIR", help="For decoded images.  [default: the user's cache]")
@click.option("--out", type=_FOLDER, required=True, metavar="DIR", help="New, or of the same settings to go on with.")
def compare(
    noise: tuple[str, ...],
    rate: tuple[float, ...],
    seed: tuple[int, ...],
    threads: int | None,
    out: Path,
    **settings: Any,
) -> None:
    """Train methods side by side: each under every noise, rate and seed, all with the same budget.

    Writes DIR/results.jsonl, one line a run, and DIR/posteriors/, a table a run with a line for each
    sample and group. Stop it with Ctrl-C and start it again with the same options: finished runs are not
    repeated. Options of the grid (noise, rate, methods, seed) may change in between, others may not.

    \b
    Methods:
      l2, l1, cauchy        one run with that loss
      huber, biweight       scaled by the residuals' MAD, after 3 epochs of l2
      deepgum               this library's defaults
      deepgum-paper         Algorithm 1 to the letter
      oracle, oracle-l1     l2 and l1 on the right labels only: the bound

    \b
    Noise, on training and validation labels:
      ngo                   landmarks moved by about 25 pixels of a face 224 wide
      l-ugo                 landmarks moved by anything up to the width
      g-ugo                 all landmarks of some images, so moved

    \b
    Examples:
      deepgum compare --dataset digits --train-size 1000 --out runs/digits
      deepgum compare --data ~/lfw_net --skip-missing --train-size 3000 --out runs/faces \\
          --noise ngo,l-ugo,g-ugo --rate 0,0.2,0.4 --methods l2,biweight,deepgum --seed 0,1
    """
    failure = None
    with _session(threads, _GOES_ON) as (console, reporter):
        from deepgum.experiments.compare import compare as run_comparison
        from deepgum.experiments.options import CompareOptions
        from deepgum.report.tables import tables
        from deepgum.training import SGDOptions

        of_sgd = (
            "epochs_max",
            "patience",
            "optimizer",
            "learning_rate",
            "schedule",
            "batch_size",
            "precision",
            "device",
        )
        sgd = SGDOptions(**{name: settings.pop(name) for name in of_sgd})
        options = CompareOptions(noises=noise, rates=rate, seeds=seed, sgd=sgd, **settings)
        try:
            records = run_comparison(options, out, reporter)
        except ComparisonError as error:
            failure, records = error, list(error.records)
    if records:
        for table in tables(records):
            console.print(table)
        _list_files(console, [out / "results.jsonl", out / "posteriors"])
        console.print(f"Draw them: deepgum plot {out}", highlight=False, soft_wrap=True)
    if failure is not None:
        raise failure


@main.command()
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), help="Where to, without ending.  [default: figure5 beside the first]"
)
@click.option("--methods", callback=_NAMES, help="Which to draw, in this order.  [default: all]")
def plot(results: tuple[Path, ...], out: Path | None, methods: tuple[str, ...] | None) -> None:
    """Draw Figure 5 from results files, or from folders that hold one.

    Failure rate on top, precision and recall of the flags below, a column for each kind of noise, the mean
    over seeds with a band from the lowest to the highest. Writes a PNG and an SVG.

    \b
    Examples:
      deepgum plot runs/faces
      deepgum plot runs/faces --methods l2,huber,biweight,deepgum
      deepgum plot runs/a/results.jsonl runs/b/results.jsonl --out figures/both
    """
    from deepgum.experiments.records import read_records, select
    from deepgum.report.figure5 import draw_figure5
    from deepgum.report.style import FORMATS, save

    figure = draw_figure5(select(read_records(results), methods))
    beside = results[0] if results[0].is_dir() else results[0].parent
    stem = out or beside / "figure5"
    if stem.suffix.lower() in {f".{kind}" for kind in FORMATS}:
        stem = stem.with_suffix("")
    _list_files(_console(), save(figure, stem))


@contextmanager
def _session(threads: int | None, when_stopped: str) -> Iterator[tuple[Console, Reporter]]:
    """Everything around a training: threads, progress, warnings in plain words, and what Ctrl-C means."""
    import torch

    from deepgum.report.progress import Reporter

    if threads is not None:
        torch.set_num_threads(threads)
    console = _console()
    with warnings.catch_warnings():
        try:
            with Reporter(console) as reporter:
                warnings.showwarning = lambda message, *_, **__: reporter.say(f"Warning: {message}", style="yellow")
                yield console, reporter
        except KeyboardInterrupt:
            click.secho(f"Stopped. {when_stopped}", fg="yellow", err=True)
            sys.exit(_INTERRUPTED)


def _console() -> Console:
    from rich.console import Console

    return Console()


def _list_files(console: Console, paths: list[Path]) -> None:
    for path in paths:
        console.print(f"Written: {path}", highlight=False, soft_wrap=True)
