"""Fixtures of the tests that run commands in processes of their own, and of those that need a browser."""

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
from pathlib import Path
from typing import Any

import pytest

COMMAND = Path(__file__).with_name("command.py")
# Seconds that a command may take on a busy machine.
LIMIT = 600


class Command:
    """`deepgum ARGUMENTS` in a process of its own, a copy of one that has imported everything."""

    def __init__(self, output: Path, *arguments: object) -> None:
        self.output = output
        names = {"ARGUMENTS": [str(argument) for argument in arguments], "OUTPUT": str(output)}
        context = multiprocessing.get_context("forkserver")
        self.process = context.Process(target=runpy.run_path, args=(str(COMMAND), names))
        self.process.start()

    @property
    def printed(self) -> str:
        return self.output.read_text(encoding="utf-8") if self.output.exists() else ""

    @property
    def exit_code(self) -> int | None:
        return self.process.exitcode

    def wait_for(self, pattern: str) -> str:
        """Wait until the command has printed a line that holds this; return the part that matches."""
        deadline = time.monotonic() + LIMIT
        while True:
            alive = self.process.is_alive()
            if found := re.search(rf"({pattern}).*\n", self.printed):
                return found[1]
            assert alive, self.printed
            assert time.monotonic() < deadline, self.printed
            time.sleep(0.01)

    def wait(self) -> None:
        """Wait until the command has ended."""
        self.process.join(LIMIT)
        assert self.exit_code is not None, f"It did not end in {LIMIT} s. {self.printed}"

    def interrupt(self) -> None:
        """Press Ctrl-C, and wait for the end."""
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGINT)
        self.wait()

    def kill(self) -> None:
        """End the process at once, without any of its clean-up."""
        self.process.kill()
        self.process.join()


@dataclass(frozen=True)
class Served:
    """A review that is being served, and its address."""

    command: Command
    url: str

    def kill(self) -> None:
        self.command.kill()

    def stop(self) -> str:
        """Press Ctrl-C; return what the command printed after the address."""
        self.command.interrupt()
        return self.command.printed.partition(self.url)[2]


@pytest.fixture
def start_command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Command]]:
    """A function (*arguments) that starts a `deepgum` command; commands end with the test."""
    folder = tmp_path_factory.mktemp("commands")
    started: list[Command] = []

    def start(*arguments: object) -> Command:
        started.append(Command(folder / f"{len(started)}.txt", *arguments))
        return started[-1]

    yield start
    for command in started:
        command.kill()


@pytest.fixture
def deepgum(start_command: Callable[..., Command]) -> Callable[..., str]:
    """A function (*arguments) that runs a `deepgum` command, and returns what it printed; it must succeed."""

    def run(*arguments: object) -> str:
        command = start_command(*arguments)
        command.wait()
        assert command.exit_code == 0, command.printed
        return command.printed

    return run


@pytest.fixture(scope="session")
def crops_of_faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache for the 11,000 real faces at 32 pixels: a process of the tests decodes them once.

    A cache that an earlier run left would hide a decoder that fails.
    """
    return tmp_path_factory.mktemp("crops")


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `deepgum fit` draw nothing, in tests of other things: the pictures take more time than a short training."""
    monkeypatch.setattr("deepgum.report.runs.run.draw_run", lambda _: [])


@pytest.fixture
def start_review(start_command: Callable[..., Command]) -> Callable[..., Served]:
    """A function (folder, *options) that serves the review of an audit; servers end with the test."""

    def start(folder: Path, *options: str) -> Served:
        command = start_command("review", folder, "--no-browser", *options)
        return Served(command, command.wait_for(r"http://\S+"))

    return start


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
