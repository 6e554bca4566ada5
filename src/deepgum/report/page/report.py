"""The report of an audit as one HTML file: verdict, figures and gallery. The file loads nothing from a network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from deepgum.audit.folder import AuditFolder
from deepgum.checks import check_count
from deepgum.experiments.own_files import own_files_near
from deepgum.report.page.assets import read_asset, script, style, theme
from deepgum.report.page.content import page_content
from deepgum.report.page.data import flagged_rows, gallery_data
from deepgum.report.page.thumbnails import PictureViewer, View
from deepgum.report.page.words import count, embedded_json, headline, number, percent
from deepgum.storage.disk import write_atomically
from deepgum.storage.output import check_file
from deepgum.wording import duration

__all__ = ["environment", "write_report"]

_SIDE = 128
_FIRST, _REST = 48, 200
"""Numbers of pictures in the first block, which is one page of the gallery, and in each other block."""


def write_report(
    folder: AuditFolder,
    path: Path | None = None,
    *,
    most: int = 20_000,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write the report of a finished audit, and return the path of the report.

    If the report cannot be written completely, an existing report at the same path stays unchanged.

    Parameters
    ----------
    folder : AuditFolder
    path : Path, optional
        The HTML file, which ends in .html or .htm; by default `report.html` in the folder. An existing file is
        replaced.
    most : int
        Largest number of labels in the gallery. If more labels are flagged, the gallery shows the worst labels, and the
        page gives the total number of flagged labels.
    progress : callable, optional
        Called as ``progress(done, total)`` after each picture.

    Raises
    ------
    InvalidDataError
        If the folder holds no finished audit, or a file of the audit cannot be read.
    InvalidParameterError
        If `most` is not a whole number of at least 1, or the report cannot be written to `path` (the parameter in the
        message is `out`).
    """
    check_count("most", most)
    summary, labels, pictures = folder.summary(), folder.labels(), folder.pictures()
    target = folder.report_file if path is None else path
    check_file(
        target, suffixes=(".html", ".htm"), inputs=[*folder.own_files, *own_files_near(target)],
        product=folder.report_file,
    )  # fmt: skip
    places = labels.worst_first()[:most]
    rows = flagged_rows(places)
    views: list[View] | None = None
    encoded: list[str] = []
    if pictures is not None:
        views = []
        for view, jpeg in PictureViewer.of(summary.data, pictures).jpegs(rows, _SIDE):
            views.append(view)
            encoded.append("" if jpeg is None else base64.b64encode(jpeg).decode())
            if progress is not None:
                progress(len(views), len(rows))
    starts = [0, *range(_FIRST, len(encoded), _REST)] if encoded else []
    data: dict[str, Any] = gallery_data(summary, labels, places, views, folder.features()) | {"chunks": starts}
    scripts = {"theme": theme(), "gallery": script(), "start": read_asset("start.js")}
    parts = (
        environment()
        .get_template("report.html.j2")
        .generate(
            **page_content(folder.path, summary, labels, folder.calibration(), pictures=pictures is not None),
            data=data,
            blocks=(encoded[start:end] for start, end in pairwise([*starts, len(encoded)])),
            scripts={name: Markup(text) for name, text in scripts.items()},
            style=Markup(style()),
            policy=_policy(list(scripts.values())),
        )
    )
    # A file name that is not valid text holds lone surrogates. UTF-8 cannot encode them; a browser shows a mark.
    with (
        write_atomically(target) as temporary,
        open(temporary, "w", encoding="utf-8", errors="xmlcharrefreplace", newline="\n") as file,
    ):
        file.writelines(parts)
    return target


def environment() -> Environment:
    """Return the Jinja environment of the templates. It escapes HTML by default, and an undefined name is an error.

    Examples
    --------
    >>> environment().from_string("{{ name }} {{ many|count }}").render(name="<b>", many=12345)
    '&lt;b&gt; 12,345'
    """
    made = Environment(
        loader=PackageLoader("deepgum.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "percent": percent,
        "count": count,
        "number": number,
        "duration": duration,
        "headline": headline,
        "json": embedded_json,
    }
    return made


def _policy(scripts: Sequence[str]) -> str:
    """Return the content security policy of the page: the browser runs only the given scripts, and loads nothing."""
    hashes = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts)
    allowed = " ".join(f"'sha256-{each}'" for each in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
