"""The content of samples changes with everything that a training sees, and with nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from deepgum.data.content import Content
from deepgum.data.mirror import Mirror
from deepgum.data.regression import RegressionData
from deepgum.errors import InvalidDataError

N = 7


@pytest.fixture
def data() -> RegressionData:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (N, 3, 4, 4), dtype=np.uint8)
    labels = rng.normal(size=(N, 4))
    labels[3, 1] = np.nan
    return RegressionData.from_arrays(
        pixels, labels, ids=[f"im{row}" for row in range(N)], mirror=Mirror.landmarks([(0, 1)], 2)
    )


def with_pixel(data: RegressionData) -> RegressionData:
    pixels = np.array(data.inputs)
    pixels[2, 1, 1, 1] ^= 1
    return replace(data, inputs=pixels)


def with_label(data: RegressionData, row: int = 2, value: float = 0.5) -> RegressionData:
    targets = data.targets.clone()
    targets[row, 0] = value
    return data.with_targets(targets)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (with_pixel, "other inputs: im2"),
        (with_label, "other labels: im2"),
        (lambda data: with_label(data, 3, float("nan")), "other labels: im3"),
        (
            lambda data: replace(data, normaliser=2 * data.normaliser),
            "other labels: im0, im1, im2, im3, im4 and 2 more",
        ),
        (lambda data: replace(data, sample_weight=torch.arange(N) / 3), "other labels: "),
        (lambda data: data.subset(range(N - 1)), "missing samples: im6"),
        (lambda data: replace(data, ids=("new", *data.ids[1:])), "new samples: new; missing samples: im0"),
        (lambda data: data.subset([1, 0, *range(2, N)]), "another order"),
        (lambda data: replace(data, target_names=("a", "b", "c", "d")), "other names or types"),
        (lambda data: replace(data, mirror=None), "other names or types"),
        (lambda data: replace(data, mirrored_inputs=data.inputs), "other inputs: "),
    ],
)
def test_each_change_is_seen_and_named(
    data: RegressionData, change: Callable[[RegressionData], RegressionData], words: str
) -> None:
    before, now = Content.of({"train": data}), Content.of({"train": change(data)})
    assert now.digest != before.digest
    assert words in now.changes(before)


def test_equal_samples_have_equal_content(data: RegressionData) -> None:
    before = Content.of({"train": data})
    for same in (data, replace(data, inputs=torch.as_tensor(np.array(data.inputs)))):
        columns = Content.of({"train": same})
        np.testing.assert_array_equal(columns.inputs, before.inputs)
        np.testing.assert_array_equal(columns.labels, before.labels)
    assert Content.of({"train": data}).changes(before) == ""


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_zero_has_no_sign_and_a_missing_label_no_payload(dtype: torch.dtype) -> None:
    zeros, labels = torch.zeros(2, 1), torch.tensor([[1.0], [float("nan")]])
    other = torch.tensor([0x3F800000, -0x3FFF54], dtype=torch.int32).view(torch.float32).reshape(2, 1)
    assert other[0].item() == 1
    assert other[1].isnan()
    before = Content.of({"": RegressionData.from_arrays(zeros.to(dtype), labels)}, labels.double().numpy())
    now = Content.of({"": RegressionData.from_arrays(-zeros.to(dtype), other)}, -other.double().abs().neg().numpy())
    assert now.changes(before) == ""


def test_the_split_is_part_of_the_content(data: RegressionData) -> None:
    one, other = (Content.of({"train": data.subset(range(end)), "test": data.subset(range(end, N))}) for end in (3, 4))
    assert one.digest != other.digest
    assert other.changes(one) == "samples in another part or group: im3"


def test_samples_with_the_same_name_are_compared_in_their_order(data: RegressionData) -> None:
    twins = replace(data, ids=("im0", "im2", *data.ids[2:]))
    before = Content.of({"train": twins})
    assert Content.of({"train": with_pixel(twins)}).changes(before) == "other inputs: im2"
    assert Content.of({"train": with_label(twins, 1)}).changes(before) == "other labels: im2"
    assert Content.of({"train": twins.subset([0, 1, *range(3, N)])}).changes(before).startswith("missing samples: im2")


def test_further_labels_count(data: RegressionData) -> None:
    given = np.zeros((N, 4))
    before = Content.of({"": data}, given)
    given = given.copy()
    given[5, 2] = 1e-12
    assert Content.of({"": data}, given).changes(before) == "other labels: im5"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_features_of_every_type_are_hashed(dtype: torch.dtype) -> None:
    inputs = torch.linspace(0, 1, 12).reshape(4, 3).to(dtype)
    data = RegressionData.from_arrays(inputs, torch.zeros(4, 1))
    other = replace(data, inputs=inputs + torch.tensor([0, 0, 1]))
    assert Content.of({"": other}).changes(Content.of({"": data})) == "other inputs: 0, 1, 2, 3"


def test_a_written_content_is_read_again(data: RegressionData, tmp_path: Path) -> None:
    content = Content.of({"train": data.subset(range(4)), "test": data.subset(range(4, N))})
    content.write(tmp_path / "content.parquet")
    read = Content.read(tmp_path / "content.parquet")
    assert (read.digest, read.ids, read.parts) == (content.digest, content.ids, content.parts)
    assert read.changes(content) == ""


def test_a_damaged_file_is_refused(data: RegressionData, tmp_path: Path) -> None:
    file = tmp_path / "content.parquet"
    content = Content.of({"train": data})
    content.write(file)
    whole, hashed = file.read_bytes(), content.inputs[3].tobytes()
    damaged = [b"", whole[:-20], b"x" * 200, whole.replace(hashed, bytes([hashed[0] ^ 1]) + hashed[1:])]
    assert whole not in damaged
    for each in damaged:
        file.write_bytes(each)
        with pytest.raises(InvalidDataError, match="should be the content of samples"):
            Content.read(file)
