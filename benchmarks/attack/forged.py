"""Forged requests to a running review: of another page, without the secret, or with a damaged message.

Each must be refused, and store nothing. A damaged message that is still a valid decision may be stored, once.
"""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from random import Random
from typing import Any

from attack.killed_review import AUDIT, serve
from attack.mutations import HOSTILE, mutated_bytes, mutated_values
from attack.outcome import ACCEPTED, REFUSED, Outcome, fault

_READS = ["", "data", "decisions", "assets/review.js", "pictures/{audit}/small/0.jpg", "export/patch"]
_WRITES = ["decisions", "decisions/many", "undo", "redo"]
_HEADERS: list[dict[str, str | None]] = [
    {"Host": "evil.example"}, {"Host": "127.0.0.1"}, {"Host": "evil.example:{port}"}, {"Host": "localhost:{port}"},
    {"Host": "[::1]:{port}"}, {"Host": "127.0.0.1:{port}."}, {"Host": None}, {"Host": "127.0.0.1:{port}, evil.example"},
    {"Origin": None}, {"Origin": "null"}, {"Origin": "http://evil.example"}, {"Origin": "http://localhost:{port}"},
    {"Origin": "https://127.0.0.1:{port}"}, {"Origin": "http://127.0.0.1:1"},
    {"Origin": "http://127.0.0.1:{port}.evil"},
    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "none"},
    {"X-Deepgum-Review": None}, {"Content-Type": "text/plain"}, {"Content-Type": "multipart/form-data"},
    {"Content-Type": "application/x-www-form-urlencoded"}, {"Content-Type": None}, {"Content-Length": "70000"},
    {"Content-Length": "-1"}, {"Content-Length": "1e3"},
]  # fmt: skip
_OF_READS: list[dict[str, str | None]] = [
    {"Host": "evil.example"}, {"Host": None}, {"Host": "localhost:{port}"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, {"Sec-Fetch-Site": "same-site"},
]  # fmt: skip
_PATHS = [
    "/TOKEN/../TOKEN/../../../../etc/passwd", "/TOKEN/assets/../../../../etc/passwd", "/TOKEN/assets/%2e%2e%2fapp.py",
    "/TOKEN/assets/..%2f..%2f..%2fetc%2fpasswd", "/TOKEN/pictures/{audit}/small/../../../decisions.jsonl",
    "/TOKEN/pictures/{audit}/small/-1.jpg", "/TOKEN/pictures/{audit}/small/99999999999999999999.jpg",
    "/TOKEN/pictures/{audit}/huge/0.jpg", "/TOKEN/pictures/0000/small/0.jpg", "/TOKEN/decisions.jsonl", "/TOKEN//data",
    "/TOKEN/export/..%2f..", "/TOKEN/export/passwd", "/TOKEN/.review.json", "/.review.json", "/data", "//TOKEN/data",
    "/x/../TOKEN/data", "/%2e/TOKEN/data", "http://evil.example/TOKEN/data", "/TOKEN%00/data", "/TOKEN\x00/data",
    "/proof/data", "/proof/../TOKEN/data", "*", "TOKEN/data", "/TOKEN;/data", "/TOKEN\\data",
]  # fmt: skip


class Forged:
    """Forged requests; see `Attack`. One server answers all of them."""

    name, attempts, limit = "forged requests", 800, 30.0

    def prepare(self) -> None:
        """Start a review with one decision."""
        self._process, self._address = serve()
        self._audit = json.loads(self._log()[0])["audit"]
        self._host = f"127.0.0.1:{self._address.port}"
        status, answer = self._ask("POST", self._path("decisions"), self._decision(sample="images/039.png"))
        assert status == 200, answer
        self._first = self._log()

    def attempt(self, number: int, chance: Random) -> Outcome:
        """Send one forged request, and then look at the file of decisions."""
        kinds = self._foreign_write, self._foreign_read, self._wrong_token, self._path_outside, self._smuggled
        make = chance.choice([*kinds, self._damaged_message, self._damaged_request])
        before = self._log()
        status, words, valid = make(chance)
        added = self._log()[len(before) :]
        if self._log()[: len(before)] != before:
            return fault(f"{words}: the file of decisions has changed")
        if not self._answers():
            return fault(f"{words}: the server does not answer any more: {self._printed()}")
        if status >= 500:
            return fault(f"{words}: status {status}")
        if 200 <= status < 300 and valid and len(added) <= 1:
            return Outcome(ACCEPTED, words)
        if added or 200 <= status < 400:
            return fault(f"{words}: status {status}, and {len(added)} new decisions")
        if "Traceback" in self._printed():
            return fault(f"{words}: {self._printed()}")
        return Outcome(REFUSED, f"{words}: {status or 'closed'}")

    def _foreign_write(self, chance: Random) -> tuple[int, str, bool]:
        headers, path = chance.choice(_HEADERS), chance.choice(_WRITES)
        return *self._with(headers, "POST", self._path(path), self._decision()), False

    def _foreign_read(self, chance: Random) -> tuple[int, str, bool]:
        headers, path = chance.choice(_OF_READS), chance.choice(_READS)
        return *self._with(headers, "GET", self._path(path)), False

    def _wrong_token(self, chance: Random) -> tuple[int, str, bool]:
        token = self._address.token
        place = chance.randrange(len(token))
        other = chance.choice("ABCDEFxyz0123-_")
        wrong = chance.choice(
            ["x", "", token[:-1], token + "x", token.swapcase(), token[:place] + other + token[place + 1 :]]
        )
        path, method = (
            chance.choice(_READS + _WRITES),
            chance.choice(["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS"]),
        )
        status, _ = self._ask(method, f"/{wrong}/{path}", self._decision())
        return status, f"{method} {path} with the token {wrong!r}", wrong == token

    def _path_outside(self, chance: Random) -> tuple[int, str, bool]:
        path, method = chance.choice(_PATHS), chance.choice(["GET", "GET", "HEAD", "POST"])
        target = path.replace("TOKEN", self._address.token).replace("{audit}", self._audit)
        status, _ = self._ask(method, target, {})
        return status, f"{method} {path!r}", False

    def _smuggled(self, chance: Random) -> tuple[int, str, bool]:
        """Send a request whose end is ambiguous, with a second one behind it. Both are foreign."""
        hidden = f"POST {self._path('decisions')} HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n\r\n"
        lengths = [
            f"Content-Length: {len(hidden)}\r\nTransfer-Encoding: chunked", "Content-Length: 0\r\nContent-Length: 5",
            "Transfer-Encoding: xchunked", "Transfer-Encoding : chunked", "Content-Length: +5",
            "Content-Length: 5\r\n 7",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "Content-Length: 0x5", "Content-Length: 1_0",
            f"X: a\nHost: {self._host}", f"Host: {self._host}",
        ]  # fmt: skip
        length = chance.choice(lengths)
        host = chance.choice(["evil.example", self._host])
        head = f"POST {self._path('decisions')} HTTP/1.1\r\nHost: {host}\r\n{length}\r\n\r\n"
        return self._send(f"{head}0\r\n\r\n{hidden}".encode()), f"ambiguous {length!r}", False

    def _damaged_message(self, chance: Random) -> tuple[int, str, bool]:
        path = chance.choice(["decisions", "decisions", "decisions/many", "undo", "redo"])
        turn = {"audit": self._audit, "seq": 1, "key": "k"}
        message: Any = {"decisions": self._decision(), "decisions/many": self._many()}.get(path, turn)
        if chance.random() < 0.3:
            body = mutated_bytes(json.dumps(message).encode(), chance)
            words = f"{path} with bytes {body[:60]!r}"
        else:
            if chance.random() < 0.5:
                message, words = mutated_values(message, chance)
            else:
                name, value = chance.choice(list(message)), chance.choice(HOSTILE)
                message, words = message | {name: value}, f"{name}: {value!r:.40}"
            body = json.dumps(message).encode()
        status, _ = self._ask("POST", self._path(path), body)
        return status, f"{path} with {words}", True

    def _damaged_request(self, chance: Random) -> tuple[int, str, bool]:
        """Damage the bytes of a request whose host is another one, so that no damage makes it valid."""
        request = self._request("POST", self._path("decisions"), {"Host": "evil.example"}, b"{}")
        damaged = mutated_bytes(request, chance)
        return self._send(damaged), f"a damaged request {damaged[:60]!r}", False

    def _with(self, changes: dict[str, str | None], method: str, path: str, message: Any = None) -> tuple[int, str]:
        status, _ = self._ask(method, path, message, changes)
        return status, f"{method} with {changes}"

    def _path(self, path: str) -> str:
        return f"/{self._address.token}/{path}".replace("{audit}", self._audit)

    def _many(self) -> dict[str, Any]:
        labels = [[row, 0, 0] for row in range(0, 40, 4)]
        return {
            "audit": self._audit, "labels": labels, "action": "keep", "suggested": False, "reason": "", "key": "k",
        }  # fmt: skip

    def _decision(self, sample: str = "images/000.png") -> dict[str, Any]:
        return {
            **{"audit": self._audit, "sample": sample, "group": "a", "action": "keep", "new": None, "reason": ""},
            **{"suggested": False, "expected": 0, "key": os.urandom(8).hex()},
        }

    def _request(self, method: str, path: str, changes: dict[str, str | None], body: bytes) -> bytes:
        headers: dict[str, str | None] = {
            **{"Host": self._host, "Origin": f"http://{self._host}", "Sec-Fetch-Site": "same-origin"},
            **{"Content-Type": "application/json", "X-Deepgum-Review": "1", "Content-Length": str(len(body))},
        }
        lines = [f"{method} {path} HTTP/1.1", "Connection: close"]
        for name, value in (headers | changes).items():
            if value is not None:
                lines.append(f"{name}: {value.replace('{port}', str(self._address.port))}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body

    def _ask(
        self, method: str, path: str, message: Any, changes: dict[str, str | None] | None = None
    ) -> tuple[int, bytes]:
        body = message if isinstance(message, bytes) else json.dumps(message).encode() if message is not None else b""
        if method in ("GET", "HEAD"):
            body = b""
        answer = self._answer(self._request(method, path, changes or {}, body))
        return _status(answer), answer

    def _send(self, request: bytes) -> int:
        return _status(self._answer(request))

    def _answer(self, request: bytes) -> bytes:
        """Return all bytes that the server answers until it closes the connection, or "" if it closes at once."""
        answer, ended = b"", False
        with socket.create_connection(("127.0.0.1", self._address.port), timeout=0.5) as connection:
            try:
                connection.sendall(request)
                while True:
                    try:
                        part = connection.recv(65536)
                    except TimeoutError:
                        if ended:
                            raise
                        connection.shutdown(socket.SHUT_WR)  # the server waits for the end of a damaged request
                        connection.settimeout(15)
                        ended, part = True, None
                    if part == b"":
                        return answer
                    answer += part or b""
            except OSError:
                return answer

    def _answers(self) -> bool:
        return self._ask("GET", self._path("decisions?since=0"), None)[0] == 200

    def _log(self) -> list[str]:
        return (AUDIT / "decisions.jsonl").read_text(encoding="utf-8").splitlines()

    def _printed(self) -> str:
        return Path("../printed").read_text(encoding="utf-8", errors="replace")[-500:]


def _status(answer: bytes) -> int:
    """Return the worst status in an answer: one of the 200s if there is one, otherwise the first."""
    statuses = [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:] if part[:3].isdigit()]
    served = [status for status in statuses if 200 <= status < 300]
    return (served or statuses or [0])[0]


ATTACKS = [Forged()]
