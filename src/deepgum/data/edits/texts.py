"""Replacement of single numbers in a text file. A new number has the style (see `NumberStyle`) of the other numbers."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deepgum.data.file_kinds import compressed, compression_of, open_bytes

__all__ = ["Edit", "NumberStyle", "Text", "edited"]

Edit = tuple[int, int, str]
"""Start and end of a piece of a string, and the new string for this piece."""

_PLAIN = re.compile(r"[+-]?([0-9]+)(?:\.([0-9]*))?")


@dataclass(frozen=True)
class Text:
    """The characters of a text file, its byte order mark (empty if it has none), and its compression.

    If a file is read and written again, all bytes stay the same. Line breaks are not converted, and bytes that are not
    UTF-8 are kept as lone surrogates.
    """

    content: str
    mark: bytes = b""
    compression: str = ""

    @classmethod
    def read(cls, path: Path) -> Text:
        """Read a text file."""
        with open_bytes(path) as file:
            raw = file.read()
        mark = codecs.BOM_UTF8 if raw.startswith(codecs.BOM_UTF8) else b""
        return cls(raw[len(mark) :].decode("utf-8", "surrogateescape"), mark, compression_of(path))

    def write(self, path: Path) -> None:
        """Write the text to a file. The folder of the file is created if needed."""
        path.parent.mkdir(parents=True, exist_ok=True)
        content = self.mark + self.content.encode("utf-8", "surrogateescape")
        path.write_bytes(compressed(content, self.compression))


def edited(content: str, edits: Iterable[Edit]) -> str:
    """Return a string in which some pieces are replaced. The pieces must not overlap.

    An edit is the tuple (start of the piece, end of the piece, new string).

    Examples
    --------
    >>> edited("a 1 b 2", [(6, 7, "20"), (2, 3, "")])
    'a  b 20'
    """
    pieces, done = [], 0
    for start, end, piece in sorted(edits):
        pieces += [content[done:start], piece]
        done = end
    return "".join([*pieces, content[done:]])


@dataclass(frozen=True)
class NumberStyle:
    """Style of the numbers in a column. A new number is written in this style, with all its digits.

    Parameters
    ----------
    decimals : int
        Minimum number of digits after the decimal point.
    digits : int
        Minimum number of digits before the decimal point; leading zeros are added if needed.

    Examples
    --------
    >>> NumberStyle.of(["106.250000", "88.000000"]).text(31.5)
    '31.500000'
    >>> NumberStyle.of(["010", "123"]).text(7.0)
    '007'
    >>> NumberStyle.of(["31", "30.5"]).text(1 / 3)
    '0.3333333333333333'
    """

    decimals: int = 0
    digits: int = 1

    @classmethod
    def of(cls, texts: Iterable[str]) -> NumberStyle:
        """Return the common style of some numbers. Strings that are not plain decimal numbers are ignored."""
        plain = [match for match in map(_PLAIN.fullmatch, texts) if match]
        if not plain:
            return cls()
        padded = any(len(match[1]) > 1 and match[1].startswith("0") for match in plain)
        return cls(
            decimals=min(len(match[2] or "") for match in plain),
            digits=min(len(match[1]) for match in plain) if padded else 1,
        )

    def text(self, value: float) -> str:
        """Return the shortest string in this style from which exactly the same number can be read."""
        if self.decimals:
            text = np.format_float_positional(abs(value), min_digits=self.decimals)
        else:
            text = np.format_float_positional(abs(value), trim="-")
        whole, point, rest = text.partition(".")
        return ("-" if value < 0 else "") + whole.zfill(self.digits) + point + rest
