"""The command `deepgum` and its subcommands. They read options and call the library. A subcommand imports slow modules
only when it needs them.
"""

from __future__ import annotations

import click

from deepgum._version import __version__
from deepgum.cli.apply import apply
from deepgum.cli.audit import audit
from deepgum.cli.common import Commands
from deepgum.cli.compare import compare
from deepgum.cli.demo import demo
from deepgum.cli.evaluate import evaluate
from deepgum.cli.export import export
from deepgum.cli.fit import fit
from deepgum.cli.gain import gain
from deepgum.cli.plot import plot
from deepgum.cli.predict import predict
from deepgum.cli.report import report
from deepgum.cli.reproduce import reproduce
from deepgum.cli.review import review
from deepgum.cli.score import score

__all__ = ["main"]


_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100, "show_default": True}


@click.group(cls=Commands, context_settings=_SETTINGS)
@click.version_option(__version__, prog_name="deepgum")
def main() -> None:
    """Train regression networks on partly wrong labels, and find the wrong labels.

    A mixture of a Gaussian (right labels) and a uniform density (wrong labels) is fitted to the residuals of the
    network. In the loss, each label has a weight: the probability that the label is right.

    \b
    First steps:
      deepgum demo                          see how it works, in two minutes and without data
      deepgum fit CONFIG --out runs/mine    train on your own table of images or features
      deepgum audit DATA --out runs/audit   train networks to find wrong labels
      deepgum score TABLE                   find wrong labels with the predictions of your own model
      deepgum compare --dataset digits --out runs/first
      deepgum reproduce figure2 --out paper
    """


for _command in (
    demo, fit, predict, evaluate, export, audit, report, review, apply, gain, score, compare, plot, reproduce,
):  # fmt: skip
    main.add_command(_command)
