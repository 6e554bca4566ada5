"""What the tests of a review in a browser need: servers that can be killed, and a browser that may not be there."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Served:
    """`deepgum review RUN` as a process of its own, and the address that it printed."""

    process: subprocess.Popen[str]
    url: str

    def kill(self) -> None:
        """As the system does when memory runs out: nothing is tidied up."""
        self.process.kill()
        self.process.wait(20)

    def stop(self) -> str:
        """Ctrl-C; returns what was printed after the address."""
        self.process.send_signal(signal.SIGINT)
        return self.process.communicate(timeout=30)[0]


@pytest.fixture
def start_review() -> Iterator[Callable[..., Served]]:
    """A function (folder, *options) that serves an audit; what it started ends with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(folder: Path, *options: str) -> Served:
        command = [sys.executable, "-m", "deepgum", "review", str(folder), "--no-browser", *options]
        environment = os.environ | {"COLUMNS": "400", "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        )
        started.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, line + process.stdout.read()
        return Served(process, found[0])

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture(scope="module")  # of one file: two of Playwright cannot run at a time
def browser() -> Iterator[Any]:
    """Chromium, driven by Playwright."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install playwright")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("needs the browser Chromium, which was not found")
    with playwright.sync_playwright() as driver:
        # Without its sandbox, which the system's superuser may not use.
        opened = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()
