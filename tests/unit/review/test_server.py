"""Only this machine's own page is let in, and whatever else comes gets its answer and changes nothing."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import io
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from deepgum.audit.corrections.decisions import Decision
from deepgum.audit.folder import AuditFolder
from deepgum.data.pictures import Pictures
from deepgum.review import connections
from deepgum.review.access import LARGEST
from deepgum.review.address import Address, listen
from deepgum.review.messages import MOST
from deepgum.review.server import make_server
from deepgum.review.session import Review

A, B = "images/000.png", "images/004.png"


@dataclass
class Caller:
    """Says to the server what a browser would, or something else."""

    review: Review
    address: Address
    audit: str = field(init=False)
    before: list[Decision] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.audit = self.review.store.audit

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str | None] | None = None,
        token: str | None = None,
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Path is relative to the page, or absolute; a header of None is left out."""
        connection = http.client.HTTPConnection("127.0.0.1", self.address.port, timeout=20)
        host = f"127.0.0.1:{self.address.port}"
        sent: dict[str, str | None] = {"Host": host, "Sec-Fetch-Site": "same-origin"}
        if method == "POST":
            sent |= {"Origin": f"http://{host}", "Content-Type": "application/json", "X-Deepgum-Review": "1"}
            sent |= {"Content-Length": str(len(body or b""))}
        sent |= headers or {}
        target = path if path.startswith("/") else f"/{token or self.address.token}/{path}"
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in sent.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders()
        with suppress(BrokenPipeError, ConnectionResetError):  # where it was refused by its head
            connection.send(body or b"")
        response = connection.getresponse()
        body = b""
        with suppress(ConnectionResetError):  # where the server has closed the door on what was still to come
            body = response.read()
        connection.close()
        return response.status, response.headers, body

    def get(self, path: str, **how: Any) -> tuple[int, Any]:
        status, headers, body = self.call("GET", path, **how)
        return status, json.loads(body) if headers["Content-Type"] == "application/json" else body

    def post(self, path: str, values: object, **how: Any) -> tuple[int, Any]:
        body = values if isinstance(values, bytes) else json.dumps(values).encode()
        status, headers, answer = self.call("POST", path, body, **how)
        return status, json.loads(answer) if headers["Content-Type"] == "application/json" else answer

    def write(self, **changes: Any) -> dict[str, Any]:
        """A decision as the page sends it."""
        values = {
            "audit": self.audit, "sample": A, "group": "a", "action": "keep", "new": None, "suggested": False,
            "reason": "", "expected": 0, "key": os.urandom(8).hex(),
        }  # fmt: skip
        return values | changes

    @property
    def held(self) -> list[Decision]:
        return self.review.store.decisions()


@pytest.fixture
def served(audited: AuditFolder) -> Iterator[Caller]:
    with serving(audited) as caller:
        yield caller


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory, write_audit: Callable[[Path], AuditFolder]) -> Iterator[Caller]:
    """A server with one decision, for all requests that must change nothing: each test sees that it is still alone."""
    with serving(write_audit(tmp_path_factory.mktemp("refusing"))) as caller:
        caller.review.store.decide(Decision(B, "a", "keep"))
        caller.before = caller.held
        yield caller


@contextmanager
def serving(folder: AuditFolder) -> Iterator[Caller]:
    address, listening = listen(folder.path / ".review.json")
    with listening, Review(folder, "ada") as review:
        server = make_server(review, address)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            yield Caller(review, address)
        finally:
            server.should_exit = True
            thread.join(20)


# ---- what the page is given ----


def test_every_response_has_the_protective_headers(served: Caller) -> None:
    paths = ["", "data", "decisions", f"pictures/{served.audit}/small/0.jpg"]
    page = served.get("")[1].decode()
    assets = [part.split('"')[0] for part in page.split('="') if part.startswith("assets/")]
    assert len(assets) >= 5
    assert "<script>" not in page
    assert "<style" not in page
    for path in [*paths, *assets, "not/there"]:
        status, headers, body = served.call("GET", path)
        assert status == (404 if path == "not/there" else 200), path
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert ("no-store" in headers["Cache-Control"]) == ("pictures" not in path)
        assert "Access-Control-Allow-Origin" not in headers
        assert "Server" not in headers
        assert body


def test_the_data_hold_all_flags_worst_first(served: Caller) -> None:
    status, data = served.get("data")
    assert status == 200
    labels = served.review.labels
    places = [
        (data["gallery"]["samples"]["row"][sample], group)
        for sample, group in zip(data["gallery"]["flags"]["sample"], data["gallery"]["flags"]["group"], strict=True)
    ]
    assert places == labels.worst_first()
    assert (data["who"], data["audit"], data["landmarks"]) == ("ada", served.audit, True)


def test_a_picture_is_the_crop_of_the_data(served: Caller, audited: AuditFolder) -> None:
    samples = served.get("data")[1]["gallery"]["samples"]
    left, _, side = samples["crop"][0]
    width, height = samples["size"][0]
    assert left <= 0
    assert left + side >= width == height == 64
    status, headers, body = served.call("GET", f"pictures/{served.audit}/large/{samples['row'][0]}.jpg")
    assert (status, headers["Content-Type"]) == (200, "image/jpeg")
    shown = np.asarray(Image.open(io.BytesIO(body)).convert("L").resize((64, 64)), dtype=float)
    stored = np.asarray(Image.open(audited.pictures().file(samples["row"][0])).convert("L"), dtype=float)
    assert np.abs(shown - stored).mean() < 8


# ---- decisions ----


def test_a_decision_is_stored_and_can_be_undone_and_redone(served: Caller) -> None:
    status, answer = served.post("decisions", served.write(action="fix", new=[1.5, 2], reason="seen"))
    assert status == 200
    seq = answer["entry"]["seq"]
    assert answer["entry"] == answer["current"] == answer["undo"]
    (held,) = served.held
    assert (held.sample, held.group, held.action, held.new, held.reason, held.who) == (
        A, "a", "fix", (1.5, 2.0), "seen", "ada",
    )  # fmt: skip
    status, answer = served.post("undo", {"audit": served.audit, "seq": seq, "key": "u"})
    assert (status, answer["current"], answer["undo"], answer["redo"]["seq"]) == (200, None, None, seq)
    assert served.held == []
    status, answer = served.post("redo", {"audit": served.audit, "seq": seq, "key": "r"})
    assert (status, answer["current"]["seq"]) == (200, seq)
    assert served.held == [held]


def test_a_taken_suggestion_is_the_rounded_one_of_the_audit(served: Caller) -> None:
    row = served.review.labels.ids.index(B)
    assert served.post("decisions", served.write(sample=B, action="fix", suggested=True))[0] == 200
    (held,) = served.held
    np.testing.assert_allclose(held.new, served.review.labels.suggested[row, :2], atol=0.7 / 20)
    assert all(value == round(value, 2) for value in held.new or ())
    status, answer = served.post("decisions", served.write(group="b", action="fix", suggested=True))
    assert (status, answer["error"]) == (400, "InvalidParameterError")
    assert "without a suggestion" in answer["message"]


def test_new_decisions_are_requested_by_the_place_in_the_log(served: Caller) -> None:
    assert served.get("decisions")[1] == {
        "audit": served.audit, "head": 0, "undo": None, "redo": None, "decisions": [],
    }  # fmt: skip
    served.post("decisions", served.write())
    head, decisions = (served.get("decisions")[1][name] for name in ("head", "decisions"))
    assert (head, [each["sample"] for each in decisions]) == (1, [A])
    assert served.get("decisions?since=1")[1]["decisions"] is None
    assert len(served.get("decisions?since=0")[1]["decisions"]) == 1


def test_the_second_of_two_tabs_gets_the_decision_of_the_first(served: Caller) -> None:
    assert served.post("decisions", served.write(action="drop"))[0] == 200
    status, answer = served.post("decisions", served.write(action="keep"))
    assert (status, answer["error"], answer["current"]["action"]) == (409, "StaleDecisionError", "drop")
    assert [held.action for held in served.held] == ["drop"]


def test_a_write_with_a_lost_answer_is_stored_once(served: Caller) -> None:
    write = served.write()
    first, second = (served.post("decisions", write) for _ in range(2))
    assert first == second
    assert len(served.held) == 1


def test_many_labels_are_decided_and_undone_at_once(served: Caller) -> None:
    labels = served.review.labels
    places = [[row, group] for row, group in labels.worst_first() if np.isfinite(labels.suggested[row, 2 * group])]
    served.post("decisions", served.write(sample=labels.ids[places[0][0]], group="ab"[places[0][1]], action="drop"))
    write = {
        "audit": served.audit, "action": "fix", "suggested": True, "reason": "all of run 7", "key": "many",
        "labels": [[row, group, int(not place)] for place, (row, group) in enumerate(places)],
    }  # fmt: skip
    stale = write | {"labels": [[row, group, 0] for row, group in places], "key": "stale"}
    status, answer = served.post("decisions/many", stale)
    assert (status, answer["current"]["action"]) == (409, "drop")
    assert len(served.held) == 1
    status, answer = served.post("decisions/many", write)
    assert (status, answer["entry"]["many"], answer["undo"]["many"], answer["head"]) == (
        200,
        len(places),
        len(places),
        2,
    )
    assert len(places) > 2
    assert served.post("decisions/many", write)[1] == answer
    held = {(each.sample, each.group): each for each in served.held}
    assert set(held) == {(labels.ids[row], "ab"[group]) for row, group in places}
    for row, group in places:
        each = held[labels.ids[row], "ab"[group]]
        np.testing.assert_allclose(each.new, labels.suggested[row, list(labels.partition[group])], atol=0.04)
        assert (each.reason, each.who) == ("all of run 7", "ada")
    status, answer = served.post("undo", {"audit": served.audit, "seq": 2, "key": "u"})
    assert (status, answer["redo"]["many"]) == (200, len(places))
    assert [each.action for each in served.held] == ["drop"]


def test_a_decision_about_all_labels_of_the_largest_page_fits_into_a_request() -> None:
    most = {
        "labels": [[10_000_000, 1000, 100_000]] * MOST,
        "reason": "\u1234" * 2000,
        "audit": "0" * 64,
        "key": "k" * 64,
    }
    assert len(json.dumps(most, separators=(",", ":"))) < 0.9 * LARGEST


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"labels": []}, "1 to 20000 items"),
        ({"labels": [[0, 0, 0]] * 20_001}, "1 to 20000 items"),
        ({"labels": [[0, 0]]}, "row, group"),
        ({"labels": [[0, True, 0]]}, "row, group"),
        ({"labels": [[-1, 0, 0]]}, "row, group"),
        ({"labels": [[0, 2, 0]]}, "2 groups"),
        ({"labels": [[40, 0, 0]]}, "40 samples"),
        ({"labels": [[0, 0, 0], [0, 0, 0]]}, "another label"),
        ({"action": "fix"}, "True for the action"),
        ({"action": "keep", "suggested": True}, "False for the action"),
        ({"action": "fix", "suggested": True, "labels": [[1, 0, 0], [1, 1, 0]]}, "labels with a suggestion"),
        ({"reason": "x" * 2001}, "at most 2000"),
        ({"action": "burn"}, "keep"),
        ({"key": ""}, "1 to 64"),
        ({"new": None}, "an object of"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_decision_about_many_labels_that_does_not_fit_is_refused(
    refusing: Caller, changes: dict[str, Any], words: str
) -> None:
    write = {
        "audit": refusing.audit, "labels": [[0, 0, 0]], "action": "keep", "suggested": False, "reason": "", "key": "k",
    }  # fmt: skip
    status, answer = refusing.post("decisions/many", write | changes)
    assert status == 400, answer
    assert words in answer["message"]
    assert refusing.held == refusing.before


def test_concurrent_tabs_lose_no_decision(served: Caller) -> None:
    writes = [served.write(sample=f"images/{i:03d}.png", group=group) for i in range(20) for group in "ab"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda write: served.post("decisions", write)[0], writes))
    assert answers == [200] * 40
    assert {(held.sample, held.group) for held in served.held} == {(w["sample"], w["group"]) for w in writes}


# ---- what is kept out ----

BAD_HEADERS: list[dict[str, str | None]] = [
    {"Host": "evil.example"},
    {"Host": "127.0.0.1"},
    {"Host": "evil.example:{port}"},
    {"Host": "localhost:{port}"},  # may lead to ::1, where another program listens
    {"Host": None},
    {"Origin": None},
    {"Origin": "null"},
    {"Origin": "http://evil.example"},
    {"Origin": "http://localhost:{port}"},  # of this machine, but not of the page that was addressed
    {"Origin": "https://127.0.0.1:{port}"},
    {"Origin": "http://127.0.0.1:1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"X-Deepgum-Review": None},
    {"Content-Type": "text/plain"},
    {"Content-Type": "application/x-www-form-urlencoded"},
    {"Content-Type": "application/json-patch+json"},
    {"Content-Type": None},
]


@pytest.mark.parametrize("headers", BAD_HEADERS, ids=str)
@pytest.mark.parametrize("path", ["decisions", "decisions/many", "undo"])
def test_a_forged_write_is_refused(refusing: Caller, headers: dict[str, str | None], path: str) -> None:
    with refusing.review.store.reading() as ledger:
        (entry,) = ledger
    here = {name: value and value.replace("{port}", str(refusing.address.port)) for name, value in headers.items()}
    audit = refusing.audit
    many = {"audit": audit, "labels": [[0, 0, 0]], "action": "keep", "suggested": False, "reason": "", "key": "m"}
    undo = {"audit": audit, "seq": entry.seq, "key": "u"}
    write = {"decisions": refusing.write(), "decisions/many": many, "undo": undo}[path]
    status, answer = refusing.post(path, write, headers=here)
    assert 400 <= status < 500
    if "Host" not in headers or headers["Host"]:  # without one HTTP itself is at an end
        assert "should be" in answer["message"] or "Only the page of the review" in answer["message"]
    assert refusing.held == refusing.before


@pytest.mark.parametrize("path", ["", "data", "decisions", "assets/review.js", "pictures/{audit}/small/0.jpg"])
def test_nothing_is_read_without_the_token_or_by_another_page(refusing: Caller, path: str) -> None:
    path = path.replace("{audit}", refusing.audit)
    token = refusing.address.token
    for wrong in ("x", token[:-1], token + "x", token.swapcase(), "%00", "é".encode().hex()):
        status, answer = refusing.get(path, token=wrong)
        assert (status, answer["error"]) == (403, "WrongToken")
    for absolute in (f"/{path}", f"//{token}/{path}", f"/x/../{token}/{path}", f"/%2e/{token}/{path}"):
        assert refusing.get(absolute)[0] == 403
    for headers in (
        {"Host": "evil.example"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
    ):
        assert refusing.get(path, headers=headers)[0] == 403
    # A link in a mail or another page may open it, and a reload has no site at all.
    for headers in (
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": None},
    ):
        assert refusing.get(path, headers=headers)[0] == 200


def test_a_wrong_address_gets_plain_text_in_a_browser(served: Caller) -> None:
    status, headers, body = served.call("GET", "/wrong/", headers={"Accept": "text/html,*/*"})
    assert (status, headers["Content-Type"]) == (403, "text/plain; charset=utf-8")
    assert "`deepgum review` prints" in body.decode()


def test_the_address_without_its_last_slash_redirects_to_the_page(served: Caller) -> None:
    status, headers, _ = served.call("GET", f"/{served.address.token}")
    assert (status, headers["Location"]) == (308, f"/{served.address.token}/")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_do_nothing(refusing: Caller, method: str) -> None:
    status, headers, _ = refusing.call(
        method, "decisions", headers={"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    )
    assert status in (403, 405)
    assert not [name for name in headers if name.lower().startswith("access-control")]
    assert refusing.held == refusing.before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sample": "images/999.png"}, "one of the 40 samples"),
        ({"sample": "../../etc/passwd"}, "one of the 40 samples"),
        ({"sample": None}, "a text"),
        ({"sample": "x" * 5000}, "a text"),
        ({"sample": "\ud800"}, "one of the 40 samples"),
        ({"group": "nose"}, "'a', 'b'"),
        ({"group": ["a"]}, "a text"),
        ({"action": "undo"}, "'keep', 'fix', 'drop', 'skip'"),
        ({"action": None}, "'keep', 'fix', 'drop', 'skip'"),
        ({"action": {}}, "'keep', 'fix', 'drop', 'skip'"),
        ({"action": "fix"}, "finite numbers"),
        ({"action": "fix", "new": []}, "finite numbers"),
        ({"action": "fix", "new": [1]}, "2 numbers"),
        ({"action": "fix", "new": [1, 2, 3]}, "2 numbers"),
        ({"action": "fix", "new": [1, "2"]}, "finite numbers"),
        ({"action": "fix", "new": [1, True]}, "finite numbers"),
        ({"action": "fix", "new": [1, None]}, "finite numbers"),
        ({"action": "fix", "new": [1, 10**400]}, "finite numbers"),
        ({"action": "fix", "new": "12"}, "finite numbers"),
        ({"action": "fix", "new": {"0": 1, "1": 2}}, "finite numbers"),
        ({"action": "keep", "new": [1, 2]}, "None for the action 'keep'"),
        ({"action": "drop", "suggested": True}, "None for the action 'drop'"),
        ({"reason": 3}, "a text"),
        ({"reason": "x" * 3000}, "at most 2000"),
        ({"reason": "\udfff"}, "Unicode characters"),
        ({"expected": -1}, "a whole number"),
        ({"expected": 1.0}, "a whole number"),
        ({"expected": True}, "a whole number"),
        ({"expected": None}, "a whole number"),
        ({"expected": 2**63}, "a whole number"),
        ({"key": ""}, "a text"),
        ({"key": "x" * 65}, "a text"),
        ({"key": 1}, "a text"),
        ({"suggested": "yes"}, "true or false"),
        ({"suggested": 1}, "true or false"),
        ({"more": 1}, "Found ['action', 'audit'"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_invalid_decisions_are_refused_with_a_message(refusing: Caller, changes: dict[str, Any], words: str) -> None:
    status, answer = refusing.post("decisions", refusing.write(**changes))
    assert status == 400
    assert words in answer["message"]
    assert refusing.held == refusing.before


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"[]", b'"x"', b"\xff\xfe", b"{}", b"[" * 60000, b'{"audit": NaN}', b'{"audit": -Infinity}',
    ],
    ids=lambda body: repr(body[:20]),
)  # fmt: skip
def test_invalid_json_is_refused_with_a_message(refusing: Caller, body: bytes) -> None:
    for path in ("decisions", "undo", "redo"):
        status, answer = refusing.post(path, body)
        assert (status, answer["error"]) == (400, "InvalidDataError")
        assert answer["message"].startswith("A write should be")
    assert refusing.held == refusing.before


def test_nan_and_infinity_are_refused(served: Caller) -> None:
    text = json.dumps(served.write(action="fix", new=["HERE", 2]))
    for number in ("NaN", "Infinity", "-Infinity", "1e999"):
        assert served.post("decisions", text.replace('"HERE"', number).encode())[0] == 400
    assert served.held == []
    assert served.post("decisions", text.replace('"HERE"', "1e3").encode())[0] == 200


def test_a_write_that_is_too_large_is_not_read(served: Caller) -> None:
    # It is answered by its head; a body that still comes then would meet a closed door, which a client may hear first.
    status, answer = served.post("decisions", b"", headers={"Content-Length": str(LARGEST + 1)})
    assert (status, answer["error"]) == (413, "TooLarge")
    for length in ("-1", "1e9", "9" * 30):
        assert served.post("decisions", b"{}", headers={"Content-Length": length})[0] in (400, 413)
    # No more than it takes for the server to know.
    chunked = f"{LARGEST + 100:x}\r\n".encode() + b"x" * (LARGEST + 1)
    status, answer = served.post("decisions", chunked, headers={"Content-Length": None, "Transfer-Encoding": "chunked"})
    assert status == 413
    assert served.held == []


def test_a_page_of_another_audit_cannot_write(served: Caller) -> None:
    status, answer = served.post("decisions", served.write(audit="0" * 64))
    assert status == 410
    assert "Load the page again" in answer["message"]
    assert served.held == []


# ---- pictures of bad names and bad files ----


@pytest.mark.parametrize(
    "path",
    [
        "assets/../review.html", "assets/..%2f..%2fapp.py", "assets/%2e%2e/app.py", "assets//etc/passwd", "assets/",
        "pictures/{audit}/small/-1.jpg", "pictures/{audit}/small/40.jpg", "pictures/{audit}/huge/0.jpg",
        "pictures/{audit}/small/..%2f..%2fsummary.json", "pictures/{audit}/small/999999999999999999999.jpg",
        "pictures/0/small/0.jpg", "summary.json", "../summary.json", "decisions.sqlite", "%2e%2e/%2e%2e/etc/passwd",
    ],
)  # fmt: skip
def test_no_path_leads_to_a_file(refusing: Caller, path: str) -> None:
    status, _, body = refusing.call("GET", path.replace("{audit}", refusing.audit))
    assert status in (403, 404)
    assert b"root:" not in body
    assert b"deepgum-audit" not in body


NASTY = ['it\'s "quoted".png', "<b onload=alert(1)>.png", "new\nline.png", "名前 🦆.png", "a&b%2f?#.png", " .png"]


@pytest.fixture
def nasty(audited: AuditFolder, tmp_path: Path) -> AuditFolder:
    """An audit whose first flagged samples have names and files of every bad kind."""
    labels, pictures = audited.labels(), audited.pictures()
    assert pictures is not None
    ids, names = list(labels.ids), list(pictures.names)
    outside = tmp_path.parent / f"{tmp_path.name}-outside.png"
    Image.new("L", (64, 64), 255).save(outside)
    (tmp_path / "link.png").symlink_to(outside)
    (tmp_path / "broken.png").write_bytes(b"no image at all")
    cut = (tmp_path / names[0]).read_bytes()
    (tmp_path / "cut.png").write_bytes(cut[: len(cut) // 2])
    (tmp_path / "folder.png").mkdir()
    bad = [f"../{outside.name}", str(outside), "link.png", "broken.png", "folder.png", "gone.png", "cut.png"]
    for name in NASTY:
        (tmp_path / name).write_bytes(cut)
    for row, name in enumerate([*NASTY, *bad]):
        ids[row] = names[row] = name
    # All of them flagged.
    responsibilities = labels.responsibilities.copy()
    responsibilities[:20, 0] = 0.01
    replaced = replace(labels, ids=tuple(ids), responsibilities=responsibilities)
    audited.write(audited.summary(), replaced, Pictures(pictures.folder, tuple(names), pictures.squares))
    return audited


def test_bad_pictures_have_messages_and_outside_files_are_not_served(nasty: AuditFolder) -> None:
    with serving(nasty) as served:
        gallery = served.get("data")[1]["gallery"]
        problems = {
            gallery["samples"]["id"][int(sample)]: words for sample, words in gallery["samples"]["problem"].items()
        }
        rows = dict(zip(gallery["samples"]["id"], gallery["samples"]["row"], strict=True))
        for name in NASTY:
            assert served.get(f"pictures/{served.audit}/small/{rows[name]}.jpg")[0] == 200
        for name, row in rows.items():
            status, answer = served.get(f"pictures/{served.audit}/large/{row}.jpg")
            if name.startswith(("..", "/", "link")):
                assert "outside of the data's folder" in problems[name]
            if name in problems:
                assert (status, answer["error"], answer["message"]) == (404, "NoPicture", problems[name])
        assert set(problems) >= {"broken.png", "folder.png", "gone.png", "link.png"}
        # Its head is whole, so that only the picture itself tells.
        assert served.get(f"pictures/{served.audit}/small/{rows['cut.png']}.jpg")[0] == 404


def test_a_decision_about_an_unusual_name_is_stored_under_that_name(nasty: AuditFolder) -> None:
    with serving(nasty) as served:
        for name in [*NASTY, "../x"]:
            status, _ = served.post("decisions", served.write(sample=name))
            assert status == (400 if name == "../x" else 200)
        assert [held.sample for held in served.held] == NASTY


# ---- the address ----


@pytest.mark.fault(9)
def test_after_a_restart_the_port_is_the_same_and_the_old_token_is_refused(audited: AuditFolder) -> None:
    file = audited.path / ".review.json"
    with serving(audited) as first:
        assert Address.read(file) == first.address
    assert file.stat().st_mode & 0o777 == 0o600
    with serving(audited) as second:
        assert second.address.port == first.address.port
        for path in ("", "data", "decisions", f"pictures/{second.audit}/small/0.jpg"):
            assert second.get(path, token=first.address.token)[0] == 403
        status, answer = second.post("decisions", second.write(), token=first.address.token)
        assert (status, answer["error"]) == (403, "WrongToken")
        assert "new at each start" in answer["message"]
        assert second.held == []


@pytest.mark.fault(9)
@pytest.mark.parametrize("kept", ["", "{", "[]", "[" * 100_000, "short", "readable", "port", "text"])
def test_no_stored_address_gives_its_token_to_the_next_server(audited: AuditFolder, kept: str) -> None:
    file = audited.path / ".review.json"
    token = "t" * 43
    ports = {"port": 2**40, "text": "80"}
    stored = {"port": ports.get(kept, 1), "token": "guess" if kept == "short" else token}
    file.write_text(json.dumps(stored) if kept in ("short", "readable", *ports) else kept, encoding="utf-8")
    address, listening = listen(file)
    listening.close()
    assert address.token not in (token, "guess")
    assert len(address.token) >= 43
    assert Address.read(file) == address
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_port_that_is_in_use_is_replaced_by_another(audited: AuditFolder) -> None:
    file = audited.path / ".review.json"
    first, listening = listen(file)
    second, other = listen(file)  # the first has the port
    assert second.port != first.port
    assert second.token != first.token
    assert Address.read(file) == second
    listening.close()
    other.close()


# ---- the proof of the server ----


@pytest.mark.fault(9)
def test_each_response_proves_that_the_server_knows_the_token(refusing: Caller) -> None:
    challenge = "0123456789abcdef" * 2
    text = f"deepgum-review {challenge}".encode()
    expected = hmac.new(refusing.address.token.encode(), text, hashlib.sha256).hexdigest()
    for path in ("/proof", "", "data", "decisions", "assets/server.js", "not/there", "/wrong/"):
        status, headers, _ = refusing.call("GET", path, headers={"X-Deepgum-Challenge": challenge})
        assert headers["X-Deepgum-Proof"] == expected, path
        assert status == {"/proof": 204, "not/there": 404, "/wrong/": 403}.get(path, 200)
        assert headers["Cache-Control"] == "no-store"
    status, headers, _ = refusing.call("POST", "decisions", b"{}", headers={"X-Deepgum-Challenge": challenge})
    assert (status, headers["X-Deepgum-Proof"]) == (400, expected)


@pytest.mark.fault(9)
def test_the_proof_reveals_no_token_and_is_another_one_for_each_challenge_and_token(refusing: Caller) -> None:
    challenges = [f"{number:032x}" for number in range(20)]
    addresses = [refusing.address, Address(refusing.address.port, "t" * 43)]
    proofs = {address.proof(challenge) for challenge in challenges for address in addresses}
    assert len(proofs) == 40
    assert not any(refusing.address.token in proof for proof in proofs)
    for challenge in ("", "x", "0" * 31, "0" * 33, "A" * 32, "\xe9" * 32, "0" * 5000):
        status, headers, _ = refusing.call("GET", "/proof", headers={"X-Deepgum-Challenge": challenge})
        assert status == 204
        assert "X-Deepgum-Proof" not in headers


@pytest.mark.fault(9)
def test_the_path_of_the_proof_opens_nothing_else(refusing: Caller) -> None:
    for path in ("/proof/", "/proof/data", "/proof/../data", "/proof%2fdata", "//proof", "/proof;x"):
        assert refusing.call("GET", path)[0] == 403
    for headers in ({"Host": "evil.example"}, {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}):
        assert refusing.call("GET", "/proof", headers=headers)[0] == 403
    status, _, _ = refusing.call("POST", "/proof", b"{}", headers={"Origin": "http://evil.example"})
    assert status == 403
    assert refusing.held == refusing.before


# ---- the file and the folder ----


@pytest.mark.fault(6)
def test_no_decision_is_acknowledged_when_the_folder_was_made_anew(
    audited: AuditFolder, tmp_path: Path, write_audit: Callable[[Path], AuditFolder]
) -> None:
    with serving(audited) as served:
        assert served.post("decisions", served.write())[0] == 200
        audited.path.rename(tmp_path / "away")
        for _ in ("the folder is missing", "the same audit is there again"):
            write = served.write(sample=B)
            for answer in (
                served.post("decisions", write),
                served.post("decisions", write),
                served.post("undo", {"audit": served.audit, "seq": 1, "key": "u"}),
                served.get("decisions"),
                served.get("export/patch"),
            ):
                status, values = answer
                assert (status, values["error"]) == (503, "DecisionsFileError")
                assert "start the review again" in values["message"]
                assert str(tmp_path) not in values["message"]  # the name alone
                assert "'audit/decisions.jsonl'" in values["message"]
            write_audit(tmp_path)
        assert not audited.decisions_file.exists()
        # The new folder has its own server, which does not see the old one.
        with serving(audited) as other:
            assert other.address.port != served.address.port
            assert other.post("decisions", other.write(action="drop"))[0] == 200
            assert served.post("decisions", served.write(sample=B))[0] == 503
            assert [held.action for held in other.held] == ["drop"]


# ---- many connections ----


def idle_connections(served: Caller, count: int, head: bytes = b"") -> list[socket.socket]:
    made = []
    for _ in range(count):
        made.append(socket.create_connection(("127.0.0.1", served.address.port), timeout=20))
        made[-1].sendall(head)
    return made


def is_closed(connection: socket.socket) -> bool:
    """Wait until the server closes a connection."""
    with suppress(ConnectionResetError):
        while connection.recv(4096):
            pass
    return True


HEADS = [b"", b"G", b"GET /x HTTP/1.1\r\nHost: 127.0.0.1\r\n", b"POST /x/decisions HTTP/1.1\r\nContent-Length: 9\r\n"]


@pytest.mark.fault(21)
def test_idle_connections_do_not_stop_the_page(served: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PATIENCE", 1000.0)  # they are closed because of their number
    idle = [each for head in HEADS for each in idle_connections(served, connections.MOST, head)]
    assert served.get("data")[0] == 200
    assert served.post("decisions", served.write())[0] == 200
    assert all(is_closed(each) for each in idle[: 3 * connections.MOST])  # the oldest ones are closed first
    for each in idle:
        each.close()


@pytest.mark.fault(21)
@pytest.mark.parametrize("head", [*HEADS, b"GET /proof HTTP/1.1\r\nHost: x\r\n\r\nGET /"], ids=repr)
def test_a_connection_without_a_whole_request_is_closed(
    served: Caller, monkeypatch: pytest.MonkeyPatch, head: bytes
) -> None:
    monkeypatch.setattr(connections, "PATIENCE", 0.05)
    (slow,) = idle_connections(served, 1, head)
    assert is_closed(slow)
    slow.close()
    assert served.get("data")[0] == 200


@pytest.mark.fault(21)
def test_a_connection_whose_request_is_being_answered_stays_open(
    served: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, go = threading.Event(), threading.Event()
    decide = served.review.store.decide

    def slowly(*args: Any, **options: Any) -> Any:
        started.set()
        assert go.wait(20)
        return decide(*args, **options)

    monkeypatch.setattr(served.review.store, "decide", slowly)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(served.post, "decisions", served.write())
        assert started.wait(20)
        monkeypatch.setattr(connections, "MOST", 3)
        monkeypatch.setattr(connections, "PATIENCE", 0.05)
        idle = idle_connections(served, 10)
        assert all(is_closed(each) for each in idle)  # all others are closed, after their time
        assert not answer.done()
        go.set()
        assert answer.result()[0] == 200
    for each in idle:
        each.close()


def test_pictures_of_another_audit_have_another_address(served: Caller) -> None:
    assert pq.read_table(served.review.folder.pictures_file).num_rows == 40
    assert served.get(f"pictures/{'0' * 64}/small/0.jpg")[0] == 404


def test_a_key_outside_ascii_is_refused(served: Caller) -> None:
    status, answer = served.post("decisions", served.write(key="\ud800"))
    assert (status, answer["error"]) == (400, "InvalidParameterError")
    assert served.held == []


def test_the_host_has_no_port_80() -> None:
    assert Address(80, "secret").host == "127.0.0.1"
    assert Address(81, "secret").host == "127.0.0.1:81"
