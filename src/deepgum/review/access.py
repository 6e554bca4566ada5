"""Access control of the review. A reader needs the printed address, and only the page of the review may write."""

from __future__ import annotations

import re
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deepgum.review.address import Address

__all__ = ["CHALLENGE", "HEADER", "LARGEST", "PROOF", "AccessCheck", "refusal"]

HEADER = "X-Deepgum-Review"
"""Header that every write must have. Forms cannot send it, and pages of other origins need permission to send it."""

CHALLENGE, PROOF = "X-Deepgum-Challenge", "X-Deepgum-Proof"
"""Headers of a request and its response. The response holds the proof for the challenge; see `Address.proof`."""

_PROOF_PATH = "/proof"
"""The only path without a token. The page asks for a proof before it sends a request with the token."""

_CHALLENGE = re.compile("[0-9a-f]{32}")

LARGEST = 1024 * 1024
"""Largest size of a request's body in bytes. A decision about all labels of the page has about half of it."""

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",  # the address contains the token
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",  # pictures may show people
}


class AccessCheck:
    """An ASGI application that checks each request. It removes the token from the path of an allowed request, and
    forwards the request to `app`. If a request has a challenge, its response has the proof.

    Parameters
    ----------
    app : ASGI application
        The application that receives the allowed requests.
    address : Address
        The address of the server. Its token must be the first part of every path, and its host must be the `Host`
        header. The check of the host stops "DNS rebinding": an attacker lets a foreign domain name lead to this
        machine. The header of such a request has the foreign name.
    """

    def __init__(self, app: ASGIApp, address: Address) -> None:
        self._app, self._address = app, address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one request, and serve or refuse it."""
        if scope["type"] != "http":
            return

        challenge = Headers(scope=scope).get(CHALLENGE, "")
        proof = {PROOF: self._address.proof(challenge)} if _CHALLENGE.fullmatch(challenge) else {}

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in (_HEADERS | proof).items():
                    headers.setdefault(name, value)
            await send(message)

        expected, asks_for_proof = self._address.token, scope["path"] == _PROOF_PATH
        token, slash, _ = scope["path"].removeprefix("/").partition("/")
        known = secrets.compare_digest(token.encode("utf-8", "replace"), expected.encode())
        refused = self._check(scope, known or asks_for_proof)
        if refused is not None:
            await refused(scope, receive, send_with_headers)
        elif asks_for_proof:
            await Response(status_code=204)(scope, receive, send_with_headers)
        elif not slash:
            moved = Response(status_code=308, headers={"Location": f"/{expected}/"})
            await moved(scope, receive, send_with_headers)
        else:
            # Starlette matches its routes against the part of the path after `root_path`.
            await self._app({**scope, "root_path": f"/{expected}"}, receive, send_with_headers)

    def _check(self, scope: Scope, known: bool) -> Response | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if hosts != [self._address.host]:
            return refusal(scope, 403, "WrongHost", f"The page should be opened as http://{self._address.host}.")
        if not known:
            words = (
                "The address should be the address that `deepgum review` prints, with its token, which is new at each "
                "start. Open that address."
            )
            return refusal(scope, 403, "WrongToken", words)
        site, write = headers.get("sec-fetch-site", "same-origin"), scope["method"] not in ("GET", "HEAD")
        if not write:
            if site in ("same-origin", "none") or headers.get("sec-fetch-mode") == "navigate":
                return None
            return refusal(scope, 403, "WrongOrigin", "Only the page of the review may read the review.")
        if headers.getlist("origin") != [f"http://{hosts[0]}"] or site != "same-origin" or HEADER not in headers:
            return refusal(scope, 403, "WrongOrigin", "Only the page of the review may write. Nothing was stored.")
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return refusal(
                scope, 415, "NotJSON", "The content type of a write should be application/json. Nothing was stored."
            )
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > LARGEST:
            words = f"A write should have at most {LARGEST} bytes. Nothing was stored."
            return refusal(scope, 413, "TooLarge", words)
        return None


def refusal(scope: Scope, status: int, error: str, message: str, **more: object) -> Response:
    """Return the response that refuses a request. The response is JSON if the page made the request, and plain text if
    a browser window made it.
    """
    if "text/html" in Headers(scope=scope).get("accept", ""):
        return PlainTextResponse(message, status)
    return JSONResponse({"error": error, "message": message, **more}, status)
