"""The options of commands: each states its default in the help, and options of several commands are here.

The context of the group `deepgum` shows the defaults. An option without a value, such as `--threads`, has words for it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import click

from deepgum.cli.values import FOLDER, PAIRS, PERIODS

__all__ = [
    "APPLY_ORIENTATION",
    "CACHE_DIR",
    "CATEGORY",
    "DECIMAL",
    "IMAGES",
    "INLIERS",
    "MISSING",
    "PERIOD",
    "REASON",
    "SKIP_MISSING",
    "SKIP_UNREADABLE",
    "SWAP",
    "THOUSANDS",
    "THREADS",
    "TRUST",
    "VERIFY",
    "StatedOption",
    "option",
    "renamed",
]


class StatedOption(click.Option):
    """An option whose help may state in words what a command does without it.

    Parameters
    ----------
    *args, **settings
        See `click.Option`.
    unset : str
        The words, if the option has no default value: "all cores".
    """

    def __init__(self, *args: Any, unset: str = "", **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.unset = unset

    def get_help_extra(self, ctx: click.Context) -> Any:
        """Return what the help shows in brackets, with the words in place of a default."""
        extra = super().get_help_extra(ctx)
        if self.unset:
            extra["default"] = self.unset
        return extra


option = partial(click.option, cls=StatedOption)
"""The decorator of all options; see `StatedOption`."""

THREADS = option(
    "--threads",
    type=click.IntRange(min=1),
    metavar="N",
    unset="all cores; 1 to train on features",
    help="Threads of the CPU.",
)
TRUST = option("--trust", is_flag=True, help="Run code outside deepgum that the input names.")
VERIFY = option(
    "--verify", is_flag=True, help="Read all image files again, even if their sizes and times have not changed."
)
SKIP_MISSING = option("--skip-missing", is_flag=True, help="Leave out images that do not exist.")
SKIP_UNREADABLE = option("--skip-unreadable", is_flag=True, help="Leave out images that cannot be decoded.")
APPLY_ORIENTATION = option(
    "--apply-orientation",
    is_flag=True,
    help="Turn images as their files say (EXIF), as viewers do; labels belong to the turned images.",
)
CACHE_DIR = option(
    "--cache-dir",
    type=FOLDER,
    metavar="DIR",
    unset="the user's cache",
    help="Folder of the cache for images and frozen trunks.",
)
INLIERS = option(
    "--inliers",
    metavar="NAME",
    unset="auto",
    help="Density of right labels: auto, gaussian, student-t or package.module:name.",
)
REASON = option(
    "--reason", "reasons", multiple=True, metavar="PATH", help="A reason of your own, package.module:name; repeatable."
)
IMAGES = option("--images", metavar="DIR", unset="beside the file", help="Folder of the images of a keypoint file.")
CATEGORY = option("--category", metavar="NAME", unset="the only one with keypoints", help="Category of a COCO file.")
SWAP = option(
    "--swap",
    "swap_pairs",
    metavar="PAIRS",
    callback=PAIRS,
    unset="those of a keypoint file, else none",
    help="Pairs of left and right landmarks: 0:1,3:4, or auto (by their names), 300w-68, coco-17.",
)
PERIOD = option(
    "--period",
    "periods",
    multiple=True,
    metavar="NAME=NUMBER",
    callback=PERIODS,
    help="Period of a label, such as an angle: yaw=360; repeatable.",
)
MISSING = option(
    "--missing",
    multiple=True,
    metavar="VALUE",
    help="A number or word that marks a missing label (-9999, '?'), or a point for landmarks (0,0); repeatable. Empty "
    "cells, NA, null, None, #N/A and the like always do.",
)
DECIMAL = option("--decimal", metavar="SIGN", unset="a point", help="Decimal separator of numbers in text: . or ,")
THOUSANDS = option("--thousands", metavar="SIGN", unset="none", help="Separator of thousands of numbers in text.")


def renamed(old: str, new: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a hidden option `old`, which existed in version 0.1.0. If a user gives this option, the error names the
    option `new`.
    """

    def refuse(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
        if value is not None:
            raise click.UsageError(f"The option {old} is called {new} since version 0.2.0.", ctx)

    return click.option(old, callback=refuse, hidden=True, expose_value=False)
