"""How methods and kinds of noise are named and drawn: the same in every table and figure."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from deepgum.storage.disk import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FORMATS", "MethodStyle", "is_oracle", "method_style", "noise_label", "save", "write_figure"]

FORMATS = ("png", "svg")


@dataclass(frozen=True)
class MethodStyle:
    """How one method is drawn: told apart by marker and dashes as well as by colour."""

    label: str
    colour: str
    marker: str
    dashes: str | tuple[float, tuple[float, ...]]

    @property
    def plain(self) -> str:
        """The label without mathematical markup, for a terminal."""
        return self.label.replace("$", "").replace("_", "")


# Colours by Okabe and Ito, made to be told apart by colour-blind readers.
_BLACK, _ORANGE, _SKY, _GREEN, _BLUE, _RED, _PURPLE, _GREY, _YELLOW = (
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
    "#888888",
    "#F0E442",
)
# DeepGUM's own red, darker: the same mixture, in another training.
_DARK_RED = "#8A2C00"
_STYLES = {
    "l2": MethodStyle("$L_2$", _PURPLE, "o", "-"),
    "l1": MethodStyle("$L_1$", _PURPLE, "o", "--"),
    "cauchy": MethodStyle("Cauchy", _ORANGE, "D", "-"),
    "huber": MethodStyle("Huber", _SKY, "^", "-"),
    "biweight": MethodStyle("Biweight", _GREEN, "v", "-"),
    "deepgum": MethodStyle("DeepGUM", _RED, "s", "-"),
    "deepgum-alternate": MethodStyle("DeepGUM (alternate)", _DARK_RED, "*", "-"),
    "deepgum-paper": MethodStyle("DeepGUM (paper)", _BLUE, "P", "-"),
    "deepgum-authors": MethodStyle("DeepGUM (authors' code)", _BLUE, "X", "--"),
    "dex": MethodStyle("Dex", _YELLOW, "h", "-."),
    "dexgum": MethodStyle("DexGUM", _YELLOW, "p", "-"),
    "oracle": MethodStyle("oracle, $L_2$", _GREY, "", (0, (4, 2))),
    "oracle-l1": MethodStyle("oracle, $L_1$", _GREY, "", (0, (1, 1.5))),
}
_NOISES = {"ngo": "NGO", "l-ugo": "l-UGO", "g-ugo": "g-UGO"}


def method_style(name: str) -> MethodStyle:
    """Return a method's style; one that is not known is drawn black under its own name."""
    return _STYLES.get(name, MethodStyle(name, _BLACK, "x", ":"))


def noise_label(name: str) -> str:
    """Return the paper's way to write a kind of noise."""
    return _NOISES.get(name, name)


def is_oracle(name: str) -> bool:
    """Whether a method was told what is wrong, and so is a bound and no competitor."""
    return name.startswith("oracle")


def save(figure: Figure, stem: str | PathLike[str], formats: Iterable[str] = FORMATS) -> list[Path]:
    """Write a figure in several formats beside one another, each file atomically, and return the files."""
    base = Path(stem)
    paths = [base.with_name(f"{base.name}.{kind}") for kind in formats]
    for path in paths:
        write_figure(figure, path, dpi=150)
    return paths


def write_figure(figure: Figure, path: Path, *, dpi: int) -> None:
    """Write a figure in the format that the ending of its path names, atomically.

    The same figure gives the same bytes: an SVG has no date, and the names inside have a fixed salt.
    """
    from matplotlib import rc_context

    kind = path.suffix.lower().removeprefix(".")
    # Drawn in memory: an encoder that writes to a full disk itself raises errors without the system's reason.
    drawn = io.BytesIO()
    with rc_context({"svg.hashsalt": "deepgum"}):
        figure.savefig(drawn, format=kind, dpi=dpi, metadata={"Date": None} if kind == "svg" else None)
    with write_atomically(path, len(drawn.getbuffer()), f"'{path.name}'") as temporary:
        temporary.write_bytes(drawn.getbuffer())
