"""Fixtures for the tests of a review in a browser: servers that can be killed, and the browser."""

from __future__ import annotations

import multiprocessing
import os
import re
import runpy
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest

COMMAND = Path(__file__).with_name("command.py")
# Seconds for a server to start or to stop on a busy machine.
LIMIT = 120


@dataclass
class Served:
    """`deepgum review RUN` in a process of its own, and the address that it printed."""

    process: ForkServerProcess
    output: Path
    url: str

    def kill(self) -> None:
        """End the process at once, without any of its clean-up."""
        self.process.kill()
        self.process.join(LIMIT)

    def stop(self) -> str:
        """Send Ctrl-C, wait for the end and return what the command printed after the address."""
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGINT)
        self.process.join(LIMIT)
        assert self.process.exitcode is not None, "It did not end."
        return self.output.read_text(encoding="utf-8").partition(self.url)[2]


@pytest.fixture
def start_review(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Served]]:
    """A function (folder, *options) that serves an audit; the servers end with the test."""
    started: list[ForkServerProcess] = []

    def start(folder: Path, *options: str) -> Served:
        output = tmp_path_factory.mktemp("served") / "output.txt"
        arguments = ["review", str(folder), "--no-browser", *options]
        process = multiprocessing.get_context("forkserver").Process(
            target=runpy.run_path, args=(str(COMMAND), {"ARGUMENTS": arguments, "OUTPUT": str(output)})
        )
        started.append(process)
        process.start()
        deadline = time.monotonic() + LIMIT
        while True:
            alive = process.is_alive()
            text = output.read_text(encoding="utf-8") if output.exists() else ""
            if found := re.search(r"http://\S+(?=\n)", text):
                return Served(process, output, found[0])
            assert alive, text
            assert time.monotonic() < deadline, text
            time.sleep(0.01)

    yield start
    for process in started:
        process.kill()
        process.join(LIMIT)


@pytest.fixture(scope="module")  # not "session": two instances of Playwright cannot run at the same time
def browser() -> Iterator[Any]:
    """Chromium, driven by Playwright; the test is skipped where one of them is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install playwright")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("needs the browser Chromium, which was not found")
    with playwright.sync_playwright() as driver:
        # The superuser cannot use Chromium's sandbox.
        opened = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()
