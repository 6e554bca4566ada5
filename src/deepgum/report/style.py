"""The style of tables and figures: how methods and kinds of noise are drawn, and how a figure is written."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from deepgum.styles import METHOD_STYLES, MethodStyle

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FORMATS", "is_oracle", "method_style", "method_styles", "noise_label", "save"]

FORMATS = ("png", "svg")
# Colours by Tol ("muted"), for methods without a colour of their own: none of them is another method's.
_CYCLE = ("#332288", "#117733", "#999933", "#882255", "#44AA99", "#661100", "#000000")
_NOISES = {"ngo": "NGO", "l-ugo": "l-UGO", "g-ugo": "g-UGO"}


class Record(Protocol):
    """The outcome of a method: its name and, for a plug-in, its label and colour."""

    @property
    def method(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def colour(self) -> str: ...


def method_style(name: str, label: str = "", colour: str = "") -> MethodStyle:
    """Return the style of a method of the package, or of one with this label and colour, by default a black one.

    Examples
    --------
    >>> method_style("huber").label, method_style("mylosses:Welsch", "Welsch").label, method_style("theirs").label
    ('Huber', 'Welsch', 'theirs')
    """
    return METHOD_STYLES.get(name, MethodStyle(label or name, colour or _CYCLE[-1]))


def method_styles(records: Iterable[Record]) -> dict[str, MethodStyle]:
    """Return the style of each method of the records; a plug-in without a colour gets the next one of a cycle.

    Examples
    --------
    >>> from collections import namedtuple
    >>> Line = namedtuple("Line", ["method", "label", "colour"])
    >>> styles = method_styles([Line("l2", "", ""), Line("mine:A", "A", "#123456"), Line("mine:B", "B", "")])
    >>> [style.colour for style in styles.values()]
    ['#CC79A7', '#123456', '#332288']
    """
    styles: dict[str, MethodStyle] = {}
    colours = itertools.cycle(_CYCLE)
    for record in records:
        if record.method not in styles:
            known = record.method in METHOD_STYLES or record.colour
            style = method_style(record.method, record.label, record.colour)
            styles[record.method] = style if known else replace(style, colour=next(colours))
    return styles


def noise_label(name: str) -> str:
    """Return the name of a kind of noise as the paper writes it."""
    return _NOISES.get(name, name)


def is_oracle(name: str) -> bool:
    """Return whether a method got to know which labels are wrong, so that it is a bound and no competitor."""
    return name.startswith("oracle")


def save(figure: Figure, stem: str | PathLike[str], formats: Iterable[str] = FORMATS) -> list[Path]:
    """Write a figure in several formats, and return the files."""
    from matplotlib import rc_context

    base = Path(stem)
    base.parent.mkdir(parents=True, exist_ok=True)
    paths = [base.with_name(f"{base.name}.{kind}") for kind in formats]
    for path in paths:
        # Without a date, and with a salt for the names inside an SVG, the same records give the same bytes.
        with rc_context({"svg.hashsalt": "deepgum"}):
            figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)
    return paths
