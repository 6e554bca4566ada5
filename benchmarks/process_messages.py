"""The constants of `docs/scaling.md`: what processes keep and tell each other, and how long that takes on this machine.

Starts processes of one thread each that talk by gloo over the loopback, and prints, of the repeats the least:

- the seconds of a small all-reduce (the sums of an EM iteration) and of a large one (the histograms of the quantiles);
- the seconds to fetch the weights of a batch from the processes that keep them, where `expect` was not called;
- the processor's seconds to deliver an epoch's residuals, of an EM iteration, of all else in a fit, and of a whole
  update, for each million of a process's samples: without the waiting, which is the messages' and a busy machine's;
- the messages of each kind that a step, an update (of so many EM iterations) and a score take;
- the bytes that a process keeps of a sample between the epochs, in an epoch, and at the height of an update (Linux);
- the bytes at the height of a fit, all at once and in batches, with the processor's seconds (Linux), and those that
  torch's own sampler takes of every sample in every process.

    OMP_NUM_THREADS=1 python benchmarks/process_messages.py --processes 2
"""

from __future__ import annotations

import argparse
import collections
import ctypes
import sys
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DistributedSampler

from deepgum.mixture import GaussianUniformMixture
from deepgum.processes import TorchProcesses
from deepgum.training import DeepGUMOptions
from deepgum.training.samples.owners import Owners
from deepgum.training.tracker import ResponsibilityTracker
from two_processes import mixed, together

MEGA = 1_000_000


class Counted(TorchProcesses):
    """Processes that count their messages, and the bytes of the largest."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: collections.Counter[str] = collections.Counter()
        self.largest: collections.Counter[str] = collections.Counter()

    def _reduce(self, values: torch.Tensor, operation: Any) -> torch.Tensor:
        self._note("all-reduce", values.nbytes)
        return super()._reduce(values, operation)

    def exchange(self, parts: Any) -> list[torch.Tensor]:
        # Two: how many rows, and the rows.
        self._note("all-to-all", sum(part.nbytes for part in parts))
        self.messages["all-to-all"] += 1
        return super().exchange(parts)

    def _note(self, kind: str, size: int) -> None:
        self.messages[kind] += 1
        self.largest[kind] = max(self.largest[kind], size)

    def told(self, task: Callable[[], object]) -> dict[str, Any]:
        """Return the messages of a task."""
        self.messages.clear()
        self.largest.clear()
        task()
        return {kind: [self.messages[kind], self.largest[kind]] for kind in self.messages}


def measure(arguments: argparse.Namespace, folder: Path, rank: int) -> dict[str, Any]:
    """Return all figures of one process."""
    processes, n = Counted(), arguments.samples
    world_size, d, groups = processes.world_size, 10, arguments.groups
    options = DeepGUMOptions(groups=groups, warmup_epochs=1)

    def seconds(task: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
        times = []
        for _ in range(arguments.repeats):
            processes.sum(torch.zeros(1))  # all begin at once
            began = clock()
            task()
            times.append(clock() - began)
        return min(times)

    figures: dict[str, Any] = {}
    if sys.platform == "linux":
        memory(1000, options)  # all code is loaded
        figures["memory"] = memory(n // world_size, options)
        figures["fits"] = fits(n // world_size, groups)
    figures["sampler"] = sampler(100_000)
    small, large = torch.zeros(200, dtype=torch.float64), torch.zeros(2**21, dtype=torch.float64)
    figures["small all-reduce"] = seconds(lambda: [processes.sum(small) for _ in range(20)]) / 20
    figures["16 MiB all-reduce"] = seconds(lambda: processes.sum(large))

    order = torch.randperm(n, generator=torch.Generator().manual_seed(1))[rank::world_size]
    owners = Owners(n, processes)
    weights = torch.rand(len(owners.index), d)
    batch = order[: arguments.batch // world_size]
    figures["fetch"] = seconds(lambda: [owners.fetch(batch, weights) for _ in range(20)]) / 20
    residuals = mixed(n, seed=0)
    figures["deliver"] = seconds(lambda: owners.deliver(order, residuals[order], order), time.process_time)

    own = residuals[owners.index]

    def fit(iterations: int) -> object:
        return GaussianUniformMixture(groups=groups, tol=0, max_iter=iterations).fit(own, processes=processes)

    short, long = (seconds(partial(fit, iterations), time.process_time) for iterations in (1, 11))
    figures["EM iteration"] = (long - short) / 10
    figures["rest of a fit"] = short

    tracker = ResponsibilityTracker(n, options=options, targets=residuals, processes=processes)
    for scale in (1.0, 1.5):
        for index in order.split(4096):
            tracker.record(index, scale * residuals[index])
        tracker.update()
    some = residuals[batch]
    figures["messages of a step"] = processes.told(lambda: tracker.loss(torch.zeros_like(some), some, batch))
    for index in order.split(4096):
        tracker.record(index, residuals[index])
    began = time.process_time()
    figures["messages of an update"] = processes.told(tracker.update)
    figures["update"] = time.process_time() - began
    assert tracker.mixture is not None
    figures["iterations"] = tracker.mixture.n_iter_
    figures["messages of a score"] = processes.told(lambda: tracker.score(own[:1000]))
    return figures


def pages() -> int:
    """Return the bytes of this process that are in memory."""
    # What is freed goes back to the system, so that what is kept can be seen.
    ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def top(task: Callable[[], object]) -> int:
    """Return the bytes of this process at the height of a task."""
    Path("/proc/self/clear_refs").write_text("5")
    task()
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def fits(n: int, groups: str) -> dict[str, tuple[float, float]]:
    """Return bytes a sample and seconds for each million of a fit of ten iterations by one process."""
    residuals, figures = mixed(n, seed=0), {}
    parts = residuals.split(2**16)
    for name, fit in (("at once", lambda m: m.fit(residuals)), ("in batches", lambda m: m.fit_batches(parts))):
        start, began = pages(), time.process_time()
        height = top(partial(fit, GaussianUniformMixture(groups=groups, tol=0, max_iter=10)))
        figures[name] = ((height - start) / n, (time.process_time() - began) / n * MEGA)
    return figures


def sampler(n: int) -> float:
    """Return bytes a sample of what torch's sampler holds while it deals them out."""
    tracemalloc.start()
    iter(DistributedSampler(range(n), num_replicas=64, rank=0, shuffle=False))
    size = tracemalloc.get_traced_memory()[1] / n
    tracemalloc.stop()
    return size


def memory(n: int, options: DeepGUMOptions) -> dict[str, float]:
    """Return bytes a sample of a tracker that keeps n, at rest, at an epoch's end and at the height of its update."""
    start = pages()
    tracker = ResponsibilityTracker(n, options=options)
    for _ in range(2):
        for index in torch.arange(n).split(4096):
            # Labels that are drawn here take no memory later; predictions of 0 make them residuals.
            labels = mixed(len(index), seed=int(index[0]))
            tracker.loss(torch.zeros_like(labels), labels, index)
        full = pages()
        height, rest = top(tracker.update), pages()
    sizes = {"at rest": rest, "at an epoch's end": full, "in an update": height}
    return {when: (size - start) / n for when, size in sizes.items()}


def main() -> None:
    """Print the figures of the first process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--samples", type=int, default=400_000, help="of all processes together, of ten coordinates")
    parser.add_argument("--groups", choices=["sample", "landmark", "coordinate"], default="landmark")
    parser.add_argument("--batch", type=int, default=256, help="of all processes together")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    figures = together(arguments.processes, 1, lambda folder, rank: measure(arguments, folder, rank))[0]
    millions = arguments.samples / arguments.processes / MEGA
    print(
        f"{arguments.processes} processes, {arguments.samples} samples of 10 coordinates, groups={arguments.groups!r}"
    )
    for name in ("small all-reduce", "16 MiB all-reduce"):
        print(f"{name}: {1e3 * figures[name]:.3f} ms")
    print(f"fetch of the weights of a batch of {arguments.batch}: {1e3 * figures['fetch']:.3f} ms")
    for name in ("deliver", "EM iteration", "rest of a fit", "update"):
        print(f"{name}: {figures[name] / millions:.3f} s for each million samples of a process")
    for name, of in (("a step", ""), ("an update", f" of {figures['iterations']} EM iterations"), ("a score", "")):
        told = figures[f"messages of {name}"].items()
        print(f"{name}{of}: " + ", ".join(f"{count} {kind}s of up to {size} bytes" for kind, (count, size) in told))
    for when, size in figures.get("memory", {}).items():
        print(f"tracker {when}: {size:.0f} bytes a sample that it keeps")
    for name, (size, took) in figures.get("fits", {}).items():
        print(f"fit {name}: {size:.0f} bytes a sample, {took:.2f} s for each million")
    print(f"torch's sampler: {figures['sampler']:.0f} bytes a sample in every process")


if __name__ == "__main__":
    main()
