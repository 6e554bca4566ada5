"""Fit the mixture to residuals that are larger than memory, from a Parquet file, and to a tenth of them in memory.

The residuals are drawn from the model itself: a correlated Gaussian with probability 0.7, otherwise a box. Each fit
runs in a process of its own, whose peak memory (resident set) is measured. The figures to look at are that peak, which
must not grow with the rows, the seconds an iteration costs, and how far the parameters are from the true ones in
standard errors (those that would hold if it were known who is an outlier; here the two hardly overlap). On a busy
machine look at the processor's seconds, which do not count the waiting.
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
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from deepgum.data.residual_files import ParquetBatches
from deepgum.mixture import GaussianUniformMixture

D, PRIOR, HALF_WIDTH, CHUNK = 10, 0.7, 20.0, 2**18
COVARIANCE = 0.5 * np.eye(D) + 0.5 + np.diag(np.arange(D) / D)
MEBIBYTE = 2**20


def write(file: Path, rows: int, seed: int, compression: str) -> None:
    """Write residuals of the model, a chunk at a time, under another name until all are there."""
    generator = np.random.default_rng(seed)
    factor = np.linalg.cholesky(COVARIANCE).astype(np.float32)
    schema = pa.schema([(f"residual_{i}", pa.float32()) for i in range(D)])
    unfinished = file.with_name(file.name + ".unfinished")
    with pq.ParquetWriter(unfinished, schema, compression=compression, use_dictionary=False) as writer:
        for first in range(0, rows, CHUNK):
            n = min(CHUNK, rows - first)
            residuals = factor @ generator.standard_normal((D, n), np.float32)
            wide = generator.random((D, n), np.float32) * np.float32(2 * HALF_WIDTH) - np.float32(HALF_WIDTH)
            residuals = np.where(generator.random(n) < PRIOR, residuals, wide)
            writer.write_table(pa.table(list(residuals), schema=schema), row_group_size=CHUNK)
    os.replace(unfinished, file)


def clocks() -> np.ndarray:
    """Seconds that have passed, and that this process has worked."""
    return np.array([time.perf_counter(), time.process_time()])


class Timed:
    """Batches that note how long each pass over them takes, and its reading alone, by both clocks."""

    def __init__(self, batches: ParquetBatches) -> None:
        self.batches = batches
        self.passes: list[np.ndarray] = []
        self.reading: list[np.ndarray] = []

    def __iter__(self) -> Iterator[object]:
        reader, began, reading = iter(self.batches), clocks(), np.zeros(2)
        while True:
            start = clocks()
            batch = next(reader, None)
            reading += clocks() - start
            if batch is None:
                break
            yield batch
        self.passes.append(clocks() - began)
        self.reading.append(reading)


def tenth(batches: ParquetBatches) -> np.ndarray:
    """Read a tenth of the rows into memory."""
    rows, filled = batches.n_rows // 10, 0
    residuals = np.empty((rows, D), np.float32)
    for batch in batches:
        part = batch[: rows - filled]
        residuals[filled : filled + len(part)] = part
        filled += len(part)
        if filled == rows:
            break
    return residuals


def fit(file: Path, batch_size: int, how: str) -> dict[str, object]:
    """Fit in this process, and tell what it took."""
    batches = Timed(ParquetBatches(file, batch_size=batch_size))
    rows, mixture = batches.batches.n_rows, GaussianUniformMixture()
    if how == "all":
        start = clocks()
        mixture.fit_batches(batches)
        took = clocks() - start
        # The last five passes are the verdict's: E steps, too. The first are the survey's and the scales'.
        iteration, reading = np.median(batches.passes[-5:], axis=0), np.median(batches.reading[-5:], axis=0)
    else:
        residuals = tenth(batches.batches)
        rows = len(residuals)
        start = clocks()
        mixture.fit(residuals)
        took, reading = clocks() - start, np.zeros(2)
        peak = peak_memory()
        iteration = one_iteration(residuals)
    return {
        "rows": rows,
        "peak": peak_memory() if how == "all" else peak,
        "fit": took.tolist(),
        "iteration": iteration.tolist(),
        "reading": reading.tolist(),
        "passes": len(batches.passes),
        "n_iter": mixture.n_iter_,
        "status": mixture.status_[0].name,
        "prior": float(mixture.inlier_prior_[0]),
        "covariance": np.asarray(mixture.covariances_[0]).tolist(),
        "log_density": float(mixture.log_uniform_density_[0]),
    }


def peak_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def one_iteration(residuals: np.ndarray, turns: int = 3, more: int = 20) -> np.ndarray:
    """Seconds of an iteration in memory: the difference between a long and a short fit, the median of several turns."""

    def took(iterations: int) -> np.ndarray:
        start = clocks()
        GaussianUniformMixture(tol=0, max_iter=iterations).fit(residuals)
        return clocks() - start

    took(1)  # warms up
    return np.median([took(1 + more) - took(1) for _ in range(turns)], axis=0) / more


def deviations(found: dict[str, object]) -> np.ndarray:
    """How far prior, covariance and log density are from the true ones, in standard errors."""
    n = found["rows"]
    variance = np.diag(COVARIANCE)
    prior = (found["prior"] - PRIOR) / math.sqrt(PRIOR * (1 - PRIOR) / n)
    spread = np.sqrt((np.outer(variance, variance) + COVARIANCE**2) / (n * PRIOR))
    covariance = ((np.array(found["covariance"]) - COVARIANCE) / spread)[np.triu_indices(D)]
    # A box's variance is known to sqrt(0.8 / n) of itself, its log width to half of that, and there are D of them.
    density = (found["log_density"] + D * math.log(2 * HALF_WIDTH)) / math.sqrt(0.2 * D / (n * (1 - PRIOR)))
    return np.array([prior, *covariance, density])


def report(name: str, found: dict[str, object]) -> None:
    n, away = found["rows"], deviations(found)
    print(f"{name}: {n:,} rows of {D}, {found['status']} after {found['n_iter']} iterations")
    print(f"  peak memory          {found['peak'] / MEBIBYTE:9.0f} MiB")
    print(f"  fit                  {both(found['fit'])}" + f"   {found['passes']} passes" * bool(found["passes"]))
    print(
        f"  an iteration         {both(found['iteration'])}   {1e9 * found['iteration'][1] / n / D:.1f} ns a residual"
    )
    if found["passes"]:
        print(f"    of which reading   {both(found['reading'])}")
    print(f"  off the truth by     {abs(away).max():9.1f} standard errors at most, {np.sqrt(np.mean(away**2)):.2f} rms")


def both(seconds: list[float]) -> str:
    return f"{seconds[0]:9.2f} s, the processor {seconds[1]:.2f} s"


def in_a_fresh_process(arguments: argparse.Namespace, how: str) -> dict[str, object]:
    own = [sys.executable, __file__, "--how", how, "--file", arguments.file, "--batch", str(arguments.batch)]
    return json.loads(subprocess.run(own, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--file", type=Path, default=Path("residuals.parquet"), help="written if it is not there")
    parser.add_argument("--rows", type=int, default=50_000_000, help="of a file that is written")
    parser.add_argument("--batch", type=int, default=65_536, help="rows of a batch")
    parser.add_argument("--compression", default="none", help="of a file that is written: none, lz4, snappy, zstd")
    parser.add_argument("--seed", type=int, default=0, help="of a file that is written")
    parser.add_argument("--how", choices=["all", "tenth"], help="fit in this process, and print figures as JSON")
    arguments = parser.parse_args()
    if arguments.how:
        print(json.dumps(fit(arguments.file, arguments.batch, arguments.how)))
        return
    if not arguments.file.exists():
        write(arguments.file, arguments.rows, arguments.seed, arguments.compression)
    print(f"{torch.get_num_threads()} threads; {arguments.file.stat().st_size / MEBIBYTE:,.0f} MiB on disk")
    report("all, from the file", in_a_fresh_process(arguments, "all"))
    report("a tenth, in memory", in_a_fresh_process(arguments, "tenth"))


if __name__ == "__main__":
    main()
