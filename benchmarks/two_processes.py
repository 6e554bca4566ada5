"""Two processes of one thread each against one process of two threads: the same mixture, and the time of an epoch.

The mixture is fitted to the same residuals by one process and by two. The epochs are those of an interleaved training
(forward and backward passes, EM, held-out score) on images of the faces' size and number that show a spot at each
landmark; the two kinds of run take turns. The first epoch of each run and the first turn warm up and do not count.

    python benchmarks/two_processes.py --turns 5 --epochs 8
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from deepgum.mixture import GaussianUniformMixture
from deepgum.models import build_model
from deepgum.processes import SOLO, TorchProcesses
from deepgum.training import DeepGUMOptions, SGDOptions, fit_deepgum
from training_shares import spots

PARAMETERS = ("priors", "covariances", "log_uniform")


def together(world_size: int, threads: int, task: Callable[[Path, int], Any]) -> list[Any]:
    """Let so many new processes do a task, and return what each came to."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        children = []
        for rank in range(world_size):
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    torch.set_num_threads(threads)
                    dist.init_process_group(
                        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world_size
                    )
                    (folder / f"{rank}.json").write_text(json.dumps(task(folder, rank)))
                    status = 0
                finally:
                    os._exit(status)
            children.append(child)
        ended = [os.waitpid(child, 0)[1] for child in children]
        if any(ended):
            raise SystemExit("A process failed.")
        return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(world_size)]


def fitted(residuals: torch.Tensor, groups: str, world_size: int) -> list[list[float]]:
    """Return the parameters of a mixture fitted to all residuals by each of so many processes."""

    def fit(folder: Path, rank: int) -> list[float]:
        processes = TorchProcesses() if world_size > 1 else SOLO
        share = residuals[rank::world_size]
        state = GaussianUniformMixture(groups=groups, tol=1e-12).fit(share, processes=processes).state_dict()
        return torch.cat([torch.as_tensor(state[name]).flatten() for name in PARAMETERS]).tolist()

    return together(world_size, 1, fit)


def epochs(arguments: argparse.Namespace, world_size: int, threads: int) -> list[float]:
    """Return the seconds of each epoch of a training by so many processes but the first."""

    def train(folder: Path, rank: int) -> list[float]:
        from lightning.fabric import Fabric

        os.environ["LOCAL_RANK"] = str(rank)
        strategy = "ddp" if world_size > 1 else "auto"
        fabric = Fabric(accelerator="cpu", devices=world_size, strategy=strategy, precision=arguments.precision)
        fabric.launch()
        train, validation = (spots(n, 48, seed) for seed, n in enumerate((arguments.n, arguments.n // 9)))
        sgd = SGDOptions(epochs_max=arguments.epochs + 1, patience=arguments.epochs + 1)
        options = DeepGUMOptions(groups="landmark", warmup_epochs=1)
        result = fit_deepgum(
            build_model("facenet", train, 0), train, validation, options=options, sgd=sgd, fabric=fabric
        )
        return [epoch.seconds for epoch in result.history.epochs[1:]]

    return together(world_size, threads, train)[0]


def main() -> None:
    """Print the difference of the mixtures, the seconds and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=3000, help="training images")
    parser.add_argument("--epochs", type=int, default=8, help="of each run that count")
    parser.add_argument("--turns", type=int, default=5, help="runs of each kind that count")
    parser.add_argument("--precision", choices=["32-true", "bf16-mixed"], default="32-true")
    arguments = parser.parse_args()
    # Lightning's own remarks about its set-up.
    warnings.simplefilter("ignore")

    for groups in ("sample", "landmark", "coordinate"):
        residuals = mixed(arguments.n, seed=0)
        (alone,), both = fitted(residuals, groups, 1), fitted(residuals, groups, 2)
        largest = max(abs(two / one - 1) for part in both for one, two in zip(alone, part, strict=True))
        print(f"mixture, groups={groups!r}: {len(alone)} parameters differ by {largest:.1e} at most, relatively")

    kinds = {"one process, two threads": (1, 2), "two processes, one thread each": (2, 1)}
    seconds: dict[str, list[float]] = {name: [] for name in kinds}
    for turn in range(arguments.turns + 1):
        for name, kind in kinds.items():
            found = epochs(arguments, *kind)
            if turn:
                seconds[name].append(statistics.median(found))
    print(f"{arguments.n} images of 48x48, {arguments.precision}, {arguments.turns} turns of {arguments.epochs} epochs")
    for name, values in seconds.items():
        print(f"{name}: {statistics.median(values):.3f} s an epoch ({listed(values)})")
    ratios = [two / one for one, two in zip(*seconds.values(), strict=True)]
    print(f"two processes over one: {statistics.median(ratios):.3f} ({listed(ratios)})")


def mixed(n: int, seed: int) -> torch.Tensor:
    """Return residuals (n, 10) of five landmarks, three in ten of them wrong."""
    generator = torch.Generator().manual_seed(seed)
    wrong = torch.rand(n, 5, 1, generator=generator) < 0.3
    inliers = torch.randn(n, 5, 2, generator=generator)
    return torch.where(wrong, 40 * torch.rand(n, 5, 2, generator=generator) - 20, inliers).reshape(n, 10)


def listed(values: Sequence[float]) -> str:
    return " ".join(f"{value:.3f}" for value in values)


if __name__ == "__main__":
    main()
