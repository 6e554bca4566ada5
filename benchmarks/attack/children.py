"""Processes that are copies of this one, which has imported everything and has computed nothing."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, NoReturn, Protocol

from attack.outcome import Outcome, describe, fault

MEMORY = 12 * 2**30
"""Largest address space of a child in bytes: a file that claims a huge size must not stop the machine."""

_SILENCE = 60.0
"""Seconds after the time limit of an attempt, after which its process is killed: it does not react to a signal."""


class Attack(Protocol):
    """A kind of attack.

    Attributes
    ----------
    name : str
        Name in the table and in `--only`.
    attempts : int
        Number of attempts.
    limit : float
        Largest number of seconds of one attempt.
    """

    name: str
    attempts: int
    limit: float

    def prepare(self) -> None:
        """Prepare the working folder, which holds a copy of the materials."""

    def attempt(self, number: int, chance: Random) -> Outcome:
        """Make one attempt, and leave the working folder as `prepare` left it."""


class Attempt(NamedTuple):
    """One attempt with its outcome."""

    attack: str
    number: int
    outcome: Outcome


class TimeUp(BaseException):
    """An attempt has passed its time limit. No handler of errors in the library catches it."""


def start(work: Callable[[], object], output: Path) -> int:
    """Do some work in a copy of this process, and return its process id. The copy prints to the file `output`."""
    sys.stdout.flush()
    sys.stderr.flush()
    process = os.fork()
    if process:
        return process
    _child(work, output)


def finish(process: int, seconds: float) -> int:
    """Wait for a child, and return its exit status, which is negative after a signal. Kill it if the time is over."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    raise TimeUp


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise `TimeUp` if the block takes more seconds."""

    def stop(*_: object) -> NoReturn:
        raise TimeUp

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Crew:
    """Children that make attempts, several at a time.

    Parameters
    ----------
    materials : Path
        Folder that each child gets a copy of.
    seed : int
        Seed of all attempts.
    size : int
        Number of children that work at the same time.
    """

    def __init__(self, materials: Path, seed: int, size: int) -> None:
        self._materials, self._seed, self._size = materials, seed, size
        self._made = 0

    def work(self, jobs: Sequence[tuple[Attack, Sequence[int]]]) -> Iterator[Attempt]:
        """Make the attempts of all jobs, each a pair of an attack and numbers of attempts; yield them when made."""
        waiting, working = [_Shift(attack, list(numbers)) for attack, numbers in jobs], list[_Shift]()
        try:
            while waiting or working:
                while waiting and len(working) < self._size:
                    working.append(waiting.pop(0))
                    self._begin(working[-1])
                time.sleep(0.05)
                for shift in list(working):
                    yield from shift.news()
                    if shift.ended():
                        yield from shift.news()
                        yield from shift.lost()
                        shift.clean()
                        working.remove(shift)
                        waiting[:0] = [shift] if shift.numbers else []
        finally:
            for shift in working:
                shift.stop()

    def _begin(self, shift: _Shift) -> None:
        self._made += 1
        folder = self._materials.parent / f"child{self._made}"
        shift.begin(folder, self._materials, self._seed)


class _Shift:
    """A child, and the attempts that it has still to make."""

    def __init__(self, attack: Attack, numbers: list[int]) -> None:
        self.attack, self.numbers = attack, numbers
        self._status: int | None = None

    def begin(self, folder: Path, materials: Path, seed: int) -> None:
        self._folder, self._read, self._status, self._prepared = folder, 0, None, False
        folder.mkdir()
        log, numbers = folder / "log", list(self.numbers)
        log.touch()
        self._heard = time.monotonic()
        self._process = start(lambda: _attempts(self.attack, numbers, seed, materials, folder), folder / "output")

    def news(self) -> Iterator[Attempt]:
        """Yield the attempts that were made since the last call."""
        with open(self._folder / "log", encoding="utf-8") as log:
            log.seek(self._read)
            for line in log.readlines():
                if not line.endswith("\n"):
                    break
                self._read += len(line.encode())
                self._heard = time.monotonic()
                number, *outcome = json.loads(line)
                if number is None:
                    self._prepared = True
                    continue
                self.numbers.remove(number)
                yield Attempt(self.attack.name, number, Outcome(*outcome))

    def ended(self) -> bool:
        """Return whether the child has ended. Kill it if it has been silent for too long."""
        process, status = os.waitpid(self._process, os.WNOHANG)
        if process:
            self._status = os.waitstatus_to_exitcode(status)
            self._kill_group()
        elif time.monotonic() - self._heard > self.attack.limit + _SILENCE:
            self.stop()
        return self._status is not None

    def lost(self) -> Iterator[Attempt]:
        """Yield the attempt in which the child died, if it did not make all. Give up if it died before the first."""
        if self.numbers:
            output = (self._folder / "output").read_text(encoding="utf-8", errors="replace")
            words = f"the process ended with {self._status}: {output[-1000:]}"
            yield Attempt(self.attack.name, self.numbers.pop(0), fault(words))
            if not self._prepared:
                self.numbers.clear()

    def stop(self) -> None:
        """Kill the child and its own children."""
        self._kill_group()
        os.waitpid(self._process, 0)
        self._status = -signal.SIGKILL

    def clean(self) -> None:
        """Remove the folder of the child."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process, signal.SIGKILL)


def _child(work: Callable[[], object], output: Path) -> NoReturn:
    status = 1
    try:
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for stream in (1, 2):
            os.dup2(file, stream)
        # A background job ignores Ctrl-C, and a process that it starts inherits that.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        work()
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException as error:
        os.write(2, f"{describe(error)}\n".encode())
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _attempts(attack: Attack, numbers: list[int], seed: int, materials: Path, folder: Path) -> None:
    os.setsid()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    os.environ["DEEPGUM_CACHE"] = str(folder / "cache")
    os.environ["TMPDIR"] = str(folder / "temporary")
    (folder / "temporary").mkdir()
    shutil.copytree(materials, folder / "work" / "user")
    os.chdir(folder / "work" / "user")
    attack.prepare()
    with open(folder / "log", "a", encoding="utf-8") as log:
        log.write("[null]\n")
        for number in numbers:
            outcome: Any
            try:
                with at_most(attack.limit):
                    outcome = attack.attempt(number, Random(f"{seed} {attack.name} {number}"))
            except TimeUp:
                outcome = fault(f"it took more than {attack.limit:g} seconds")
            log.write(json.dumps([number, *outcome]) + "\n")
            log.flush()
