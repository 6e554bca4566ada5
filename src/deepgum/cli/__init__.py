"""The command `deepgum`: options in, calls out. What takes long to import is imported by the command that needs it."""

from __future__ import annotations

import click

from deepgum._version import __version__
from deepgum.cli.apply import apply
from deepgum.cli.audit import audit
from deepgum.cli.common import Commands
from deepgum.cli.compare import compare
from deepgum.cli.demo import demo
from deepgum.cli.export import export
from deepgum.cli.gain import gain
from deepgum.cli.plot import plot
from deepgum.cli.report import report
from deepgum.cli.reproduce import reproduce
from deepgum.cli.review import review
from deepgum.cli.run import evaluate, fit, predict
from deepgum.cli.score import score

__all__ = ["main"]


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="deepgum")
def main() -> None:
    """Train regression networks on labels some of which are wrong, and find those.

    A mixture of a Gaussian (labels that are right) and a uniform density (labels that are wrong) is
    fitted to the network's residuals; each label's probability of being right weights it in the loss.

    \b
    Begin here:
      deepgum demo                          two minutes, no data needed
      deepgum fit CONFIG --out runs/mine    your own table of images or features, and its labels
      deepgum audit DATA --out runs/audit   wrong labels of a data set, by networks that are trained for it
      deepgum score TABLE                   wrong labels by the predictions of a model that you have
      deepgum compare --dataset digits --out runs/first
      deepgum reproduce figure2 --out paper
    """


for _command in (
    demo, fit, predict, evaluate, export, audit, report, review, apply, gain, score, compare, plot, reproduce,
):  # fmt: skip
    main.add_command(_command)
