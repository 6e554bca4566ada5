"""The report and the review in Firefox: one review by keyboard, and screenshots.

Playwright drives only a Firefox of its own, which is a download. This drives an installed Firefox over its Marionette
port, with the standard library only: it opens a report from the disk, and a review in which it keeps a label, writes a
note, takes the suggestions for all others at once, and undoes that. It ends with an error if something differs.

    python benchmarks/firefox_pages.py --out runs/firefox
"""

from __future__ import annotations

import argparse
import base64
import itertools
import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deepgum.report.page import write_report
from deepgum.review.store import read_decisions
from review_page import digits_audit, served

PORT = 2828
CARDS = "return document.querySelectorAll('.card').length"
STORED = "return !Object.keys(localStorage).some((name) => name.startsWith('deepgum-review:'))"
FLAGS = 30


class Firefox:
    """A session of Marionette: a message is its length, a colon, and JSON."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address, timeout=60)
        self._numbers = itertools.count()
        self._read()
        self.version: str = self.call("WebDriver:NewSession")["capabilities"]["browserVersion"]

    def call(self, command: str, **parameters: Any) -> Any:
        """Send a command, and return its result."""
        text = json.dumps([0, next(self._numbers), command, parameters])
        self._socket.sendall(f"{len(text.encode())}:{text}".encode())
        _, _, error, result = self._read()
        assert error is None, error
        return result

    def _read(self) -> Any:
        size = b""
        while not size.endswith(b":"):
            size += self._socket.recv(1)
        content = b""
        while len(content) < int(size[:-1]):
            content += self._socket.recv(int(size[:-1]) - len(content))
        return json.loads(content)

    def run(self, script: str) -> Any:
        """Return the value of a script in the page."""
        return self.call("WebDriver:ExecuteScript", script=script, args=[])["value"]

    def wait(self, script: str) -> None:
        """Wait until the value of a script is true."""
        last = time.monotonic() + 60
        while not self.run(script):
            assert time.monotonic() < last, f"{script} did not become true."
            time.sleep(0.05)

    def press(self, *keys: str) -> None:
        """Press and release keys, one after the other."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.call("WebDriver:PerformActions", actions=[{"type": "key", "id": "keys", "actions": actions}])

    def shoot(self, path: Path) -> None:
        """Write a picture of what is seen."""
        path.write_bytes(base64.b64decode(self.call("WebDriver:TakeScreenshot", full=False)["value"]))


@contextmanager
def firefox(width: int, height: int, dark: bool) -> Iterator[Firefox]:
    with tempfile.TemporaryDirectory() as profile:
        colours = f'user_pref("layout.css.prefers-color-scheme.content-override", {0 if dark else 1});\n'
        (Path(profile) / "user.js").write_text(colours)
        command = [shutil.which("firefox-esr") or shutil.which("firefox") or "firefox", "--headless", "--marionette"]
        size = [f"--width={width}", f"--height={height}", "--profile", profile, "about:blank"]
        with subprocess.Popen([*command, *size], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                for attempt in range(240):
                    try:
                        session = Firefox(("127.0.0.1", PORT))
                        break
                    except ConnectionError:
                        assert attempt < 239, "Firefox does not listen."
                        time.sleep(0.25)
                yield session
            finally:
                process.terminate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    audit = digits_audit(out / "digits", FLAGS)
    report = write_report(audit)
    for name, width, dark in (("wide", 1280, False), ("narrow-dark", 450, True)):
        audit.decisions_file.unlink(missing_ok=True)
        with firefox(width, 900, dark) as browser:
            print(f"Firefox {browser.version}, {name}")
            browser.call("WebDriver:Navigate", url=f"{report.resolve().as_uri()}#view?sort=distance")
            browser.wait(f"{CARDS} > 0")
            browser.wait("return [...document.querySelectorAll('.card img')].slice(0, 4).every((i) => i.naturalWidth)")
            browser.shoot(out / f"report-{name}.png")
            with served(audit) as url:
                review(browser, url, out / f"review-{name}.png", out / f"review-many-{name}.png")
        decided = {each.sample: (each.action, each.reason) for each in read_decisions(audit)}
        assert sorted(decided.values()) == [("keep", "blurred")], decided
        assert len(audit.decisions_file.read_text().splitlines()) == 4
    print("The report and the review did what they do in Chromium.")


def review(browser: Firefox, url: str, first: Path, second: Path) -> None:
    """Keep a label with a note, take all other suggestions at once, and undo that."""
    browser.call("WebDriver:Navigate", url=url)
    browser.wait(f"{CARDS} > 0")
    browser.wait("return document.activeElement.matches('.picture')")
    browser.press("r")
    browser.wait("return document.activeElement.id === 'note'")
    browser.press(*"blurred", "\ue007", "k")
    browser.wait(f"return document.title.startsWith('1/{FLAGS}')")
    browser.wait(STORED)
    browser.shoot(first)
    browser.press("\ue00c", "m", "\ue007")
    browser.wait(f"return document.querySelectorAll('.preview li').length === {min(24, FLAGS - 1)}")
    time.sleep(1)
    browser.shoot(second)
    browser.press("\ue004", "\ue007")
    browser.wait(f"return document.title.startsWith('{FLAGS}/')")
    browser.press("u")
    browser.wait(f"return document.title.startsWith('1/{FLAGS}')")


if __name__ == "__main__":
    main()
