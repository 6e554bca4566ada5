"""The costs of EM and of the input pipeline, as shares of a training run in the same process.

Trains the default DeepGUM on images of the faces' size and number, 48x48 grey, that show a spot at each landmark; 40 %
of the landmarks are moved. Prints three ratios:

- EM alone: all fits of the mixture, those that score an epoch included, over the whole run;
- EM with the residuals that it needs: a forward pass over the training set a round;
- the input pipeline: a pass over the shuffled, mirrored batches without a network, over an epoch of training.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable

import torch

from deepgum.data.batches import shuffled_batches
from deepgum.data.corruption import corrupt
from deepgum.data.mirror import Mirror
from deepgum.data.regression import RegressionData
from deepgum.mixture import GaussianUniformMixture
from deepgum.models import build_model
from deepgum.residuals import compute_residuals
from deepgum.training import DeepGUMOptions, SGDOptions, fit_deepgum
from deepgum.training.loop.criterion import SCORE_TOL

REPEATS = 5


def spots(n: int, size: int, seed: int) -> RegressionData:
    """Images of noise with a bright spot at each of five landmarks, 40 % of whose labels are wrong."""
    generator = torch.Generator().manual_seed(seed)
    clean = 0.2 + 0.6 * torch.rand(n, 10, generator=generator)
    images = torch.randint(0, 120, (n, 1, size, size), generator=generator, dtype=torch.uint8)
    pixels = (clean * size).long().view(n, 5, 2)
    for mark in range(5):
        images[torch.arange(n), 0, pixels[:, mark, 1], pixels[:, mark, 0]] = 255 - 25 * mark
    targets = corrupt(clean, "l-ugo", 0.4, generator).targets
    return RegressionData.from_arrays(images.numpy(), targets, mirror=Mirror.landmarks([(0, 1), (3, 4)], 5))


def seconds(task: Callable[[], object]) -> float:
    """Return the median seconds of a task."""
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        task()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> None:
    """Print the shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=3000, help="training images")
    parser.add_argument("--image-size", type=int, default=48)
    parser.add_argument("--epochs-max", type=int, default=20, help="epochs of a round")
    parser.add_argument("--rounds-max", type=int, default=2, help="rounds after the first fit")
    parser.add_argument("--precision", choices=["float32", "bf16"], default="float32")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    warnings.simplefilter("ignore")

    train, validation = (spots(n, arguments.image_size, seed) for seed, n in enumerate((arguments.n, arguments.n // 9)))
    sgd = SGDOptions(epochs_max=arguments.epochs_max, precision=arguments.precision)
    options = DeepGUMOptions.preset("alternate", groups="landmark", schedule={"rounds_max": arguments.rounds_max})
    result = fit_deepgum(build_model("facenet", train, 0), train, validation, options=options, sgd=sgd)
    rounds = len(result.history.rounds)

    held_out = compute_residuals(result.model, validation)
    fit = seconds(lambda: GaussianUniformMixture(groups="landmark").fit(result.residuals))
    score = seconds(lambda: GaussianUniformMixture(groups="landmark", tol=SCORE_TOL).fit(held_out))
    em = rounds * fit + (result.epochs + rounds) * score
    with_residuals = rounds * seconds(lambda: compute_residuals(result.model, train, precision=sgd.precision)) + em

    generator = torch.Generator().manual_seed(0)
    pipeline = seconds(lambda: [b.inputs.sum() for b in shuffled_batches(train, sgd.batch_size, generator)])
    epoch = statistics.median(record.seconds for record in result.history.epochs)

    size = f"{arguments.image_size}x{arguments.image_size}"
    print(f"{arguments.n} images of {size}, {arguments.precision}, {arguments.threads} threads")
    print(f"run: {result.seconds:.1f} s, {result.epochs} epochs, {rounds} rounds")
    print(f"a fit of the mixture: {1e3 * fit:.1f} ms; a score of an epoch: {1e3 * score:.1f} ms")
    print(f"EM alone: {em / result.seconds:.2%} of the run")
    print(f"EM with the residuals that it needs: {with_residuals / result.seconds:.2%} of the run")
    print(f"input pipeline: {1e3 * pipeline:.0f} ms of an epoch's {1e3 * epoch:.0f} ms, {pipeline / epoch:.2%}")


if __name__ == "__main__":
    main()
