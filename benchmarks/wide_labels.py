"""Time and memory of `score_labels` on wide labels: many coordinates in one group, many groups, many samples.

Each size runs in a process of its own with one thread. The peak is the resident memory of the whole process, PyTorch
included. The growth exponent between two sizes is log(time ratio) / log(size ratio): 1 is linear.

    python benchmarks/wide_labels.py --out docs/results/faults/wide-labels.txt
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

# name: (sizes that are compared, samples, columns, coordinates in a group)
SERIES = {
    "coordinates, each a group": [(300, d, 1) for d in (1_250, 2_500, 5_000, 10_000)],
    "groups of two (landmarks)": [(300, 2 * g, 2) for g in (100, 200, 400, 800)],
    "one group of k": [(2_000, k, k) for k in (17, 34, 68, 136)],
    "one group of 500": [(600, 500, 500)],
}


def measure(n: int, d: int, k: int) -> dict[str, float]:
    """Score n samples of d labels in groups of k: 5 % of the groups are wrong, a fifth of them by a factor of 10."""
    import numpy as np
    import torch

    from deepgum import score_labels

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    predicted = rng.normal(50, 20, (n, d))
    given = predicted + rng.normal(0, 1, (n, d))
    wrong = np.repeat(rng.random((n, d // k)) < 0.05, k, axis=1)
    factor = np.repeat(rng.random((n, d // k)) < 0.2, k, axis=1)
    given = np.where(wrong, np.where(factor, 10 * given, predicted + rng.uniform(-40, 40, (n, d))), given)
    groups = [list(range(start, start + k)) for start in range(0, d, k)]
    begun, used = time.perf_counter(), time.process_time()
    scored = score_labels(predicted, given, groups=groups)
    return {
        "seconds": time.perf_counter() - begun,
        "cpu": time.process_time() - used,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "flags": int(scored.labels.flags.sum()),
    }


def in_process(n: int, d: int, k: int) -> dict[str, float]:
    """Return the result of `measure` in a new process with one thread."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--one", str(n), str(d), str(k)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def main() -> None:
    """Print a table for each series of sizes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, metavar="FILE", help="writes what is printed to FILE, too")
    parser.add_argument("--one", type=int, nargs=3, metavar=("N", "D", "K"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(*arguments.one)))
        return
    lines = [f"{'samples x columns':>18} {'groups':>7} {'flags':>8} {'seconds':>8} {'CPU s':>7} {'peak MB':>8}  growth"]
    for name, sizes in SERIES.items():
        lines += ["", name]
        found = []
        for n, d, k in sizes:
            each = in_process(n, d, k)
            found.append((d, each))
            growth = ""
            for (small, before), (large, after) in pairwise(found[-2:]):
                ratio = math.log(large / small)
                growth = f"time {math.log(after['cpu'] / before['cpu']) / ratio:.2f}"
            lines.append(
                f"{f'{n:,} x {d:,}':>18} {d // k:>7,} {each['flags']:>8,.0f} {each['seconds']:>8.1f} "
                f"{each['cpu']:>7.1f} {each['megabytes']:>8,.0f}  {growth}"
            )
            print(*lines[-1:], flush=True)
    print("", *lines, sep="\n")
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
