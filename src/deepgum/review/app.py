"""The review as an ASGI application. It serves the page, the data and the pictures, and stores the decisions."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast
from urllib.parse import quote
from zipfile import ZIP_DEFLATED, ZipFile

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from deepgum.audit.corrections.decisions import Decision
from deepgum.audit.corrections.formats import KINDS, Kind, export_decisions
from deepgum.checks import check_choice
from deepgum.errors import (
    DecisionsFileError,
    DeepGUMError,
    DiskFullError,
    InvalidParameterError,
    StaleDecisionError,
)
from deepgum.report.page.assets import script, style, theme
from deepgum.report.page.words import without_folders
from deepgum.review.access import LARGEST, AccessCheck, refusal
from deepgum.review.address import Address
from deepgum.review.ledger import Entry, Ledger
from deepgum.review.messages import (
    entry_message,
    read_action,
    read_count,
    read_flag,
    read_key,
    read_labels,
    read_object,
    read_text,
    read_values,
)
from deepgum.review.session import Review

__all__ = ["application"]

_SIDES = {"small": 256, "large": 1024}
"""Sides of the pictures on cards and in the large view, in pixels."""

_ENDINGS = {"patch": "patch.jsonl", "csv": "decisions.csv"}
_SCRIPT, _STYLE = "text/javascript; charset=utf-8", "text/css; charset=utf-8"


def application(review: Review, address: Address) -> AccessCheck:
    """Return the ASGI application of a review, with access control.

    Parameters
    ----------
    review : Review
    address : Address
        The address of the server.
    """
    return AccessCheck(_Pages(review).application(), address)


class _Pages:
    """The responses of the review, without access control."""

    def __init__(self, review: Review) -> None:
        self._review = review
        own = files("deepgum.review") / "assets"
        self._page = (own / "review.html").read_text(encoding="utf-8")
        self._assets = {
            "gallery.js": (script(), _SCRIPT),
            "theme.js": (theme(), _SCRIPT),
            "gallery.css": (style(), _STYLE),
            **{name: ((own / name).read_text(encoding="utf-8"), _SCRIPT) for name in _OWN_SCRIPTS},
            "review.css": ((own / "review.css").read_text(encoding="utf-8"), _STYLE),
        }

    def application(self) -> Starlette:
        """Return the ASGI application. The paths in this application have no token."""
        return Starlette(
            routes=[
                Route("/", self.page),
                Route("/assets/{name}", self.asset),
                Route("/data", self.data),
                Route("/pictures/{audit}/{size}/{row:int}.jpg", self.picture),
                Route("/decisions", self.decisions, methods=["GET"]),
                Route("/decisions", self.decide, methods=["POST"]),
                Route("/decisions/many", self.decide_many, methods=["POST"]),
                Route("/undo", self.undo, methods=["POST"]),
                Route("/redo", self.redo, methods=["POST"]),
                Route("/export/{kind}", self.export),
            ],
            exception_handlers={DeepGUMError: self.refuse, HTTPException: _not_here, Exception: _failed},
        )

    def page(self, request: Request) -> Response:
        return HTMLResponse(self._page)

    def asset(self, request: Request) -> Response:
        text, kind = self._assets.get(request.path_params["name"], (None, ""))
        if text is None:
            raise HTTPException(404)
        return Response(text, headers={"Content-Type": kind})

    def data(self, request: Request) -> Response:
        return _json(self._review.data)

    def picture(self, request: Request) -> Response:
        side = _SIDES.get(request.path_params["size"])
        if side is None or request.path_params["audit"] != self._review.store.audit:
            raise HTTPException(404)
        jpeg, problem = self._review.picture(request.path_params["row"], side)
        if jpeg is None:
            return refusal(request.scope, 404, "NoPicture", problem)
        # The picture at an address never changes for one audit, so the browser may cache it.
        return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})

    def decisions(self, request: Request) -> Response:
        """Return the position in the log (the number of its last row) and all current decisions.

        If the page sends this position in its request, it knows the decisions already, and they are left out.
        """
        with self._review.store.reading() as ledger:
            state = self._state(ledger)
            known = request.query_params.get("since") == str(ledger.head)
            held = None if known else [entry_message(entry) for entry in ledger]
        return _json({**state, "decisions": held})

    async def decide(self, request: Request) -> Response:
        fields = ("audit", "sample", "group", "action", "new", "suggested", "reason", "expected", "key")
        values = await self._read(request, fields)
        sample, group, action = read_text(values, "sample"), read_text(values, "group"), read_action(values)
        new = read_values(values, "new")
        reason = read_text(values, "reason")
        if read_flag(values, "suggested"):
            new = self._review.suggested(sample, group)
            if new is None:
                raise InvalidParameterError("suggested", "false for a label without a suggestion", True)
        decision = Decision(sample, group, action, new, reason, self._review.who)
        expected, key = read_count(values, "expected"), read_key(values)
        return await self._written(lambda: self._review.store.decide(decision, expected=expected, key=key))

    async def decide_many(self, request: Request) -> Response:
        """Store one decision about many labels. The page sends their places in the audit, not their names."""
        fields = ("audit", "labels", "action", "suggested", "reason", "key")
        values = await self._read(request, fields)
        labels, action = read_labels(values, "labels"), read_action(values)
        suggested, reason, key = read_flag(values, "suggested"), read_text(values, "reason"), read_key(values)

        def write() -> Entry:
            places = [(row, group) for row, group, _ in labels]
            decisions = self._review.together(places, action, suggested=suggested, reason=reason)
            return self._review.store.decide_many(decisions, expected=[seq for *_, seq in labels], key=key)

        return await self._written(write)

    async def undo(self, request: Request) -> Response:
        values = await self._read(request, ("audit", "seq", "key"))
        seq, key = read_count(values, "seq"), read_key(values)
        return await self._written(lambda: self._review.store.undo(seq, who=self._review.who, key=key))

    async def redo(self, request: Request) -> Response:
        values = await self._read(request, ("audit", "seq", "key"))
        seq, key = read_count(values, "seq"), read_key(values)
        return await self._written(lambda: self._review.store.redo(seq, who=self._review.who, key=key))

    def export(self, request: Request) -> Response:
        """Return all decisions as one file. If the format has several files, the file is a zip archive."""
        kind = check_choice("kind", request.path_params["kind"], KINDS)
        review = self._review
        with TemporaryDirectory() as folder:
            path = Path(folder) / f"{review.folder.path.resolve().name}.{_ENDINGS.get(kind, f'{kind}.json')}"
            written = export_decisions(review.folder, review.store.decisions(), path, cast(Kind, kind)).files
            if len(written) == 1:
                content, name = path.read_bytes(), path.name
            else:
                archive = io.BytesIO()
                with ZipFile(archive, "w", ZIP_DEFLATED) as packed:
                    for file in written:
                        packed.write(file, file.name)
                content, name = archive.getvalue(), f"{path.stem}.zip"
        disposition = f"attachment; filename*=utf-8''{quote(name, safe='')}"
        return Response(content, media_type="application/octet-stream", headers={"Content-Disposition": disposition})

    async def refuse(self, request: Request, error: Exception) -> Response:
        """Return the response to an error of the library. The page shows names, not where their folders are."""
        status = next(status for kind, status in _STATUS if isinstance(error, kind))
        more = {"current": entry_message(error.current)} if isinstance(error, StaleDecisionError) else {}
        words = without_folders(str(error), self._review.folders)
        return refusal(request.scope, status, type(error).__name__, words, **more)

    async def _read(self, request: Request, fields: tuple[str, ...]) -> dict[str, Any]:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > LARGEST:
                raise HTTPException(413, f"A write should have at most {LARGEST} bytes. Nothing was stored.")
        values = read_object(body, fields)
        if values["audit"] != self._review.store.audit:
            words = "The page belongs to another audit than the server. Nothing was stored. Load the page again."
            raise HTTPException(410, words)
        return values

    async def _written(self, write: Callable[[], Entry]) -> Response:
        """Call `write` in another thread. Return the written decision, and the current decision about the same
        label.
        """

        def work() -> dict[str, Any]:
            entry = write()
            with self._review.store.reading() as ledger:
                current = ledger.current(*entry.place)
                return {**self._state(ledger), "entry": entry_message(entry), "current": entry_message(current)}

        return _json(await run_in_threadpool(work))

    def _state(self, ledger: Ledger) -> dict[str, Any]:
        undo, redo = ledger.undoable, ledger.redoable
        return {
            "audit": self._review.store.audit,
            "head": ledger.head,
            "undo": entry_message(undo),
            "redo": entry_message(redo),
        }


_OWN_SCRIPTS = (
    "server.js", "decisions.js", "editor.js", "buttons.js", "frame.js", "many.js", "notes.js", "walk.js", "review.js",
)  # fmt: skip

_STATUS: tuple[tuple[type[DeepGUMError], int], ...] = (
    (StaleDecisionError, 409),
    (DiskFullError, 507),
    (DecisionsFileError, 503),
    (DeepGUMError, 400),
)


async def _not_here(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = "There is no page at this address." if error.status_code == 404 else error.detail
    return refusal(request.scope, error.status_code, "HTTPError", words)


async def _failed(request: Request, error: Exception) -> Response:
    words = f"The server failed ({type(error).__name__}). Nothing was stored. See the terminal of the server."
    return refusal(request.scope, 500, "ServerError", words)


def _json(values: object) -> Response:
    # File names that are not valid text have lone surrogates, which no encoding except ASCII escapes allows.
    text = json.dumps(values, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Response(text, media_type="application/json")
