"""Training on cached features equals training on images, and features are computed once."""

from __future__ import annotations

import copy
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from deepgum.data import row_file
from deepgum.data.batches import ordered_batches, shuffled_batches
from deepgum.data.mirror import Mirror
from deepgum.data.regression import RegressionData
from deepgum.errors import DiskFullError, InvalidDataError, InvalidParameterError
from deepgum.models import Regressor
from deepgum.models.trunk import TrunkAndHead, split_at
from deepgum.trunk_cache import cache_features

N = 23


def images(n: int = N, size: int = 12, seed: int = 0) -> RegressionData:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (n, 3, size, size), generator=generator, dtype=torch.uint8)
    targets = torch.rand(n, 4, generator=generator)
    return RegressionData.from_arrays(pixels, targets, mirror=Mirror.landmarks([(0, 1)], 2))


class Counting(nn.Module):
    """A layer that counts its samples."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def forward(self, x: Tensor) -> Tensor:
        self.seen += len(x)
        return x


@pytest.fixture
def parts() -> TrunkAndHead:
    """Return a split network with batch normalisation and dropout on both sides of the cut."""
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(3, 8, 3),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.Dropout(0.3),
        nn.MaxPool2d(2),
        Counting(),
    ]
    head = [
        nn.ReLU(inplace=True),
        nn.Conv2d(8, 6, 3),
        nn.BatchNorm2d(6),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(54, 4),
    ]
    network = nn.Sequential(*layers, *head).train()
    network(torch.rand(40, 3, 12, 12))
    network.to(memory_format=torch.channels_last)
    split = split_at(network, "5")
    counting(split).seen = 0
    return split


def counting(split: TrunkAndHead) -> Counting:
    return next(module for module in split.modules() if isinstance(module, Counting))


def an_epoch(model: nn.Module, data: RegressionData) -> Tensor:
    """Return the losses of the steps of one epoch, starting from the weights of the model."""
    model = copy.deepcopy(model).train()
    torch.manual_seed(5)  # for dropout
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.05, momentum=0.9)
    losses = []
    for batch in shuffled_batches(data, 6, torch.Generator().manual_seed(7)):
        loss = (model(batch.inputs) - batch.targets).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return torch.tensor(losses, dtype=torch.float64)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float16", 1e-2), ("bfloat16", 5e-2)])
def test_losses_with_and_without_the_cache_agree(
    parts: TrunkAndHead, tmp_path: Path, dtype: str, tolerance: float
) -> None:
    data = images()
    features = cache_features(parts.trunk, data, tmp_path, dtype=dtype, batch_size=5)
    whole, head = (Regressor.for_targets(model, data.targets) for model in (parts, parts.head))
    expected = an_epoch(whole, data)
    torch.testing.assert_close(an_epoch(head, features), expected, rtol=tolerance, atol=0)
    # The agreement is not trivial: other mirroring, or none, gives other losses.
    never = [
        an_epoch(whole, replace(data, mirror=None)),
        an_epoch(head, replace(features, mirrored_inputs=features.inputs)),
    ]
    for losses in never:
        assert ((losses - expected) / expected).abs().max() > tolerance


def test_rows_are_the_outputs_for_the_crop_and_for_its_mirror_image(parts: TrunkAndHead, tmp_path: Path) -> None:
    data = images()
    features = cache_features(parts.trunk, data, tmp_path, batch_size=4)
    pixels = torch.as_tensor(data.inputs).float() / 255
    torch.testing.assert_close(features.inputs, parts.trunk(pixels))
    torch.testing.assert_close(features.mirrored_inputs, parts.trunk(pixels.flip(-1)))
    assert not torch.equal(torch.as_tensor(features.inputs).flip(-1), torch.as_tensor(features.mirrored_inputs))
    assert features.targets is data.targets
    assert (features.ids, features.target_names, features.mirror) == (data.ids, data.target_names, data.mirror)


def test_features_are_channels_last(parts: TrunkAndHead, tmp_path: Path) -> None:
    features = cache_features(parts.trunk, images(), tmp_path)
    batch = next(iter(shuffled_batches(features, 8, torch.Generator().manual_seed(0))))
    assert batch.inputs.is_contiguous(memory_format=torch.channels_last)
    for kept in (features, features.subset([3, 1])):
        assert torch.as_tensor(kept.inputs)[0].permute(1, 2, 0).is_contiguous()
        assert torch.as_tensor(kept.mirrored_inputs)[0].permute(1, 2, 0).is_contiguous()
    assert torch.equal(features.subset([3, 1]).mirrored_inputs, torch.as_tensor(features.mirrored_inputs)[[3, 1]])


def test_half_formats_round_and_take_half_the_space(parts: TrunkAndHead, tmp_path: Path) -> None:
    sizes = {}
    exact = cache_features(parts.trunk, images(), tmp_path / "float32")
    for dtype, kind in (("float32", torch.float32), ("float16", torch.float16), ("bfloat16", torch.bfloat16)):
        features = cache_features(parts.trunk, images(), tmp_path / dtype, dtype=dtype)
        assert torch.equal(features.inputs, torch.as_tensor(exact.inputs).to(kind))
        sizes[dtype] = sum(path.stat().st_size for path in (tmp_path / dtype).glob("*.bin"))
        assert next(ordered_batches(features, 4)).inputs.dtype == torch.float32
    assert sizes == {"float32": N * 2 * 8 * 25 * 4, "float16": N * 2 * 8 * 25 * 2, "bfloat16": N * 2 * 8 * 25 * 2}


def test_the_second_call_computes_one_sample_to_compare(parts: TrunkAndHead, tmp_path: Path) -> None:
    first = cache_features(parts.trunk, images(), tmp_path)
    count = counting(parts)
    assert count.seen == 2 * (N + 1)
    calls: list[tuple[int, int]] = []
    second = cache_features(parts.trunk, images(), tmp_path, on_progress=lambda *done: calls.append(done))
    assert count.seen == 2 * (N + 2)
    assert calls == []
    assert torch.equal(first.inputs, second.inputs)


def test_data_without_mirroring_have_one_row_per_sample(parts: TrunkAndHead, tmp_path: Path) -> None:
    data = replace(images(), mirror=None)
    features = cache_features(parts.trunk, data, tmp_path)
    assert features.mirrored_inputs is None
    assert counting(parts).seen == N + 1
    assert sum(path.stat().st_size for path in tmp_path.glob("*.bin")) == N * 8 * 25 * 4


def test_other_labels_share_the_cache(parts: TrunkAndHead, tmp_path: Path) -> None:
    cache_features(parts.trunk, images(), tmp_path)
    other = images().with_targets(torch.rand(N, 4))
    assert cache_features(parts.trunk, other, tmp_path).targets is other.targets
    assert len(list(tmp_path.glob("*.bin"))) == 1


def test_another_trunk_or_other_crops_or_formats_have_another_cache(parts: TrunkAndHead, tmp_path: Path) -> None:
    def made(trunk: nn.Module = parts.trunk, data: RegressionData | None = None, **options: Any) -> int:
        cache_features(trunk, images() if data is None else data, tmp_path, **options)
        return len(list(tmp_path.glob("*.bin")))

    assert made() == 1
    weights, statistics = copy.deepcopy(parts.trunk), copy.deepcopy(parts.trunk)
    with torch.no_grad():
        next(weights.parameters())[0, 0, 0, 0] += 1e-4
        dict(statistics.named_buffers())["1.running_var"][2] += 1e-4
    assert made(weights) == 2
    assert made(statistics) == 3
    data = images()
    torch.as_tensor(data.inputs)[20, 0, 5, 5] ^= 1
    assert made(data=data) == 4
    assert made(data=images().subset(range(N - 1))) == 5
    assert made(data=replace(images(), mirror=None)) == 6
    assert made(dtype="float16") == 7
    assert made(precision="bf16") == 8
    assert made(nn.Sequential(parts.trunk, nn.ReLU())) == 9
    assert made() == 9


def test_features_of_changed_code_are_computed_again(tmp_path: Path) -> None:
    class Layer(nn.Module):
        factor = 1.0

        def forward(self, x: Tensor) -> Tensor:
            return x * self.factor

    first = cache_features(Layer(), images(), tmp_path)
    Layer.factor = 2.0
    second = cache_features(Layer(), images(), tmp_path)
    assert len(list(tmp_path.glob("*.bin"))) == 1
    pixels = torch.as_tensor(images().inputs) / 255
    torch.testing.assert_close(second.inputs, 2 * pixels)
    torch.testing.assert_close(first.inputs, pixels)  # still open, and whole


@pytest.mark.parametrize("steps", [lambda x: x - 0.5, lambda x: x - 0.5001, lambda x: x.relu()])
def test_the_steps_between_the_layers_of_a_split_network_are_part_of_the_key(tmp_path: Path, steps: Any) -> None:
    class Network(nn.Sequential):
        def forward(self, input: Tensor) -> Tensor:
            return super().forward(steps(input))

    trunk = split_at(Network(nn.Flatten(), nn.Linear(3 * 144, 1)), "0").trunk
    cache_features(nn.Flatten(), images(), tmp_path)
    for same in (trunk, copy.deepcopy(trunk)):
        cache_features(same, images(), tmp_path)
        assert len(list(tmp_path.glob("*.bin"))) == 2
    other = split_at(nn.Sequential(nn.Flatten(), nn.Linear(3 * 144, 1)), "0").trunk
    cache_features(other, images(), tmp_path)
    assert len(list(tmp_path.glob("*.bin"))) == 3


def test_an_interrupted_computation_continues(parts: TrunkAndHead, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done >= 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache_features(parts.trunk, images(), tmp_path, batch_size=5, on_progress=interrupt)
    count = counting(parts)
    before, calls = count.seen, []
    features = cache_features(
        parts.trunk, images(), tmp_path, batch_size=5, on_progress=lambda *done: calls.append(done)
    )
    assert calls == [(15, N), (20, N), (N, N)]
    assert count.seen - before == 2 * (1 + N - 10)
    torch.testing.assert_close(features.inputs, parts.trunk(torch.as_tensor(images().inputs) / 255))


@pytest.mark.fault(4)
def test_damaged_features_are_computed_again(parts: TrunkAndHead, tmp_path: Path) -> None:
    data = images()
    first = torch.as_tensor(cache_features(parts.trunk, data, tmp_path).inputs).clone()
    (file,) = tmp_path.glob("*.bin")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 64
    file.write_bytes(content)
    counting(parts).seen = 0
    again = torch.as_tensor(cache_features(parts.trunk, data, tmp_path).inputs)
    assert torch.equal(again, first)
    assert counting(parts).seen > N


def test_a_disk_that_cannot_hold_the_features_is_refused_before_they_are_computed(
    parts: TrunkAndHead, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 1000

    monkeypatch.setattr("shutil.disk_usage", lambda folder: Usage)
    needed = N * 2 * 8 * 25 * 4 + 65536
    with pytest.raises(DiskFullError, match=rf"{needed} bytes free for features of {N} samples\. Found 1000 "):
        cache_features(parts.trunk, images(), tmp_path)
    assert counting(parts).seen == 2


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (lambda x: (x, x), "a tensor of floats. Found tuple"),
        (lambda x: x.long(), "a tensor of floats. Found torch.int64"),
        (lambda x: x[:1].sum(0), r"shape \(1, \.\.\.\)\. Found \(3, 12, 12\)"),
        (lambda x: x.mean(), r"shape \(1, \.\.\.\)\. Found \(\)"),
        (
            lambda x: torch.where(x.mean((1, 2, 3), keepdim=True) > 0.5, x / 0, x),
            "should be finite. Found infinite or NaN for ",
        ),
    ],
)
def test_a_trunk_with_invalid_outputs_is_refused(tmp_path: Path, layer: Any, message: str) -> None:
    class Layer(nn.Module):
        def forward(self, x: Tensor) -> Any:
            return layer(x)

    with pytest.raises(InvalidDataError, match=message):
        cache_features(Layer(), images(), tmp_path)


def test_samples_with_features_too_large_for_float16_are_named(tmp_path: Path) -> None:
    class Large(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * 1e5

    data = replace(
        images(), inputs=torch.zeros(N, 3, 12, 12, dtype=torch.uint8), ids=tuple(f"face{i}" for i in range(N))
    )
    data.inputs[[7, 9]] = 255
    with pytest.raises(InvalidDataError, match=r"too large for float16: face7, face9\. Use `dtype='bfloat16'`"):
        cache_features(Large(), data, tmp_path, dtype="float16")
    cache_features(Large(), data, tmp_path, dtype="bfloat16")


def test_vectors_and_features_of_features(tmp_path: Path) -> None:
    first = cache_features(nn.AvgPool2d(2), images(), tmp_path)
    second = cache_features(nn.Flatten(), first, tmp_path)
    assert torch.equal(second.inputs, torch.as_tensor(first.inputs).flatten(1))
    assert torch.equal(second.mirrored_inputs, torch.as_tensor(first.mirrored_inputs).flatten(1))


def test_the_mode_of_the_trunk_is_restored(tmp_path: Path) -> None:
    trunk = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2)).train()
    before = copy.deepcopy(trunk.state_dict())
    cache_features(trunk, images(), tmp_path)
    assert trunk.training
    assert all(torch.equal(value, before[name]) for name, value in trunk.state_dict().items())


@pytest.mark.parametrize("options", [{"dtype": "float64"}, {"precision": "float16"}, {"batch_size": 0}])
def test_invalid_options_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameterError, match=next(iter(options))):
        cache_features(nn.Identity(), images(), tmp_path, **options)


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidParameterError, match="`cache_dir` should be a folder that can be written to"):
        cache_features(nn.Identity(), images(), tmp_path / "file" / "cache")


CHILD = """
    import sys, time, torch
    from torch import nn
    from deepgum.data import row_file
    from deepgum.data.regression import RegressionData
    from deepgum.trunk_cache import cache_features

    row_file._SECONDS_BETWEEN_NOTES = 0.0
    slow = lambda done, total: time.sleep(0 if done < 6 else 60)
    inputs = torch.arange(12 * 27, dtype=torch.float32).view(12, 3, 3, 3)
    cache_features(nn.Flatten(), RegressionData.from_arrays(inputs, torch.zeros(12, 1)), sys.argv[1], batch_size=2,
                   on_progress=slow)
"""


@pytest.fixture
def child(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(CHILD), str(tmp_path)])
    yield process
    process.kill()
    process.wait()


def test_a_second_process_waits_and_continues_after_the_first_was_killed(
    child: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_file, "_SECONDS_BETWEEN_TRIES", 0.02)
    inputs = torch.arange(12 * 27, dtype=torch.float32).view(12, 3, 3, 3)
    calls: list[int] = []

    def watch(done: int, total: int) -> None:
        # While it waits, it reports the progress of the other process, which pauses at 6 for a minute.
        if not calls or done != calls[-1]:
            calls.append(done)
        if done == 6:
            child.kill()
            child.wait()

    while not list(tmp_path.glob("*.json")):
        assert child.poll() is None
        time.sleep(0.02)
    features = cache_features(
        nn.Flatten(), RegressionData.from_arrays(inputs, torch.zeros(12, 1)), tmp_path, batch_size=3, on_progress=watch
    )
    assert calls[calls.index(6) :] == [6, 9, 12]
    assert torch.equal(features.inputs, inputs.flatten(1))
