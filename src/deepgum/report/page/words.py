"""Functions that format numbers, durations and JSON data for a page."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

from markupsafe import Markup

from deepgum import wording
from deepgum.audit.summary import DataSource

__all__ = ["count", "data_folders", "embedded_json", "headline", "number", "percent", "without_folders"]


def percent(share: float | None) -> str:
    """Return a share as a percentage (0.5 becomes "50 %"), as precise as everywhere else; "unknown" if it is None. A
    line cannot break before the percent sign.

    Examples
    --------
    >>> shown = [percent(share) for share in (0.1249, 0.0123, 0.00042, 0.0, 1e-7, None)]
    >>> [words.replace("\N{NO-BREAK SPACE}", " ") for words in shown]
    ['12 %', '1.2 %', '0.04 %', '0 %', '< 0.01 %', 'unknown']
    """
    if share is None:
        return "unknown"
    return f"{wording.percent(share)} %".replace(" ", "\N{NO-BREAK SPACE}")


def count(value: float) -> str:
    """Return a count with commas between the thousands. An expected count below 10 keeps one decimal.

    Examples
    --------
    >>> count(12345), count(31.4159), count(3.14159), count(0.01), count(0.0)
    ('12,345', '31', '3.1', '< 0.1', '0')
    """
    if isinstance(value, float) and 0 < value < 9.95:
        return f"{value:.1f}" if value >= 0.05 else "< 0.1"
    return f"{value:,.0f}"


def headline(verdict: str) -> tuple[str, str]:
    """Return the pair (first statement of a verdict, rest of the verdict). The first statement is for a title.

    Examples
    --------
    >>> headline("About 5.5 % of the labels are wrong (5 to 6 %); 3 of the 120 flagged are expected to be right.")
    ('About 5.5 % of the labels are wrong (5 to 6 %)', '3 of the 120 flagged are expected to be right.')
    >>> headline("How many are wrong cannot be told: tails are heavy. Better predictions would tell.")
    ('How many are wrong cannot be told', 'Tails are heavy. Better predictions would tell.')
    """
    first, *rest = re.split("[;:.] ", verdict, maxsplit=1)
    return first, rest[0][:1].upper() + rest[0][1:] if rest else ""


def number(value: float) -> str:
    """Return a number as a string with three significant digits. A number of at least 100 is rounded to a whole number,
    with commas between the thousands.

    Examples
    --------
    >>> number(1.23456), number(1234.5)
    ('1.23', '1,234')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def embedded_json(value: object) -> Markup:
    r"""Return a value as JSON that is safe inside a script element, whatever strings the value contains.

    Examples
    --------
    >>> print(embedded_json(["</script>", "&", "é"]))
    ["\u003c/script\u003e","\u0026","\u00e9"]
    """
    # Characters that are not ASCII are written as \u.... . This includes line separators that would end a script line.
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026"))


def data_folders(source: DataSource) -> list[Path]:
    """Return the folders of the data of an audit, and the folder around them."""
    return [folder for place in (source.root, source.path) if place for folder in (Path(place), Path(place).parent)]


def without_folders(text: str, folders: Iterable[Path]) -> str:
    """Return a text in which paths below the given folders begin below them. A page that is sent to others must not
    show where its author keeps the data.

    Examples
    --------
    >>> without_folders("cannot identify '/home/ada/faces/1.png'", [Path("/home/ada/faces")])
    "cannot identify '1.png'"
    """
    for folder in folders:
        if folder.is_absolute():
            text = text.replace(f"{folder}{os.sep}", "")
    return text
