"""`kill -9` at random moments of `deepgum fit`, after each the same command again: do the bytes stay the same?

OMP_NUM_THREADS=1 python benchmarks/kill_and_resume.py --kills 20

Trains on digits, two in five corners of which are moved, once without a kill; then, for each kill, anew in a folder of
its own: killed at a random moment between the start of the training and the last of its results (pictures are drawn
after it), and begun again until it is through. The moments are drawn uniformly from the seconds of the processor that
the first run took, so that they mean the same on a machine that is busy; up to 0.1 s of waiting comes on top, for a
process that waits for the disk uses none. Prints a line a kill (when, from where it went on, whether the kill left half
a file behind, whether all final files are the same) and a last line. Compared are the network, posteriors, predictions,
images, configuration, scores and history, the last two without wall times. Linux only: it reads /proc.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from deepgum.experiments.runs.run_folder import RunFolder

CONFIG = """
seed = 0

[data]
name = "digits"
image_size = 24
train_size = {samples}

[method]
name = "deepgum"
schedule = {{ name = "{schedule}"{rounds} }}

[corruption]
noise = "l-ugo"
rate = 0.4

[training]
schedule = "cosine"
epochs_max = {epochs}
"""


class Command:
    """`deepgum fit` of one configuration."""

    def __init__(self, config: Path) -> None:
        self.config = config

    def start(self, out: Path) -> subprocess.Popen[str]:
        """Return the process, in a folder that is new or holds what an earlier one has left."""
        command = [sys.executable, "-m", "deepgum", "fit", self.config, "--out", out, "--threads", "1"]
        return subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def finish(self, out: Path) -> str:
        """Run to the end, and return what is printed."""
        process = self.start(out)
        printed, _ = process.communicate()
        if process.returncode:
            raise SystemExit(printed)
        return printed

    def measure(self, out: Path) -> tuple[float, float]:
        """Run to the end; return at which seconds of the processor the training began, and all results were there."""
        process, began, ended = self.start(out), 0.0, 0.0
        while process.poll() is None:
            spent = processor_seconds(process)
            began = began or spent * (out / "environment.json").exists()
            ended = ended or spent * (out / "metrics.json").exists()
            time.sleep(0.01)
        if process.returncode:
            raise SystemExit(process.communicate()[0])
        return began, ended

    def kill_at(self, out: Path, moment: float, wait: float) -> bool:
        """Kill the process at some second of the processor; return whether there was still one to kill."""
        process = self.start(out)
        while process.poll() is None and processor_seconds(process) < moment:
            time.sleep(0.002)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return process.returncode == -signal.SIGKILL


def processor_seconds(process: subprocess.Popen[str]) -> float:
    """Return how long a process has been at work; 0 where it has ended."""
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def final(out: Path) -> dict[str, Any]:
    """Return what a run has made, without wall times and the environment."""
    folder = RunFolder(out)
    files = {path.name: path.read_bytes() for path in out.iterdir() if path.suffix not in (".png", ".svg")}
    for name in ("environment.json", "metrics.json", "history.jsonl"):
        del files[name]
    files.pop(".lock", None)
    lines = [json.loads(line) for line in folder.history_file.read_text().splitlines()]
    metrics = json.loads(folder.metrics_file.read_text())
    return files | {"history": [line | {"seconds": 0} for line in lines], "metrics": metrics | {"seconds": 0}}


def kills(command: Command, folder: Path, number: int, generator: random.Random) -> int:
    """Kill and go on so many times, and return how often the final files were the same."""
    began, ended = command.measure(folder / "whole")
    expected = final(folder / "whole")
    epochs = expected["metrics"]["epochs"]
    print(f"  without a kill: training from {began:.1f} s, results at {ended:.1f} s, {epochs} epochs", flush=True)
    equal = done = 0
    while done < number:
        out, moment = folder / "killed", generator.uniform(began, ended)
        for left in out.glob("*") if out.is_dir() else ():
            left.unlink()
        if not command.kill_at(out, moment, generator.uniform(0, 0.1)):
            print(f"  {moment:6.2f} s: it was through before", flush=True)
            continue
        done += 1
        half = sum(path.suffix in (".tmp", ".partial") for path in out.iterdir())
        finished = (out / "metrics.json").exists()
        went_on = re.search(r"going on after (.*)\.", command.finish(out))
        same = final(out) == expected
        equal += same
        where = f"went on after {went_on[1]}" if went_on else "was finished" if finished else "began again"
        print(f"  {moment:6.2f} s: {where}; {half} half-written; {'equal' if same else 'DIFFERENT'}", flush=True)
    return equal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="of each schedule")
    parser.add_argument("--schedules", default="interleaved,alternate", help="of EM, with commas between them")
    parser.add_argument("--samples", type=int, default=1200)
    parser.add_argument("--epochs", type=int, default=24, help="the most of one run of SGD")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    arguments = parser.parse_args()
    wrong = 0
    for schedule in arguments.schedules.split(","):
        print(schedule)
        with tempfile.TemporaryDirectory() as name:
            config = Path(name) / "run.toml"
            rounds = ", rounds_max = 2" if schedule == "alternate" else ""
            config.write_text(
                CONFIG.format(schedule=schedule, rounds=rounds, samples=arguments.samples, epochs=arguments.epochs)
            )
            equal = kills(Command(config), Path(name), arguments.kills, random.Random(arguments.seed))
        print(f"{schedule}: {equal} of {arguments.kills} runs that were killed ended with the same bytes")
        wrong += arguments.kills - equal
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
