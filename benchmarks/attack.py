"""Attack deepgum: mutated files, killed commands, full disks and forged requests; how many attempts find a fault?

    python benchmarks/attack.py
    python benchmarks/attack.py --share 0.1                      # a tenth of the attempts
    python benchmarks/attack.py --seed 1 --only "CSV: score:17"  # one attempt again

Each attempt ends in one of three ways. "Refused": the command ended with an error that names the problem. "Accepted":
the command, or the same command after a kill, gave the right result. "Fault": a traceback, a hang, a file of the user
that was changed or lost, an acknowledged decision that was lost, a result that differs from that without a kill, a
forged request that was served, or temporary files that the next command did not remove. The exit status is 1 if there
is a fault.

Linux only. Full disks are file systems in memory if this process may mount them, which needs the rights of the system
administrator; otherwise, a limit on the size of files. The random numbers of an attempt depend on the seed and on its
number alone. The moments of kills also depend on the speed of the machine.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import platform
import sys
import tempfile
import time
import warnings
from collections import Counter, defaultdict
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported

import torch

import deepgum
from attack import children, disks, forged, inputs, killed_review, kills, materials, overwrites, poses
from attack.outcome import ACCEPTED, FAULT, REFUSED

WITHOUT = {"deepgum.__main__", "deepgum.lightning"}
"""Modules that no command of the attack needs."""

ATTACKS: list[children.Attack] = [
    *inputs.ATTACKS,
    *poses.ATTACKS,
    *overwrites.ATTACKS,
    *kills.ATTACKS,
    *killed_review.ATTACKS,
    *disks.ATTACKS,
    *forged.ATTACKS,
]


def import_all() -> None:
    """Import all modules of deepgum, so that copies of this process start at once."""
    for module in pkgutil.walk_packages(deepgum.__path__, "deepgum."):
        if module.name not in WITHOUT:
            importlib.import_module(module.name)
    torch.set_num_threads(1)


def make_all() -> None:
    """Write the files that are attacked into the working folder."""
    materials.make(Path("."))
    poses.make(Path("."))


def jobs(share: float, only: str) -> list[tuple[children.Attack, list[int]]]:
    """Return pairs of an attack and numbers of its attempts, the long ones in several parts."""
    name, colon, number = only.rpartition(":")
    names = {attack.name for attack in ATTACKS}
    chosen = []
    for attack in ATTACKS:
        count = max(round(attack.attempts * share), 1)
        if only in names:
            numbers = list(range(count)) if attack.name == only else []
        elif colon and number.isdecimal():
            numbers = [int(number)] if attack.name == name else []
        else:
            numbers = list(range(count)) if attack.name.startswith(only) else []
        size = max(len(numbers) // 4, 20)
        chosen += [(attack, numbers[first : first + size]) for first in range(0, len(numbers), size)]
    return chosen


def table(attempts: list[children.Attempt]) -> list[str]:
    """Return the lines of the table."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for attempt in attempts:
        counts[attempt.attack][attempt.outcome.kind] += attempt.outcome.count
    width = max(map(len, [*counts, "kind of attack"]))
    lines = [f"{'kind of attack':{width}}  {'tried':>6} {'refused':>8} {'accepted':>9} {'faults':>7}"]
    for name, count in [
        *sorted(counts.items(), key=lambda pair: _order(pair[0])),
        ("all", sum(counts.values(), Counter())),
    ]:
        numbers = count.total(), count[REFUSED], count[ACCEPTED], count[FAULT]
        lines.append("{:{}}  {:>6} {:>8} {:>9} {:>7}".format(name, width, *numbers))
    return lines


def _processor_seconds() -> float:
    """Return the seconds of the processor that this process and its ended children used."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _order(name: str) -> int:
    return [attack.name for attack in ATTACKS].index(name)


def main() -> None:
    """Make all attempts, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="seed of all attempts")
    parser.add_argument("--share", type=float, default=1.0, help="share of the attempts, for a quick look")
    parser.add_argument("--only", default="", metavar="NAME[:NUMBER]", help="one kind of attack, or one attempt of it")
    parser.add_argument("--each", action="store_true", help="print each attempt")
    parser.add_argument("--workers", type=int, default=2, help="attempts that are made at the same time")
    parser.add_argument("--out", type=Path, help="a file for the output")
    given = parser.parse_args()
    begun = time.monotonic()
    warnings.simplefilter("ignore")
    import_all()
    attempts, faults = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "materials"
        folder.mkdir()
        mounts = children.start(lambda: (os.chdir(name), sys.exit(not disks.SmallDisk().works)), Path(name) / "output")
        disk = "limits on the size of files" if children.finish(mounts, 60) else "file systems in memory, and limits"
        made = children.start(lambda: (os.chdir(folder), make_all()), Path(name) / "output")
        if children.finish(made, 120):
            sys.exit((Path(name) / "output").read_text(encoding="utf-8"))
        chosen = jobs(given.share, given.only)
        if not chosen:
            parser.error(f"--only should be the beginning of one of: {', '.join(attack.name for attack in ATTACKS)}")
        total = sum(len(numbers) for _, numbers in chosen)
        for attempt in children.Crew(folder, given.seed, given.workers).work(chosen):
            attempts.append(attempt)
            if len(attempts) % 200 == 0:
                print(f"{len(attempts)} of {total}, {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
            if given.each and attempt.outcome.kind != FAULT:
                print(f"{attempt.attack}:{attempt.number} {attempt.outcome.kind}: {attempt.outcome.words}", flush=True)
            if attempt.outcome.kind == FAULT:
                again = f'python benchmarks/attack.py --seed {given.seed} --only "{attempt.attack}:{attempt.number}"'
                faults.append(f"FAULT {attempt.outcome.words}\n      {again}")
                print(faults[-1], flush=True)
    lines = [f"python benchmarks/attack.py --seed {given.seed} --share {given.share:g}"]
    lines += ["", *table(attempts), "", *faults]
    lines += [
        f"{time.monotonic() - begun:.0f} s, {given.workers} workers, {_processor_seconds():.0f} s of the processor; "
        f"load of the machine {os.getloadavg()[1]:.1f}; Python {platform.python_version()}; full disks: {disk}"
    ]
    print("\n".join(line for line in lines if line not in faults))
    if given.out is not None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    sys.exit(any(attempt.outcome.kind == FAULT for attempt in attempts))


if __name__ == "__main__":
    main()
