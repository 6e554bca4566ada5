"""Functions that escape the strings of a table for Markdown and for LaTeX."""

from __future__ import annotations

import re

__all__ = ["latex", "markdown"]

_MATH = re.compile(r"(\$[^$]*\$)")
_LATEX = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "→": r"$\to$",
    "†": r"\textsuperscript{\textdagger}",
} | {character: f"\\{character}" for character in "{}$&#_%"}


def markdown(text: str) -> str:
    r"""Escape a string for a cell or a line of Markdown.

    Examples
    --------
    >>> print(markdown("a_b ***"))
    a\_b \*\*\*
    """
    return re.sub(r"([\\`*_|<>\[\]~])", r"\\\1", text)


def latex(text: str) -> str:
    r"""Escape a string for LaTeX. Mathematics between dollar signs is not escaped.

    Examples
    --------
    >>> print(latex("$L_2$ & 5 %"))
    $L_2$ \& 5 \%
    """
    return "".join(
        part if _MATH.fullmatch(part) else "".join(_LATEX.get(character, character) for character in part)
        for part in _MATH.split(text)
    )
