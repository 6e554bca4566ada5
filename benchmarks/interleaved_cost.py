"""The cost of EM after every epoch: an interleaved run over an L2 run of as many epochs, in turn in one process.

Images of the faces' size and number, 48x48 grey, that show a spot at each landmark; 40 % of the landmarks are moved.
Both runs end with the residuals of the training set, as every method's do.

    python benchmarks/interleaved_cost.py --threads 1 --precision bf16
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings

import torch

from deepgum.models import build_model
from deepgum.training import DeepGUMOptions, SGDOptions, fit_deepgum, fit_loss
from training_shares import spots


def main() -> None:
    """Print seconds and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=3000, help="training images")
    parser.add_argument("--epochs", type=int, default=10, help="of each run")
    parser.add_argument("--turns", type=int, default=5, help="runs of each")
    parser.add_argument("--precision", choices=["float32", "bf16"], default="float32")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    warnings.simplefilter("ignore")

    train, validation = (spots(n, 48, seed) for seed, n in enumerate((arguments.n, arguments.n // 9)))
    sgd = SGDOptions(
        epochs_max=arguments.epochs,
        patience=arguments.epochs,
        schedule="one-cycle",
        learning_rate=2e-3,
        precision=arguments.precision,
    )
    options = DeepGUMOptions(groups="landmark", warmup_epochs=min(5, arguments.epochs // 2))

    def l2() -> object:
        return fit_loss(build_model("facenet", train, 0), train, validation, loss="l2", sgd=sgd)

    def interleaved() -> object:
        return fit_deepgum(build_model("facenet", train, 0), train, validation, options=options, sgd=sgd)

    seconds: dict[str, list[float]] = {"l2": [], "interleaved": []}
    for turn in range(arguments.turns + 1):
        for name, run in (("l2", l2), ("interleaved", interleaved)):
            began = time.perf_counter()
            run()
            if turn:  # the first turn warms up
                seconds[name].append(time.perf_counter() - began)
    ratios = [b / a for a, b in zip(seconds["l2"], seconds["interleaved"], strict=True)]

    size = f"{arguments.n} images of 48x48, {arguments.epochs} epochs"
    print(f"{size}, {arguments.precision}, {arguments.threads} threads, {arguments.turns} turns")
    for name, values in seconds.items():
        print(f"{name}: {statistics.median(values):.2f} s ({' '.join(f'{value:.2f}' for value in values)})")
    print(f"interleaved over L2: {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")


if __name__ == "__main__":
    main()
