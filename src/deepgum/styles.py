"""Names, colours and markers of methods for all tables and figures, and a summary of each method in one line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

from deepgum.losses import LOSSES, Loss

__all__ = ["METHOD_STYLES", "MethodStyle", "plain"]

_MATH = re.compile(r"\$([^$]*)\$")


def plain(label: str) -> str:
    """Return a label without mathematical markup.

    Examples
    --------
    >>> plain("oracle, $L_2$"), plain("my_net")
    ('oracle, L2', 'my_net')
    """
    return _MATH.sub(lambda found: found[1].replace("_", ""), label)


@dataclass(frozen=True)
class MethodStyle:
    """Label, colour, marker, dashes and summary of a method.

    Attributes
    ----------
    label : str
        Label, with mathematics between dollar signs.
    colour : str
        Colour, "#RRGGBB". If the string is empty, the next colour of a cycle of colours is used.
    marker, dashes : str
        Marker and line style of matplotlib. If a string is empty, no marker or no line is drawn.
    summary : str
        One line for `--help`.
    """

    label: str
    colour: str = ""
    marker: str = Loss.marker
    dashes: str | tuple[float, tuple[float, ...]] = Loss.dashes
    summary: str = ""

    @property
    def plain(self) -> str:
        """The label without mathematical markup, for a terminal."""
        return plain(self.label)

    @classmethod
    def of_loss(cls, loss: Loss | type[Loss]) -> Self:
        """Return the style of the method that trains with one loss; the loss defines this style.

        Examples
        --------
        >>> from deepgum.losses import L2
        >>> MethodStyle.of_loss(L2).plain
        'L2'
        """
        return cls(loss.label or loss.name, loss.colour, loss.marker, loss.dashes, loss.summary)


# Colours by Okabe and Ito, which colour-blind readers can distinguish. The losses have other colours of this palette.
_RED, _DARK_RED, _BLUE, _YELLOW, _GREY = "#D55E00", "#8A2C00", "#0072B2", "#F0E442", "#888888"

METHOD_STYLES: Mapping[str, MethodStyle] = MappingProxyType(
    {name: MethodStyle.of_loss(kind) for name, kind in LOSSES.items()}
    | {
        "deepgum": MethodStyle("DeepGUM", _RED, "s", "-", "the mixture in one run, EM after every epoch: the default"),
        "deepgum-alternate": MethodStyle(
            "DeepGUM (alternate)",
            _DARK_RED,
            "*",
            "-",
            "Algorithm 1 with the best measured choices: SGD and EM in turn, about four runs",
        ),
        "deepgum-paper": MethodStyle("DeepGUM (paper)", _BLUE, "P", "-", "Algorithm 1 exactly as in the paper"),
        "deepgum-authors": MethodStyle(
            "DeepGUM (authors' code)", _BLUE, "X", "--", "Algorithm 1 as in the authors' code"
        ),
        "dex": MethodStyle("Dex", _YELLOW, "h", "-.", "a softmax over whole numbers (ages), cross-entropy, one run"),
        "dexgum": MethodStyle("DexGUM", _YELLOW, "p", "-", "Algorithm 1 on Dex: the weighted cross-entropy"),
        "oracle": MethodStyle("oracle, $L_2$", _GREY, "", (0, (4, 2)), "L2 on the right labels only: a bound"),
        "oracle-l1": MethodStyle("oracle, $L_1$", _GREY, "", (0, (1, 1.5)), "L1 on the right labels only: a bound"),
    }
)
"""The style of every method of `deepgum.training.METHODS`."""
