"""Texts without control characters, so that no text of a user can control a terminal."""

from __future__ import annotations

import re

__all__ = ["printable"]

# Control characters but tab and line feed, characters that change the direction or the line, and lone surrogates.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Return a text with its control characters as escape sequences.

    Tabs and line feeds stay. Characters that change the direction of writing are escaped too, because they can hide or
    reorder a text.

    Examples
    --------
    >>> print(printable("\x1b[31mred\x07\r"), printable("写真 é\u202e"))
    \x1b[31mred\x07\r 写真 é\u202e
    """
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
