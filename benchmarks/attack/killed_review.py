"""Kills of the review while pages post decisions.

Each decision that was acknowledged must be in the file, in a copy of the file alone, and in its export.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

from attack.children import finish, start
from attack.outcome import ACCEPTED, Outcome, fault
from attack.workspace import Workspace, leftovers
from deepgum.cli import main
from deepgum.review.address import Address

ACTIONS = ("keep", "drop", "fix")
AUDIT, ALONE = Path("audit"), Path("alone")
_PAGES = 3
Place = tuple[str, str]


def serve() -> tuple[int, Address]:
    """Start `deepgum review` in a child; return its process id and its address, once it listens."""
    AUDIT.joinpath(".review.json").unlink(missing_ok=True)
    process = start(lambda: main(["review", "audit", "--no-browser", "--who", "ada"]), Path("../printed"))
    until = time.monotonic() + 30
    while time.monotonic() < until:
        address = Address.read(AUDIT / ".review.json")
        if address is not None:
            return process, address
        time.sleep(0.01)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    raise RuntimeError(f"the review does not start: {Path('../printed').read_text(encoding='utf-8')[-500:]}")


class Page:
    """A page of the review that posts decisions about its own labels, until the server does not answer.

    Parameters
    ----------
    address : Address
    audit : str
        Identity of the audit.
    places : list of (str, str)
        The labels: sample and group.
    unanswered : mapping of (str, str) to set of str
        The actions that pages sent without an answer since the last acknowledged one, by label. The page adds its own.
    """

    def __init__(
        self, address: Address, audit: str, places: list[Place], unanswered: defaultdict[Place, set[str]]
    ) -> None:
        self._address, self._audit, self._places, self._unanswered = address, audit, places, unanswered
        self.acknowledged: dict[int, tuple[Place, str]] = {}
        self.refused = ""

    def post(self, chance: Random) -> None:
        """Post decisions. The last one may have no answer."""
        current = defaultdict[Place, int](int)
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self._address.port, timeout=10)
            while True:
                place, action = chance.choice(self._places), chance.choice(ACTIONS)
                self._unanswered[place].add(action)
                status, answer = self._decide(connection, place, action, current[place])
                if status == 409:  # a decision of the last page, whose answer was lost
                    current[place] = answer["current"]["seq"]
                elif status == 200:
                    current[place] = answer["entry"]["seq"]
                    self.acknowledged[current[place]] = place, action
                    self._unanswered[place].clear()
                else:
                    self.refused = f"{status} {answer}"
                    return
        except (OSError, http.client.HTTPException):
            return

    def _decide(self, connection: http.client.HTTPConnection, place: Place, action: str, expected: int) -> Any:
        values = {
            **{"audit": self._audit, "sample": place[0], "group": place[1], "action": action, "suggested": False},
            **{"new": [1.5, 2.5] if action == "fix" else None, "reason": "", "expected": expected},
            "key": os.urandom(8).hex(),
        }
        host = f"127.0.0.1:{self._address.port}"
        headers = {"Origin": f"http://{host}", "Content-Type": "application/json", "X-Deepgum-Review": "1"}
        connection.request("POST", f"/{self._address.token}/decisions", json.dumps(values), headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())


class KilledReview:
    """Kills of the server of a review; see `Attack`. One attempt kills several servers, one after the other."""

    name, attempts, limit = "kill -9: review", 6, 180.0
    row = 4

    def prepare(self) -> None:
        """Note the first state of the working folder."""
        self._workspace = Workspace(Path("."))

    def attempt(self, number: int, chance: Random) -> Outcome:
        """Kill servers, each while three pages post, and look for each acknowledged decision after each kill."""
        acknowledged: dict[int, tuple[Place, str]] = {}
        unanswered = defaultdict[Place, set[str]](set)
        outcome, kills = Outcome(ACCEPTED), 0
        try:
            for _ in range(self.row):
                pages = self._kill(chance, unanswered)
                kills += 1
                for page in pages:
                    acknowledged |= page.acknowledged
                wrong = next((page.refused for page in pages if page.refused), "") or self._lost(
                    acknowledged, unanswered
                )
                if wrong:
                    return fault(f"kill {kills}, {len(acknowledged)} acknowledged decisions: {wrong}", kills)
            outcome = self._end(len(acknowledged))
        except RuntimeError as error:
            outcome = fault(error)
        finally:
            self._workspace.restore()
        return outcome._replace(count=kills)

    def _kill(self, chance: Random, unanswered: defaultdict[Place, set[str]]) -> list[Page]:
        process, address = serve()
        places = [(f"images/{row:03d}.png", group) for row in range(40) for group in "ab"]
        audit = json.loads((AUDIT / "decisions.jsonl").read_text(encoding="utf-8").partition("\n")[0])["audit"]
        pages = [Page(address, audit, places[first::_PAGES], unanswered) for first in range(_PAGES)]
        killer = threading.Timer(chance.uniform(0.05, 0.5), os.kill, (process, signal.SIGKILL))
        with ThreadPoolExecutor(_PAGES) as pool:
            killer.start()
            list(pool.map(lambda page: page.post(Random(chance.random())), pages))
        killer.join()
        os.waitpid(process, 0)
        return pages

    def _lost(self, acknowledged: dict[int, tuple[Place, str]], unanswered: dict[Place, set[str]]) -> str:
        """Return what is wrong with a copy of the file alone."""
        shutil.rmtree(ALONE, ignore_errors=True)
        shutil.copytree(AUDIT, ALONE, ignore=shutil.ignore_patterns(".*"))
        *lines, _ = (ALONE / "decisions.jsonl").read_bytes().split(b"\n")
        rows = {row["seq"]: row for row in map(json.loads, lines[1:])}
        for seq, (place, action) in acknowledged.items():
            row = rows.get(seq, {})
            if (row.get("sample"), row.get("group"), row.get("action")) != (*place, action):
                return f"decision {seq} on {place}, {action}, is not in the file: {row}"
        status = finish(start(lambda: main(["review", "alone", "--export", "patch=x.jsonl"]), Path("../printed")), 60)
        if status:
            return f"the copy cannot be exported: {Path('../printed').read_text(encoding='utf-8')[-500:]}"
        current = {place: action for _, (place, action) in sorted(acknowledged.items())}
        decided = map(json.loads, Path("x.jsonl").read_text(encoding="utf-8").splitlines()[1:])
        found = {(row["id"], row["group"]): row["decision"] for row in decided}
        for place, action in current.items():
            if found.get(place) not in {action, *unanswered.get(place, ())}:
                return f"the export has {found.get(place)} for {place}, and {action} was acknowledged"
        return ""

    def _end(self, count: int) -> Outcome:
        """Start and stop the review once more."""
        process, _ = serve()
        os.kill(process, signal.SIGTERM)
        status = finish(process, 30)
        changed = self._workspace.changed(["audit/decisions.jsonl", "audit/.review.json", "alone", "x.jsonl"])
        if changed or leftovers(AUDIT):
            return fault(f"changed or added: {changed}; temporary files: {leftovers(AUDIT)}")
        if status not in (0, 143):
            return fault(f"the review ended with {status} after SIGTERM")
        return Outcome(ACCEPTED, f"{count} acknowledged decisions")


ATTACKS = [KilledReview()]
