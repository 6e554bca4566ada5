"""Time one EM iteration against scikit-learn's `GaussianMixture(2)` on the same pairs of coordinates.

The time of an iteration is the difference between a long and a short fit over the difference in iterations, so that
neither library's start, checks or last pass counts. All fits run in this one process, in turn, and of each the least
time of the repeats is taken. The figure to look at is the ratio. On a busy machine take `--clock cpu` and one thread
(OMP_NUM_THREADS=1): processor time does not count the waiting.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from deepgum.errors import IdentifiabilityWarning
from deepgum.mixture import GaussianUniformMixture

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
OURS = 8


def residuals(n: int, landmarks: int, outliers: float, seed: int) -> np.ndarray:
    """Gaussian residuals (n, 2 landmarks) of which a fraction of the landmarks is uniform over a wide square."""
    generator = np.random.default_rng(seed)
    wrong = generator.random((n, landmarks, 1)) < outliers
    inliers = generator.normal(size=(n, landmarks, 2))
    return np.where(wrong, generator.uniform(-20, 20, size=inliers.shape), inliers).reshape(n, 2 * landmarks)


def seconds(task: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    task()
    return clock() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--samples", type=int, default=1_000_000, help="number of samples")
    parser.add_argument("--landmarks", type=int, default=5, help="number of groups of two coordinates")
    parser.add_argument("--outliers", type=float, default=0.3, help="fraction of outlying landmarks")
    parser.add_argument(
        "--iterations",
        type=int,
        nargs=2,
        default=(1, 5),
        metavar=("SHORT", "LONG"),
        help="of scikit-learn's fits; the difference is 8 times as much for ours",
    )
    parser.add_argument("--repeats", type=int, default=3, help="times each fit is timed; the least counts")
    parser.add_argument("--seed", type=int, default=0, help="of the residuals")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="time that has passed, or that was worked")
    arguments = parser.parse_args()

    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.simplefilter("ignore", IdentifiabilityWarning)
    data = residuals(arguments.samples, arguments.landmarks, arguments.outliers, arguments.seed)
    pairs = [np.ascontiguousarray(data[:, i : i + 2]) for i in range(0, data.shape[1], 2)]
    tensor = torch.from_numpy(data)

    def ours(iterations: int) -> object:
        return GaussianUniformMixture(groups="landmark", tol=0, max_iter=iterations).fit(tensor)

    def theirs(iterations: int) -> object:
        settings = {"max_iter": iterations, "tol": 0.0, "init_params": "random", "random_state": arguments.seed}
        return [GaussianMixture(2, **settings).fit(pair) for pair in pairs]

    short, long = arguments.iterations
    # A short iteration needs more of them to stand out of the noise of all else in a fit.
    longer = short + OURS * (long - short)
    tasks = [partial(ours, short), partial(ours, longer), partial(theirs, short), partial(theirs, long)]
    rounds = [[seconds(task, CLOCKS[arguments.clock]) for task in tasks] for _ in range(arguments.repeats)]
    least = [min(times) for times in zip(*rounds, strict=True)]
    own, reference = (least[1] - least[0]) / (longer - short), (least[3] - least[2]) / (long - short)
    print(f"{arguments.samples} samples, {arguments.landmarks} groups of 2")
    print(f"{torch.get_num_threads()} threads, {arguments.clock} time")
    print(f"deepgum       {1e3 * own:9.1f} ms an iteration")
    print(f"scikit-learn  {1e3 * reference:9.1f} ms an iteration (GaussianMixture(2) on each pair)")
    print(f"ratio         {reference / own:9.1f}")


if __name__ == "__main__":
    main()
