"""Does the mixture find AFLW2000's impossible angles without being told? Trains on BIWI and AFLW2000 together.

python benchmarks/head_pose_outliers.py --data DIR --out runs/head-pose-outliers

DIR holds biwi_train.npz, biwi_test.npz and aflw2000.npz. Finished runs are not repeated. `deepgum` is one run of 25
epochs down a one-cycle schedule; `deepgum-alternate` is Algorithm 1.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from deepgum.experiments.runs.config import RunConfig
from deepgum.experiments.runs.run import run
from deepgum.experiments.runs.tables import Posteriors

ONE_CYCLE = {"schedule": "one-cycle", "learning_rate": 0.002, "epochs_max": 25, "patience": 25}
TRAINING: dict[str, dict[str, object]] = {"deepgum": ONE_CYCLE, "deepgum-alternate": {}}
LIMIT = 99.0
"""Degrees. Labels of AFLW2000 beyond it are known to be wrong."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the three .npz files")
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--method", choices=TRAINING, default="deepgum")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with np.load(arguments.data / "aflw2000.npz", allow_pickle=False) as arrays:
        beyond = np.flatnonzero((np.abs(arrays["poses"]) > LIMIT).any(axis=1))
    print(f"{len(beyond)} rows of AFLW2000 have an angle beyond {LIMIT:g} degrees")
    for groups in ("sample", "coordinate"):
        for seed in arguments.seeds:
            found(arguments.data, arguments.out / f"{groups}-{seed}", arguments.method, groups, seed, beyond)


def found(data: Path, out: Path, method: str, groups: str, seed: int, beyond: np.ndarray) -> None:
    config = RunConfig.from_mapping(
        {
            "seed": seed,
            "data": {"name": "head-pose", "folder": str(data), "options": {"extra": "aflw2000.npz"}},
            "model": {"name": "mlp"},
            "method": {"name": method, "groups": groups},
            "training": {"batch_size": 128} | TRAINING[method],
        }
    )
    posteriors = Posteriors.read(run(config, out).posteriors)
    lowest = np.nanmin(posteriors.responsibilities, axis=1)
    rows = {name: row for row, name in enumerate(posteriors.sample_ids)}
    wrong = lowest[[rows[f"aflw2000:{row:06d}"] for row in beyond]]
    parts = {name: np.array([key.startswith(name) for key in posteriors.sample_ids]) for name in ("biwi", "aflw2000")}
    flagged = ", ".join(f"{100 * (lowest[part] < 0.5).mean():.1f} % of {name}" for name, part in parts.items())
    print(
        f"{groups}-wise, seed {seed}: {int((wrong < 0.5).sum())} of {len(wrong)} have a responsibility below 0.5 "
        f"(the largest is {wrong.max():.1g}); flagged in all: {flagged}"
    )


if __name__ == "__main__":
    main()
