"""The time that cached outputs of VGG-16's frozen trunk save in an epoch of the paper's fine-tuning.

The last convolutional block, fc6, fc7 and the regression layer are trained by SGD with momentum in batches of 128, all
below is frozen. Epochs without and with the cache take turns in one process, each from the same weights, with the same
seed for order, mirroring and dropout. Prints:

- seconds of an epoch without and with the cache, and their ratio; medians over the turns;
- operations of a training step without and with the trunk, counted, and their ratio;
- how far the losses of the steps differ;
- seconds to make the cache, bytes on disk, and after how many epochs it has paid for itself.

Labels are ages of the UTKFace images in `--data`, in standard deviations, or random ones of random images.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from deepgum.data.batches import shuffled_batches
from deepgum.data.mirror import Mirror
from deepgum.data.regression import RegressionData
from deepgum.data.sets.utkface import load_utkface
from deepgum.models.trunk import TrunkAndHead, split_at
from deepgum.models.vgg import LAST_BLOCK, VGG16
from deepgum.models.weights import load_weights
from deepgum.training.loop.sgd import build_optimizer
from deepgum.training.sgd_options import SGDOptions
from deepgum.trunk_cache import DTYPES, cache_features

SEED = 0


def faces(folder: str | None, n: int, size: int, cache: Path) -> RegressionData:
    """Return n images with a standardised label each, of the folder or made up."""
    generator = torch.Generator().manual_seed(SEED)
    if folder is None:
        images = torch.randint(0, 256, (n, 3, size, size), generator=generator, dtype=torch.uint8)
        return RegressionData.from_arrays(
            images, torch.randn(n, 1, generator=generator), mirror=Mirror((0,), (1,), (0,))
        )
    data = load_utkface(folder, size, cache_dir=cache).data
    data = data.subset(torch.randperm(len(data), generator=generator)[:n])
    return data.with_targets((data.targets - data.targets.mean()) / data.targets.std())


def network(weights: str | None, size: int, fc_width: int) -> TrunkAndHead:
    """Return VGG-16, split as the paper trains it."""
    torch.manual_seed(SEED)
    vgg = VGG16(1, size, fc_width)
    if weights is not None:
        load_weights(vgg, weights, fresh=["classifier."])
    vgg.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing from torch's own signatures
    return split_at(vgg, LAST_BLOCK)


def epoch(model: nn.Module, data: RegressionData, sgd: SGDOptions) -> tuple[float, Tensor]:
    """Train one epoch, and return its seconds and the loss of every step."""
    torch.manual_seed(SEED)  # for dropout
    model.train()
    optimizer = build_optimizer(model, sgd)
    losses = []
    began = time.perf_counter()
    for batch in shuffled_batches(data, sgd.batch_size, torch.Generator().manual_seed(SEED)):
        loss = nn.functional.mse_loss(model(batch.inputs), batch.targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return time.perf_counter() - began, torch.tensor(losses, dtype=torch.float64)


def operations(model: nn.Module, inputs: Tensor) -> int:
    """Return the floating-point operations of a forward and a backward pass, counted, for one sample."""
    model.eval()
    with FlopCounterMode(display=False) as counter:
        model(inputs.contiguous(memory_format=torch.channels_last)).sum().backward()
    model.zero_grad(set_to_none=True)
    return counter.get_total_flops()


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", help="weights of the trunk; random without it")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--data", help="folder of UTKFace images")
    source.add_argument("--synthetic", action="store_true", help="random images (the default without --data)")
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--image-size", type=int, default=112)
    parser.add_argument("--fc-width", type=int, default=4096)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="of the cache that is timed")
    parser.add_argument("--turns", type=int, default=3, help="epochs of each kind")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--cache-dir", help="where the caches are made; a temporary folder without it")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    size = arguments.image_size
    sgd = SGDOptions(optimizer="sgd", learning_rate=1e-4, batch_size=arguments.batch_size)

    if arguments.cache_dir is not None:
        arguments.cache_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=arguments.cache_dir) as name:
        folder = Path(name)
        data = faces(arguments.data, arguments.images, size, folder / "crops")
        model = network(arguments.weights, size, arguments.fc_width)
        start = copy.deepcopy(model.head.state_dict())

        began = time.perf_counter()
        cached = cache_features(model.trunk, data, folder / "timed", dtype=arguments.dtype)
        making = time.perf_counter() - began
        few = data.subset(range(min(8, len(data))))
        size_of = {}
        for dtype in DTYPES:
            cache_features(model.trunk, few, folder / dtype, dtype=dtype)
            size_of[dtype] = sum(file.stat().st_size for file in (folder / dtype).glob("*.bin")) // len(few)
        on_disk = sum(file.stat().st_size for file in (folder / "timed").glob("*.bin"))

        kinds = {"without": (model, data), "with": (model.head, cached)}
        seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
        losses: dict[str, Tensor] = {}
        for turn in range(arguments.turns + 1):
            for kind, (trained, inputs) in kinds.items():
                model.head.load_state_dict(start)
                # The turn before the first is short: it warms up, and is not counted.
                part = inputs if turn else inputs.subset(range(min(sgd.batch_size, len(inputs))))
                spent, losses[kind] = epoch(trained, part, sgd)
                if turn:
                    seconds[kind].append(spent)
        images, features = data.inputs[:1], cached.inputs[:1]
        count = {
            "without": operations(model, torch.as_tensor(images).float() / 255),
            "with": operations(model.head, torch.as_tensor(features).float()),
        }

    median = {kind: statistics.median(values) for kind, values in seconds.items()}
    difference = ((losses["with"] - losses["without"]) / losses["without"]).abs().max().item()
    what = "random images" if arguments.data is None else "UTKFace images"
    print(f"{len(data)} {what} of {size}x{size}, fc6 and fc7 of {arguments.fc_width}, batches of {sgd.batch_size}")
    print(f"cache of {arguments.dtype}; medians of {arguments.turns} epochs; {arguments.threads} threads")
    print(f"weights of the trunk: {Path(arguments.weights).name if arguments.weights else 'random'}")
    for kind in kinds:
        turns = " ".join(f"{value:.2f}" for value in seconds[kind])
        print(f"an epoch {kind} the cache: {median[kind]:.2f} s ({turns}); {count[kind] / 1e9:.3f} GFLOP a sample")
    print(f"faster by {median['without'] / median['with']:.2f}; by operations {count['without'] / count['with']:.2f}")
    print(f"losses of the steps: relative difference at most {difference:.1e}")
    pays = making / (median["without"] - median["with"])
    print(f"making the cache, mirror images included: {making:.1f} s; it pays after {pays:.1f} epochs")
    print(f"bytes on disk: {on_disk}; a sample: " + ", ".join(f"{size_of[dtype]} in {dtype}" for dtype in DTYPES))


if __name__ == "__main__":
    main()
