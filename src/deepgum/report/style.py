"""The style of tables and figures: how methods and kinds of noise are drawn, and how a figure is written to a file."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from deepgum.storage.disk import write_atomically
from deepgum.styles import METHOD_STYLES, MethodStyle

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FORMATS", "is_oracle", "method_style", "method_styles", "noise_label", "save", "write_figure"]

FORMATS = ("png", "svg")
# Tol's "muted" colours, for methods without a colour of their own. No other method has one of these colours.
_CYCLE = ("#332288", "#117733", "#999933", "#882255", "#44AA99", "#661100", "#000000")
_NOISES = {"ngo": "NGO", "l-ugo": "l-UGO", "g-ugo": "g-UGO"}


class Record(Protocol):
    """A record that names a method. For a plug-in, it also has the label and the colour of the method."""

    @property
    def method(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def colour(self) -> str: ...


def method_style(name: str, label: str = "", colour: str = "") -> MethodStyle:
    """Return the label, the colour and the kind of line of a method in figures.

    A method of the package has a fixed style. Any other method has the parameters `label` and `colour`. By default the
    label is the name, and the colour is black.

    Examples
    --------
    >>> method_style("huber").label, method_style("mylosses:Welsch", "Welsch").label, method_style("theirs").label
    ('Huber', 'Welsch', 'theirs')
    """
    return METHOD_STYLES.get(name, MethodStyle(label or name, colour or _CYCLE[-1]))


def method_styles(records: Iterable[Record]) -> dict[str, MethodStyle]:
    """Return the style of each method in the records: name -> style. Plug-ins without a colour get the colours of a
    fixed list, one after the other.

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
    """Return the name that the paper uses for a kind of noise."""
    return _NOISES.get(name, name)


def is_oracle(name: str) -> bool:
    """Return whether a method is an oracle: it knows the wrong labels, so its error is a bound for other methods."""
    return name.startswith("oracle")


def save(figure: Figure, stem: str | PathLike[str], formats: Iterable[str] = FORMATS) -> list[Path]:
    """Write a figure in several formats, and return the paths of the files. Each file is written completely or not at
    all.
    """
    base = Path(stem)
    paths = [base.with_name(f"{base.name}.{kind}") for kind in formats]
    for path in paths:
        write_figure(figure, path, dpi=150)
    return paths


def write_figure(figure: Figure, path: Path, *, dpi: int) -> None:
    """Write a figure in the format that the ending of the path names. The file is written completely or not at all.

    The same figure always gives the same bytes: an SVG has no date, and its ids are made with a fixed salt.
    """
    from matplotlib import rc_context

    kind = path.suffix.lower().removeprefix(".")
    # Drawn in memory, because an encoder that writes to a full disk raises errors without the system's reason.
    drawn = io.BytesIO()
    with rc_context({"svg.hashsalt": "deepgum"}):
        figure.savefig(drawn, format=kind, dpi=dpi, metadata={"Date": None} if kind == "svg" else None)
    with write_atomically(path, len(drawn.getbuffer()), f"'{path.name}'") as temporary:
        temporary.write_bytes(drawn.getbuffer())
