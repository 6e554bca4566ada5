"""Killed commands: a command is killed at random moments, and run again until it ends.

Its results must be those of a run without a kill. No file of the user may change, and no temporary file may stay.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import tomli_w

from attack.children import finish, start
from attack.materials import COMPARE, FEATURES
from attack.outcome import ACCEPTED, Outcome, fault
from attack.results import differences, results
from attack.workspace import Workspace, leftovers
from deepgum.audit.scoring.score_table import score_table
from deepgum.cli import main

TERMINATED = 143
"""Exit status of a command after SIGTERM."""


@dataclass
class Killed:
    """Kills of one command; see `Attack`.

    Parameters
    ----------
    work : callable
        Function that runs the command, whose output is `out`.
    out : str
        The output file or folder.
    row : int
        Largest number of kills before the command may end.
    inputs : callable
        Function that writes further input files.
    resumes : bool
        Whether the command continues at an output that exists. If not, an output after a kill must be whole.
    sent : signal
        The signal. After SIGTERM, the command must also end with status 143 and without temporary files.
    """

    name: str
    attempts: int
    work: Callable[[], object]
    out: str
    row: int = 4
    inputs: Callable[[], None] = lambda: None
    resumes: bool = True
    sent: signal.Signals = signal.SIGKILL
    limit: float = 180.0

    def prepare(self) -> None:
        """Run the command once without a kill, and note its results and the seconds of the processor that it used."""
        self.inputs()
        self._workspace = Workspace(Path("."))
        self._out = Path(self.out)
        process = start(self.work, Path("../printed"))
        self._seconds = 0.0
        while os.waitpid(process, os.WNOHANG)[0] == 0:
            self._seconds = max(self._seconds, _processor_seconds(process))
            time.sleep(0.005)
        self._expected = results(self._out)
        self._workspace.restore()

    def attempt(self, number: int, chance: Random) -> Outcome:
        """Kill the command a few times, and let it end."""
        kills, left = 0, self._seconds
        for _ in range(10 * self.row):
            moment = chance.uniform(0.02, 0.98) * left
            if not self.resumes and chance.random() < 0.5:
                status = self._kill_at_write(chance.uniform(0, 0.002))
            else:
                status = self._kill_at(moment, chance.uniform(0, 0.02))
            if status == -signal.SIGKILL or (status == TERMINATED and self.sent == signal.SIGTERM):
                kills += 1
                wrong = self._wrong_after_kill()
                if wrong:
                    return self._end(fault(f"killed after {moment:.2f} s of the processor: {wrong}"), kills)
                left = max(left - 0.7 * moment, 0.2 * self._seconds)
                if kills == self.row:
                    break
            elif status:
                printed = Path("../printed").read_text(encoding="utf-8", errors="replace")
                return self._end(fault(f"it ended with {status}: {printed[-600:]}"), kills)
            elif kills:
                break
            else:
                self._workspace.restore()
        if not self.resumes:
            self._remove_output()
        printed = Path("../printed")
        printed.unlink()
        status = finish(start(self.work, printed), self.limit / 2)
        if status:
            return self._end(fault(f"then it ended with {status}: {printed.read_text(encoding='utf-8')[-600:]}"), kills)
        different = differences(results(self._out), self._expected)
        changed, left_over = self._workspace.changed([self.out]), leftovers(Path("."))
        if different:
            return self._end(fault(f"other results than without a kill: {different}"), kills)
        if changed or left_over:
            return self._end(fault(f"changed or added: {changed}; temporary files: {left_over}"), kills)
        return self._end(Outcome(ACCEPTED, f"{kills} kills"), kills)

    def _kill_at(self, moment: float, wait: float) -> int:
        """Kill the command when it has used so many seconds of the processor; return its exit status."""
        return self._kill_when(lambda process: _processor_seconds(process) >= moment, wait)

    def _kill_at_write(self, wait: float) -> int:
        """Kill the command when it begins to write, which takes less time than the work before."""
        before = set(os.listdir())
        return self._kill_when(lambda process: not before.issuperset(os.listdir()), wait)

    def _kill_when(self, ready: Callable[[int], bool], wait: float) -> int:
        process = start(self.work, Path("../printed"))
        while not ready(process) and not _has_ended(process):
            time.sleep(0.0005)
        time.sleep(wait)
        os.kill(process, self.sent)
        return finish(process, 30)

    def _wrong_after_kill(self) -> str:
        if self.sent == signal.SIGTERM and leftovers(Path(".")):
            return f"temporary files after SIGTERM: {leftovers(Path('.'))}"
        if not self.resumes and self._out.exists():
            different = differences(results(self._out), self._expected)
            self._remove_output()
            if different:
                return f"the output exists, and is not whole: {different}"
        return ""

    def _remove_output(self) -> None:
        shutil.rmtree(self._out) if self._out.is_dir() else self._out.unlink(missing_ok=True)

    def _end(self, outcome: Outcome, kills: int) -> Outcome:
        self._workspace.restore()
        return outcome._replace(count=max(kills, 1))


def _processor_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _has_ended(process: int) -> bool:
    return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"


def _command(*arguments: str) -> Callable[[], object]:
    return lambda: main(list(arguments))


def _write_config() -> None:
    values: dict[str, Any] = FEATURES | {"training": {"epochs_max": 30, "patience": 30}}
    Path("long.toml").write_text(tomli_w.dumps(values), encoding="utf-8")


def _write_long_table() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(50, 10, (4000, 2)).round(2)
    predicted = (y + rng.normal(0, 1, y.shape) + 20 * (rng.random(y.shape) < 0.1)).round(2)
    lines = [f"{a},{b},{p},{q}" for (a, b), (p, q) in zip(y.tolist(), predicted.tolist(), strict=True)]
    Path("long.csv").write_text("\n".join(["u,v,pred_u,pred_v", *lines]) + "\n", encoding="utf-8")


def _write_wide_patch() -> None:
    """Write a table of many rows, and put it in the place of the small one."""
    header, *lines = Path("faces.csv").read_text(encoding="utf-8").splitlines()
    more = [f"images/more{row:06d}.png,1,2,3,4" for row in range(40000)]
    Path("many.csv").write_text("\n".join([header, *lines, *more]) + "\n", encoding="utf-8")


def _write_ages() -> None:
    """Write a data set of image files with ages in their names, and a patch of it."""
    folder = Path("ages")
    folder.mkdir()
    names = [f"{20 + row % 50}_0_0_2017{row:06d}.jpg.chip.jpg" for row in range(1500)]
    for name in names:
        (folder / name).write_bytes(name.encode())
    head = (
        '{"format": "deepgum-patch", "version": 1, "dataset": "utkface", "options": {}, "targets": ["age"], '
        '"groups": {"age": [0]}}'
    )
    lines = [
        f'{{"id": "{name}", "group": "age", "old": [{20 + row % 50}], "new": [{30 + row % 50}], "decision": "fix"}}'
        for row, name in enumerate(names[:300])
    ]
    Path("ages.patch.jsonl").write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")


def _score() -> None:
    """Score the table in batches, as the command does with tables of millions of rows."""
    score_table.__kwdefaults__["in_memory"] = 0
    main(["score", "long.csv", "--inliers", "gaussian", "--out", "o.csv"])


_COMMANDS: dict[str, dict[str, Any]] = {
    "fit": {"work": _command("fit", "long.toml", "--out", "out"), "out": "out", "inputs": _write_config},
    "audit": {"work": _command("audit", "audit.toml", "--out", "out"), "out": "out"},
    "compare": {"work": _command(*COMPARE, "--out", "out"), "out": "out"},
    "streamed score": {"work": _score, "out": "o.csv", "inputs": _write_long_table},
    "apply to a table": {
        "work": _command("apply", "p.patch.jsonl", "many.csv", "--out", "n.csv"),
        "out": "n.csv",
        "inputs": _write_wide_patch,
        "resumes": False,
    },
    "apply to a folder": {
        "work": _command("apply", "ages.patch.jsonl", "ages", "--out", "n"),
        "out": "n",
        "inputs": _write_ages,
        "resumes": False,
    },
}

ATTACKS: list[Killed] = [
    *(Killed(f"kill -9: {name}", 6, **how) for name, how in _COMMANDS.items()),
    *(Killed(f"SIGTERM: {name}", 2, row=3, sent=signal.SIGTERM, **how) for name, how in _COMMANDS.items()),
]
